"""Government: members propose, vote, and what is decided takes effect at the end of the epoch.

Every active member may propose; active members with the validator role vote, one vote each. A
proposal is accepted as soon as enough of all voters said yes, rejected once that is impossible, and
expires when its window ends. Accepted proposals take effect in the block before an epoch's last
one, in the order of their numbers, so that the header of the last block names what follows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from consensus.codec import DecodeError, Value, encode
from consensus.validators import Parameters, ValidatorSet
from contracts import checks
from contracts.api import (
    ADMIN,
    APPROVER,
    Args,
    Checker,
    Context,
    Contract,
    Failure,
    QuerySignature,
    Reader,
    Signature,
    check_arguments,
    fail,
    plain,
)
from contracts.codes import Code
from contracts.receipts import MAX_EVENTS
from contracts.starlark.thread import MAX_SOURCE_BYTES
from contracts.state import StateReader
from contracts.system import contracts, members, membership, packs, sanctions, schedule, statutes
from contracts.system.access import rules
from contracts.system.deliveries import limits

NAME = "governance"
YES, NO = "yes", "no"
OPEN, ACCEPTED, REJECTED, EXPIRED = "open", "accepted", "rejected", "expired"
WITHDRAWN, EXECUTED, FAILED = "withdrawn", "executed", "failed"
MAX_OPEN = 64
MAX_OPEN_EACH = 8
MAX_EFFECTS = 16
"""Proposals that take effect at one boundary; the rest wait for the next."""
MAX_EFFECT_EVENTS = MAX_EVENTS // (2 * MAX_EFFECTS)
MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
MAX_WINDOW_MS = 90 * DAY_MS
PAGE = 50
MAJORITY, SUPERMAJORITY = 5_001, 6_667
"""In basis points of all voters."""
FLOORS = {"delta_cap_ms": 1_000}
"""What a vote may not go below, though a genesis may: a slower network could never vote again."""
_COUNT = b"count"
_PROPOSAL = b"proposal/"
_VOTE = b"vote/"
_OPEN = b"open/"
_ACCEPTED = b"accepted/"
_RULE = b"rule/"
_VERSION = b"version"


@dataclass(frozen=True, slots=True)
class Kind:
    """What can be proposed: its arguments, its effect, and the rule it begins with."""

    apply: Callable[[Context, Args], None]
    arguments: Mapping[str, Checker]
    optional: frozenset[str] = frozenset()
    threshold_bp: int = SUPERMAJORITY
    runs_code: bool = False


# Effects that are not about members


def _set_parameters(ctx: Context, args: Args) -> None:
    changes = args["changes"]
    current = members.parameters(ctx.overlay)
    value = current.to_value()
    for name in changes:
        if name not in value or name == "version":
            fail(Code.BAD_ARGUMENT, plain(f"changes.{name}: is no parameter that a vote sets"))
    for name, floor in FLOORS.items():
        if name in changes and type(changes[name]) is int and changes[name] < floor:
            fail(Code.LOCKS_OUT, f"{name} must be at least {floor}")
    try:
        changed = Parameters.from_value({**value, **changes})
    except DecodeError as error:
        fail(Code.LOCKS_OUT, plain(error.args[0]))
    if changed == current:
        fail(Code.BAD_ARGUMENT, "nothing is to be changed")
    members.write_parameters(ctx, changed)
    ctx.emit("parameters", changes)


def _set_rule(ctx: Context, args: Args) -> None:
    rule: list[Value] = [args["threshold_bp"], args["window_ms"]]
    ctx.put(_RULE + args["kind"].encode("ascii"), rule)
    ctx.emit("rule", [args["kind"], *rule])


def _plan_version(ctx: Context, args: Args) -> None:
    """From now on the version is activated at the first boundary at which it can be.

    The version in force takes back what was planned.
    """
    number = args["version"]
    current = members.parameters(ctx.overlay).version
    if number == current and ctx.get(_VERSION) is not None:
        ctx.delete(_VERSION)
        ctx.emit("version-withdrawn", [number])
        return
    if number <= current:
        fail(Code.WRONG_VERSION, current)
    ctx.put(_VERSION, [number, args.get("height", 0)])
    ctx.emit("version-planned", [number, args.get("height", 0)])


def _activate_version(ctx: Context) -> None:
    """Activate a planned version once its height is reached and a quorum's nodes execute it."""
    planned = ctx.get(_VERSION)
    if planned is None:
        return
    number, height = planned
    if ctx.block.last_height + 1 < height:
        return
    parameters = members.parameters(ctx.overlay)
    seats = members.standing_validators(ctx.overlay)
    ready = [v.name for v in seats if number in members.require(ctx, v.name)["ready"]]
    if len(ready) < ValidatorSet(seats, parameters).quorum:
        ctx.emit("version-waits", [number, len(ready)])
        return
    members.write_parameters(ctx, replace(parameters, version=number))
    ctx.delete(_VERSION)
    ctx.emit("version-activated", [number, ctx.block.last_height + 1])


