"""Chunks of audited mode: rows under salts of their own, and nothing of what is registered.

A row of a delivery has leaf = H(0x13 || 16 random bytes || CBOR of its delivered values); the
leaves form an RFC 9162 tree whose root stands on the chain before the first chunk. Rows come in an
order drawn for the delivery. A chunk is [withheld, leaves, salts, columns, proof]: `withheld` are
the offsets (u16) of rows that must not go out any more, of which only the leaf does.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import sha256

from consensus.codec import DecodeError, Value, decode, encode, expect_bytes, expect_list
from consensus.crypto import HASH_BYTES
from node.data.commitment import SALT_BYTES, Field, array_head, encode_field
from node.exchange.linked import MAX_BODY_BYTES, MAX_RECORDS, Shape, columns_of

_OFFSET_BYTES = 2


def leaf(salt: bytes, values: Sequence[Field]) -> bytes:
    """Return the hash of a delivered row."""
    cells = b"".join([encode_field(value) for value in values])
    return sha256(b"\x13" + salt + array_head(len(values)) + cells).digest()


@dataclass(frozen=True, slots=True)
class Received:
    """What a chunk holds: the leaf of each row in order; columns of the `rows` that are shown."""

    leaves: list[bytes]
    columns: tuple[list[Field], ...]
    proof: list[bytes]
    rows: int


def pack(
    rows: Sequence[tuple[bytes, Sequence[Field]]],
    width: int,
    withheld: Collection[int],
    proof: Sequence[bytes],
) -> bytes:
    """Return the body of a chunk of salts and rows of `width` values."""
    hidden = sorted(withheld)
    shown = [row for offset, row in enumerate(rows) if offset not in withheld]
    columns: list[Value] = [[values[at] for _, values in shown] for at in range(width)]
    offsets = b"".join(offset.to_bytes(_OFFSET_BYTES, "big") for offset in hidden)
    leaves = b"".join(leaf(*rows[offset]) for offset in hidden)
    return encode([offsets, leaves, b"".join(salt for salt, _ in shown), columns, b"".join(proof)])


def unpack(width: int, body: bytes) -> Received:
    """Compute the rows' leaves from what was sent. Raises DecodeError."""
    row = expect_list(decode(body, max_bytes=MAX_BODY_BYTES), "chunk", 5)
    offsets = expect_bytes(row[0], "withheld", max_length=_OFFSET_BYTES * MAX_RECORDS)
    hidden = [int.from_bytes(part, "big") for part in _cut(offsets, _OFFSET_BYTES)]
    leaves = _cut(expect_bytes(row[1], "leaves", HASH_BYTES * len(hidden)), HASH_BYTES)
    salts = _cut(expect_bytes(row[2], "salts", max_length=SALT_BYTES * MAX_RECORDS), SALT_BYTES)
    columns = columns_of(row[3], width, len(salts))
    proof = _cut(expect_bytes(row[4], "proof", max_length=MAX_BODY_BYTES), HASH_BYTES)
    shown = zip(salts, zip(*columns, strict=True), strict=True)
    made = [leaf(salt, values) for salt, values in shown]
    if hidden != sorted(set(hidden)) or (hidden and hidden[-1] >= len(made) + len(hidden)):
        raise DecodeError("the offsets of withheld rows are no such offsets")
    for offset, each in zip(hidden, leaves, strict=True):
        made.insert(offset, each)
    return Received(made, columns, proof, len(salts))


def _cut(data: bytes, size: int) -> list[bytes]:
    if len(data) % size:
        raise DecodeError(f"parts are of {size} bytes each")
    return [data[at : at + size] for at in range(0, len(data), size)]


def blank(shape: Shape, body: bytes, rows: Collection[int]) -> bytes:
    """Return the body without salts and values of `rows`, counted from 0 among those shown."""
    offsets, leaves, salts, columns, proof = expect_list(
        decode(body, max_bytes=MAX_BODY_BYTES), "chunk", 5
    )
    cleared = bytearray(expect_bytes(salts, "salts", max_length=MAX_BODY_BYTES))
    for row in rows:
        cleared[SALT_BYTES * row : SALT_BYTES * (row + 1)] = bytes(SALT_BYTES)
    emptied: list[Value] = [
        [None if row in rows else cell for row, cell in enumerate(expect_list(column, "column"))]
        for column in expect_list(columns, "columns", len(shape.delivered))
    ]
    return encode([offsets, leaves, bytes(cleared), emptied, proof])
