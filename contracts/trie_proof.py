"""Proofs that a key has a value under a state root, or that it has none.

A proof is the path from the root: for each inner node a bitmap of its non-empty children beside
the path and their hashes, then what the path ends at: nothing, or a lone leaf. The leaf of another
key, on the way that the asked key would take, proves absence as an empty slot does.
"""

from __future__ import annotations

from hashlib import sha256

from consensus.codec import (
    DecodeError,
    Value,
    decode,
    encode,
    expect_bytes,
    expect_int,
    expect_list,
)
from contracts.trie import (
    EMPTY,
    HASH_BYTES,
    LEAF_SLOT_BYTES,
    MAX_DEPTH,
    CorruptState,
    NodeReader,
    nibble_of,
)

MAX_PROOF_BYTES = 64 << 10


def prove(reader: NodeReader, key: bytes) -> bytes:
    """Return the proof of what the trie behind `reader` holds, or does not hold, at `key`."""
    hashed = sha256(key).digest()
    levels: list[Value] = []
    path = b""
    node = reader.get_node(path)
    while node is not None:
        filled = [slot for slot in node if slot is not None]
        if not path and len(filled) == 1 and len(filled[0]) == LEAF_SLOT_BYTES:
            return encode([levels, [filled[0][32:64], filled[0][64:]]])
        nibble = nibble_of(hashed, len(path))
        bitmap, siblings = 0, []
        for index, slot in enumerate(node):
            if slot is not None and index != nibble:
                bitmap |= 1 << index
                siblings.append(slot[:HASH_BYTES])
        levels.append([bitmap, b"".join(siblings)])
        slot = node[nibble]
        if slot is None:
            break
        if len(slot) == LEAF_SLOT_BYTES:
            return encode([levels, [slot[32:64], slot[64:]]])
        path += bytes((nibble,))
        node = reader.get_node(path)
        if node is None:
            raise CorruptState(f"trie node {path.hex()} is missing")
    return encode([levels, None])


def verify_proof(root: bytes, key: bytes, value: bytes | None, proof: bytes) -> bool:
    """Tell whether `proof` shows that `key` has `value`, or has none, under `root`. Total."""
    try:
        levels, leaf = _decode(proof)
    except DecodeError:
        return False
    hashed = sha256(key).digest()
    if value is not None and leaf != (hashed, sha256(value).digest()):
        return False
    current = EMPTY
    if leaf is not None:
        other = leaf[0]
        if value is None and other == hashed:
            return False
        if any(nibble_of(other, d) != nibble_of(hashed, d) for d in range(len(levels))):
            return False
        current = sha256(b"\x00" + other + leaf[1]).digest()
    for depth in reversed(range(len(levels))):
        children = levels[depth]
        nibble = nibble_of(hashed, depth)
        if nibble in children:
            return False
        slots = [current if i == nibble else children.get(i, EMPTY) for i in range(16)]
        current = sha256(b"\x01" + b"".join(slots)).digest()
    return current == root


def _decode(proof: bytes) -> tuple[list[dict[int, bytes]], tuple[bytes, bytes] | None]:
    rows, end = expect_list(decode(proof, max_bytes=MAX_PROOF_BYTES), "proof", 2)
    levels = []
    for row in expect_list(rows, "levels", max_length=MAX_DEPTH):
        bits, joined = expect_list(row, "level", 2)
        bitmap = expect_int(bits, "bitmap", 0, (1 << 16) - 1)
        indices = [index for index in range(16) if bitmap >> index & 1]
        hashes = expect_bytes(joined, "hashes", HASH_BYTES * len(indices))
        levels.append(
            {
                index: hashes[HASH_BYTES * place : HASH_BYTES * (place + 1)]
                for place, index in enumerate(indices)
            }
        )
    if end is None:
        return levels, None
    key, value = expect_list(end, "leaf", 2)
    return levels, (expect_bytes(key, "leaf key", 32), expect_bytes(value, "leaf value", 32))