def _deploy(ctx: Context, args: Args) -> None:
    contracts.deploy(ctx, args["name"], args["source"], args.get("title", ""))


def _upgrade(ctx: Context, args: Args) -> None:
    contracts.upgrade(ctx, args["name"], args["source"])


def _retire(ctx: Context, args: Args) -> None:
    contracts.retire(ctx, args["name"])


# What can be proposed


def _source(value: Value, what: str) -> object:
    """UTF-8 text; the language decides which characters it takes."""
    if type(value) is not str or not 0 < len(value) <= MAX_SOURCE_BYTES:
        raise DecodeError(f"{what}: must be text of 1 to {MAX_SOURCE_BYTES} characters")
    return value


def _changes(value: Value, what: str) -> object:
    if type(value) is not dict or not value:
        raise DecodeError(f"{what}: must be a map of parameters and their values")
    return value


_MEMBER = {"member": checks.slug}
_PLACES: Mapping[str, Checker] = {
    "parent": membership.PARENT,
    "jurisdiction": membership.PLACE,
    "storage": membership.PLACE,
}
_STANDING: Mapping[str, Checker] = {
    "tier": membership.TIER,
    "roles": membership.check_roles,
    **_PLACES,
}
_CODE: Mapping[str, Checker] = {"name": checks.slug, "source": _source}
_THRESHOLD = checks.integer(MAJORITY, 10_000)
_WINDOW = checks.integer(MINUTE_MS, MAX_WINDOW_MS)
KINDS: Mapping[str, Kind] = {
    "admit": Kind(
        membership.admit, {"card": membership.check_card, **_STANDING}, frozenset(_PLACES)
    ),
    "suspend": Kind(membership.suspend, _MEMBER, threshold_bp=MAJORITY),
    "reinstate": Kind(membership.reinstate, _MEMBER),
    "expel": Kind(membership.expel, _MEMBER),
    "change": Kind(membership.change, {**_MEMBER, **_STANDING}, frozenset(_STANDING)),
    "rotate": Kind(membership.rotate, {"card": membership.check_card}),
    "parameters": Kind(_set_parameters, {"changes": _changes}),
    "deploy": Kind(
        _deploy, {**_CODE, "title": checks.text(128)}, frozenset(("title",)),
        threshold_bp=MAJORITY, runs_code=True,
    ),
    "upgrade": Kind(_upgrade, _CODE, threshold_bp=MAJORITY, runs_code=True),
    "retire": Kind(_retire, {"name": checks.slug}, threshold_bp=MAJORITY),
    "version": Kind(
        _plan_version,
        {"version": checks.integer(1, 1 << 16), "height": checks.integer(0, 1 << 53)},
        frozenset(("height",)),
    ),
    "pack": Kind(packs.activate, packs.ARGUMENTS),
    "access": Kind(rules.adopt, rules.ARGUMENTS),
    "ladder": Kind(sanctions.set_ladder, sanctions.LADDER_ARGUMENTS),
    "deliveries": Kind(limits.adopt, limits.ARGUMENTS),
    "statute": Kind(statutes.enact, statutes.ARGUMENTS),
    "rule": Kind(
        _set_rule,
        # The kinds are those of this map, which is not there yet.
        {"kind": checks.slug, "threshold_bp": _THRESHOLD, "window_ms": _WINDOW},
    ),
}  # fmt: skip


def _rule(reader: Reader | Context, kind: str) -> Any:
    """Return [threshold in basis points of all voters, window in ms] of a kind."""
    found = reader.get(_RULE + kind.encode("ascii"))
    return found or [KINDS[kind].threshold_bp, 7 * DAY_MS]


