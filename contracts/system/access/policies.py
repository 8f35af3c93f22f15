"""Owners' own policies: Starlark that may be stricter than the default policy, and never looser.

An owner sets a policy for the datasets whose ids begin with a prefix. A policy is a file with a
function `decide(request)`; it sees the request as a dict (`request_of`) and nothing else, and
returns None or a dict of RESULT. A policy that fails, or says what is not known, denies.
"""

from __future__ import annotations

from typing import Any

from consensus.codec import DecodeError, Value, encode
from consensus.crypto import sha256
from contracts import checks
from contracts.api import Args, Checker, Context, Failure, Reader, fail, plain
from contracts.codes import Code
from contracts.masks import Use, check_use, parse
from contracts.starlark.convert import from_codec, to_codec
from contracts.starlark.errors import StarlarkError
from contracts.starlark.functions import call_function
from contracts.starlark.library import UNIVERSAL
from contracts.starlark.module import Module, load
from contracts.starlark.thread import Thread
from contracts.state import StateReader
from contracts.system import members
from contracts.system.access.decide import Grade, Outcome, Verdict
from contracts.system.access.facts import Facts
from contracts.system.access.rules import NAME, OWNER, REVIEWERS, hours
from contracts.system.standards import CLASSES

MAX_POLICIES = 8
"""Of one owner; each of them that fits is asked on a request."""
MAX_SOURCE = 8 << 10
GAS = 50_000
"""What one policy may use on one request."""
MAX_LOADED = 256
_FAULT = Verdict("policy-fault", Outcome.DENY, ("policy", ()))
_POLICIES = b"policy/"
_SOURCE = b"source/"
_loaded: dict[bytes, Module] = {}
"""Modules by digest of their source: what loading gives is a function of that alone."""


# Setting


def set_policy(ctx: Context, args: Args) -> None:
    """Set the policy of the sender's datasets that begin with a prefix; null takes it away."""
    prefix, source = args["prefix"], args["source"]
    ctx.require_own(prefix)
    key = _POLICIES + ctx.sender.encode("ascii")
    kept: list[Value] = [row for row in ctx.get(key) or [] if row[0] != prefix]
    digest = None
    if source is not None:
        if len(kept) >= MAX_POLICIES:
            fail(Code.TOO_MANY_POLICIES, MAX_POLICIES)
        # Parsing costs the nodes as much as a transaction may.
        if ctx.thread.left < ctx.block.parameters.max_gas:
            fail(Code.OUT_OF_GAS, ctx.thread.limit)
        ctx.thread.charge(ctx.block.parameters.max_gas)
        digest = sha256(source.encode("utf-8"))
        load_policy(source)
        ctx.put(_SOURCE + digest, source)
        kept.append([prefix, digest])
    ctx.put(key, sorted(kept, key=encode))
    ctx.emit("policy", [ctx.sender, prefix, digest])


def load_policy(source: str) -> Module:
    """Raises Failure with the line if it is no policy."""
    digest = sha256(source.encode("utf-8"))
    found = _loaded.get(digest)
    if found is not None:
        return found
    try:
        module = load("policy", source, UNIVERSAL)
    except StarlarkError as error:
        fail(Code.BAD_SOURCE, fault_of(error))
    function = module.function("decide")
    if function is None or [formal.kind for formal in function.code.formals] != [""]:
        fail(Code.BAD_SOURCE, "policy: needs a function decide(request)")
    if len(_loaded) >= MAX_LOADED:
        del _loaded[next(iter(_loaded))]
    _loaded[digest] = module
    return module


def fault_of(error: StarlarkError) -> str:
    """Where a policy failed, and why."""
    line = f"{error.trace[0].line}: " if error.trace else ""
    return plain(f"policy:{line}{error.message}")


# Asking


def ask_policies(
    state: StateReader, facts: Facts, grade: Grade, thread: Thread
) -> tuple[list[Verdict], list[bytes]]:
    """Return what the owner's policies say, and their digests. `thread` pays for them."""
    reader = Reader(state, NAME)
    dataset = facts.args["dataset"]
    rows = reader.get(_POLICIES + facts.owner["name"].encode("ascii")) or []
    digests = [digest for prefix, digest in rows if dataset.startswith(prefix)]
    if not digests:
        return [], []
    request = request_of(facts, grade)
    places = {field.name: index for index, field in enumerate(facts.fields)}
    verdicts: list[Verdict] = []
    for digest in digests:
        if thread.left < GAS:
            fail(Code.OUT_OF_GAS, thread.limit)
        own = Thread(GAS)
        verdict = ask(reader.get(_SOURCE + digest), request, places, own)
        thread.charge(own.used)
        verdicts.append(verdict if _are_known(state, verdict) else _FAULT)
    return verdicts, digests


def _are_known(state: StateReader, verdict: Verdict) -> bool:
    """Whether the members that are to review exist."""
    named = [name.partition("/")[2] for name in verdict.reviewers if "/" in name]
    return all(members.peek(state, name) is not None for name in named)


def ask(source: str, request: dict[str, Value], places: dict[str, int], thread: Thread) -> Verdict:
    """Return what one policy says; `places` are those of the fields by name."""
    try:
        return verdict_of(run(source, request, thread), places)
    except (StarlarkError, DecodeError, Failure):
        return _FAULT


