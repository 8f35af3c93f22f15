"""Batches of authorisations: opened with their scope, posted once as a root, revised ever after.

A batch covers one dataset, recipient and purpose until a time. Its root is that of a tree (RFC
9162) over authorisations, each with a key of its own; the root of states is that of a tree of the
same size that says of each whether it still holds. `count` is padded, and a revision may change
nothing but the salts, so neither tells how many authorised or withdrew.
"""

from __future__ import annotations

from typing import Any

from consensus.codec import DecodeError, Value
from consensus.crypto import HASH_BYTES
from contracts import checks
from contracts.api import Args, Context, QuerySignature, Reader, Signature, fail
from contracts.codes import Code
from contracts.state import StateReader
from contracts.system import catalogue, envelopes, members, schedule, standards
from contracts.system.subjects import obligations
from contracts.system.subjects.obligations import NAME
from contracts.text import utc

REGISTRAR = "registrar"
OPEN, POSTED, ENDED = "open", "posted", "ended"
MIN_COUNT, MAX_COUNT = 16, 1 << 14
MAX_PARTS = 32
"""Envelopes that hold the authorisations of one batch."""
MAX_MS = 5 * 366 * 24 * 60 * 60 * 1_000
"""The longest that an authorisation may last."""
PAGE = 100
_COUNT = b"batches"
_BATCH = b"batch/"
_SCOPE = b"scope/"
BATCH_DUE = b"until/"


# The registrar


def _open(ctx: Context, args: Args) -> None:
    """Announce a batch, so that its number stands in what subjects sign."""
    dataset, recipient, until = args["dataset"], args["recipient"], args["until"]
    require_registrar(ctx, ctx.sender, dataset, recipient)
    check_scope(ctx, dataset, recipient)
    standard = catalogue.get(ctx.overlay, dataset)["standard"]
    _, _, _, fields = standards.get_brief(ctx.other(standards.NAME), standard[0], standard[1])
    if args["field"] >= fields:
        fail(Code.BAD_ARGUMENT, "field: is none of the dataset's standard")
    if not ctx.block.timestamp < until <= ctx.block.timestamp + MAX_MS:
        fail(Code.BAD_ARGUMENT, "until: must be in the next five years")
    number = (ctx.get(_COUNT) or 0) + 1
    ctx.put(_COUNT, number)
    batch = {
        "id": number, "registrar": ctx.sender, **args, "status": OPEN, "count": 0, "root": None,
        "parts": [], "revision": 0, "states": None, "envelope": None,
    }  # fmt: skip
    _put(ctx, batch)
    ctx.put(_scope(dataset, recipient, args["purpose"]) + checks.number_key(number), None)
    schedule.add(ctx, until, BATCH_DUE + checks.number_key(number))
    ctx.emit("opened", [number, ctx.sender, dataset, recipient, args["purpose"], until])


def _post(ctx: Context, args: Args) -> None:
    """Fix the authorisations of a batch; `parts` are the envelopes that tell the owner of them."""
    batch = _require_own(ctx, args["batch"], OPEN)
    for envelope in (*args["parts"], args["envelope"]):
        envelopes.require_sent(ctx, envelope, batch["dataset"].partition("/")[0])
    told = {name: args[name] for name in ("count", "root", "parts", "states", "envelope")}
    _put(ctx, {**batch, **told, "revision": 1, "status": POSTED})
    ctx.emit("posted", [batch["id"], args["root"], args["count"], args["states"]])


def _revise(ctx: Context, args: Args) -> None:
    """Replace the root of states. Whether anything was withdrawn only the parties see."""
    batch = _require_own(ctx, args["batch"], POSTED)
    if args["revision"] != batch["revision"] + 1:
        fail(Code.WRONG_VERSION, batch["revision"])
    envelopes.require_sent(ctx, args["envelope"], batch["dataset"].partition("/")[0])
    told = {name: args[name] for name in ("revision", "states", "envelope")}
    _put(ctx, {**batch, **told})
    ctx.emit("revised", [batch["id"], args["revision"], args["states"]])
    obligations.create(ctx, {**batch, **told})


