"""Violations and sanctions: a governed ladder, an appeal, and what is in force at any moment.

A supervisor finds a violation, in a case that was confirmed, and imposes what the ladder says: the
rung of its gravity, one higher for each earlier violation that stands and is not older than the
ladder's window. The member may appeal; somebody else decides. What an appeal overturns is as if it
had not been. Requests and deliveries read what is in force at their own block.
"""

from __future__ import annotations

from typing import Any

from consensus.codec import DecodeError, Value, expect_list
from contracts import checks
from contracts.api import APPROVER, Args, Context, Contract, QuerySignature, Reader, Signature, fail
from contracts.codes import Code
from contracts.state import StateReader
from contracts.system import cases, members

NAME = "sanctions"
MEASURES = ("notice", "warning", "restrict", "suspend")
"""Rising. `restrict`: no new request at L3 or above; `suspend`: no request and no delivery."""
FOUND, IMPOSED, DISMISSED = "found", "imposed", "dismissed"
APPEALED, OVERTURNED, LIFTED = "appealed", "overturned", "lifted"
STANDING = (IMPOSED, APPEALED)
GRANTED, REJECTED = "granted", "rejected"
DAY_MS = 24 * 60 * 60 * 1_000
MAX_TERM_MS = 3_660 * DAY_MS
MAX_RUNGS = 16
PAGE = 100
_LADDER = b"ladder"
_COUNT = b"count"
_VIOLATION = b"violation/"
_OF = b"of/"
_DEFAULT: dict[str, Any] = {
    "rungs": [
        ["notice", 30 * DAY_MS],
        ["warning", 90 * DAY_MS],
        ["restrict", 30 * DAY_MS],
        ["suspend", 30 * DAY_MS],
        ["suspend", 180 * DAY_MS],
    ],
    "window_ms": 365 * DAY_MS,
    "appeal_ms": 15 * DAY_MS,
}
"""What holds until a vote sets another ladder."""


# The ladder


def ladder(state: StateReader) -> Any:
    """{rungs: [[measure, ms]...], window_ms, appeal_ms}."""
    return Reader(state, NAME).get(_LADDER) or _DEFAULT


def set_ladder(ctx: Context, args: Args) -> None:
    """The effect of a vote."""
    mine = ctx.as_contract(CONTRACT)
    mine.put(_LADDER, args)
    mine.emit("ladder", [len(args["rungs"]), args["window_ms"], args["appeal_ms"]])


def check_rungs(value: Value, what: str) -> object:
    """[measure, ms] in rising order of measures."""
    rows = expect_list(value, what, max_length=MAX_RUNGS)
    places: list[int] = []
    for row in rows:
        measure, span = expect_list(row, what, 2)
        if measure not in MEASURES:
            raise DecodeError(f"{what}: a measure must be one of {', '.join(MEASURES)}")
        checks.integer(1, MAX_TERM_MS)(span, what)
        places.append(MEASURES.index(str(measure)))
    if not places or places != sorted(places):
        raise DecodeError(f"{what}: must rise, and hold at least one")
    return value


LADDER_ARGUMENTS = {
    "rungs": check_rungs,
    "window_ms": checks.integer(DAY_MS, MAX_TERM_MS),
    "appeal_ms": checks.integer(DAY_MS, MAX_TERM_MS),
}


# What is in force


def in_force(state: StateReader, member: str, time: int) -> Any:
    """The severest measure at `time` (ms UTC): [measure, violation, until], or None.

    For contracts that decide about requests and deliveries.
    """
    found = None
    for row in _violations(Reader(state, NAME), member):
        if row["status"] not in STANDING or not row["from"] <= time < row["until"]:
            continue
        place = MEASURES.index(row["measure"])
        if found is None or place > MEASURES.index(found[0]):
            found = [row["measure"], row["id"], row["until"]]
    return found


