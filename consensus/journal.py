"""The format of the vote journal: every batch twice, so that one bad sector loses no vote.

A batch is framed as magic, copy number, sequence number, payload length, payload, SHA-256 over all
of these, and padded with zeros to whole sectors; copy 0 is followed by copy 1. Reading decides:
one good copy repairs the other; no good copy at the end is a write that a crash cut short; no
good copy with a good batch behind it is damage that must not be passed over (a forgotten vote
could be contradicted).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from consensus.crypto import HASH_BYTES, sha256

SECTOR_BYTES = 4_096
MAX_PAYLOAD_BYTES = 32 << 20
_HEAD = struct.Struct(">8sBQI")
_MAGIC = b"MNMTJRN1"


class JournalError(ValueError):
    """Damage in the middle of a journal."""

    code = "journal-damaged"


@dataclass(frozen=True, slots=True)
class Scan:
    """What a journal holds: payloads in order, sectors to write back, and where it ends (bytes)."""

    payloads: tuple[bytes, ...]
    repairs: tuple[tuple[int, bytes], ...]
    end: int


def encode_batch(sequence: int, payload: bytes) -> bytes:
    """Return both copies of batch number `sequence` (from 0), a whole number of sectors."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"a batch of {len(payload)} bytes is larger than {MAX_PAYLOAD_BYTES}")
    return _encode_copy(0, sequence, payload) + _encode_copy(1, sequence, payload)


def _encode_copy(copy: int, sequence: int, payload: bytes) -> bytes:
    body = _HEAD.pack(_MAGIC, copy, sequence, len(payload)) + payload
    framed = body + sha256(body)
    return framed + bytes(-len(framed) % SECTOR_BYTES)


def _decode_copy(data: memoryview, offset: int, copy: int, sequence: int | None) -> bytes | None:
    """Return the payload of the good copy at `offset`, or None."""
    if offset + _HEAD.size > len(data):
        return None
    magic, number, found, length = _HEAD.unpack_from(data, offset)
    if magic != _MAGIC or number != copy or length > MAX_PAYLOAD_BYTES:
        return None
    if sequence is not None and found != sequence:
        return None
    end = offset + _HEAD.size + length
    if end + HASH_BYTES > len(data):
        return None
    if sha256(bytes(data[offset:end])) != bytes(data[end : end + HASH_BYTES]):
        return None
    return bytes(data[offset + _HEAD.size : end])


def scan(content: bytes) -> Scan:
    """Read a whole journal. Raises JournalError on damage that hides a batch."""
    data = memoryview(content)
    payloads: list[bytes] = []
    repairs: list[tuple[int, bytes]] = []
    offset = 0
    while offset < len(data):
        sequence = len(payloads)
        payload = _decode_copy(data, offset, 0, sequence)
        if payload is None:
            payload = _find_second_copy(data, offset, sequence)
        if payload is None:
            if _has_good_batch(data, offset):
                raise JournalError(
                    f"both copies of batch {sequence} at byte {offset} are damaged, "
                    "and good ones follow"
                )
            break
        both = encode_batch(sequence, payload)
        if bytes(data[offset : offset + len(both)]) != both:
            repairs.append((offset, both))
        payloads.append(payload)
        offset += len(both)
    return Scan(tuple(payloads), tuple(repairs), offset)


def _find_second_copy(data: memoryview, offset: int, sequence: int) -> bytes | None:
    """Look for copy 1 where a first copy of fitting length would put it."""
    for place in range(offset + SECTOR_BYTES, len(data), SECTOR_BYTES):
        payload = _decode_copy(data, place, 1, sequence)
        if payload is not None:
            return payload
    return None


def _has_good_batch(data: memoryview, offset: int) -> bool:
    return any(
        _decode_copy(data, place, copy, None) is not None
        for place in range(offset, len(data), SECTOR_BYTES)
        for copy in (0, 1)
    )
