"""What one node sends to another: the kinds of frames and the bytes inside them.

Every decoder is total: a value or DecodeError. Consensus messages travel as the bytes that
`consensus.messages` defines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from consensus.block import MAX_BODY_ITEMS, Block, Header
from consensus.codec import (
    DecodeError,
    Value,
    decode,
    encode,
    expect_bytes,
    expect_int,
    expect_list,
)
from consensus.crypto import HASH_BYTES
from consensus.messages import Certificate

MAX_RANGE_BLOCKS = 512
PIECE_BYTES = 256 << 10
"""A reply that carries blocks stops growing here, so that it never blocks a stream for long."""


class FrameKind(IntEnum):
    """First byte after the length of a frame."""

    CONSENSUS = 1
    STATUS = 2
    TRANSACTIONS = 16
    HAVE = 17
    WANT = 18
    BLOCK_REQUEST = 19
    BLOCK = 20
    RANGE_REQUEST = 21
    RANGE = 22
    ENVELOPE_REQUEST = 40
    ENVELOPE = 41


@dataclass(frozen=True, slots=True)
class Status:
    """What a node says of itself each second and whenever its chain grew."""

    height: int
    epoch: int
    digest: bytes
    pending: int

    def encode(self) -> bytes:
        return encode([self.height, self.epoch, self.digest, self.pending])

    @classmethod
    def decode(cls, data: bytes) -> Status:
        height, epoch, digest, pending = expect_list(decode(data, max_bytes=256), "status", 4)
        return cls(
            expect_int(height, "height"),
            expect_int(epoch, "epoch"),
            expect_bytes(digest, "digest", HASH_BYTES),
            expect_int(pending, "pending"),
        )


def encode_hashes(hashes: Iterable[bytes]) -> bytes:
    """Join transaction hashes for HAVE and WANT; 32 bytes each, no framing needed."""
    return b"".join(hashes)


def decode_hashes(data: bytes) -> list[bytes]:
    if len(data) % HASH_BYTES or len(data) > HASH_BYTES * MAX_BODY_ITEMS:
        raise DecodeError("not a whole or an allowed number of hashes")
    return [data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)]


def encode_transactions(raws: Sequence[bytes]) -> bytes:
    """Join transactions, each behind its length as u32, big endian."""
    parts: list[bytes] = []
    for raw in raws:
        parts.append(len(raw).to_bytes(4, "big"))
        parts.append(raw)
    return b"".join(parts)


def decode_transactions(data: bytes) -> list[bytes]:
    raws: list[bytes] = []
    offset, end = 0, len(data)
    while offset < end:
        length = int.from_bytes(data[offset : offset + 4], "big")
        offset += 4
        if length == 0 or offset + length > end or len(raws) >= MAX_BODY_ITEMS:
            raise DecodeError("transaction batch is cut short or too long")
        raws.append(data[offset : offset + length])
        offset += length
    return raws


@dataclass(frozen=True, slots=True)
class FullBlock:
    """A block with the bytes of its transactions, in the order of its body."""

    block: Block
    raws: tuple[bytes, ...]

    def to_value(self) -> Value:
        return [self.block.to_value(), encode_transactions(self.raws)]

    @classmethod
    def from_value(cls, value: Value) -> FullBlock:
        block, joined = expect_list(value, "full block", 2)
        full = cls(
            Block.from_value(block),
            tuple(decode_transactions(expect_bytes(joined, "transactions"))),
        )
        if len(full.raws) != len(full.block.body):
            raise DecodeError("block and its transactions differ in number")
        return full

    def encode(self) -> bytes:
        return encode(self.to_value())

    @classmethod
    def decode(cls, data: bytes) -> FullBlock:
        return cls.from_value(decode(data))


@dataclass(frozen=True, slots=True)
class BlockRequest:
    """Asks for the block with `digest` and as many of its ancestors above `height` as fit."""

    digest: bytes
    height: int

    def encode(self) -> bytes:
        return encode([self.digest, self.height])

    @classmethod
    def decode(cls, data: bytes) -> BlockRequest:
        digest, height = expect_list(decode(data, max_bytes=128), "block request", 2)
        return cls(expect_bytes(digest, "digest", HASH_BYTES), expect_int(height, "height"))


@dataclass(frozen=True, slots=True)
class Blocks:
    """Answer to BlockRequest: blocks from the one asked for downwards."""

    blocks: tuple[FullBlock, ...]

    def encode(self) -> bytes:
        return encode([full.to_value() for full in self.blocks])

    @classmethod
    def decode(cls, data: bytes) -> Blocks:
        rows = expect_list(decode(data), "blocks", max_length=MAX_RANGE_BLOCKS)
        return cls(tuple(FullBlock.from_value(row) for row in rows))


@dataclass(frozen=True, slots=True)
class RangeRequest:
    """Asks for final blocks from `height` on."""

    height: int

    def encode(self) -> bytes:
        return encode([self.height])

    @classmethod
    def decode(cls, data: bytes) -> RangeRequest:
        (height,) = expect_list(decode(data, max_bytes=32), "range request", 1)
        return cls(expect_int(height, "height", 1))


@dataclass(frozen=True, slots=True)
class Range:
    """Consecutive final blocks of one epoch, the headers up to a finalized one, its certificate.

    `tail` is empty when the last block itself was finalized directly. No blocks: none is held.
    """

    blocks: tuple[FullBlock, ...]
    tail: tuple[Header, ...]
    certificate: Certificate | None

    @property
    def headers(self) -> list[Header]:
        return [full.block.header for full in self.blocks] + list(self.tail)

    def encode(self) -> bytes:
        proof = None if self.certificate is None else self.certificate.to_value()
        blocks: Value = [full.to_value() for full in self.blocks]
        return encode([blocks, [header.to_value() for header in self.tail], proof])

    @classmethod
    def decode(cls, data: bytes) -> Range:
        blocks, tail, proof = expect_list(decode(data), "range", 3)
        found = cls(
            tuple(
                FullBlock.from_value(row)
                for row in expect_list(blocks, "blocks", max_length=MAX_RANGE_BLOCKS)
            ),
            tuple(
                Header.from_value(row)
                for row in expect_list(tail, "tail", max_length=MAX_RANGE_BLOCKS)
            ),
            None if proof is None else Certificate.from_value(proof),
        )
        if (found.certificate is None) != (not found.blocks):
            raise DecodeError("range of blocks without a certificate")
        return found
