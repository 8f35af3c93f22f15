"""The evidence of a dispute: a signed chunk, what ties its body to the header, and its sealed form.

A header signs the digest that chains all bodies, so a body together with the digest before it is
what the server signed, and a record of it with its registered hash and path shows what is wrong.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from consensus.codec import (
    DecodeError,
    Value,
    decode,
    encode,
    expect_bytes,
    expect_int,
    expect_list,
    expect_text,
)
from consensus.crypto import HASH_BYTES, SIGNATURE_BYTES, sha256
from contracts.system.deliveries import MAX_ENVELOPES
from contracts.system.deliveries.header import MAX_BYTES, MAX_COUNT
from node.envelopes.content import Content
from node.errors import MunimentError
from node.exchange.linked import MAX_BODY_BYTES

FORMAT = 1
KIND = "dispute"
PART_BYTES = 128 << 10
MAX_PIECE_BYTES = MAX_ENVELOPES * PART_BYTES
SALT_BYTES = 16
MAX_WHY_BYTES = 1_024
MAX_PATH = 64


class DisputeError(MunimentError):
    """A dispute that cannot be opened, or evidence that is damaged."""

    code = "dispute"


@dataclass(frozen=True, slots=True)
class Signed:
    """A header as its server has signed it, encoded; both empty before the first chunk."""

    header: bytes = b""
    signature: bytes = b""


@dataclass(frozen=True, slots=True)
class Earlier:
    """A chunk sent before; `before` is the digest it goes on from, `links` each H(body) since."""

    before: bytes
    signed: Signed
    body: bytes
    links: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Registered:
    """Which record is registered at a place of the version's tree, with its path."""

    place: int
    record: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """What a recipient shows the supervisor of a chunk.

    `before` is the header of the chunk before, `row` one of the delivery that it points at, from 1,
    or 0, `why` its words.
    """

    before: Signed
    signed: Signed
    body: bytes
    registered: Registered | None
    earlier: Earlier | None
    row: int
    why: str

    def encode(self) -> bytes:
        """Return it with 16 random bytes, so that its digest tells nothing. DisputeError."""
        made = encode(
            [FORMAT, os.urandom(SALT_BYTES), _row(self.before), _row(self.signed), self.body,
             _row(self.registered), _row(self.earlier), self.row, self.why]
        )  # fmt: skip
        if len(made) > MAX_PIECE_BYTES:
            raise DisputeError(f"the chunk is too large to be sealed: {len(made)} bytes")
        return made

    @classmethod
    def decode(cls, data: bytes) -> Piece:
        """Raises DecodeError."""
        row = expect_list(decode(data, max_bytes=MAX_PIECE_BYTES), "piece", 9)
        expect_int(row[0], "piece format", FORMAT, FORMAT)
        expect_bytes(row[1], "salt", SALT_BYTES)
        return cls(
            _signed(row[2]),
            _signed(row[3]),
            expect_bytes(row[4], "body", max_length=MAX_BODY_BYTES),
            None if row[5] is None else _registered(row[5]),
            None if row[6] is None else _earlier(row[6]),
            expect_int(row[7], "row", 0, MAX_COUNT),
            expect_text(row[8], "words", MAX_WHY_BYTES, 0),
        )


def _row(part: Signed | Earlier | Registered | None) -> Value:
    if part is None:
        return None
    return [list(cell) if isinstance(cell, tuple) else cell for cell in astuple(part)]


def _signed(value: Value) -> Signed:
    header, signature = expect_list(value, "signed header", 2)
    found = expect_bytes(header, "header", max_length=MAX_BYTES)
    return Signed(found, expect_bytes(signature, "signature", SIGNATURE_BYTES if found else 0))


def _hashes(value: Value, what: str, most: int) -> tuple[bytes, ...]:
    rows = expect_list(value, what, max_length=most)
    return tuple(expect_bytes(each, what, HASH_BYTES) for each in rows)


def _registered(value: Value) -> Registered:
    place, record, path = expect_list(value, "registered record", 3)
    return Registered(
        expect_int(place, "place", 0, MAX_COUNT),
        expect_bytes(record, "record", HASH_BYTES),
        _hashes(path, "path", MAX_PATH),
    )


def _earlier(value: Value) -> Earlier:
    before, signed, body, links = expect_list(value, "earlier chunk", 4)
    return Earlier(
        expect_bytes(before, "digest", HASH_BYTES),
        _signed(signed),
        expect_bytes(body, "body", max_length=MAX_BODY_BYTES),
        _hashes(links, "links", MAX_PIECE_BYTES // HASH_BYTES),
    )


def to_parts(delivery: int, data: bytes) -> list[Content]:
    """Return records to seal, of which `data` can be put together."""
    starts = range(0, len(data), PART_BYTES)
    cut = [base64.b64encode(data[at : at + PART_BYTES]).decode("ascii") for at in starts]
    return [
        Content.create(
            KIND, {"delivery": str(delivery), "part": f"{n} of {len(cut)}", "piece": part}
        )
        for n, part in enumerate(cut, 1)
    ]


def from_parts(parts: Sequence[Content], commitment: bytes) -> Piece:
    """Put sealed records together; they must be what the chain commits to. DisputeError."""
    try:
        fields = [dict(zip(part.names, part.values, strict=True)) for part in parts]
        data = b"".join(base64.b64decode(each.get("piece") or "") for each in fields)
        if sha256(data) != commitment:
            raise DisputeError("the evidence is not what the chain commits to")
        return Piece.decode(data)
    except (DecodeError, ValueError) as error:
        raise DisputeError(f"the evidence cannot be read: {error}") from error
