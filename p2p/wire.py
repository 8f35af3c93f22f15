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
from consensus.light import EpochStep
from consensus.messages import Certificate

MAX_RANGE_BLOCKS = 512
MAX_STEPS = 4_096
MAX_CELLS = 1 << 16
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
    STEPS_REQUEST = 23
    STEPS = 24
    SNAPSHOT_REQUEST = 25
    SNAPSHOT = 26
    CHUNK_REQUEST = 27
    CHUNKS = 28
    ENVELOPE_REQUEST = 40
    ENVELOPE = 41
    STREAM = 48


@dataclass(frozen=True, slots=True)
class Status:
    """What a node says of itself each second and whenever its chain grew.

    It holds the blocks from `kept_from` on, and a snapshot of the state after height `snapshot`
    (0: none).
    """

    height: int
    epoch: int
    digest: bytes
    pending: int
    kept_from: int = 1
    snapshot: int = 0

    def encode(self) -> bytes:
        numbers = [self.pending, self.kept_from, self.snapshot]
        return encode([self.height, self.epoch, self.digest, *numbers])

    @classmethod
    def decode(cls, data: bytes) -> Status:
        row = expect_list(decode(data, max_bytes=256), "status", 6)
        return cls(
            expect_int(row[0], "height"),
            expect_int(row[1], "epoch"),
            expect_bytes(row[2], "digest", HASH_BYTES),
            expect_int(row[3], "pending"),
            expect_int(row[4], "lowest height"),
            expect_int(row[5], "snapshot height"),
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


@dataclass(frozen=True, slots=True)
class StepsRequest:
    """Asks how the epochs from `epoch` on handed over."""

    epoch: int

    def encode(self) -> bytes:
        return encode([self.epoch])

    @classmethod
    def decode(cls, data: bytes) -> StepsRequest:
        (epoch,) = expect_list(decode(data, max_bytes=32), "steps request", 1)
        return cls(expect_int(epoch, "epoch"))


@dataclass(frozen=True, slots=True)
class Steps:
    """Consecutive epoch steps from `epoch` on, as many as fit; none if there are no more."""

    epoch: int
    steps: tuple[EpochStep, ...]

    def encode(self) -> bytes:
        steps: Value = [step.to_value() for step in self.steps]
        return encode([self.epoch, steps])

    @classmethod
    def decode(cls, data: bytes) -> Steps:
        epoch, steps = expect_list(decode(data), "steps", 2)
        rows = expect_list(steps, "steps", max_length=MAX_STEPS)
        return cls(expect_int(epoch, "epoch"), tuple(EpochStep.from_value(row) for row in rows))


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
    """Asks for the manifest of the snapshot of the state after `height`."""

    height: int

    def encode(self) -> bytes:
        return encode([self.height])

    @classmethod
    def decode(cls, data: bytes) -> SnapshotRequest:
        (height,) = expect_list(decode(data, max_bytes=32), "snapshot request", 1)
        return cls(expect_int(height, "height", 1))


@dataclass(frozen=True, slots=True)
class SnapshotOffer:
    """A snapshot's manifest, and what proves its root: final headers from the next height on.

    The manifest is empty, and nothing is proved, when that snapshot is not held.
    """

    height: int
    manifest: bytes
    headers: tuple[Header, ...]
    certificate: Certificate | None

    def encode(self) -> bytes:
        proof = None if self.certificate is None else self.certificate.to_value()
        headers: Value = [header.to_value() for header in self.headers]
        return encode([self.height, self.manifest, headers, proof])

    @classmethod
    def decode(cls, data: bytes) -> SnapshotOffer:
        height, manifest, headers, proof = expect_list(decode(data), "snapshot offer", 4)
        rows = expect_list(headers, "headers", max_length=MAX_RANGE_BLOCKS)
        offer = cls(
            expect_int(height, "height"),
            expect_bytes(manifest, "manifest"),
            tuple(Header.from_value(row) for row in rows),
            None if proof is None else Certificate.from_value(proof),
        )
        if bool(offer.manifest) != (bool(offer.headers) and offer.certificate is not None):
            raise DecodeError("snapshot offer without its proof")
        return offer


@dataclass(frozen=True, slots=True)
class ChunkRequest:
    """Asks for the rows of cells from number `cell` on, of the snapshot with that manifest."""

    manifest: bytes
    cell: int

    def encode(self) -> bytes:
        return encode([self.manifest, self.cell])

    @classmethod
    def decode(cls, data: bytes) -> ChunkRequest:
        manifest, cell = expect_list(decode(data, max_bytes=64), "chunk request", 2)
        return cls(
            expect_bytes(manifest, "manifest digest", HASH_BYTES),
            expect_int(cell, "cell", 0, MAX_CELLS - 1),
        )


Rows = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Chunks:
    """Keys and values of consecutive cells from number `cell` on; none if it is not held."""

    manifest: bytes
    cell: int
    cells: tuple[Rows, ...]

    def encode(self) -> bytes:
        cells: Value = [[[key, value] for key, value in rows] for rows in self.cells]
        return encode([self.manifest, self.cell, cells])

    @classmethod
    def decode(cls, data: bytes) -> Chunks:
        manifest, cell, cells = expect_list(decode(data), "chunks", 3)
        return cls(
            expect_bytes(manifest, "manifest digest", HASH_BYTES),
            expect_int(cell, "cell", 0, MAX_CELLS - 1),
            tuple(
                tuple(_row(row) for row in expect_list(rows, "cell"))
                for rows in expect_list(cells, "cells", max_length=MAX_CELLS)
            ),
        )


def _row(value: Value) -> tuple[bytes, bytes]:
    key, data = expect_list(value, "row", 2)
    return expect_bytes(key, "key"), expect_bytes(data, "value")
