"""Dispatch: orders and notices from a member to those below it, and what becomes of them.

An order goes down the tree of members; advisories and notices of vulnerabilities may also come from
any supervisor. What it says is in sealed envelopes, of which each recipient is a party. A recipient
acknowledges, reports, completes; the issuer confirms the completion or sends it back. A deadline
that block time passes escalates: first to the recipient's own superiors up to the issuer, then to
the supervisors, one step every `escalate_ms`, until the recipient answers. Late answers are taken,
and called late.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from consensus.codec import DecodeError, Value
from contracts import checks
from contracts.api import Args, Context, Contract, QuerySignature, Reader, Signature, fail
from contracts.codes import Code
from contracts.state import StateReader
from contracts.system import envelopes, members, schedule

NAME = "dispatch"
DUTIES = ("dispatcher",)
KINDS = ("order", "advisory", "vulnerability")
NOTICES = ("advisory", "vulnerability")
SEVERITIES = ("routine", "urgent", "emergency")
MAX_RECIPIENTS = 64
MAX_ENVELOPES = 8
MAX_TERM_MS = 366 * 24 * 60 * 60 * 1_000
MIN_STEP_MS = 1_000
PAGE = 100
OPEN, CLOSED, CANCELLED = "open", "closed", "cancelled"
SENT, ACKNOWLEDGED, REPORTED, COMPLETED, CONFIRMED = (
    "sent", "acknowledged", "reported", "completed", "confirmed",
)  # fmt: skip
ACKNOWLEDGE, COMPLETE = "acknowledge", "complete"
"""What may become overdue."""
_COUNT = b"count"
_ORDER = b"order/"
_PART = b"part/"
_DUE = b"due/"
_RAISED = b"raised/"
_GROUP = b"group/"


# Who may order whom


def superiors(state: StateReader, name: str) -> list[str]:
    """Names of the members above `name`, the nearest first."""
    found: list[str] = []
    record = members.peek(state, name)
    while record is not None and record["parent"] is not None and record["parent"] not in found:
        found.append(record["parent"])
        record = members.peek(state, record["parent"])
    return found


def _check_right(ctx: Context, kind: str, recipients: Iterable[str]) -> None:
    mine = members.peek(ctx.overlay, ctx.sender)
    if kind in NOTICES and "supervisor" in mine["roles"]:
        return
    for name in recipients:
        if ctx.sender not in superiors(ctx.overlay, name):
            fail(Code.NOT_SUPERIOR, name)


def check_recipients(ctx: Context, recipients: list[str], sealed: list[bytes]) -> None:
    """Recipients are active others, and each is a party to one of the sender's envelopes."""
    if ctx.sender in recipients:
        fail(Code.BAD_ARGUMENT, "recipients: must not name the sender")
    parties: set[str] = set()
    for envelope in sealed:
        anchor = envelopes.get(ctx.overlay, envelope)
        if anchor is None or anchor["sender"] != ctx.sender:
            fail(Code.NOT_FOUND, f"envelope {envelope.hex()[:16]}")
        parties.update(anchor["parties"])
    for name in recipients:
        record = members.peek(ctx.overlay, name)
        if record is None or record["status"] != members.ACTIVE:
            fail(Code.NOT_ACTIVE, name)
        if name not in parties:
            fail(Code.NOT_PARTY, name)


# Issuing


def _issue(ctx: Context, args: Args) -> None:
    """Send an order or notice down."""
    recipients = args["recipients"]
    _check_right(ctx, args["kind"], recipients)
    check_recipients(ctx, recipients, args["envelopes"])
    origin = args.get("origin")
    if origin is not None:
        part = _part(ctx, origin, ctx.sender)
        if part["status"] in (SENT, CONFIRMED):
            fail(Code.WRONG_STATUS, part["status"])
    issue(ctx, args["kind"], args)