def _needed(voters: int, threshold_bp: int) -> int:
    """Return how many of `voters` must say yes: their share, rounded up."""
    return -(-voters * threshold_bp // 10_000)


def planned_version(state: StateReader) -> int | None:
    """The protocol version that was decided and is not in force yet."""
    planned = Reader(state, NAME).get(_VERSION)
    return None if planned is None else planned[0]


# Methods


def _propose(ctx: Context, args: Args) -> None:
    """Put a proposal to the vote, after its effect has been tried and taken back."""
    kind = KINDS.get(args["kind"])
    if kind is None:
        fail(Code.BAD_ARGUMENT, plain(f"kind: must be one of {', '.join(KINDS)}"))
    check_arguments(kind.arguments, args["args"], kind.optional)
    _check_room(ctx)
    _try(ctx, args["kind"], kind, args["args"])
    threshold_bp, window_ms = _rule(ctx, args["kind"])
    number = (ctx.get(_COUNT) or 0) + 1
    key = checks.number_key(number)
    until = ctx.block.timestamp + args.get("window_ms", window_ms)
    ctx.put(_COUNT, number)
    ctx.put(_OPEN + key, ctx.sender)
    ctx.put(
        _PROPOSAL + key,
        {
            "id": number,
            "kind": args["kind"],
            "args": args["args"],
            "document": args.get("document"),
            "proposer": ctx.sender,
            "height": ctx.block.height,
            "time": ctx.block.timestamp,
            "until": until,
            "threshold_bp": threshold_bp,
            "status": OPEN,
            "tally": None,
            "result": None,
        },
    )
    schedule.add(ctx, until, key)
    ctx.emit("proposed", [number, args["kind"], ctx.sender, until])


def _check_room(ctx: Context) -> None:
    rows = ctx.scan(_OPEN, limit=MAX_OPEN)
    if len(rows) >= MAX_OPEN:
        fail(Code.TOO_MANY_PROPOSALS, MAX_OPEN)
    if sum(proposer == ctx.sender for _, proposer in rows) >= MAX_OPEN_EACH:
        fail(Code.TOO_MANY_PROPOSALS, MAX_OPEN_EACH)


def _try(ctx: Context, name: str, kind: Kind, args: Args) -> None:
    """Let the effect happen and take it back, so that what could not be done is not voted on."""
    if name == "rule" and args["kind"] not in KINDS:
        fail(Code.BAD_ARGUMENT, plain(f"args.kind: must be one of {', '.join(KINDS)}"))
    if kind.runs_code:
        # Parsing and `setup` cost the nodes as much as a transaction may.
        if ctx.thread.left < ctx.block.parameters.max_gas:
            fail(Code.OUT_OF_GAS, ctx.thread.limit)
        ctx.thread.charge(ctx.block.parameters.max_gas)
    mark = ctx.mark()
    try:
        kind.apply(ctx, args)
    finally:
        ctx.roll_back(mark)


def _vote(ctx: Context, args: Args) -> None:
    """Say yes or no, once; it cannot be taken back."""
    key = checks.number_key(args["proposal"])
    proposal = _require_open(ctx, key)
    if ctx.block.timestamp > proposal["until"]:
        fail(Code.VOTE_CLOSED, EXPIRED)
    voters = members.voters(ctx.overlay)
    if ctx.sender not in voters:
        fail(Code.NOT_VOTER, ctx.sender)
    place = _VOTE + key + b"/" + ctx.sender.encode("ascii")
    if ctx.get(place) is not None:
        fail(Code.ALREADY_VOTED, ctx.sender)
    ctx.put(place, [args["choice"], ctx.block.height])
    ctx.emit("voted", [args["proposal"], ctx.sender, args["choice"]])
    yes, no, needed, count = _tally(ctx, key, proposal, voters)
    if yes >= needed:
        ctx.put(_ACCEPTED + key, None)
        _close(ctx, key, proposal, ACCEPTED)
    elif count - no < needed:
        _close(ctx, key, proposal, REJECTED)


def _withdraw(ctx: Context, args: Args) -> None:
    """Take the sender's own open proposal back."""
    key = checks.number_key(args["proposal"])
    proposal = _require_open(ctx, key)
    if proposal["proposer"] != ctx.sender:
        fail(Code.NOT_OWNER, f"proposal {args['proposal']}")
    _close(ctx, key, proposal, WITHDRAWN)


def _require_open(ctx: Context, key: bytes) -> Any:
    proposal = ctx.get(_PROPOSAL + key)
    if proposal is None:
        fail(Code.NOT_FOUND, f"proposal {int.from_bytes(key, 'big')}")
    if proposal["status"] != OPEN:
        fail(Code.VOTE_CLOSED, proposal["status"])
    return proposal


def _tally(
    reader: Reader | Context, key: bytes, proposal: dict[str, Any], voters: list[str]
) -> tuple[int, int, int, int]:
    """Return (yes, no, yes needed, voters); who has lost the vote meanwhile does not count."""
    choices = [row[0] for name, row in _votes(reader, key) if name in voters]
    needed = _needed(len(voters), proposal["threshold_bp"])
    return choices.count(YES), choices.count(NO), needed, len(voters)


def _votes(reader: Reader | Context, key: bytes) -> list[tuple[str, Any]]:
    prefix = _VOTE + key + b"/"
    rows = reader.scan(prefix, limit=1_000)
    return [(place[len(prefix) :].decode("ascii"), row) for place, row in rows]


def _close(ctx: Context, key: bytes, proposal: dict[str, Any], status: str) -> None:
    tally = _tally(ctx, key, proposal, members.voters(ctx.overlay))
    ctx.put(_PROPOSAL + key, {**proposal, "status": status, "tally": [*tally]})
    ctx.delete(_OPEN + key)
    schedule.remove(ctx, proposal["until"], key)
    ctx.emit(status, [proposal["id"], proposal["kind"]])


# What happens by itself


def _on_due(ctx: Context, key: bytes) -> None:
    """The window of a proposal has ended without a decision."""
    proposal = ctx.get(_PROPOSAL + key)
    if proposal is not None and proposal["status"] == OPEN:
        _close(ctx, key, proposal, EXPIRED)


def _on_boundary(ctx: Context) -> None:
    """Carry out what was accepted; what is impossible by now fails with the reason."""
    parameters = ctx.block.parameters
    code_left = max(1, parameters.max_block_gas // parameters.max_gas)
    for place, _ in ctx.scan(_ACCEPTED, limit=MAX_EFFECTS):
        key = place[len(_ACCEPTED) :]
        proposal = ctx.get(_PROPOSAL + key)
        kind = KINDS[proposal["kind"]]
        if kind.runs_code and not code_left:
            continue
        code_left -= kind.runs_code
        status, result = _carry_out(ctx, kind, proposal["args"])
        ctx.delete(place)
        ctx.put(_PROPOSAL + key, {**proposal, "status": status, "result": result})
        ctx.emit(status, [proposal["id"], proposal["kind"]])
    _activate_version(ctx)


def _carry_out(ctx: Context, kind: Kind, args: Args) -> tuple[str, Value]:
    mark = ctx.mark()
    try:
        kind.apply(ctx, args)
        if ctx.mark()[1] - mark[1] > MAX_EFFECT_EVENTS:
            fail(Code.TOO_MANY_EVENTS, MAX_EFFECT_EVENTS)
    except Failure as failure:
        ctx.roll_back(mark)
        return FAILED, [int(failure.code), failure.details, ctx.block.height]
    return EXECUTED, [int(Code.OK), None, ctx.block.height]


# Questions


def _query_get(state: StateReader, args: Args) -> Value:
    """A proposal with its votes and tally, or None."""
    reader, key = Reader(state, NAME), checks.number_key(args["proposal"])
    proposal = reader.get(_PROPOSAL + key)
    if proposal is None:
        return None
    tally = proposal["tally"] or _tally(reader, key, proposal, members.voters(state))
    yes, no, needed, voters = tally
    votes: list[Value] = [[name, *row] for name, row in _votes(reader, key)]
    shown = {name: value for name, value in proposal.items() if name != "tally"}
    return {**shown, "votes": votes, "yes": yes, "no": no, "needed": needed, "voters": voters}


def _query_list(state: StateReader, args: Args) -> Value:
    """Proposals without their arguments, the latest first, below number `before`."""
    reader = Reader(state, NAME)
    count = reader.get(_COUNT) or 0
    top = min(count, args.get("before", count + 1) - 1)
    rows: list[Value] = []
    for number in range(top, max(0, top - PAGE), -1):
        proposal = reader.get(_PROPOSAL + checks.number_key(number))
        rows.append({n: value for n, value in proposal.items() if n not in ("args", "tally")})
    return rows


def _query_rules(state: StateReader, args: Args) -> Value:
    """[threshold in basis points of all voters, window in ms] of every kind."""
    reader = Reader(state, NAME)
    return {kind: _rule(reader, kind) for kind in KINDS}


def _query_version(state: StateReader, args: Args) -> Value:
    """[version, height] that was decided and waits for its height and a quorum, or None."""
    return Reader(state, NAME).get(_VERSION)  # type: ignore[no-any-return]


def _any_map(value: Value, what: str) -> object:
    if type(value) is not dict or len(encode(value)) > MAX_SOURCE_BYTES * 4:
        raise DecodeError(f"{what}: must be a map")
    return value


_DECIDE = (ADMIN, APPROVER)
_NUMBER = {"proposal": checks.integer(1, 1 << 53)}
CONTRACT = Contract(
    NAME,
    methods={
        "propose": Signature(
            _propose,
            {
                "kind": checks.slug,
                "args": _any_map,
                "window_ms": _WINDOW,
                "document": checks.data(32),
            },
            frozenset(("window_ms", "document")),
            duties=_DECIDE,
        ),
        "vote": Signature(_vote, {**_NUMBER, "choice": checks.one_of(YES, NO)}, duties=_DECIDE),
        "withdraw": Signature(_withdraw, _NUMBER, duties=_DECIDE),
    },
    queries={
        "get": QuerySignature(_query_get, _NUMBER),
        "list": QuerySignature(
            _query_list, {"before": checks.integer(1, 1 << 53)}, frozenset(("before",))
        ),
        "rules": QuerySignature(_query_rules, {}),
        "version": QuerySignature(_query_version, {}),
        "pack": packs.query(NAME),
        "statute": statutes.QUERY,
    },
    on_boundary=_on_boundary,
    on_due=_on_due,
)