def _end(ctx: Context, args: Args) -> None:
    """End a batch with all its authorisations, as when the registrar has lost its register."""
    batch = _require_own(ctx, args["batch"], OPEN, POSTED)
    _put(ctx, {**batch, "status": ENDED})
    forget(ctx, batch["id"])
    ctx.emit("ended", [batch["id"]])
    if batch["status"] == POSTED:
        obligations.create(ctx, {**batch, "revision": batch["revision"] + 1})


def forget(ctx: Context, number: int) -> None:
    """Take a batch that is over out of what its scope lists."""
    batch = get_batch(ctx.overlay, number)
    scope = _scope(batch["dataset"], batch["recipient"], batch["purpose"])
    ctx.delete(scope + checks.number_key(number))


# Checks


def check_scope(ctx: Context, dataset: str, recipient: str) -> None:
    """Fail unless the dataset is registered and the recipient is another member, and active."""
    if catalogue.get(ctx.overlay, dataset) is None:
        fail(Code.NOT_FOUND, dataset)
    if dataset.startswith(recipient + "/"):
        fail(Code.BAD_ARGUMENT, "recipient: must not be the dataset's owner")
    record = members.get(ctx.overlay, recipient)
    if record is None or record["status"] != members.ACTIVE:
        fail(Code.NOT_ACTIVE, recipient)


def is_registrar(state: StateReader, name: str, dataset: str, recipient: str) -> bool:
    """Whether a member may vouch for subjects here: in that role, active, and not concerned."""
    record = members.get(state, name)
    if record is None or record["status"] != members.ACTIVE or REGISTRAR not in record["roles"]:
        return False
    return name not in (dataset.partition("/")[0], recipient)


def require_registrar(ctx: Context, name: str, dataset: str, recipient: str) -> None:
    if not is_registrar(ctx.overlay, name, dataset, recipient):
        fail(Code.NOT_REGISTRAR, name)


def _require_own(ctx: Context, number: int, *statuses: str) -> dict[str, Any]:
    """The sender's batch in one of `statuses`, while the sender may be a registrar of it."""
    batch: dict[str, Any] | None = get_batch(ctx.overlay, number)
    if batch is None:
        fail(Code.NOT_FOUND, f"batch {number}")
    if batch["registrar"] != ctx.sender:
        fail(Code.NOT_OWNER, f"batch {number}")
    require_registrar(ctx, ctx.sender, batch["dataset"], batch["recipient"])
    if batch["status"] not in statuses:
        fail(Code.WRONG_STATUS, [f"batch {number}", batch["status"]])
    return batch


def _put(ctx: Context, batch: dict[str, Any]) -> None:
    ctx.put(_BATCH + checks.number_key(batch["id"]), batch)


def _scope(dataset: str, recipient: str, purpose: str) -> bytes:
    # A dataset's id has one slash and members' names none, so that no two scopes share a key.
    return _SCOPE + f"{dataset}/{recipient}/{purpose}/".encode("ascii")


# What others read


def get_batch(state: StateReader, number: int) -> Any:
    """Return a batch (a map), or None."""
    return Reader(state, NAME).get(_BATCH + checks.number_key(number))


def is_usable(state: StateReader, batch: dict[str, Any], time: int) -> bool:
    """Whether a batch's authorisations may be relied on at `time` (ms UTC)."""
    if batch["status"] != POSTED or time >= batch["until"]:
        return False
    return is_registrar(state, batch["registrar"], batch["dataset"], batch["recipient"])


def find_usable(
    state: StateReader, dataset: str, recipient: str, purpose: str, time: int, after: int = 0
) -> list[dict[str, Any]]:
    """Return batches of a scope above number `after` that may be relied on at `time` (ms UTC).

    Up to PAGE of `of_scope` are looked at.
    """
    numbers = of_scope(state, dataset, recipient, purpose, after)
    found = [get_batch(state, number) for number in numbers]
    return [batch for batch in found if is_usable(state, batch, time)]