def issue(ctx: Context, kind: str, args: Args, plan: str | None = None) -> int:
    """Write an order whose right and recipients have been checked; returns its number.

    For the ledger's own contracts; `args` as `dispatch.issue` takes them.
    """
    mine = ctx.as_contract(CONTRACT)
    now = ctx.block.timestamp
    acknowledge_by, complete_by = args["acknowledge_by"], args.get("complete_by")
    last = complete_by or acknowledge_by
    if not now < acknowledge_by <= last <= now + MAX_TERM_MS:
        fail(Code.BAD_ARGUMENT, "acknowledge_by, complete_by: must follow each other within a year")
    number: int = (mine.get(_COUNT) or 0) + 1
    mine.put(_COUNT, number)
    recipients: list[Value] = [*args["recipients"]]
    order = {
        "id": number,
        "issuer": ctx.sender,
        "kind": kind,
        "severity": args["severity"],
        "envelopes": args["envelopes"],
        "recipients": recipients,
        "acknowledge_by": acknowledge_by,
        "complete_by": complete_by,
        "escalate_ms": args["escalate_ms"],
        "origin": args.get("origin"),
        "plan": plan,
        "status": OPEN,
        "open": len(recipients),
        "height": ctx.block.height,
        "time": now,
    }
    mine.put(_order_key(number), order)
    for name in args["recipients"]:
        mine.put(_part_key(number, name), {"status": SENT, "steps": [], "overdue": [], "round": 0})
        mine.put(_due_key(name, number), None)
    schedule.add(mine, acknowledge_by + 1, _timer(number, ACKNOWLEDGE, 0))
    if complete_by is not None:
        schedule.add(mine, complete_by + 1, _timer(number, COMPLETE, 0))
    mine.emit("issued", [number, ctx.sender, kind, args["severity"], recipients])
    return number


# Answering


def _acknowledge(ctx: Context, args: Args) -> None:
    """Say that the order has been seen by somebody."""
    _step(ctx, args["order"], ctx.sender, ACKNOWLEDGED, (SENT,), None)


def _report(ctx: Context, args: Args) -> None:
    """Say how far it is, in an envelope if words are needed; `progress` is in percent."""
    places = (ACKNOWLEDGED, REPORTED)
    _step(ctx, args["order"], ctx.sender, REPORTED, places, args["envelope"], args["progress"])


def _complete(ctx: Context, args: Args) -> None:
    """Say that it is done."""
    places = (ACKNOWLEDGED, REPORTED)
    _step(ctx, args["order"], ctx.sender, COMPLETED, places, args["envelope"])


def _confirm(ctx: Context, args: Args) -> None:
    """The issuer accepts what a recipient has completed."""
    number, name = args["order"], args["member"]
    order = _own_order(ctx, number)
    _step(ctx, number, name, CONFIRMED, (COMPLETED,), None)
    left = order["open"] - 1
    status = OPEN if left else CLOSED
    ctx.put(_order_key(number), {**order, "open": left, "status": status})
    if not left:
        ctx.emit("closed", [number])


def _send_back(ctx: Context, args: Args) -> None:
    """The issuer finds that it is not done; the recipient owes it again."""
    number, name = args["order"], args["member"]
    _own_order(ctx, number)
    _step(ctx, number, name, REPORTED, (COMPLETED,), args["envelope"])
    ctx.put(_due_key(name, number), None)


def _cancel(ctx: Context, args: Args) -> None:
    """The issuer takes an order back."""
    number = args["order"]
    order = _own_order(ctx, number)
    for name in order["recipients"]:
        part = ctx.get(_part_key(number, name))
        ctx.delete(_due_key(name, number))
        _calm(ctx, number, name, part)
    ctx.put(_order_key(number), {**order, "status": CANCELLED})
    ctx.emit("cancelled", [number])


def _step(
    ctx: Context,
    number: int,
    name: str,
    status: str,
    allowed: tuple[str, ...],
    envelope: bytes | None,
    progress: int | None = None,
) -> None:
    """Bring a recipient's part on, and take back what was escalated about it."""
    order, part = _open_order(ctx, number), _part(ctx, number, name)
    if part["status"] not in allowed:
        fail(Code.WRONG_STATUS, part["status"])
    if envelope is not None:
        anchor = envelopes.get(ctx.overlay, envelope)
        if anchor is None or anchor["sender"] != ctx.sender:
            fail(Code.NOT_FOUND, f"envelope {envelope.hex()[:16]}")
        if not {order["issuer"], name} <= set(anchor["parties"]):
            fail(Code.NOT_PARTY, order["issuer"])
    now = ctx.block.timestamp
    by = {ACKNOWLEDGED: order["acknowledge_by"], COMPLETED: order["complete_by"]}.get(status)
    is_late = by is not None and now > by
    place = _part_key(number, name)
    _calm(ctx, number, name, part)
    part |= {"status": status, "overdue": [], "round": 0}
    # The last step of each kind is kept, so that a part stays small however often it is reported.
    kept = [step for step in part["steps"] if step[0] != status]
    part["steps"] = [*kept, [status, now, is_late, progress, envelope]]
    ctx.put(place, part)
    if status in (COMPLETED, CONFIRMED):
        ctx.delete(_due_key(name, number))
    ctx.emit(status, [number, name, is_late, progress])


