"""The governed table of access: what counts as which level, and what the default policy allows.

The table is contract data: members replace it by vote, as a whole, and each replacement has the
next version. A purpose or basis that is not in it denies.
"""

from __future__ import annotations

from typing import Any

from consensus.codec import DecodeError, Value, encode
from consensus.crypto import sha256
from contracts import checks
from contracts.api import Args, Context, Reader, fail
from contracts.codes import Code
from contracts.state import StateReader
from contracts.system.catalogue import MAX_ROWS
from contracts.system.standards import CLASSES

NAME = "access"
LEVELS = 4
DAY_MS = 24 * 60 * 60 * 1_000
MINUTE_MS = 60_000
DAY_MINUTES = 24 * 60
MAX_ENTRIES = 64
MAX_OFFSET = 14 * 60
EVERY_WEEKDAY = (1 << 7) - 1
OWNER, SUPERVISOR, CENTRAL = "owner", "supervisor", "central"
"""Who reviews: the data's owner, a supervisor, a member of the central tier."""
REVIEWERS = (CENTRAL, OWNER, SUPERVISOR)
_RULES = b"rules"


def _purpose(name: str, level: int, k: int = 0, any_hour: bool = False) -> dict[str, Value]:
    """Data up to `level` may be asked for; at least `k` subjects alike; also outside of hours."""
    return {"name": name, "level": level, "k": k, "any_hour": any_hour}


def _basis(
    name: str, level: int, *reviewers: str, subjects: bool = False, notice: bool = False
) -> dict[str, Value]:
    """Data up to `level`, with these reviewers above L2.

    At L4 either each subject has authorised it (`subjects`) or is told afterwards (`notice`).
    """
    return {
        "name": name, "level": level, "reviewers": list(reviewers), "subjects": subjects,
        "notice": notice,
    }  # fmt: skip


def _combination(name: str, least: int, level: int, grade: str, *types: str) -> dict[str, Value]:
    """Fields of at least `least` different ones of these types are of `level` and class `grade`."""
    return {"name": name, "types": list(types), "least": least, "level": level, "class": grade}


_CONTACTS = ("address", "email", "phone")
_NUMBERS = ("driving-licence", "passport", "residence-permit", "resident-id", "travel-permit")
DEFAULT: dict[str, Any] = {
    "version": 0,
    "purposes": [
        _purpose("audit", 3),
        _purpose("emergency", 4, any_hour=True),
        _purpose("enforcement", 4, any_hour=True),
        _purpose("open-use", 1, any_hour=True),
        _purpose("planning", 3),
        _purpose("public-service", 4, any_hour=True),
        _purpose("research", 3, k=5),
        _purpose("statistics", 3, k=5),
        _purpose("supervision", 4),
    ],
    "bases": [
        _basis("consent", 4, subjects=True),
        _basis("contract", 2),
        _basis("open", 1),
        _basis("public-task", 3),
        _basis("statute", 4, SUPERVISOR, notice=True),
    ],
    "combinations": [
        _combination("person-contact", 2, 3, "general", "person-name", *_CONTACTS),
        _combination("person-profile", 3, 3, "general", "birth-date", "division-code", "sex"),
        _combination("identity-bundle", 2, 4, "important", "bank-card", "biometric", *_NUMBERS),
    ],
    "volumes": [
        {"name": "many-persons", "at": 3, "rows": 1_000_000, "level": 3, "class": "important"},
    ],
    "days": [3_650, 1_095, 366, 183],
    "retention_days": [3_650, 3_650, 1_095, 366],
    "rows": [MAX_ROWS, 100_000_000, 10_000_000, 1_000_000],
    "audited": 4,
    "office_level": 3,
    "office_hours": [8 * 60, 0b0011111, 8 * 60, 18 * 60],
    "review_ms": 5 * DAY_MS,
    "escalation_ms": 5 * DAY_MS,
}
"""What holds until members vote for another table.

Office hours are those of UTC+8, Monday to Friday. A million persons' records count as important
data; the Regulations on Network Data Security (2025, article 28) begin at ten, but grants add up.
"""


