"""What a withdrawal obliges to: the owner names the rows, the recipient erases them and says so.

Each revision of a batch obliges, whether it withdraws anything or not: the owner knows, and tells
the recipient in a sealed envelope which rows of which deliveries are concerned, possibly none. The
recipient's term begins when it is told. Erasure is attested, not proved.
"""

from __future__ import annotations

from typing import Any

from consensus.codec import Value
from contracts import checks
from contracts.api import Args, Context, QuerySignature, Reader, Signature, fail
from contracts.codes import Code
from contracts.state import StateReader
from contracts.system import envelopes, schedule

NAME = "subjects"
DAY_MS = 24 * 60 * 60 * 1_000
TELL_MS = 2 * DAY_MS
"""How long the owner may take to say which rows are concerned."""
ERASE_MS = 7 * DAY_MS
"""How long the recipient may take from then on."""
TELLING, ERASING, DONE = "telling", "erasing", "done"
PAGE = 100
DUE = b"erase/"
_COUNT = b"obligations"
_OBLIGATION = b"obligation/"
_WAITS = b"waits/"


def create(ctx: Context, batch: dict[str, Any]) -> None:
    """Oblige the owner and recipient of a batch to act on its present revision."""
    number = (ctx.get(_COUNT) or 0) + 1
    ctx.put(_COUNT, number)
    owner = batch["dataset"].partition("/")[0]
    due = ctx.block.timestamp + TELL_MS
    obligation = {
        "id": number, "batch": batch["id"], "revision": batch["revision"],
        "dataset": batch["dataset"], "owner": owner, "recipient": batch["recipient"],
        "status": TELLING, "waits_for": owner, "due": due, "overdue": False, "envelope": None,
        "done": None,
    }  # fmt: skip
    _wait(ctx, obligation)
    ctx.emit("obliged", [number, batch["id"], batch["revision"], batch["recipient"], due])


def _tell(ctx: Context, args: Args) -> None:
    """The owner says in an envelope which rows the recipient has to erase."""
    obligation = _require(ctx, args["obligation"], TELLING)
    recipient = obligation["recipient"]
    envelopes.require_sent(ctx, args["envelope"], recipient)
    _settle(ctx, obligation)
    due = ctx.block.timestamp + ERASE_MS
    changes = {"status": ERASING, "waits_for": recipient, "due": due, "overdue": False}
    _wait(ctx, {**obligation, **changes, "envelope": args["envelope"]})
    ctx.emit("told", [obligation["id"], recipient, due])


def _erased(ctx: Context, args: Args) -> None:
    """The recipient attests that the rows are erased, in every copy of it."""
    obligation = _require(ctx, args["obligation"], ERASING)
    _settle(ctx, obligation)
    changes = {"status": DONE, "waits_for": None, "due": None, "done": ctx.block.timestamp}
    ctx.put(_OBLIGATION + checks.number_key(obligation["id"]), {**obligation, **changes})
    ctx.emit("erased", [obligation["id"], ctx.sender])


def _require(ctx: Context, number: int, status: str) -> dict[str, Any]:
    found: dict[str, Any] | None = get_obligation(ctx.overlay, number)
    if found is None:
        fail(Code.NOT_FOUND, f"obligation {number}")
    if found["status"] != status:
        fail(Code.WRONG_STATUS, [f"obligation {number}", found["status"]])
    if found["waits_for"] != ctx.sender:
        fail(Code.NOT_OWNER, f"obligation {number}")
    return found


def _wait(ctx: Context, obligation: dict[str, Any]) -> None:
    number = checks.number_key(obligation["id"])
    ctx.put(_OBLIGATION + number, obligation)
    ctx.put(_waits(obligation["waits_for"]) + number, None)
    schedule.add(ctx, obligation["due"] + 1, DUE + number)


def _settle(ctx: Context, obligation: dict[str, Any]) -> None:
    number = checks.number_key(obligation["id"])
    ctx.delete(_waits(obligation["waits_for"]) + number)
    schedule.remove(ctx, obligation["due"] + 1, DUE + number)


def _waits(member: str) -> bytes:
    return _WAITS + member.encode("utf-8") + b"/"


def tell_overdue(ctx: Context, number: int) -> None:
    """Announce whose term is over; the obligation stays."""
    found = get_obligation(ctx.overlay, number)
    ctx.put(_OBLIGATION + checks.number_key(number), {**found, "overdue": True})
    name = "telling-overdue" if found["status"] == TELLING else "erasure-overdue"
    ctx.emit(name, [number, found["waits_for"], found["batch"], found["due"]])


def get_obligation(state: StateReader, number: int) -> Any:
    """Return an obligation (a map), or None."""
    return Reader(state, NAME).get(_OBLIGATION + checks.number_key(number))


def get_outstanding(state: StateReader, member: str, after: int = 0) -> list[Any]:
    """Return up to PAGE obligations above number `after` that wait for a member."""
    prefix = _waits(member)
    rows = Reader(state, NAME).scan(prefix, prefix + checks.number_key(after), PAGE)
    return [get_obligation(state, int.from_bytes(key[-8:], "big")) for key, _ in rows]


def _query_obligation(state: StateReader, args: Args) -> Value:
    """What is owed to subjects, by whom, until when, or null."""
    found: Value = get_obligation(state, args["obligation"])
    return found


def _query_obligations(state: StateReader, args: Args) -> Value:
    """What waits for a member to be told or erased, by number above `after`."""
    return get_outstanding(state, args["member"], args.get("after", 0))


_NUMBER = {"obligation": checks.integer(1, 1 << 53)}
METHODS = {
    "tell": Signature(_tell, {**_NUMBER, "envelope": checks.data(32)}),
    "erased": Signature(_erased, _NUMBER),
}
QUERIES = {
    "obligation": QuerySignature(_query_obligation, _NUMBER),
    "obligations": QuerySignature(
        _query_obligations,
        {"member": checks.slug, "after": checks.integer(0, 1 << 53)},
        frozenset(("after",)),
    ),
}