def _calm(ctx: Context, number: int, name: str, part: dict[str, Any]) -> None:
    """Nobody has to look after this part any more."""
    for _, to, _ in part["overdue"]:
        ctx.delete(_raised_key(to, number, name))


# Escalating


_TIMED = (ACKNOWLEDGE, COMPLETE)


def _timer(number: int, what: str, step: int) -> bytes:
    """What the schedule names a deadline by: number (8 bytes), kind (1), step (2)."""
    return checks.number_key(number) + bytes([_TIMED.index(what)]) + step.to_bytes(2, "big")


def _on_due(ctx: Context, identity: bytes) -> None:
    """A deadline has passed: tell the next one up of each recipient that has not kept it."""
    number, what = int.from_bytes(identity[:8], "big"), _TIMED[identity[8]]
    step = int.from_bytes(identity[9:], "big")
    order = ctx.get(_order_key(number))
    if order["status"] != OPEN:
        return
    owing = (SENT,) if what == ACKNOWLEDGE else (SENT, ACKNOWLEDGED, REPORTED)
    guards = _supervisors(ctx)
    raised: list[Value] = []
    is_over = True
    for name in order["recipients"]:
        part = ctx.get(_part_key(number, name))
        if part["status"] not in owing:
            continue
        above = _responsible(ctx, order["issuer"], name, guards)
        if step >= len(above):
            continue
        to = above[step]
        is_over = is_over and step + 1 >= len(above)
        part["overdue"] = [*part["overdue"], [what, to, ctx.block.timestamp]]
        ctx.put(_part_key(number, name), part)
        ctx.put(_raised_key(to, number, name), what)
        raised.append([name, to])
    if raised:
        ctx.emit("escalated", [number, what, step, raised])
        if not is_over:
            due = ctx.block.timestamp + order["escalate_ms"]
            schedule.add(ctx, due, _timer(number, what, step + 1))


def _responsible(ctx: Context, issuer: str, name: str, guards: list[str]) -> list[str]:
    """Who is told, in this order: superiors up to the issuer, the issuer, then supervisors."""
    above = superiors(ctx.overlay, name)
    between = above[: above.index(issuer)] if issuer in above else []
    first = [*between, issuer]
    return [*first, *(guard for guard in guards if guard not in first and guard != name)]


def _supervisors(ctx: Context) -> list[str]:
    return [
        record["name"]
        for record in members.list_all(ctx.overlay)
        if "supervisor" in record["roles"] and record["status"] == members.ACTIVE
    ]


# Groups


def _set_group(ctx: Context, args: Args) -> None:
    """Name members that are often addressed together; how to reach people is in the envelope."""
    for name in args["members"]:
        members.require(ctx, name)
    key = _GROUP + f"{ctx.sender}/{args['group']}".encode("ascii")
    if not args["members"]:
        ctx.delete(key)
    else:
        ctx.put(key, [args["members"], args["envelope"]])
    ctx.emit("group", [args["group"], args["members"]])


# State


def _order_key(number: int) -> bytes:
    return _ORDER + checks.number_key(number)


def _part_key(number: int, name: str) -> bytes:
    return _PART + checks.number_key(number) + name.encode("ascii")


def _due_key(name: str, number: int) -> bytes:
    return _DUE + name.encode("ascii") + b"/" + checks.number_key(number)


def _raised_key(to: str, number: int, name: str) -> bytes:
    return _RAISED + to.encode("ascii") + b"/" + checks.number_key(number) + name.encode("ascii")


def _open_order(ctx: Context, number: int) -> Any:
    order = ctx.get(_order_key(number))
    if order is None:
        fail(Code.NOT_FOUND, f"order {number}")
    if order["status"] != OPEN:
        fail(Code.WRONG_STATUS, order["status"])
    return order


def _own_order(ctx: Context, number: int) -> Any:
    order = _open_order(ctx, number)
    if order["issuer"] != ctx.sender:
        fail(Code.NOT_OWNER, f"order {number}")
    return order


def _part(ctx: Context, number: int, name: str) -> Any:
    part = ctx.get(_part_key(number, name))
    if part is None:
        fail(Code.NOT_RECIPIENT, name)
    return part


# Questions


def _query_get(state: StateReader, args: Args) -> Value:
    """An order with its recipients' parts, or null."""
    return _whole(Reader(state, NAME), args["order"])


def _whole(reader: Reader, number: int) -> Value:
    order = reader.get(_order_key(number))
    if order is None:
        return None
    parts = {name: reader.get(_part_key(number, name)) for name in order["recipients"]}
    return {**order, "parts": parts}