def _violations(reader: Reader, member: str) -> list[Any]:
    """A member's latest violations, PAGE at most."""
    last = reader.get(_OF + member.encode("utf-8"))
    return [reader.get(_VIOLATION + checks.number_key(number)) for number in last or ()]


# Methods


def _find(ctx: Context, args: Args) -> None:
    """Say that a member has broken a rule, as a confirmed case has shown."""
    about = args["member"]
    cases.require_supervisor(ctx, about)
    members.require(ctx, about)
    cases.check_envelope(ctx, args["envelope"])
    case = cases.get(ctx.overlay, args["case"])
    if case is None:
        fail(Code.NOT_FOUND, f"case {args['case']}")
    if case["disposition"] != "confirmed" or case["member"] != about:
        fail(Code.WRONG_STATUS, f"case {args['case']} is not confirmed against {about}")
    number = (ctx.get(_COUNT) or 0) + 1
    ctx.put(_COUNT, number)
    ctx.put(
        _VIOLATION + checks.number_key(number),
        {
            "id": number,
            "member": about,
            "rule": args["rule"],
            "gravity": args["gravity"],
            "case": args["case"],
            "envelope": args["envelope"],
            "finder": ctx.sender,
            "status": FOUND,
            "measure": None,
            "imposer": None,
            "from": 0,
            "until": 0,
            "appeal_until": 0,
            "appeal": None,
            "decider": None,
            "height": ctx.block.height,
        },
    )
    place = _OF + about.encode("ascii")
    ctx.put(place, [*(ctx.get(place) or ()), number][-PAGE:])
    ctx.emit("found", [number, about, args["rule"], args["gravity"], args["case"]])


def _impose(ctx: Context, args: Args) -> None:
    """Let the ladder act; an operator needs a second one."""
    row = _require(ctx, args["violation"], (FOUND,))
    cases.require_supervisor(ctx, row["member"])
    ctx.require_second()
    now, rules = ctx.block.timestamp, ladder(ctx.overlay)
    earlier = sum(
        each["status"] in (*STANDING, LIFTED) and each["from"] > now - rules["window_ms"]
        for each in _violations(ctx.other(NAME), row["member"])
    )
    rungs = rules["rungs"]
    measure, span = rungs[min(row["gravity"] - 1 + earlier, len(rungs) - 1)]
    row |= {
        "status": IMPOSED,
        "measure": measure,
        "imposer": ctx.sender,
        "from": now,
        "until": now + span,
        "appeal_until": now + rules["appeal_ms"],
    }
    _write(ctx, row, [measure, row["until"], earlier])


def _dismiss(ctx: Context, args: Args) -> None:
    """Take back what was found before anything was imposed."""
    row = _require(ctx, args["violation"], (FOUND,))
    cases.require_supervisor(ctx, row["member"])
    _write(ctx, {**row, "status": DISMISSED}, [])


def _appeal(ctx: Context, args: Args) -> None:
    """The member says that it was wrong, once and in time; the measure stays meanwhile."""
    row = _require(ctx, args["violation"], (IMPOSED,))
    if ctx.sender != row["member"]:
        fail(Code.NOT_OWNER, f"violation {row['id']}")
    if ctx.block.timestamp > row["appeal_until"] or row["appeal"] is not None:
        fail(Code.APPEAL_OVER, f"violation {row['id']}")
    cases.check_envelope(ctx, args["envelope"])
    appeal = [ctx.block.timestamp, args["envelope"]]
    _write(ctx, {**row, "status": APPEALED, "appeal": appeal}, [])


def _decide(ctx: Context, args: Args) -> None:
    """Decide an appeal, as a supervisor or central member who has no part in it."""
    row = _require(ctx, args["violation"], (APPEALED,))
    record = members.peek(ctx.overlay, ctx.sender)
    if cases.SUPERVISOR not in record["roles"] and record["tier"] != "central":
        fail(Code.NOT_SUPERVISOR, ctx.sender)
    if ctx.sender in (row["imposer"], row["member"]):
        fail(Code.OWN_CASE, ctx.sender)
    ctx.require_second()
    cases.check_envelope(ctx, args["envelope"])
    status = OVERTURNED if args["outcome"] == GRANTED else IMPOSED
    _write(ctx, {**row, "status": status, "decider": ctx.sender}, [args["outcome"]], "decided")


