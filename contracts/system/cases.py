"""Cases: what supervisors look into, step by step, so that nobody can rewrite how it went.

A supervisor opens a case; any other member reports one, which a supervisor then takes. Whoever a
case is about may comment and attach evidence, and decides nothing in it. Words are in sealed
envelopes; the chain holds codes, numbers and digests.
"""

from __future__ import annotations

from typing import Any

from consensus.codec import Value
from contracts import checks
from contracts.api import (
    APPROVER,
    AUDITOR,
    NODE,
    Args,
    Context,
    Contract,
    QuerySignature,
    Reader,
    Signature,
    fail,
)
from contracts.codes import Code
from contracts.state import StateReader
from contracts.system import envelopes, members

NAME = "cases"
SUPERVISOR = "supervisor"
KINDS = ("anomaly", "breach", "dispute", "integrity", "leak", "node", "overdue", "quality", "other")
DISPOSITIONS = ("confirmed", "unfounded", "expected", "duplicate")
"""What a case came to; `expected`: it happened, and was right."""
REPORTED, OPEN, ASSIGNED, DISPOSED, CLOSED = "reported", "open", "assigned", "disposed", "closed"
MAX_STEPS = 1_000
MAX_ALERTS = 64
PAGE = 100
_COUNT = b"count"
_CASE = b"case/"
_STEP = b"step/"
_KIND = b"kind/"
_MEMBER = b"member/"


def require_supervisor(ctx: Context, about: str | None) -> None:
    """Fail unless the sender is a supervisor and not the one whom it is about."""
    if SUPERVISOR not in members.peek(ctx.overlay, ctx.sender)["roles"]:
        fail(Code.NOT_SUPERVISOR, ctx.sender)
    if ctx.sender == about:
        fail(Code.OWN_CASE, ctx.sender)


def check_envelope(ctx: Context, envelope: bytes | None) -> None:
    """Words are sealed by who says them."""
    if envelope is None:
        return
    anchor = envelopes.get(ctx.overlay, envelope)
    if anchor is None or anchor["sender"] != ctx.sender:
        fail(Code.NOT_FOUND, f"envelope {envelope.hex()[:16]}")


def _open(ctx: Context, args: Args) -> None:
    """Begin a case; from others than supervisors it is a report."""
    check_envelope(ctx, args["envelope"])
    about = args["member"]
    if about is not None:
        members.require(ctx, about)
    roles = members.peek(ctx.overlay, ctx.sender)["roles"]
    is_supervisor = SUPERVISOR in roles and ctx.sender != about
    number = (ctx.get(_COUNT) or 0) + 1
    ctx.put(_COUNT, number)
    case = {
        "id": number,
        "kind": args["kind"],
        "severity": args["severity"],
        "opener": ctx.sender,
        "member": about,
        "dataset": args["dataset"],
        "grant": args["grant"],
        "alerts": args["alerts"],
        "status": OPEN if is_supervisor else REPORTED,
        "assignee": None,
        "disposition": None,
        "steps": 0,
        "height": ctx.block.height,
        "time": ctx.block.timestamp,
    }
    key = checks.number_key(number)
    ctx.put(_KIND + args["kind"].encode("ascii") + b"/" + key, None)
    if about is not None:
        ctx.put(_MEMBER + about.encode("ascii") + b"/" + key, None)
    _write(ctx, case, "opened", [case["status"], args["envelope"]])


def _assign(ctx: Context, args: Args) -> None:
    """Say which supervisor, and which of its operators, looks into it."""
    case = _require(ctx, args["case"], (REPORTED, OPEN, ASSIGNED))
    require_supervisor(ctx, case["member"])
    record = members.require(ctx, args["member"])
    if SUPERVISOR not in record["roles"] or args["member"] == case["member"]:
        fail(Code.NOT_SUPERVISOR, args["member"])
    assignee = [args["member"], args["operator"]]
    _write(ctx, {**case, "status": ASSIGNED, "assignee": assignee}, "assigned", assignee)


def _comment(ctx: Context, args: Args) -> None:
    """A party to the case adds a sealed text."""
    case = _require(ctx, args["case"], (REPORTED, OPEN, ASSIGNED, DISPOSED))
    _require_party(ctx, case)
    check_envelope(ctx, args["envelope"])
    _write(ctx, case, "commented", [args["envelope"]])


def _attach(ctx: Context, args: Args) -> None:
    """Name a piece of evidence by its digest; `kind` says what it is, such as receipt."""
    case = _require(ctx, args["case"], (REPORTED, OPEN, ASSIGNED, DISPOSED))
    _require_party(ctx, case)
    check_envelope(ctx, args["envelope"])
    _write(ctx, case, "attached", [args["kind"], args["digest"], args["envelope"]])


def _dispose(ctx: Context, args: Args) -> None:
    """Say what it came to."""
    case = _require(ctx, args["case"], (OPEN, ASSIGNED))
    require_supervisor(ctx, case["member"])
    check_envelope(ctx, args["envelope"])
    made = {**case, "status": DISPOSED, "disposition": args["disposition"]}
    _write(ctx, made, "disposed", [args["disposition"], args["envelope"]])


def _close(ctx: Context, args: Args) -> None:
    """A supervisor closes a case that has been decided."""
    case = _require(ctx, args["case"], (DISPOSED,))
    require_supervisor(ctx, case["member"])
    _write(ctx, {**case, "status": CLOSED}, "closed", [])