def _query_list(state: StateReader, args: Args) -> Value:
    """Orders below number `before`, the latest first."""
    reader = Reader(state, NAME)
    top = min(args.get("before", 1 << 62), (reader.get(_COUNT) or 0) + 1)
    return [reader.get(_order_key(number)) for number in range(top - 1, max(0, top - 1 - PAGE), -1)]


def _query_due(state: StateReader, args: Args) -> Value:
    """What a member owes: [order, its own part]."""
    reader, prefix = Reader(state, NAME), _DUE + args["member"].encode("ascii") + b"/"
    found: list[Value] = []
    for key, _ in reader.scan(prefix, limit=PAGE):
        number = int.from_bytes(key[len(prefix) :], "big")
        part = reader.get(_part_key(number, args["member"]))
        found.append([reader.get(_order_key(number)), part])
    return found


def _query_raised(state: StateReader, args: Args) -> Value:
    """What has been escalated to a member: [order number, recipient, what is overdue]."""
    reader, prefix = Reader(state, NAME), _RAISED + args["member"].encode("ascii") + b"/"
    at = len(prefix)
    return [
        [int.from_bytes(key[at : at + 8], "big"), key[at + 8 :].decode("ascii"), what]
        for key, what in reader.scan(prefix, limit=PAGE)
    ]


def _query_groups(state: StateReader, args: Args) -> Value:
    """A member's groups: [name, members, envelope with contacts or null]."""
    prefix = _GROUP + args["owner"].encode("ascii") + b"/"
    rows = Reader(state, NAME).scan(prefix, limit=PAGE)
    return [[key[len(prefix) :].decode("ascii"), *row] for key, row in rows]


def names(value: Value, what: str) -> Any:
    """Names of members, sorted and distinct, 1 to MAX_RECIPIENTS."""
    found: Any = checks.list_of(checks.slug, MAX_RECIPIENTS)(value, what)
    if not found or found != sorted(set(found)):
        raise DecodeError(f"{what}: must be names, sorted and distinct, at least one")
    return found


_NUMBER = checks.integer(1, 1 << 48)
_TIME = checks.integer(1, 1 << 62)
_ENVELOPE = checks.optional(checks.data(32))
_ORDER_ARGUMENT = {"order": _NUMBER}
_PART_ARGUMENTS = {**_ORDER_ARGUMENT, "member": checks.slug}
_MEMBER = {"member": checks.slug}
TERMS = {
    "severity": checks.one_of(*SEVERITIES),
    "envelopes": checks.list_of(checks.data(32), MAX_ENVELOPES),
    "escalate_ms": checks.integer(MIN_STEP_MS, MAX_TERM_MS),
}

CONTRACT = Contract(
    NAME,
    methods={
        "issue": Signature(
            _issue,
            {
                **TERMS,
                "kind": checks.one_of(*KINDS),
                "recipients": names,
                "acknowledge_by": _TIME,
                "complete_by": checks.optional(_TIME),
                "origin": checks.optional(_NUMBER),
            },
            frozenset(("complete_by", "origin")),
            duties=DUTIES,
        ),
        "acknowledge": Signature(_acknowledge, _ORDER_ARGUMENT, duties=DUTIES),
        "report": Signature(
            _report,
            {**_ORDER_ARGUMENT, "progress": checks.integer(0, 100), "envelope": _ENVELOPE},
            duties=DUTIES,
        ),
        "complete": Signature(_complete, {**_ORDER_ARGUMENT, "envelope": _ENVELOPE}, duties=DUTIES),
        "confirm": Signature(_confirm, _PART_ARGUMENTS, duties=DUTIES),
        "send_back": Signature(
            _send_back, {**_PART_ARGUMENTS, "envelope": _ENVELOPE}, duties=DUTIES
        ),
        "cancel": Signature(_cancel, _ORDER_ARGUMENT, duties=DUTIES),
        "set_group": Signature(
            _set_group,
            {
                "group": checks.slug,
                "members": checks.list_of(checks.slug, MAX_RECIPIENTS),
                "envelope": _ENVELOPE,
            },
            duties=DUTIES,
        ),
    },
    queries={
        "get": QuerySignature(_query_get, _ORDER_ARGUMENT),
        "list": QuerySignature(_query_list, {"before": _NUMBER}, frozenset(("before",))),
        "due": QuerySignature(_query_due, _MEMBER),
        "raised": QuerySignature(_query_raised, _MEMBER),
        "groups": QuerySignature(_query_groups, {"owner": checks.slug}),
    },
    on_due=_on_due,
)
