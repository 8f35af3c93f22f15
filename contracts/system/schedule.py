"""Work for the start of a block: what has become due by block time.

In the order of (due, contract, id), a bounded number in each block, the rest in the next ones.
Nothing may depend on work being done in time: whether something has expired is judged where it is
used, and this only tidies.
"""

from __future__ import annotations

from collections.abc import Callable

from consensus.codec import Value
from contracts import checks
from contracts.api import Args, Context, Contract, Failure, QuerySignature, Reader
from contracts.state import StateReader

NAME = "schedule"
MAX_WORK = 64
"""Items done in one block."""
_ITEM = b"item/"
_NEXT = b"next"
"""No item is due before this time (ms UTC), so that most blocks read one key and are done."""
PAGE = 100


def add(ctx: Context, due: int, identity: bytes) -> None:
    """Have the calling contract's `on_due` run with `identity` once block time reaches `due`."""
    mine = ctx.as_contract(CONTRACT)
    mine.put(_key(due, ctx.contract, identity), None)
    first = mine.get(_NEXT)
    if first is None or due < first:
        mine.put(_NEXT, due)


def remove(ctx: Context, due: int, identity: bytes) -> None:
    """Take back what `add` asked for."""
    ctx.as_contract(CONTRACT).delete(_key(due, ctx.contract, identity))


def _key(due: int, contract: str, identity: bytes) -> bytes:
    return _ITEM + checks.number_key(due) + contract.encode("ascii") + b"/" + identity


def run(ctx: Context) -> None:
    """Do what is due; an item that fails leaves an event and nothing else."""
    mine = ctx.as_contract(CONTRACT)
    first = mine.get(_NEXT)
    if first is None or first > ctx.block.timestamp:
        return
    for key, _ in mine.scan(_ITEM, limit=MAX_WORK):
        due, name, identity = _parts(key)
        if due > ctx.block.timestamp:
            break
        mine.delete(key)
        _do(ctx, name, identity)
    # Read anew: what was done may have put something else on the schedule.
    rest = mine.scan(_ITEM, limit=1)
    if rest:
        mine.put(_NEXT, _parts(rest[0][0])[0])
    else:
        mine.delete(_NEXT)


def _do(ctx: Context, name: str, identity: bytes) -> None:
    contract = ctx.contracts.get(name)
    if contract is None or contract.on_due is None:
        return  # a later protocol version has given the work up
    on_due = contract.on_due
    attempt(ctx, contract, lambda inner: on_due(inner, identity))


def attempt(ctx: Context, contract: Contract, work: Callable[[Context], None]) -> None:
    """Let a contract work without a transaction; if it fails an event is all that is left."""
    mark = ctx.mark()
    try:
        work(ctx.as_contract(contract))
    except Failure as failure:
        ctx.roll_back(mark)
        ctx.as_contract(CONTRACT).emit("failed", [contract.name, int(failure.code)])


def _parts(key: bytes) -> tuple[int, str, bytes]:
    start = len(_ITEM)
    name, _, identity = key[start + 8 :].partition(b"/")
    return int.from_bytes(key[start : start + 8], "big"), name.decode("ascii"), identity


def _query_list(state: StateReader, args: Args) -> Value:
    """[due in ms UTC, contract, id] of waiting work, the first to become due first."""
    rows = Reader(state, NAME).scan(_ITEM, limit=PAGE)
    return [list(_parts(key)) for key, _ in rows]


CONTRACT = Contract(NAME, methods={}, queries={"list": QuerySignature(_query_list, {})})
