"""Agreements on custody: offered by the owner, accepted by the custodian, ended by either."""

from __future__ import annotations

from typing import Any

from consensus.codec import Value
from contracts import checks
from contracts.api import Args, Context, QuerySignature, Reader, Signature, fail
from contracts.codes import Code
from contracts.state import StateReader
from contracts.system import catalogue, members, schedule
from contracts.system.custodians import (
    ACTIVE,
    AGREEMENT,
    DELEGATE,
    ENDED,
    ERASED,
    ESCROW,
    MAX_CUSTODIANS,
    NAME,
    OFFERED,
    agreements,
    find,
    get_agreement,
    of,
    require_agreement,
    require_domestic,
)

ERASE_MS = 7 * 24 * 60 * 60 * 1_000
"""How long a custodian may take to erase what it holds after an agreement's end."""
PAGE = 100
ERASE_DUE, UNTIL_DUE = b"erase/", b"until/"
_COUNT = b"agreements"


def _offer(ctx: Context, args: Args) -> None:
    """The owner offers a member custody of the versions of a dataset."""
    dataset, custodian = args["dataset"], args["custodian"]
    ctx.require_own(dataset)
    if custodian == ctx.sender:
        fail(Code.BAD_ARGUMENT, "custodian: must be another member")
    record = members.get(ctx.overlay, custodian)
    if record is None or record["status"] != members.ACTIVE:
        fail(Code.NOT_ACTIVE, custodian)
    if not ctx.block.timestamp < args["until"]:
        fail(Code.BAD_ARGUMENT, "until: must be in the future")
    known = find(ctx.overlay, dataset, custodian)
    if known is not None and known["status"] in (OFFERED, ACTIVE):
        fail(Code.EXISTS, f"agreement {known['id']}")
    if known is None and len(agreements(ctx.overlay, dataset)) >= MAX_CUSTODIANS:
        fail(Code.TOO_MANY_CUSTODIANS, MAX_CUSTODIANS)
    _check_domestic(ctx, args)
    number = (ctx.get(_COUNT) or 0) + 1
    ctx.put(_COUNT, number)
    _put(ctx, {"id": number, "owner": ctx.sender, **args, "status": OFFERED, "due": None})
    ctx.put(of(dataset) + custodian.encode("ascii"), number)
    ctx.emit("offered", [number, dataset, custodian, args["mode"]])


def _accept(ctx: Context, args: Args) -> None:
    """The member that was asked keeps the data from now on."""
    agreement = require_agreement(ctx, args["agreement"], OFFERED)
    if ctx.sender != agreement["custodian"]:
        fail(Code.NOT_OWNER, f"agreement {agreement['id']}")
    if agreement["until"] <= ctx.block.timestamp:
        fail(Code.NO_AGREEMENT, agreement["mode"])
    _check_domestic(ctx, agreement)
    _put(ctx, {**agreement, "status": ACTIVE})
    schedule.add(ctx, agreement["until"], UNTIL_DUE + checks.number_key(agreement["id"]))
    ctx.emit("accepted", [agreement["id"], agreement["dataset"], ctx.sender, agreement["mode"]])


def _end(ctx: Context, args: Args) -> None:
    """Either side ends it, or refuses the offer; what the custodian holds is to be erased."""
    agreement = require_agreement(ctx, args["agreement"], OFFERED, ACTIVE)
    if ctx.sender not in (agreement["owner"], agreement["custodian"]):
        fail(Code.NOT_OWNER, f"agreement {agreement['id']}")
    _close(ctx, agreement)


def _close(ctx: Context, agreement: dict[str, Any]) -> None:
    due = None
    if agreement["status"] == ACTIVE:
        due = ctx.block.timestamp + ERASE_MS
        schedule.add(ctx, due + 1, ERASE_DUE + checks.number_key(agreement["id"]))
    _put(ctx, {**agreement, "status": ENDED, "due": due})
    ctx.emit("ended", [agreement["id"], agreement["dataset"], agreement["custodian"], due])


def _erased(ctx: Context, args: Args) -> None:
    """The custodian attests that nothing of it is left: neither data nor keys."""
    agreement = require_agreement(ctx, args["agreement"], ENDED)
    if ctx.sender != agreement["custodian"] or agreement["due"] is None:
        fail(Code.NOT_OWNER, f"agreement {agreement['id']}")
    schedule.remove(ctx, agreement["due"] + 1, ERASE_DUE + checks.number_key(agreement["id"]))
    _put(ctx, {**agreement, "status": ERASED})
    ctx.emit("erased", [agreement["id"], ctx.sender])


def expire(ctx: Context, number: int) -> None:
    """End an agreement whose time is over."""
    agreement = get_agreement(ctx.overlay, number)
    if agreement["status"] == ACTIVE:
        _close(ctx, agreement)


def tell_overdue(ctx: Context, number: int) -> None:
    """Announce that a custodian has not attested erasure in time."""
    agreement = get_agreement(ctx.overlay, number)
    ctx.emit("erasure-overdue", [number, agreement["custodian"], agreement["due"]])


def _check_domestic(ctx: Context, agreement: dict[str, Any]) -> None:
    """What is registered of the dataset may be kept there; each version is checked again."""
    known = catalogue.get(ctx.overlay, agreement["dataset"])
    if known is not None:
        require_domestic(
            ctx, agreement["dataset"], agreement["custodian"], known["level"], known["class"]
        )


def _put(ctx: Context, agreement: dict[str, Any]) -> None:
    ctx.put(AGREEMENT + checks.number_key(agreement["id"]), agreement)


def _query_agreement(state: StateReader, args: Args) -> Value:
    """An agreement, or null."""
    found: Value = get_agreement(state, args["agreement"])
    return found


def _query_agreements(state: StateReader, args: Args) -> Value:
    """The latest agreement on a dataset with each member."""
    found: list[Value] = list(agreements(state, args["dataset"]))
    return found


def _query_list(state: StateReader, args: Args) -> Value:
    """All agreements by number above `after`."""
    start = AGREEMENT + checks.number_key(args.get("after", 0))
    return [row for _, row in Reader(state, NAME).scan(AGREEMENT, start, PAGE)]


_NUMBER = {"agreement": checks.integer(1, 1 << 53)}
METHODS = {
    "offer": Signature(
        _offer,
        {
            "dataset": checks.owned_id,
            "custodian": checks.slug,
            "mode": checks.one_of(ESCROW, DELEGATE),
            "until": checks.integer(0, 1 << 53),
        },
    ),
    "accept": Signature(_accept, _NUMBER),
    "end": Signature(_end, _NUMBER),
    "erased": Signature(_erased, _NUMBER),
}
QUERIES = {
    "agreement": QuerySignature(_query_agreement, _NUMBER),
    "agreements": QuerySignature(_query_agreements, {"dataset": checks.owned_id}),
    "list": QuerySignature(
        _query_list, {"after": checks.integer(0, 1 << 53)}, frozenset(("after",))
    ),
}
