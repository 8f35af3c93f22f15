"""What both sides of a delivery sign for each chunk: how far they have come, and over what."""

from __future__ import annotations

from dataclasses import dataclass

from consensus.codec import DecodeError, decode, encode, expect_bytes, expect_int, expect_list
from consensus.crypto import HASH_BYTES, Kind, sha256, verify

FORMAT = 1
MAX_BYTES = 128
MAX_COUNT = 1 << 48
START = bytes(HASH_BYTES)
"""The running digest before the first chunk."""


@dataclass(frozen=True, slots=True)
class Header:
    """Chunk `number` (from 1) of a delivery, after which `rows` have gone to the recipient.

    `position` is how many records of the version have been gone through; in a look-up, how many
    answers found nothing. `digest` chains the bodies: H(digest before || H(body)).
    """

    delivery: int
    number: int
    rows: int
    position: int
    digest: bytes
    is_last: bool

    def encode(self) -> bytes:
        return encode(
            [FORMAT, self.delivery, self.number, self.rows, self.position, self.digest,
             self.is_last]
        )  # fmt: skip

    @classmethod
    def decode(cls, data: bytes) -> Header:
        """Raises DecodeError."""
        row = expect_list(decode(data, max_bytes=MAX_BYTES), "header", 7)
        expect_int(row[0], "header format", FORMAT, FORMAT)
        if type(row[6]) is not bool:
            raise DecodeError("the mark of the last chunk must be true or false")
        return cls(
            expect_int(row[1], "delivery", 1, MAX_COUNT),
            expect_int(row[2], "number", 0, MAX_COUNT),
            expect_int(row[3], "rows", 0, MAX_COUNT),
            expect_int(row[4], "position", 0, MAX_COUNT),
            expect_bytes(row[5], "digest", HASH_BYTES),
            row[6],
        )

    def next(self, body: bytes, rows: int, position: int, *, is_last: bool) -> Header:
        """Return the header of the chunk that follows with `rows` rows more."""
        digest = sha256(self.digest + sha256(body))
        return Header(self.delivery, self.number + 1, self.rows + rows, position, digest, is_last)


def first(delivery: int) -> Header:
    """Return what stands before the first chunk; nobody signs it."""
    return Header(delivery, 0, 0, 0, START, False)


def is_signed(data: bytes, key: bytes, chain_id: bytes, signature: bytes) -> bool:
    """Whether `signature` is that of `key` on an encoded header."""
    return verify(key, Kind.DELIVERY, chain_id, data, signature)
