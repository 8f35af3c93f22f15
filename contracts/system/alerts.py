"""Alerts: what supervisors' nodes have noticed, told once for all.

An alert's key is its detector, the member and the subject. While an alert of a key is open and
younger than LASTS_MS, another supervisor's node that notices the same confirms it, and one that
finds it worse raises its severity; there is no second one. Alerts hold slugs and integers only.
"""

from __future__ import annotations

from typing import Any

from consensus.codec import DecodeError, Value
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
from contracts.system import cases, members

NAME = "alerts"
OPEN, DISPOSED = "open", "disposed"
LASTS_MS = 3 * 24 * 60 * 60 * 1_000
DAY_MS = 24 * 60 * 60 * 1_000
MAX_A_DAY = 1_000
"""Alerts that one supervisor's node raises on a day."""
MAX_REASONS = 16
PAGE = 100
_COUNT = b"count"
_ALERT = b"alert/"
_KEY = b"key/"
_OPEN = b"open/"
_MEMBER = b"member/"
_DAY = b"day/"


def _raise(ctx: Context, args: Args) -> None:
    """Raise an alert, or confirm the one that there is."""
    cases.require_supervisor(ctx, None)
    members.require(ctx, args["member"])
    key = _KEY + f"{args['detector']}/{args['member']}/{args['subject'] or ''}".encode("ascii")
    number = ctx.get(key)
    alert = None if number is None else ctx.get(_ALERT + checks.number_key(number))
    if alert is not None and alert["status"] == OPEN and not _is_old(ctx, alert):
        _confirm(ctx, alert, args)
    else:
        _add(ctx, key, args)


def _is_old(ctx: Context, alert: dict[str, Any]) -> bool:
    age: int = ctx.block.timestamp - alert["time"]
    return age > LASTS_MS


def _add(ctx: Context, key: bytes, args: Args) -> None:
    _count_today(ctx)
    number = (ctx.get(_COUNT) or 0) + 1
    ctx.put(_COUNT, number)
    alert = {
        "id": number,
        **args,
        "by": [ctx.sender],
        "status": OPEN,
        "disposition": None,
        "case": None,
        "raised": ctx.block.height,
        "time": ctx.block.timestamp,
    }
    place = checks.number_key(number)
    ctx.put(key, number)
    ctx.put(_OPEN + place, None)
    ctx.put(_MEMBER + args["member"].encode("ascii") + b"/" + place, None)
    _write(ctx, alert, "raised")


def _count_today(ctx: Context) -> None:
    """Keep one node from filling the chain."""
    key = _DAY + ctx.sender.encode("ascii")
    day = ctx.block.timestamp // DAY_MS
    last, count = ctx.get(key) or (day, 0)
    count = count + 1 if last == day else 1
    if count > MAX_A_DAY:
        fail(Code.TOO_MANY_ALERTS, MAX_A_DAY)
    ctx.put(key, [day, count])


def _confirm(ctx: Context, alert: dict[str, Any], args: Args) -> None:
    is_worse = args["severity"] > alert["severity"]
    if ctx.sender in alert["by"] and not is_worse:
        fail(Code.EXISTS, f"alert {alert['id']}")
    if ctx.sender not in alert["by"]:
        alert["by"].append(ctx.sender)
    if is_worse:
        alert |= {name: args[name] for name in ("severity", "height", "reasons")}
    _write(ctx, alert, "worsened" if is_worse else "confirmed")


def _dispose(ctx: Context, args: Args) -> None:
    """Say what an alert came to; `case` is the one that it was looked into in."""
    alert = ctx.get(_ALERT + checks.number_key(args["alert"]))
    if alert is None:
        fail(Code.NOT_FOUND, f"alert {args['alert']}")
    cases.require_supervisor(ctx, alert["member"])
    if alert["status"] != OPEN:
        fail(Code.WRONG_STATUS, alert["status"])
    number = args["case"]
    if number is not None:
        case = cases.get(ctx.overlay, number)
        if case is None or alert["id"] not in case["alerts"]:
            fail(Code.NOT_FOUND, f"alert {alert['id']} in case {number}")
    alert |= {"status": DISPOSED, "disposition": args["disposition"], "case": number}
    ctx.delete(_OPEN + checks.number_key(alert["id"]))
    _write(ctx, alert, "disposed")


