"""Commitments to records: every field can be opened alone, and what stays closed stays hidden.

Each record has a random 32-byte seed. SHAKE256(seed) (FIPS 202) gives 16 bytes of salt for each
field; leaf = H(0x10 || salt || u16 field || CBOR value); record = H(0x11 || u16 fields || leaves).
The records form an RFC 9162 tree in the order of H(0x12 || seed), which tells nothing about them.
On chain stands H(CBOR [format, chain, dataset, version, standard digest, rows, root]).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256, shake_256

from consensus import merkle
from consensus.codec import encode

FORMAT = 1
SUITE = "sha256-v1"
SEED_BYTES = 32
SALT_BYTES = 16
MAX_FIELDS = 1_024
Field = str | None
_NULL = encode(None)
_HEADS = [encode("x" * size)[: -size or None] for size in range(256)]
"""CBOR heads of short texts, by their bytes."""
_INDICES = [index.to_bytes(2, "big") for index in range(MAX_FIELDS + 1)]
_SALTS = range(0, SALT_BYTES * MAX_FIELDS, SALT_BYTES)


def encode_field(value: Field) -> bytes:
    """Return the CBOR of a field: text, or null (which is not empty text)."""
    if value is None:
        return _NULL
    data = value.encode()
    size = len(data)
    return _HEADS[size] + data if size < 256 else encode(value)


def leaf(salt: bytes, index: int, encoded: bytes) -> bytes:
    """Return the hash of one field; `encoded` is its CBOR."""
    return sha256(b"\x10" + salt + _INDICES[index] + encoded).digest()


def leaves(seed: bytes, values: Sequence[Field]) -> list[bytes]:
    """Return the hashes of a record's fields, in the order of its standard."""
    salts = shake_256(seed).digest(SALT_BYTES * len(values))
    return [
        sha256(
            b"\x10"
            + salts[SALT_BYTES * i : SALT_BYTES * i + SALT_BYTES]
            + _INDICES[i]
            + encode_field(value)
        ).digest()
        for i, value in enumerate(values)
    ]


def commit(seed: bytes, values: Sequence[Field]) -> tuple[bytes, bytes]:
    """Return the hash of a record, and the CBOR of [seed, values] that was made on the way."""
    salts = shake_256(seed).digest(SALT_BYTES * len(values))
    encoded = [encode_field(value) for value in values]
    hashes = b"".join(
        [
            sha256(b"\x10" + salts[at : at + 16] + index + data).digest()
            for at, index, data in zip(_SALTS, _INDICES, encoded, strict=False)
        ]
    )
    record = sha256(b"\x11" + _INDICES[len(encoded)] + hashes).digest()
    body = b"\x82\x58\x20" + seed + array_head(len(encoded)) + b"".join(encoded)
    return record, body


def array_head(count: int) -> bytes:
    """Return the CBOR head of an array of `count` items."""
    if count < 24:
        return bytes((0x80 + count,))
    return bytes((0x98, count)) if count < 256 else b"\x99" + count.to_bytes(2, "big")


def salt_of(seed: bytes, index: int) -> bytes:
    """Return the salt of field `index`."""
    return shake_256(seed).digest(SALT_BYTES * (index + 1))[SALT_BYTES * index :]


def record_of_leaves(hashes: Sequence[bytes]) -> bytes:
    """Return the hash of a record from its fields' hashes."""
    return sha256(b"\x11" + _INDICES[len(hashes)] + b"".join(hashes)).digest()


def record(seed: bytes, values: Sequence[Field]) -> bytes:
    """Return the hash of a record."""
    return record_of_leaves(leaves(seed, values))


def order_key(seed: bytes) -> bytes:
    """Return what a record's place in the tree is sorted by."""
    return sha256(b"\x12" + seed).digest()


def root(records: Iterable[bytes]) -> bytes:
    """Return the RFC 9162 root over record hashes in order, in logarithmic memory."""
    stack: list[bytes] = []
    for size, each in enumerate(records, 1):
        node = merkle.leaf_hash(each)
        while not size & 1:
            node = merkle.node_hash(stack.pop(), node)
            size >>= 1
        stack.append(node)
    if not stack:
        return merkle.EMPTY_ROOT
    node = stack.pop()
    while stack:
        node = merkle.node_hash(stack.pop(), node)
    return node


def commitment(
    chain_id: bytes, dataset: str, version: int, standard: bytes, rows: int, tree_root: bytes
) -> bytes:
    """Return the 32 bytes that are registered on the chain."""
    return sha256(encode([FORMAT, chain_id, dataset, version, standard, rows, tree_root])).digest()
