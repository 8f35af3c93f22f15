"""Uses by law: no authorisation is asked for, a supervisor reviews, those concerned are notified.

The recipient invokes a statute that members have enacted; a supervisor that is neither owner nor
recipient allows or refuses it, and sets until when a registrar has to notify the subjects, no later
than the statute allows. A notice that is not attested by then is an event.
"""

from __future__ import annotations

from typing import Any

from consensus.codec import Value
from contracts import checks
from contracts.api import APPROVER, Args, Context, QuerySignature, Reader, Signature, fail
from contracts.codes import Code
from contracts.state import StateReader
from contracts.system import members, schedule, statutes
from contracts.system.subjects.batches import (
    MAX_MS,
    SCOPE,
    check_scope,
    require_registrar,
)
from contracts.system.subjects.obligations import DAY_MS, NAME

SUPERVISOR = "supervisor"
ASKED, ALLOWED, REFUSED, NOTIFIED = "asked", "allowed", "refused", "notified"
PAGE = 100
DUE = b"notice/"
_COUNT = b"uses"
_USE = b"use/"
_OF = b"use-of/"


def _invoke(ctx: Context, args: Args) -> None:
    """The recipient asks to use a dataset under a statute; `registrar` is to notify."""
    dataset, until = args["dataset"], args["until"]
    check_scope(ctx, dataset, ctx.sender)
    require_registrar(ctx, args["registrar"], dataset, ctx.sender)
    _require_statute(ctx, args["statute"])
    if not ctx.block.timestamp < until <= ctx.block.timestamp + MAX_MS:
        fail(Code.BAD_ARGUMENT, "until: must be in the next five years")
    number = (ctx.get(_COUNT) or 0) + 1
    ctx.put(_COUNT, number)
    use = {
        "id": number, "recipient": ctx.sender, **args, "status": ASKED, "reviewer": None,
        "notice": None, "overdue": False,
    }  # fmt: skip
    _put(ctx, use)
    ctx.emit("invoked", [number, ctx.sender, dataset, args["purpose"], args["statute"]])


def _review(ctx: Context, args: Args) -> None:
    """A supervisor allows the use and sets when notice is due (ms UTC), or refuses it."""
    use = _require(ctx, args["use"], ASKED)
    roles = members.require(ctx, ctx.sender)["roles"]
    if SUPERVISOR not in roles or ctx.sender in (use["recipient"], _owner(use)):
        fail(Code.NEEDS_ROLE, SUPERVISOR)
    notice = args["notice"]
    if notice is None:
        _put(ctx, {**use, "status": REFUSED, "reviewer": ctx.sender})
        ctx.emit("refused", [use["id"], ctx.sender])
        return
    statute = _require_statute(ctx, use["statute"])
    latest = ctx.block.timestamp + statute["notice_days"] * DAY_MS
    if not ctx.block.timestamp < notice <= latest:
        fail(Code.BAD_ARGUMENT, f"notice: must be due within {statute['notice_days']} days")
    _put(ctx, {**use, "status": ALLOWED, "reviewer": ctx.sender, "notice": notice})
    ctx.put(_of(use), use["id"])
    schedule.add(ctx, notice + 1, DUE + checks.number_key(use["id"]))
    ctx.emit("allowed", [use["id"], ctx.sender, notice])


def _notified(ctx: Context, args: Args) -> None:
    """The registrar attests that those concerned know of the use."""
    use = _require(ctx, args["use"], ALLOWED)
    if ctx.sender != use["registrar"]:
        fail(Code.NOT_REGISTRAR, ctx.sender)
    schedule.remove(ctx, use["notice"] + 1, DUE + checks.number_key(use["id"]))
    _put(ctx, {**use, "status": NOTIFIED})
    ctx.emit("notified", [use["id"], ctx.sender])


def _require_statute(ctx: Context, name: str) -> dict[str, Any]:
    statute: dict[str, Any] | None = statutes.get(ctx.overlay, name)
    if statute is None or statute["until"] <= ctx.block.timestamp:
        fail(Code.NOT_IN_FORCE, name)
    return statute


def _require(ctx: Context, number: int, status: str) -> dict[str, Any]:
    use: dict[str, Any] | None = get_use(ctx.overlay, number)
    if use is None:
        fail(Code.NOT_FOUND, f"use {number}")
    if use["status"] != status:
        fail(Code.WRONG_STATUS, [f"use {number}", use["status"]])
    return use


def _owner(use: dict[str, Any]) -> str:
    owner: str = use["dataset"].partition("/")[0]
    return owner


def _put(ctx: Context, use: dict[str, Any]) -> None:
    ctx.put(_USE + checks.number_key(use["id"]), use)


def _of(scope: dict[str, Any]) -> bytes:
    return _OF + f"{scope['dataset']}/{scope['recipient']}/{scope['purpose']}".encode("ascii")


def tell_overdue(ctx: Context, number: int) -> None:
    """Announce that those concerned were not notified in time."""
    use = get_use(ctx.overlay, number)
    _put(ctx, {**use, "overdue": True})
    ctx.emit("notice-overdue", [number, use["registrar"], use["recipient"], use["notice"]])


def get_use(state: StateReader, number: int) -> Any:
    """Return a use by law (a map), or None."""
    return Reader(state, NAME).get(_USE + checks.number_key(number))


def find_use(state: StateReader, dataset: str, recipient: str, purpose: str, time: int) -> Any:
    """Return the use by law that covers a scope at `time` (ms UTC), or None.

    It lasts as long as it was asked for, the statute is in force, and notice is not overdue.
    """
    scope = {"dataset": dataset, "recipient": recipient, "purpose": purpose}
    number = Reader(state, NAME).get(_of(scope))
    if number is None:
        return None
    use = get_use(state, number)
    statute = statutes.get(state, use["statute"])
    is_late = use["status"] == ALLOWED and time > use["notice"]
    return None if is_late or time >= min(use["until"], statute["until"]) else use


def _query_use(state: StateReader, args: Args) -> Value:
    """A use of data without consent, on which statute, or null."""
    found: Value = get_use(state, args["use"])
    return found


def _query_uses(state: StateReader, args: Args) -> Value:
    """Uses by law, by number above `after`."""
    rows = Reader(state, NAME).scan(_USE, _USE + checks.number_key(args.get("after", 0)), PAGE)
    return [row for _, row in rows]


def _query_use_of(state: StateReader, args: Args) -> Value:
    """The use by law that covers a scope at a time, or null."""
    found: Value = find_use(state, args["dataset"], args["recipient"], args["purpose"], args["at"])
    return found


_TIME = checks.integer(0, 1 << 53)
_NUMBER = {"use": checks.integer(1, 1 << 53)}
METHODS = {
    "invoke": Signature(
        _invoke,
        {
            "dataset": checks.owned_id,
            "purpose": checks.slug,
            "statute": checks.slug,
            "registrar": checks.slug,
            "until": _TIME,
        },
    ),
    "review": Signature(_review, {**_NUMBER, "notice": checks.optional(_TIME)}, duties=(APPROVER,)),
    "notified": Signature(_notified, _NUMBER),
}
QUERIES = {
    "use": QuerySignature(_query_use, _NUMBER),
    "uses": QuerySignature(
        _query_uses, {"after": checks.integer(0, 1 << 53)}, frozenset(("after",))
    ),
    "use_of": QuerySignature(_query_use_of, {**SCOPE, "at": _TIME}),
}
