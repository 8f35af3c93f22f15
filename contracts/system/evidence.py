"""Evidence against validators: two votes of one key that no honest validator casts together.

Anybody may report it; a node does by itself. It counts once for each key and epoch. Before an
epoch's last block what was reported in it acts without a vote: accused members are suspended, at
most f of n and never so that fewer than four validators are left, in the order of reports. Those
beyond that are spared: a fault in a release may let all contradict themselves, and must not end the
alliance. Whoever goes on is accused again in the next epoch.
"""

from __future__ import annotations

from typing import Any

from consensus.codec import DecodeError, Value
from consensus.crypto import PUBLIC_KEY_BYTES
from consensus.messages import Evidence
from contracts import checks
from contracts.api import (
    ADMIN,
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
from contracts.system import members, membership

NAME = "evidence"
MAX_AGE_EPOCHS = 16
MIN_VALIDATORS = 4
PAGE = 100
_CASE = b"case/"
_PENDING = b"pending/"
_COUNT = b"count"
PENDING, ACTED, SPARED = "pending", "acted", "spared"


def _check_evidence(value: Value, what: str) -> object:
    try:
        Evidence.from_value(value)
    except DecodeError as error:
        raise DecodeError(f"{what}: {error.args[0]}") from None
    return value


def case_key(key: bytes, epoch: int) -> bytes:
    """Return where the state says whether a key was accused in an epoch."""
    return _CASE + key + checks.number_key(epoch)


def is_known(state: StateReader, key: bytes, epoch: int) -> bool:
    """Whether the key was accused in that epoch already."""
    return Reader(state, NAME).get(case_key(key, epoch)) is not None


def _report(ctx: Context, args: Args) -> None:
    """Accuse the member whose voting key signed both votes."""
    key, evidence = args["key"], Evidence.from_value(args["evidence"])
    statement = evidence.first.statement
    holder = members.holder_of(ctx.overlay, key)
    if holder is None or holder[1] != "voting":
        fail(Code.NOT_FOUND, "voting key")
    if not max(0, ctx.block.epoch - MAX_AGE_EPOCHS) <= statement.epoch <= ctx.block.epoch:
        fail(Code.BAD_ARGUMENT, f"evidence: of epoch {statement.epoch}")
    place = case_key(key, statement.epoch)
    if ctx.get(place) is not None:
        fail(Code.EXISTS, f"evidence against {holder[0]} in epoch {statement.epoch}")
    if not evidence.is_signed_by(ctx.block.chain_id, key):
        fail(Code.NO_CONTRADICTION)
    number = (ctx.get(_COUNT) or 0) + 1
    ctx.put(_COUNT, number)
    ctx.put(_PENDING + checks.number_key(number), place)
    ctx.put(
        place,
        {
            "member": holder[0],
            "key": key,
            "epoch": statement.epoch,
            "view": statement.view,
            "reporter": ctx.sender,
            "height": ctx.block.height,
            "evidence": args["evidence"],
            "status": PENDING,
        },
    )
    ctx.emit("reported", [holder[0], statement.epoch, statement.view])


def _on_boundary(ctx: Context) -> None:
    """Suspend the accused as far as the alliance can bear it, and close all cases."""
    rows = ctx.scan(_PENDING, limit=PAGE)
    if not rows:
        return
    count = len(members.standing_validators(ctx.overlay))
    room = min((count - 1) // 3, count - MIN_VALIDATORS)
    for place, case_place in rows:
        case = ctx.get(case_place)
        record = members.require(ctx, case["member"])
        status = SPARED
        if record["status"] != members.ACTIVE:
            status = ACTED  # by another case or a vote
        elif room > 0:
            membership.suspend(ctx, {"member": case["member"]})
            status, room = ACTED, room - 1
        ctx.delete(place)
        ctx.put(case_place, {**case, "status": status})
        ctx.emit(status, [case["member"], case["epoch"]])


def _query_list(state: StateReader, args: Args) -> Value:
    """Cases in the order of keys and epochs, without the votes."""
    reader = Reader(state, NAME)
    rows = reader.scan(_CASE, limit=PAGE)
    return [_brief(case) for _, case in rows]


def _query_get(state: StateReader, args: Args) -> Value:
    """What was reported of a voting key in an epoch, or null."""
    return Reader(state, NAME).get(case_key(args["key"], args["epoch"]))  # type: ignore[no-any-return]


def _brief(case: dict[str, Any]) -> dict[str, Value]:
    return {name: value for name, value in case.items() if name != "evidence"}


CONTRACT = Contract(
    NAME,
    methods={
        "report": Signature(
            _report,
            {"key": checks.data(PUBLIC_KEY_BYTES), "evidence": _check_evidence},
            duties=(ADMIN, NODE),
        )
    },
    queries={
        "get": QuerySignature(
            _query_get, {"key": checks.data(PUBLIC_KEY_BYTES), "epoch": checks.integer(0, 1 << 53)}
        ),
        "list": QuerySignature(_query_list, {}),
    },
    on_boundary=_on_boundary,
)
