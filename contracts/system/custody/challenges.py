"""Versions placed with custodians, and challenges that they still have them.

A placement commits to the ciphertext as a tree of chunks. A challenge draws chunks by the hash of
the block after its own, so nobody knows them before; the custodian answers within so many blocks
with the chunks and their paths, off the chain, and posts the digest of the answer. Who challenged
judges it. To fail, or to be silent, is an event. That is retrievability, not location.
"""

from __future__ import annotations

from typing import Any

from consensus.codec import Value
from contracts import checks
from contracts.api import Args, Context, QuerySignature, Reader, Signature, fail
from contracts.codes import Code
from contracts.state import StateReader
from contracts.system import catalogue, custodians, envelopes, members, schedule
from contracts.system.custodians import DELEGATE, NAME

PLACED, HELD = "placed", "held"
OPEN, ANSWERED, PASSED, FAILED, SILENT = "open", "answered", "passed", "failed", "silent"
MIN_BLOCKS, MAX_BLOCKS = 4, 100_000
MAX_CHUNKS = 1 << 40
BLOCK_MS = 20
"""No block comes sooner after another; for guessing when a height may be reached."""
PAGE = 100
DUE = b"answer/"
_PLACEMENT = b"placement/"
_CHALLENGES = b"challenges"
_CHALLENGE = b"challenge/"
_WAITS = b"waits/"


# Placements


def _place(ctx: Context, args: Args) -> None:
    """The owner hands a version's ciphertext over; a delegate gets its key in the envelope."""
    agreement = custodians.require_agreement(ctx, args["agreement"], custodians.ACTIVE)
    if ctx.sender != agreement["owner"]:
        fail(Code.NOT_OWNER, agreement["dataset"])
    if not custodians.is_active(agreement, ctx.block.timestamp):
        fail(Code.NO_AGREEMENT, agreement["mode"])
    dataset, custodian = agreement["dataset"], agreement["custodian"]
    version = catalogue.get(ctx.overlay, dataset, args["version"])
    if version is None:
        fail(Code.NOT_FOUND, dataset)
    custodians.require_domestic(ctx, dataset, custodian, version["level"], version["class"])
    if agreement["mode"] == DELEGATE:
        envelopes.require_sent(ctx, args["envelope"] or b"", custodian)
    elif args["envelope"] is not None:
        fail(Code.BAD_ARGUMENT, "envelope: escrow gets no key")
    waiting = _placement(ctx.overlay, agreement["id"], args["version"])
    if waiting is not None and waiting["challenge"] is not None:
        fail(Code.WRONG_STATUS, [f"challenge {waiting['challenge']}", OPEN])
    placement = {
        "agreement": agreement["id"], "version": args["version"], "dataset": dataset,
        "custodian": custodian, "mode": agreement["mode"], "chunks": args["chunks"],
        "root": args["root"], "envelope": args["envelope"], "status": PLACED, "challenge": None,
    }  # fmt: skip
    _put(ctx, placement)
    ctx.emit("placed", [agreement["id"], args["version"], args["root"], args["chunks"]])


def _hold(ctx: Context, args: Args) -> None:
    """The custodian says that it has all of what was placed."""
    placement = _require(ctx, args)
    if ctx.sender != placement["custodian"]:
        fail(Code.NOT_OWNER, placement["dataset"])
    if args["root"] != placement["root"]:
        fail(Code.WRONG_VERSION, placement["version"])
    _put(ctx, {**placement, "status": HELD})
    ctx.emit("held", [placement["agreement"], placement["version"], ctx.sender])


def _require(ctx: Context, args: Args) -> dict[str, Any]:
    """What was placed under an agreement that is in force."""
    custodians.require_agreement(ctx, args["agreement"], custodians.ACTIVE)
    found: dict[str, Any] | None = _placement(ctx.overlay, args["agreement"], args["version"])
    if found is None:
        fail(Code.NOT_FOUND, f"version {args['version']}")
    return found