def of_scope(
    state: StateReader, dataset: str, recipient: str, purpose: str, after: int = 0
) -> list[int]:
    """Return up to PAGE numbers of a scope's batches that are not over, above `after`."""
    prefix = _scope(dataset, recipient, purpose)
    rows = Reader(state, NAME).scan(prefix, prefix + checks.number_key(after), PAGE)
    return [int.from_bytes(key[-8:], "big") for key, _ in rows]


def text_of(batch: dict[str, Any], reference: bytes) -> str:
    """Return what a subject signs to authorise; `batch` needs what it was opened with."""
    dataset, recipient = batch["dataset"], batch["recipient"]
    return (
        f"Batch {batch['id']} of {batch['registrar']}: {dataset.partition('/')[0]} may give "
        f"{recipient} the record in {dataset} with the reference {reference.hex()} for the purpose "
        f"{batch['purpose']} until {utc(batch['until'])}. This can be withdrawn at any time."
    )


def withdrawal_of(batch: dict[str, Any], reference: bytes) -> str:
    """Return what a subject signs to withdraw."""
    return (
        f"Batch {batch['id']} of {batch['registrar']}: what was authorised for the record in "
        f"{batch['dataset']} with the reference {reference.hex()} is withdrawn."
    )


def _query_batch(state: StateReader, args: Args) -> Value:
    """A batch of authorisations, or null."""
    found: Value = get_batch(state, args["batch"])
    return found


def _query_batches(state: StateReader, args: Args) -> Value:
    """Batches of a scope that are not over, by number above `after`, PAGE at most.

    Each with `usable`: whether it may be relied on at the time `at` (ms UTC).
    """
    scope = (args["dataset"], args["recipient"], args["purpose"])
    found = [get_batch(state, number) for number in of_scope(state, *scope, args.get("after", 0))]
    return [{**batch, "usable": is_usable(state, batch, args["at"])} for batch in found]


def _query_text(state: StateReader, args: Args) -> Value:
    """What a subject of the batch has to sign, or null."""
    batch = get_batch(state, args["batch"])
    return None if batch is None else text_of(batch, args["reference"])


def _query_withdrawal(state: StateReader, args: Args) -> Value:
    """What a subject of the batch has to sign to withdraw, or null."""
    batch = get_batch(state, args["batch"])
    return None if batch is None else withdrawal_of(batch, args["reference"])


def _check_count(value: Value, what: str) -> Value:
    checks.integer(MIN_COUNT, MAX_COUNT)(value, what)
    if type(value) is int and value & (value - 1):
        raise DecodeError(f"{what}: must be a power of two")
    return value


_HASH = checks.data(HASH_BYTES)
_TIME = checks.integer(0, 1 << 53)
_AFTER = checks.integer(0, 1 << 53)
BATCH = {"batch": checks.integer(1, 1 << 53)}
SCOPE = {"dataset": checks.owned_id, "recipient": checks.slug, "purpose": checks.slug}
METHODS = {
    "open": Signature(
        _open, {**SCOPE, "field": checks.integer(0, standards.MAX_FIELDS - 1), "until": _TIME}
    ),
    "post": Signature(
        _post,
        {
            **BATCH,
            "count": _check_count,
            "root": _HASH,
            "parts": checks.list_of(_HASH, MAX_PARTS),
            "states": _HASH,
            "envelope": _HASH,
        },
    ),
    "revise": Signature(
        _revise,
        {**BATCH, "revision": checks.integer(2, 1 << 53), "states": _HASH, "envelope": _HASH},
    ),
    "end": Signature(_end, BATCH),
}
QUERIES = {
    "batch": QuerySignature(_query_batch, BATCH),
    "batches": QuerySignature(
        _query_batches, {**SCOPE, "at": _TIME, "after": _AFTER}, frozenset(("after",))
    ),
    "text": QuerySignature(_query_text, {**BATCH, "reference": _HASH}),
    "withdrawal": QuerySignature(_query_withdrawal, {**BATCH, "reference": _HASH}),
}