def _reopen(ctx: Context, args: Args) -> None:
    """A supervisor takes a decided or closed case up again; its decision falls."""
    case = _require(ctx, args["case"], (DISPOSED, CLOSED))
    require_supervisor(ctx, case["member"])
    _write(ctx, {**case, "status": OPEN, "disposition": None}, "reopened", [])


def _require(ctx: Context, number: int, statuses: tuple[str, ...]) -> Any:
    case = ctx.get(_CASE + checks.number_key(number))
    if case is None:
        fail(Code.NOT_FOUND, f"case {number}")
    if case["status"] not in statuses:
        fail(Code.WRONG_STATUS, case["status"])
    return case


def _require_party(ctx: Context, case: dict[str, Any]) -> None:
    roles = members.peek(ctx.overlay, ctx.sender)["roles"]
    if SUPERVISOR not in roles and ctx.sender not in (case["opener"], case["member"]):
        fail(Code.NOT_PARTY_OF_CASE, ctx.sender)


def _write(ctx: Context, case: dict[str, Any], what: str, data: list[Any]) -> None:
    """Keep the case and one more step of its history."""
    if case["steps"] >= MAX_STEPS:
        fail(Code.TOO_MANY_STEPS, MAX_STEPS)
    case["steps"] += 1
    key = checks.number_key(case["id"])
    operator = None if ctx.operator is None else ctx.operator.name
    step: list[Value] = [what, ctx.sender, operator, ctx.block.timestamp, ctx.block.height, data]
    ctx.put(_CASE + key, case)
    ctx.put(_STEP + key + checks.number_key(case["steps"]), step)
    ctx.emit(what, [case["id"], case["kind"], case["severity"], case["member"], *data])


def get(state: StateReader, number: int) -> Any:
    """Return a case (a map), or None."""
    return Reader(state, NAME).get(_CASE + checks.number_key(number))


def _query_get(state: StateReader, args: Args) -> Value:
    """A case with its steps, or null."""
    return get(state, args["case"])  # type: ignore[no-any-return]


def _query_steps(state: StateReader, args: Args) -> Value:
    """[what, member, operator, time (ms UTC), height, data] of a case above step `after`."""
    prefix = _STEP + checks.number_key(args["case"])
    start = prefix + checks.number_key(args["after"]) if "after" in args else b""
    return [row for _, row in Reader(state, NAME).scan(prefix, start, PAGE)]


def _query_list(state: StateReader, args: Args) -> Value:
    """Cases below number `before`, the latest first."""
    reader = Reader(state, NAME)
    top = min(args.get("before", 1 << 62), (reader.get(_COUNT) or 0) + 1)
    numbers = range(top - 1, max(0, top - 1 - PAGE), -1)
    return [reader.get(_CASE + checks.number_key(number)) for number in numbers]


def _query_by(prefix: bytes, name: str) -> QuerySignature:
    """Cases of a kind or about a member above number `after`."""

    def run(state: StateReader, args: Args) -> Value:
        """Cases by number above `after`, a page of them."""
        reader, place = Reader(state, NAME), prefix + args[name].encode("ascii") + b"/"
        start = place + checks.number_key(args["after"]) if "after" in args else b""
        return [reader.get(_CASE + key[-8:]) for key, _ in reader.scan(place, start, PAGE)]

    arguments = {name: checks.slug, "after": _NUMBER}
    return QuerySignature(run, arguments, frozenset(("after",)))


_NUMBER = checks.integer(1, 1 << 48)
_ENVELOPE = checks.optional(checks.data(32))
_CASE_ARGUMENT = {"case": _NUMBER}
_WORDS = {**_CASE_ARGUMENT, "envelope": _ENVELOPE}
_DUTIES = (APPROVER, AUDITOR)

CONTRACT = Contract(
    NAME,
    methods={
        "open": Signature(
            _open,
            {
                "kind": checks.one_of(*KINDS),
                "severity": checks.integer(1, 4),
                "member": checks.optional(checks.slug),
                "dataset": checks.optional(checks.owned_id),
                "grant": checks.optional(_NUMBER),
                "alerts": checks.list_of(_NUMBER, MAX_ALERTS),
                "envelope": _ENVELOPE,
            },
            duties=(*_DUTIES, NODE),
        ),
        "assign": Signature(
            _assign,
            {**_CASE_ARGUMENT, "member": checks.slug, "operator": checks.optional(checks.slug)},
            duties=_DUTIES,
        ),
        "comment": Signature(
            _comment, {**_CASE_ARGUMENT, "envelope": checks.data(32)}, duties=_DUTIES
        ),
        "attach": Signature(
            _attach, {**_WORDS, "kind": checks.slug, "digest": checks.data(32)}, duties=_DUTIES
        ),
        "dispose": Signature(
            _dispose, {**_WORDS, "disposition": checks.one_of(*DISPOSITIONS)}, duties=(APPROVER,)
        ),
        "close": Signature(_close, _CASE_ARGUMENT, duties=(APPROVER,)),
        "reopen": Signature(_reopen, _CASE_ARGUMENT, duties=(APPROVER,)),
    },
    queries={
        "get": QuerySignature(_query_get, _CASE_ARGUMENT),
        "steps": QuerySignature(
            _query_steps, {**_CASE_ARGUMENT, "after": _NUMBER}, frozenset(("after",))
        ),
        "list": QuerySignature(_query_list, {"before": _NUMBER}, frozenset(("before",))),
        "of_kind": _query_by(_KIND, "kind"),
        "about": _query_by(_MEMBER, "member"),
    },
)