def run(source: str, request: dict[str, Value], thread: Thread) -> Value:
    """Return what a policy's function returns. Raises StarlarkError, or Failure on loading."""
    function = load_policy(source).function("decide")
    assert function is not None, "load_policy has found it"
    result = call_function(thread, function, [from_codec(thread, request)], {})
    return to_codec(thread, result)


def request_of(facts: Facts, grade: Grade) -> dict[str, Value]:
    """What a policy sees of a request; the docs describe it."""
    args, recipient = facts.args, facts.recipient

    def field(index: int) -> dict[str, Value]:
        found = facts.fields[index]
        return {
            "name": found.name, "type": found.type, "level": found.level,
            "class": CLASSES[found.grade],
        }  # fmt: skip

    roles: list[Value] = [*recipient["roles"]]
    return {
        "dataset": args["dataset"],
        "version": facts.registration["version"],
        "is_series": args["version"] is None,
        "level": grade.level,
        "class": CLASSES[grade.grade],
        "fields": [field(index) for index in args["fields"]],
        "filter": [{**field(index), "operator": operator} for index, operator in args["filter"]],
        "key": None if args["key"] is None else field(args["key"]),
        "purpose": args["purpose"],
        "basis": args["basis"],
        "kind": args["kind"],
        "mode": args["mode"],
        "rows": args["rows"],
        "days": facts.days,
        "retention_days": args["retention_days"],
        "onward": args["onward"],
        "time": facts.time,
        "is_crossing": facts.is_crossing,
        "recipient": {
            "roles": roles,
            **{
                word: recipient[word]
                for word in ("name", "tier", "parent", "jurisdiction", "storage")
            },
        },
    }


# What a policy may say


def _reviewer(value: Value, what: str) -> object:
    """One of REVIEWERS, or member/NAME."""
    kind, slash, name = value.partition("/") if type(value) is str else ("", "", "")
    if value not in REVIEWERS:
        if kind != "member" or not slash:
            raise DecodeError(f"{what}: must be {', '.join(REVIEWERS)} or member/NAME")
        checks.slug(name, what)
    return value


def _masks(value: Value, what: str) -> object:
    """Masks by the names of fields, as a list of pairs."""
    rows: Any = checks.list_of(_pair, 64)(value, what)
    return rows


def _pair(value: Value, what: str) -> object:
    if type(value) is not list or len(value) != 2 or type(value[0]) is not str:
        raise DecodeError(f"{what}: must be a field's name and a mask")
    return check_use(value[1], what)


RESULT: dict[str, Checker] = {
    "outcome": checks.one_of("approve", "review", "deny"),
    "rule": checks.slug,
    "reviewers": checks.list_of(_reviewer, 8),
    "masks": _masks,
    "hours": hours,
    "k": checks.integer(0, 1_000),
    "audited": checks.boolean,
}
"""What a policy may return; `outcome` and `rule` are needed, `masks` are [field, mask] pairs."""
_OUTCOMES = {"approve": Outcome.APPROVE, "review": Outcome.REVIEW, "deny": Outcome.DENY}
_NEEDED = ("outcome", "rule")


def verdict_of(result: Value, places: dict[str, int]) -> Verdict:
    """Read what a policy returned. Raises DecodeError on what is not known."""
    if result is None:
        return Verdict("policy-silent")
    if type(result) is not dict or not result.keys() <= RESULT.keys():
        raise DecodeError(f"a policy returns None or a dict of {', '.join(RESULT)}")
    if not all(word in result for word in _NEEDED):
        raise DecodeError("a policy names its outcome and its rule")
    said: Any = result
    for word, value in said.items():
        RESULT[word](value, word)
    outcome = _OUTCOMES[said["outcome"]]
    reviewers = frozenset(said.get("reviewers", ()))
    if outcome is not Outcome.REVIEW and reviewers:
        raise DecodeError("reviewers: only a policy that says review has them")
    if outcome is Outcome.REVIEW and not reviewers:
        reviewers = frozenset((OWNER,))
    window = said.get("hours")
    return Verdict(
        f"policy.{said['rule']}",
        outcome,
        None if outcome is Outcome.APPROVE else ("policy", ()),
        reviewers,
        frozenset(_located(places, name, mask) for name, mask in said.get("masks", ())),
        frozenset() if window is None else frozenset((tuple(window),)),
        said.get("k", 0),
        said.get("audited", False),
    )


def _located(places: dict[str, int], name: str, mask: Any) -> tuple[int, Use]:
    if name not in places:
        raise DecodeError("masks: a field that the standard does not have")
    return places[name], parse(mask, name)


# Questions


def query_policies(state: StateReader, args: Args) -> Value:
    """An owner's policies: {prefix, digest, source} of each."""
    reader = Reader(state, NAME)
    rows = reader.get(_POLICIES + args["owner"].encode("ascii")) or []
    return [
        {"prefix": prefix, "digest": digest, "source": reader.get(_SOURCE + digest)}
        for prefix, digest in rows
    ]


def prefix(value: Value, what: str) -> object:
    """OWNER/ and the beginning of a name, which may be empty."""
    if type(value) is str and value.endswith("/") and value.count("/") == 1:
        return checks.slug(value[:-1], what)
    return checks.owned_id(value, what)


def source(value: Value, what: str) -> object:
    """UTF-8 text; the language decides which characters it takes."""
    if type(value) is not str or not 0 < len(value) <= MAX_SOURCE:
        raise DecodeError(f"{what}: must be text of 1 to {MAX_SOURCE} characters")
    return value
