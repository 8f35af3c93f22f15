"""What a recipient does: asks, amends, asks again with changes, takes back."""

from __future__ import annotations

from typing import Any

from consensus.codec import DecodeError, Value
from contracts.api import Args, Context, Failure, check_arguments, fail
from contracts.codes import Code
from contracts.starlark.runtime import QUERY_GAS
from contracts.starlark.thread import Thread
from contracts.state import StateReader
from contracts.system import catalogue, operators
from contracts.system.access import grants, store
from contracts.system.access.decide import Decision, plan_of, reasons_of
from contracts.system.access.facts import REQUEST, Facts
from contracts.system.access.process import (
    NOT_WAITING,
    carry_out,
    check_envelope,
    judge,
    stop_waiting,
)

PAGE = 50
_COUNT = b"count"


def make(ctx: Context, args: Args) -> None:
    """Ask for data; it is decided at once, or begins to wait for reviews.

    `standard` is the digest of the one whose fields are meant; another one has other places.
    """
    args = {"statute": None, **args}
    number = (ctx.get(_COUNT) or 0) + 1
    ctx.put(_COUNT, number)
    owner = args["dataset"].partition("/")[0]
    for member in sorted({ctx.sender, owner}):
        store.list_under(ctx, member, number)
    ctx.emit("requested", [number, ctx.sender, args["dataset"]])
    base = {"id": number, "recipient": ctx.sender, "owner": owner, "revision": 1}
    _ask(ctx, base, args, args.get("standard"))


def amend(ctx: Context, args: Args) -> None:
    """Change a request that waits; it is decided anew, and its reviews begin anew."""
    request = _require_own(ctx, args["request"])
    if request["status"] != store.WAITING:
        fail(Code.WRONG_STATUS, [f"request {request['id']}", request["status"]])
    changed = _changed(ctx, request, args["changes"])
    ctx.emit("amended", [request["id"], request["revision"] + 1])
    stopped = stop_waiting(ctx, request)
    _ask(ctx, {**stopped, "revision": request["revision"] + 1}, changed, args.get("standard"))


def clone(ctx: Context, args: Args) -> None:
    """Ask for what an earlier request of the sender asked for, with changes."""
    changed = _changed(ctx, _require_own(ctx, args["request"]), args["changes"])
    make(ctx, {**changed, "standard": args.get("standard")})


def _changed(ctx: Context, request: dict[str, Any], changes: Args) -> Args:
    """Return a request's terms with changes. Places of fields do not outlive their standard."""
    terms = request["args"]
    changed: Args = {**terms, **changes}
    check_arguments(REQUEST, changed)
    if changed["dataset"] != terms["dataset"]:
        fail(Code.BAD_ARGUMENT, "changes.dataset: another dataset needs a request of its own")
    found = catalogue.get(ctx.overlay, changed["dataset"], changed["version"])
    if found is not None and list(found["standard"]) != request["standard"]:
        for word in ("fields", "filter", "key"):
            if word not in changes and terms[word] not in ([], None):
                fail(Code.NEEDS_NEW_REQUEST, f"{word} are others in another standard")
    return changed


def withdraw(ctx: Context, args: Args) -> None:
    """Take a request back that waits, or give a grant back."""
    request = _require_own(ctx, args["request"])
    if request["status"] == store.GRANTED:
        grants.end(ctx, request["id"], grants.ENDED, "given-back")
        return
    if request["status"] != store.WAITING:
        fail(Code.WRONG_STATUS, [f"request {request['id']}", request["status"]])
    store.write_request(ctx, {**stop_waiting(ctx, request), "status": store.WITHDRAWN})
    ctx.emit("withdrawn", [request["id"]])


def _require_own(ctx: Context, number: int) -> Any:
    request = store.require_request(ctx, number)
    if request["recipient"] != ctx.sender:
        fail(Code.NOT_OWNER, f"request {number}")
    return request


def _ask(ctx: Context, base: dict[str, Any], args: Args, standard: bytes | None) -> None:
    """Put terms to the decision, in the name of whoever signs."""
    terms = {term: args[term] for term in store.TERMS}
    check_envelope(ctx, terms["envelope"], terms["dataset"].partition("/")[0])
    if standard is not None:
        found = catalogue.get(ctx.overlay, terms["dataset"], terms["version"])
        if found is not None and found["standard"][2] != standard:
            fail(Code.WRONG_DIGEST, found["standard"][0])
    operator = ctx.operator
    request = {
        **base,
        "args": terms,
        "by": "" if operator is None else operator.name,
        "trained": operator is None or not operator.duties.isdisjoint(operators.NEED_TRAINING),
        "masks": [],
        "reviews": {},
        "standard": None,
        **NOT_WAITING,
    }
    carry_out(ctx, request)


def changes(value: Value, what: str) -> object:
    """Some of a request's arguments; they are checked together with the others."""
    if type(value) is not dict or not value:
        raise DecodeError(f"{what}: must be a map of what is asked for otherwise")
    return value


# Questions


def query_request(state: StateReader, args: Args) -> Value:
    """A request, or None."""
    return store.get_request(state, args["request"])  # type: ignore[no-any-return]


def query_list(state: StateReader, args: Args) -> Value:
    """Requests by or to a member with a number below `before`, the latest first."""
    numbers = store.numbers_of(state, args["member"], args.get("before"), PAGE)
    return [brief_of(state, number) for number in numbers]


def brief_of(state: StateReader, number: int) -> dict[str, Value]:
    """What a list shows of a request."""
    request = store.get_request(state, number)
    terms = {name: request["args"][name] for name in ("dataset", "purpose", "basis", "until")}
    names = ("id", "recipient", "owner", "status", "level", "rule", "time", "waits_for", "deadline")
    return {**{name: request[name] for name in names}, **terms}


def query_preview(state: StateReader, args: Args) -> Value:
    """What would be decided on a request of `recipient` at `time` (ms UTC), without asking."""
    recipient, time = args["recipient"], args["time"]
    terms = {"statute": None} | {name: args[name] for name in REQUEST if name in args}
    request = {
        "recipient": recipient, "args": terms, "trained": args["trained"], "masks": [],
        "standard": None,
    }  # fmt: skip
    return explained(*judge(state, request, time, Thread(QUERY_GAS)))


def query_explain(state: StateReader, args: Args) -> Value:
    """Why a request was decided as it was, and what would be decided at `time` (ms UTC).

    `now` is null, and `fault` says why, where the dataset is retired or destroyed meanwhile.
    """
    request = store.get_request(state, args["request"])
    if request is None:
        fail(Code.NOT_FOUND, f"request {args['request']}")
    try:
        judged = judge(state, request, args["time"], Thread(QUERY_GAS))
    except Failure as failure:
        code = failure.code
        return {"request": request, "now": None, "fault": int(code)}
    return {"request": request, "now": explained(*judged), "fault": 0}


def explained(facts: Facts, decision: Decision) -> dict[str, Value]:
    """A decision as it is shown: the plan, who has to review, and every rule with its reason."""
    return {
        **plan_of(facts, decision),
        "outcome": decision.outcome.name,
        "reviewers": sorted(decision.combined.reviewers),
        "raised": list(decision.grade.raised),
        "reasons": reasons_of(decision),
        "version": facts.registration["version"],
    }
