"""Runs in which members learn the sum of their numbers, of which nobody learns another's.

Members join by committing to a number that is made of a registered version of theirs; then each
posts the digest of its share, and only when all have does a share go out, off the chain. Each says
then whether the sum came about, or whom it names. Every step has a term in block time: who is
silent is named, and the others may begin again without exactly those. The same numbers are not
summed again among others, since the difference would be somebody's number.
"""

from __future__ import annotations

from typing import Any

from consensus.codec import DecodeError, Value
from contracts import checks
from contracts.api import (
    NODE,
    STEWARD,
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
from contracts.system import members, schedule, standards
from contracts.system.intersections import require_field

NAME = "sums"
JOINING, SHARING, REPORTING = "joining", "sharing", "reporting"
DONE, VOID, FAILED = "done", "void", "failed"
MIN_MEMBERS, MAX_MEMBERS = 3, 16
MIN_WINDOW_MS, MAX_WINDOW_MS = 60_000, 90 * 24 * 60 * 60 * 1_000
MAX_DECIMALS = 6
PAGE = 100
_COUNT = b"count"
_RUN = b"run/"
_INPUT = b"input/"
_OPEN = b"open/"


def get(state: StateReader, number: int) -> Any:
    """Return a run (a map), or None."""
    return Reader(state, NAME).get(_RUN + checks.number_key(number))


def _propose(ctx: Context, args: Args) -> None:
    """Call members together; `after` is a run that failed, which goes on without whom it named."""
    names = args["members"]
    if ctx.sender not in names:
        fail(Code.NOT_IN_SUM, ctx.sender)
    for name in names:
        record = members.get(ctx.overlay, name)
        if record is None or record["status"] != members.ACTIVE:
            fail(Code.NOT_ACTIVE, name)
    after = args.get("after")
    if after is not None:
        failed = _require(ctx, after, FAILED)
        left = [name for name in failed["members"] if name not in failed["named"]]
        if names != left or args["label"] != failed["label"]:
            fail(Code.BAD_ARGUMENT, f"members: run {after} goes on with {' '.join(left)}")
    number = (ctx.get(_COUNT) or 0) + 1
    ctx.put(_COUNT, number)
    run = {
        "id": number, "by": ctx.sender, "label": args["label"], "members": names, "after": after,
        "decimals": args["decimals"], "window_ms": args["window_ms"], "due": None,
        "status": JOINING, "joined": {}, "shares": {}, "reports": {}, "named": [],
    }  # fmt: skip
    for name in names:
        ctx.put(_open(name, number), None)
    _wait(ctx, run)
    ctx.emit("proposed", [number, ctx.sender, args["label"], names, after])


def _join(ctx: Context, args: Args) -> None:
    """A member commits to its number and names what it is made of."""
    run = _current(ctx, args["run"], JOINING, "joined")
    dataset, version, field = args["dataset"], args["version"], args["field"]
    ctx.require_own(dataset)
    require_field(ctx, dataset, version, field)
    key = _input(dataset, version, field)
    before = ctx.get(key)
    if before not in (None, run["after"]) and get(ctx.overlay, before)["status"] != VOID:
        fail(Code.ALREADY_ASKED, f"sum {before}")
    ctx.put(key, run["id"])
    run["joined"][ctx.sender] = [args["commitment"], args["key"], dataset, version, field]
    ctx.emit("joined", [run["id"], ctx.sender, dataset, version, args["commitment"]])
    _step(ctx, run, "joined", SHARING)


def _share(ctx: Context, args: Args) -> None:
    """A member commits to its share, which it shows once all have."""
    run = _current(ctx, args["run"], SHARING, "shares")
    run["shares"][ctx.sender] = args["share"]
    ctx.emit("shared", [run["id"], ctx.sender, args["share"]])
    _step(ctx, run, "shares", REPORTING)


def _report(ctx: Context, args: Args) -> None:
    """A member says that it has the sum, or whose share is missing or departs.

    More than half who have it make it done. Members are named where all others name exactly them:
    whoever all others are can work out what those have in sum anyway.
    """
    run = _current(ctx, args["run"], REPORTING, "reports")
    named = args["named"]
    if ctx.sender in named or not set(named) <= set(run["members"]):
        fail(Code.BAD_ARGUMENT, "named: must be other members of the run")
    reports = run["reports"]
    reports[ctx.sender] = named
    ctx.emit("reported", [run["id"], ctx.sender, named])
    others = [name for name in run["members"] if name not in named]
    if 2 * sum(not each for each in reports.values()) > len(run["members"]):
        _end(ctx, run, DONE, [])
    elif named and all(reports.get(name) == named for name in others):
        _end(ctx, run, FAILED, named)
    else:
        _put(ctx, run)


def _on_due(ctx: Context, identity: bytes) -> None:
    """A term is over: whoever has not taken the step is named."""
    run = get(ctx.overlay, int.from_bytes(identity, "big"))
    word = {JOINING: "joined", SHARING: "shares", REPORTING: "reports"}.get(run["status"])
    if word is None:
        return
    silent = [name for name in run["members"] if name not in run[word]]
    if run["status"] == REPORTING:
        silent = []  # all shares are bound: who is left out now might be told by the difference
    _end(ctx, run, VOID if run["status"] == JOINING else FAILED, silent)


def _current(ctx: Context, number: int, status: str, word: str) -> Any:
    """Return a run whose step the sender, one of its members, may take now."""
    run = _require(ctx, number, status)
    if ctx.sender not in run["members"]:
        fail(Code.NOT_IN_SUM, ctx.sender)
    if ctx.sender in run[word]:
        fail(Code.EXISTS, f"sum {number}")
    if ctx.block.timestamp > run["due"]:
        fail(Code.TERM_OVER, run["due"])
    return run


def _require(ctx: Context, number: int, status: str) -> Any:
    run = get(ctx.overlay, number)
    if run is None:
        fail(Code.NOT_FOUND, f"sum {number}")
    if run["status"] != status:
        fail(Code.WRONG_STATUS, [f"sum {number}", run["status"]])
    return run


def _step(ctx: Context, run: Any, word: str, status: str) -> None:
    """Go on to the next step once all have taken this one."""
    if len(run[word]) == len(run["members"]):
        _unschedule(ctx, run)
        run["status"] = status
        _wait(ctx, run)
    else:
        _put(ctx, run)


def _wait(ctx: Context, run: Any) -> None:
    run["due"] = ctx.block.timestamp + run["window_ms"]
    schedule.add(ctx, run["due"] + 1, checks.number_key(run["id"]))
    _put(ctx, run)


def _unschedule(ctx: Context, run: Any) -> None:
    schedule.remove(ctx, run["due"] + 1, checks.number_key(run["id"]))


def _end(ctx: Context, run: Any, status: str, named: list[str]) -> None:
    _unschedule(ctx, run)
    for name in run["members"]:
        ctx.delete(_open(name, run["id"]))
    _put(ctx, {**run, "status": status, "named": named})
    told: list[Value] = [*named]
    ctx.emit(status, [run["id"], told])


def _put(ctx: Context, run: Any) -> None:
    ctx.put(_RUN + checks.number_key(run["id"]), run)


def _open(member: str, number: int) -> bytes:
    return _OPEN + member.encode("ascii") + b"/" + checks.number_key(number)


def _input(dataset: str, version: int, field: int | None) -> bytes:
    """A column of a version; field 0 is the number of records, others count from 1."""
    place = checks.number_key(version) + checks.number_key(0 if field is None else field + 1)
    return _INPUT + dataset.encode("ascii") + b" " + place


def _query_get(state: StateReader, args: Args) -> Value:
    """A run and how far it is, or null."""
    return get(state, args["run"])  # type: ignore[no-any-return]


def _query_open(state: StateReader, args: Args) -> Value:
    """Runs of a member that have not ended, by number above `after`."""
    prefix = _open(args["member"], 0)[:-8]
    rows = Reader(state, NAME).scan(prefix, _open(args["member"], args.get("after", 0)), PAGE)
    return [get(state, int.from_bytes(key[-8:], "big")) for key, _ in rows]


def _names(least: int) -> Any:
    """Members' names, sorted and distinct."""

    def check(value: Value, what: str) -> object:
        rows: Any = checks.list_of(checks.slug, MAX_MEMBERS)(value, what)
        if rows != sorted(set(rows)) or len(rows) < least:
            raise DecodeError(f"{what}: must be at least {least} names, sorted and distinct")
        return value

    return check


_NUMBER = {"run": checks.integer(1, 1 << 53)}
_DIGEST = checks.data(32)
_BY_NODE = (STEWARD, NODE)
CONTRACT = Contract(
    NAME,
    methods={
        "propose": Signature(
            _propose,
            {
                "label": checks.slug,
                "members": _names(MIN_MEMBERS),
                "decimals": checks.integer(0, MAX_DECIMALS),
                "window_ms": checks.integer(MIN_WINDOW_MS, MAX_WINDOW_MS),
                "after": checks.integer(1, 1 << 53),
            },
            frozenset(("after",)),
            duties=(STEWARD,),
        ),
        "join": Signature(
            _join,
            {
                **_NUMBER,
                "dataset": checks.owned_id,
                "version": checks.integer(1, 1 << 32),
                "field": checks.optional(checks.integer(0, standards.MAX_FIELDS - 1)),
                "commitment": _DIGEST,
                "key": _DIGEST,
            },
            duties=(STEWARD,),
        ),
        "share": Signature(_share, {**_NUMBER, "share": _DIGEST}, duties=_BY_NODE),
        "report": Signature(_report, {**_NUMBER, "named": _names(0)}, duties=_BY_NODE),
    },
    queries={
        "get": QuerySignature(_query_get, _NUMBER),
        "open": QuerySignature(
            _query_open,
            {"member": checks.slug, "after": checks.integer(0, 1 << 53)},
            frozenset(("after",)),
        ),
    },
    on_due=_on_due,
)