def _put(ctx: Context, placement: dict[str, Any]) -> None:
    ctx.put(_place_of(placement["agreement"], placement["version"]), placement)


def _place_of(agreement: int, version: int) -> bytes:
    return _PLACEMENT + checks.number_key(agreement) + checks.number_key(version)


def _placement(state: StateReader, agreement: int, version: int) -> Any:
    return Reader(state, NAME).get(_place_of(agreement, version))


def is_delegate(state: StateReader, dataset: str, version: int, member: str, time: int) -> bool:
    """Whether a member may deliver a version in its owner's name at `time` (ms UTC)."""
    agreement = custodians.find(state, dataset, member)
    if not custodians.is_active(agreement, time) or agreement["mode"] != DELEGATE:
        return False
    placement = _placement(state, agreement["id"], version)
    return placement is not None and placement["status"] == HELD


# Challenges


def _challenge(ctx: Context, args: Args) -> None:
    """The owner or a supervisor asks a custodian to show that it has a version."""
    placement = _require(ctx, args)
    is_supervisor = "supervisor" in members.require(ctx, ctx.sender)["roles"]
    is_owner = placement["dataset"].startswith(ctx.sender + "/")
    if ctx.sender == placement["custodian"] or not (is_owner or is_supervisor):
        fail(Code.NOT_OWNER, placement["dataset"])
    if placement["status"] != HELD:
        fail(Code.WRONG_STATUS, [f"version {placement['version']}", placement["status"]])
    if placement["challenge"] is not None:
        fail(Code.WRONG_STATUS, [f"challenge {placement['challenge']}", OPEN])
    number = (ctx.get(_CHALLENGES) or 0) + 1
    ctx.put(_CHALLENGES, number)
    deadline = ctx.block.height + args["blocks"]
    challenge = {
        "id": number, "by": ctx.sender, "agreement": placement["agreement"],
        "version": placement["version"], "custodian": placement["custodian"],
        "dataset": placement["dataset"], "root": placement["root"], "chunks": placement["chunks"],
        "height": ctx.block.height, "deadline": deadline, "status": OPEN, "digest": None,
    }  # fmt: skip
    _put_challenge(ctx, challenge)
    _put(ctx, {**placement, "challenge": number})
    ctx.put(_waits(placement["custodian"]) + checks.number_key(number), None)
    _look_again(ctx, number, args["blocks"])
    ctx.emit("challenged", [number, placement["custodian"], placement["dataset"], deadline])


def _answer(ctx: Context, args: Args) -> None:
    """The custodian posts the digest of its answer, which it gives to who asked."""
    challenge = _require_challenge(ctx, args["challenge"], OPEN)
    if ctx.sender != challenge["custodian"]:
        fail(Code.NOT_OWNER, f"challenge {challenge['id']}")
    if ctx.block.height > challenge["deadline"]:
        fail(Code.TOO_LATE, challenge["deadline"])
    _free(ctx, challenge)
    _put_challenge(ctx, {**challenge, "status": ANSWERED, "digest": args["digest"]})
    ctx.emit("answered", [challenge["id"], ctx.sender, args["digest"]])


def _judge(ctx: Context, args: Args) -> None:
    """Who challenged says whether the answer shows what was asked for."""
    challenge = _require_challenge(ctx, args["challenge"], ANSWERED)
    if ctx.sender != challenge["by"]:
        fail(Code.NOT_OWNER, f"challenge {challenge['id']}")
    _decide(ctx, challenge, PASSED if args["passed"] else FAILED)


def tell_silence(ctx: Context, number: int) -> None:
    """Close a challenge that was not answered in time; look again later if it still may be."""
    challenge = get_challenge(ctx.overlay, number)
    if challenge["status"] != OPEN:
        return
    left = challenge["deadline"] - ctx.block.height
    if left >= 0:
        _look_again(ctx, number, left + 1)
        return
    _free(ctx, challenge)
    _decide(ctx, challenge, SILENT)