def hours(value: Value, what: str) -> object:
    """[UTC offset in minutes, weekdays as bits from Monday, from, to], the last in minutes."""
    if type(value) is not list or len(value) != 4:
        raise DecodeError(f"{what}: must be [offset, weekdays, from, to]")
    for item, low, high in zip(
        value,
        (-MAX_OFFSET, 1, 0, 1),
        (MAX_OFFSET, EVERY_WEEKDAY, DAY_MINUTES - 1, DAY_MINUTES),
        strict=True,
    ):
        checks.integer(low, high)(item, what)
    if value[2] >= value[3]:  # type: ignore[operator]
        raise DecodeError(f"{what}: must not end before it begins")
    return value


def is_within(window: Any, time: int) -> bool:
    """Whether `time` (ms UTC) lies in a window of hours; the end is not in it."""
    offset, weekdays, start, end = window
    day, minute = divmod(time // MINUTE_MS + offset, DAY_MINUTES)
    weekday = (day + 3) % 7  # 1 January 1970 was a Thursday
    return bool(weekdays >> weekday & 1) and start <= minute < end


def named(entries: Any, name: str) -> Any:
    """Return the entry of a list by name, or None."""
    return next((entry for entry in entries if entry["name"] == name), None)


_LEVEL = checks.integer(1, LEVELS)
_GRADE = {"level": _LEVEL, "class": checks.one_of(*CLASSES)}
_DAYS = checks.integer(1, 36_500)
_WAIT = checks.integer(MINUTE_MS, 365 * DAY_MS)


def _by_level(inner: Any) -> Any:
    """A value for each level."""

    def check(value: Value, what: str) -> object:
        checks.list_of(inner, LEVELS)(value, what)
        if len(value) != LEVELS:  # type: ignore[arg-type]
            raise DecodeError(f"{what}: must have {LEVELS} items, one for each level")
        return value

    return check


def _entries(fields: dict[str, Any]) -> Any:
    """Records with distinct names."""

    def check(value: Value, what: str) -> object:
        rows: Any = checks.list_of(checks.record({"name": checks.slug, **fields}), MAX_ENTRIES)(
            value, what
        )
        if len({row["name"] for row in rows}) != len(rows):
            raise DecodeError(f"{what}: names must be distinct")
        return value

    return check


_TABLE = checks.record(
    {
        "version": checks.integer(1, 1 << 32),
        "purposes": _entries(
            {"level": _LEVEL, "k": checks.integer(0, 1_000), "any_hour": checks.boolean}
        ),
        "bases": _entries(
            {
                "level": _LEVEL,
                "reviewers": checks.list_of(checks.one_of(*REVIEWERS), len(REVIEWERS)),
                "subjects": checks.boolean,
                "notice": checks.boolean,
            }
        ),
        "combinations": _entries(
            {
                "types": checks.list_of(checks.slug, MAX_ENTRIES),
                "least": checks.integer(1, MAX_ENTRIES),
                **_GRADE,
            }
        ),
        "volumes": _entries(
            {"at": _LEVEL, "rows": checks.integer(1, MAX_ROWS), **_GRADE}
        ),
        "days": _by_level(_DAYS),
        "retention_days": _by_level(_DAYS),
        "rows": _by_level(checks.integer(1, MAX_ROWS)),
        "audited": checks.integer(1, LEVELS + 1),
        "office_level": checks.integer(1, LEVELS + 1),
        "office_hours": hours,
        "review_ms": _WAIT,
        "escalation_ms": _WAIT,
    }
)  # fmt: skip
ARGUMENTS = {"rules": _TABLE}


def digest_of(table: Any) -> bytes:
    """SHA-256 of the encoded table."""
    return sha256(encode(table))


_DEFAULT_ROW = (digest_of(DEFAULT), DEFAULT)


def current(state: StateReader) -> Any:
    """Return (digest, table) in force."""
    return Reader(state, NAME).peek(_RULES) or _DEFAULT_ROW


def adopt(ctx: Context, args: Args) -> None:
    """The effect of a vote: from now on this table counts."""
    table = args["rules"]
    mine = ctx.as_contract(ctx.contracts[NAME])
    version = current(ctx.overlay)[1]["version"]
    if table["version"] != version + 1:
        fail(Code.WRONG_VERSION, version)
    digest = digest_of(table)
    mine.put(_RULES, [digest, table])
    mine.emit("rules", [table["version"], digest])


def query_rules(state: StateReader, args: Args) -> Value:
    """The table in force."""
    found = Reader(state, NAME).get(_RULES)
    return DEFAULT if found is None else found[1]
