"""Headers and blocks. A body is a list of transaction hashes; their format is not known here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from consensus import merkle
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
from consensus.crypto import HASH_BYTES, sha256
from consensus.validators import MAX_NAME_BYTES

MAX_BODY_ITEMS = 20_000
NO_HASH = bytes(HASH_BYTES)


@dataclass(frozen=True)
class Header:
    """What a certificate commits to.

    `transactions_root` covers this block's body; `state_root` and `receipts_root` are the results
    of the parent, so that nobody has to execute before voting. `next_set_hash` stands in an
    epoch's last header only. `timestamp` is in milliseconds UTC.
    """

    version: int
    chain_id: bytes
    epoch: int
    height: int
    parent: bytes
    timestamp: int
    proposer: str
    transactions_root: bytes
    state_root: bytes
    receipts_root: bytes
    set_hash: bytes
    next_set_hash: bytes | None

    @cached_property
    def encoded(self) -> bytes:
        return encode(self.to_value())

    @cached_property
    def digest(self) -> bytes:
        """The block's identity: SHA-256 of the encoded header, 32 bytes."""
        return sha256(self.encoded)

    def to_value(self) -> Value:
        return [
            self.version,
            self.chain_id,
            self.epoch,
            self.height,
            self.parent,
            self.timestamp,
            self.proposer,
            self.transactions_root,
            self.state_root,
            self.receipts_root,
            self.set_hash,
            self.next_set_hash,
        ]

    @classmethod
    def from_value(cls, value: Value) -> Header:
        row = expect_list(value, "header", 12)
        return cls(
            expect_int(row[0], "version"),
            expect_bytes(row[1], "chain id", HASH_BYTES),
            expect_int(row[2], "epoch"),
            expect_int(row[3], "height"),
            expect_bytes(row[4], "parent", HASH_BYTES),
            expect_int(row[5], "timestamp"),
            expect_text(row[6], "proposer", MAX_NAME_BYTES, min_bytes=0),
            expect_bytes(row[7], "transactions root", HASH_BYTES),
            expect_bytes(row[8], "state root", HASH_BYTES),
            expect_bytes(row[9], "receipts root", HASH_BYTES),
            expect_bytes(row[10], "set hash", HASH_BYTES),
            None if row[11] is None else expect_bytes(row[11], "next set hash", HASH_BYTES),
        )


@dataclass(frozen=True)
class Block:
    """A header and the 32-byte hashes of its transactions, in order, without repetition."""

    header: Header
    body: tuple[bytes, ...]

    @property
    def digest(self) -> bytes:
        return self.header.digest

    @cached_property
    def is_body_committed(self) -> bool:
        """Whether the header's transactions root covers this body."""
        return self.header.transactions_root == merkle.root(self.body)

    @cached_property
    def places(self) -> dict[bytes, int]:
        """Where each transaction stands in the body."""
        return {wid: place for place, wid in enumerate(self.body)}

    def to_value(self) -> Value:
        return [self.header.to_value(), b"".join(self.body)]

    @cached_property
    def encoded(self) -> bytes:
        return encode(self.to_value())

    @classmethod
    def from_value(cls, value: Value) -> Block:
        """Raises DecodeError; afterwards the body is the one that the header commits to."""
        head, joined = expect_list(value, "block", 2)
        header = Header.from_value(head)
        hashes = expect_bytes(joined, "block body", max_length=MAX_BODY_ITEMS * HASH_BYTES)
        if len(hashes) % HASH_BYTES:
            raise DecodeError("block body is not a whole number of hashes")
        body = tuple(hashes[i : i + HASH_BYTES] for i in range(0, len(hashes), HASH_BYTES))
        if len(set(body)) != len(body):
            raise DecodeError("block body repeats a transaction")
        block = cls(header, body)
        if not block.is_body_committed:
            raise DecodeError("block body does not match the header's transactions root")
        return block

    @classmethod
    def decode(cls, data: bytes) -> Block:
        return cls.from_value(decode(data))