def _free(ctx: Context, challenge: dict[str, Any]) -> None:
    """The placement may be challenged anew, and the custodian has nothing more to do."""
    ctx.delete(_waits(challenge["custodian"]) + checks.number_key(challenge["id"]))
    placement = _placement(ctx.overlay, challenge["agreement"], challenge["version"])
    _put(ctx, {**placement, "challenge": None})


def _decide(ctx: Context, challenge: dict[str, Any], status: str) -> None:
    _put_challenge(ctx, {**challenge, "status": status})
    ctx.emit(status, [challenge["id"], challenge["custodian"], challenge["dataset"]])


def _look_again(ctx: Context, number: int, blocks: int) -> None:
    due = ctx.block.timestamp + blocks * BLOCK_MS
    schedule.add(ctx, due, DUE + checks.number_key(number))


def _require_challenge(ctx: Context, number: int, status: str) -> dict[str, Any]:
    found: dict[str, Any] | None = get_challenge(ctx.overlay, number)
    if found is None:
        fail(Code.NOT_FOUND, f"challenge {number}")
    if found["status"] != status:
        fail(Code.WRONG_STATUS, [f"challenge {number}", found["status"]])
    return found


def _put_challenge(ctx: Context, challenge: dict[str, Any]) -> None:
    ctx.put(_CHALLENGE + checks.number_key(challenge["id"]), challenge)


def _waits(member: str) -> bytes:
    return _WAITS + member.encode("utf-8") + b"/"


def get_challenge(state: StateReader, number: int) -> Any:
    """Return a challenge (a map), or None."""
    return Reader(state, NAME).get(_CHALLENGE + checks.number_key(number))


# Questions


def _query_placements(state: StateReader, args: Args) -> Value:
    """What was placed under an agreement, by version above `after`."""
    prefix = _PLACEMENT + checks.number_key(args["agreement"])
    start = prefix + checks.number_key(args.get("after", 0))
    return [row for _, row in Reader(state, NAME).scan(prefix, start, PAGE)]


def _query_challenge(state: StateReader, args: Args) -> Value:
    """A challenge and what was answered, or null."""
    found: Value = get_challenge(state, args["challenge"])
    return found


def _query_waiting(state: StateReader, args: Args) -> Value:
    """Challenges that wait for a custodian's answer, PAGE at most."""
    rows = Reader(state, NAME).scan(_waits(args["custodian"]), limit=PAGE)
    return [get_challenge(state, int.from_bytes(key[-8:], "big")) for key, _ in rows]


_VERSION = {"agreement": checks.integer(1, 1 << 53), "version": checks.integer(1, 1 << 32)}
_NUMBER = {"challenge": checks.integer(1, 1 << 53)}
_HASH = checks.data(32)
METHODS = {
    "place": Signature(
        _place,
        {
            **_VERSION,
            "chunks": checks.integer(1, MAX_CHUNKS),
            "root": _HASH,
            "envelope": checks.optional(_HASH),
        },
    ),
    "hold": Signature(_hold, {**_VERSION, "root": _HASH}),
    "challenge": Signature(
        _challenge, {**_VERSION, "blocks": checks.integer(MIN_BLOCKS, MAX_BLOCKS)}
    ),
    "answer": Signature(_answer, {**_NUMBER, "digest": _HASH}),
    "judge": Signature(_judge, {**_NUMBER, "passed": checks.boolean}),
}
QUERIES = {
    "placements": QuerySignature(
        _query_placements,
        {"agreement": _VERSION["agreement"], "after": checks.integer(0, 1 << 32)},
        frozenset(("after",)),
    ),
    "challenge": QuerySignature(_query_challenge, _NUMBER),
    "waiting": QuerySignature(_query_waiting, {"custodian": checks.slug}),
}
