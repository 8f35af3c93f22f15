"""Sealed envelopes: who sealed what to whom. The bodies travel between the parties' nodes.

The chain holds two digests of an envelope. `id` is that of its bytes, so that nobody passes on
other ones. `commitment` is that of the body's fields, each with 16 bytes of random salt: it tells
nothing, proves single fields, and stays the same when a body is sealed anew to others, so that a
contract sees that it is the same body.
"""

from __future__ import annotations

from typing import Any

from consensus.codec import DecodeError, Value
from contracts import checks
from contracts.api import Args, Context, Contract, QuerySignature, Reader, Signature, fail
from contracts.codes import Code
from contracts.state import StateReader
from contracts.system import members

NAME = "envelopes"
MAX_PARTIES = 16
PAGE = 100
_ENVELOPE = b"envelope/"
_COUNT = b"count/"
_TO = b"to/"


def parties(value: Value, what: str) -> Any:
    """Names of members, sorted and distinct, 1 to MAX_PARTIES."""
    names: Any = checks.list_of(checks.slug, MAX_PARTIES)(value, what)
    if not names or names != sorted(set(names)):
        raise DecodeError(f"{what}: must be names, sorted and distinct, at least one")
    return names


def _anchor(ctx: Context, args: Args) -> None:
    """Say that the sender has sealed an envelope to `parties`, itself and a supervisor too."""
    names = args["parties"]
    if ctx.sender not in names:
        fail(Code.NOT_PARTY, ctx.sender)
    if ctx.get(_ENVELOPE + args["id"]) is not None:
        fail(Code.EXISTS, args["id"].hex())
    records = [_active(ctx, name) for name in names]
    if not any("supervisor" in record["roles"] for record in records):
        fail(Code.NO_SUPERVISOR)
    ctx.put(
        _ENVELOPE + args["id"],
        {
            "sender": ctx.sender,
            "parties": names,
            "commitment": args["commitment"],
            "height": ctx.block.height,
            "erased": [],
        },
    )
    for name in names:
        key = name.encode("ascii")
        number = (ctx.get(_COUNT + key) or 0) + 1
        ctx.put(_COUNT + key, number)
        ctx.put(_TO + key + b"/" + checks.number_key(number), args["id"])
    ctx.emit("anchored", [args["id"], ctx.sender, names])


def _active(ctx: Context, name: str) -> Any:
    record = members.get(ctx.overlay, name)
    if record is None or record["status"] != "active":
        fail(Code.NOT_ACTIVE, name)
    return record


def _erased(ctx: Context, args: Args) -> None:
    """Say that the sender, a party, has destroyed its key to an envelope."""
    found = ctx.get(_ENVELOPE + args["id"])
    if found is None:
        fail(Code.NOT_FOUND, args["id"].hex())
    if ctx.sender not in found["parties"]:
        fail(Code.NOT_PARTY, ctx.sender)
    if ctx.sender in found["erased"]:
        fail(Code.EXISTS, ctx.sender)
    ctx.require_second()
    found["erased"].append(ctx.sender)
    ctx.put(_ENVELOPE + args["id"], found)
    ctx.emit("erased", [args["id"], ctx.sender])


def get(state: StateReader, envelope: bytes) -> Any:
    """Return what was anchored (a map), or None."""
    return Reader(state, NAME).get(_ENVELOPE + envelope)


def addressed(state: StateReader, member: str, after: int, limit: int = PAGE) -> list[Any]:
    """Return up to `limit` pairs (number, id) of envelopes to a member, by number above `after`.

    A member's envelopes are numbered from 1.
    """
    prefix = _TO + member.encode("utf-8") + b"/"
    rows = Reader(state, NAME).scan(prefix, prefix + checks.number_key(after), limit)
    return [[int.from_bytes(key[-8:], "big"), envelope] for key, envelope in rows]


def require_sent(ctx: Context, envelope: bytes, reader: str) -> None:
    """Fail unless the sender has anchored an envelope that `reader` is a party to."""
    found = get(ctx.overlay, envelope)
    if found is None or found["sender"] != ctx.sender or reader not in found["parties"]:
        fail(Code.BAD_ENVELOPE, envelope.hex())


def _query_get(state: StateReader, args: Args) -> Value:
    """Who sealed the envelope to whom, and when, or null."""
    return get(state, args["id"])  # type: ignore[no-any-return]


def _query_addressed(state: StateReader, args: Args) -> Value:
    """Envelopes of which the member is a party, above number `after`."""
    return addressed(state, args["member"], args.get("after", 0))


_ID = {"id": checks.data(32)}
CONTRACT = Contract(
    NAME,
    methods={
        "anchor": Signature(_anchor, {**_ID, "commitment": checks.data(32), "parties": parties}),
        "erased": Signature(_erased, _ID),
    },
    queries={
        "get": QuerySignature(_query_get, _ID),
        "addressed": QuerySignature(
            _query_addressed,
            {"member": checks.slug, "after": checks.integer(0, (1 << 63) - 1)},
            frozenset(("after",)),
        ),
    },
)