def _write(ctx: Context, alert: dict[str, Any], what: str) -> None:
    ctx.put(_ALERT + checks.number_key(alert["id"]), alert)
    names = ("id", "detector", "member", "subject", "severity", "disposition")
    ctx.emit(what, [alert[name] for name in names])


def get(state: StateReader, number: int) -> Any:
    """Return an alert (a map), or None."""
    return Reader(state, NAME).get(_ALERT + checks.number_key(number))


def _query_get(state: StateReader, args: Args) -> Value:
    """An alert with its figures and what became of it, or null."""
    return get(state, args["alert"])  # type: ignore[no-any-return]


def _query_list(state: StateReader, args: Args) -> Value:
    """Alerts below number `before`, the latest first."""
    reader = Reader(state, NAME)
    top = min(args.get("before", 1 << 62), (reader.get(_COUNT) or 0) + 1)
    numbers = range(top - 1, max(0, top - 1 - PAGE), -1)
    return [reader.get(_ALERT + checks.number_key(number)) for number in numbers]


def _query_open(state: StateReader, args: Args) -> Value:
    """Open alerts above number `after`."""
    return _rows(state, _OPEN, args)


def _query_about(state: StateReader, args: Args) -> Value:
    """Alerts about a member above number `after`."""
    return _rows(state, _MEMBER + args["member"].encode("ascii") + b"/", args)


def _rows(state: StateReader, place: bytes, args: Args) -> Value:
    reader = Reader(state, NAME)
    start = place + checks.number_key(args["after"]) if "after" in args else b""
    return [reader.get(_ALERT + key[-8:]) for key, _ in reader.scan(place, start, PAGE)]


def _subject(value: Value, what: str) -> object:
    """A slug, or OWNER/NAME."""
    check = checks.owned_id if isinstance(value, str) and "/" in value else checks.slug
    return check(value, what)


def _reasons(value: Value, what: str) -> object:
    """At least one [feature, value, usual, far]; numbers in hundredths, `far` in usual spreads."""
    rows = checks.list_of(_reason, MAX_REASONS)(value, what)
    if not rows:
        raise DecodeError(f"{what}: must name at least one feature")
    return rows


def _reason(value: Value, what: str) -> object:
    if type(value) is not list or len(value) != 4:
        raise DecodeError(f"{what}: must be [feature, value, usual, far]")
    checks.slug(value[0], what)
    for number in value[1:]:
        _FIGURE(number, what)
    return value


_FIGURE = checks.integer(-(1 << 53), 1 << 53)
_NUMBER = checks.integer(1, 1 << 48)
_AFTER = {"after": _NUMBER}
_OPTIONAL = frozenset(("after",))

CONTRACT = Contract(
    NAME,
    methods={
        "raise": Signature(
            _raise,
            {
                "detector": checks.slug,
                "member": checks.slug,
                "subject": checks.optional(_subject),
                "severity": checks.integer(1, 4),
                "height": checks.integer(0, 1 << 48),
                "reasons": _reasons,
            },
            duties=(NODE,),
        ),
        "dispose": Signature(
            _dispose,
            {
                "alert": _NUMBER,
                "disposition": checks.one_of(*cases.DISPOSITIONS),
                "case": checks.optional(_NUMBER),
            },
            duties=(APPROVER, AUDITOR),
        ),
    },
    queries={
        "get": QuerySignature(_query_get, {"alert": _NUMBER}),
        "list": QuerySignature(_query_list, {"before": _NUMBER}, frozenset(("before",))),
        "open": QuerySignature(_query_open, _AFTER, _OPTIONAL),
        "about": QuerySignature(_query_about, {"member": checks.slug, **_AFTER}, _OPTIONAL),
    },
)