def _lift(ctx: Context, args: Args) -> None:
    """End a measure early; the violation still counts."""
    row = _require(ctx, args["violation"], STANDING)
    cases.require_supervisor(ctx, row["member"])
    ctx.require_second()
    _write(ctx, {**row, "status": LIFTED}, [])


def _require(ctx: Context, number: int, statuses: tuple[str, ...]) -> Any:
    row = ctx.get(_VIOLATION + checks.number_key(number))
    if row is None:
        fail(Code.NOT_FOUND, f"violation {number}")
    if row["status"] not in statuses:
        fail(Code.WRONG_STATUS, row["status"])
    return row


def _write(ctx: Context, row: dict[str, Any], data: list[Value], event: str = "") -> None:
    ctx.put(_VIOLATION + checks.number_key(row["id"]), row)
    ctx.emit(event or row["status"], [row["id"], row["member"], *data])


# Questions


def _query_get(state: StateReader, args: Args) -> Value:
    """A violation, its sanction and appeal, or null."""
    row: Value = Reader(state, NAME).get(_VIOLATION + checks.number_key(args["violation"]))
    return row


def _query_of(state: StateReader, args: Args) -> Value:
    """A member's violations."""
    return _violations(Reader(state, NAME), args["member"])


def _query_list(state: StateReader, args: Args) -> Value:
    """Violations below number `before`, the latest first."""
    reader = Reader(state, NAME)
    top = min(args.get("before", 1 << 62), (reader.get(_COUNT) or 0) + 1)
    numbers = range(top - 1, max(0, top - 1 - PAGE), -1)
    return [reader.get(_VIOLATION + checks.number_key(number)) for number in numbers]


def _query_in_force(state: StateReader, args: Args) -> Value:
    """Sanctions against a member at a time (ms UTC)."""
    return in_force(state, args["member"], args["time"])  # type: ignore[no-any-return]


def _query_ladder(state: StateReader, args: Args) -> Value:
    """The governed ladder of measures."""
    return ladder(state)  # type: ignore[no-any-return]


_NUMBER = checks.integer(1, 1 << 48)
_ENVELOPE = checks.optional(checks.data(32))
_ONE = {"violation": _NUMBER}
_DUTIES = (APPROVER,)
_MEMBER = {"member": checks.slug}

CONTRACT = Contract(
    NAME,
    methods={
        "find": Signature(
            _find,
            {
                **_MEMBER,
                "rule": checks.slug,
                "gravity": checks.integer(1, 4),
                "case": _NUMBER,
                "envelope": _ENVELOPE,
            },
            duties=_DUTIES,
        ),
        "impose": Signature(_impose, _ONE, duties=_DUTIES),
        "dismiss": Signature(_dismiss, _ONE, duties=_DUTIES),
        "appeal": Signature(_appeal, {**_ONE, "envelope": _ENVELOPE}, duties=_DUTIES),
        "decide": Signature(
            _decide,
            {**_ONE, "outcome": checks.one_of(GRANTED, REJECTED), "envelope": _ENVELOPE},
            duties=_DUTIES,
        ),
        "lift": Signature(_lift, _ONE, duties=_DUTIES),
    },
    queries={
        "get": QuerySignature(_query_get, _ONE),
        "of": QuerySignature(_query_of, _MEMBER),
        "list": QuerySignature(_query_list, {"before": _NUMBER}, frozenset(("before",))),
        "in_force": QuerySignature(
            _query_in_force, {**_MEMBER, "time": checks.integer(0, 1 << 62)}
        ),
        "ladder": QuerySignature(_query_ladder, {}),
    },
)
