"""Proofs that a key has a value under a state root, or that it has none.

A proof is the path from the root: for each node a bitmap of its non-empty children beside the
path and their hashes, then the bucket that the path ends at, whole. The asked key is among its
leaves or it is not.
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
    BUCKET_LEAVES,
    EMPTY,
    HASH_BYTES,
    LEAF_BYTES,
    MAX_DEPTH,
    TrieReader,
    bucket_hash,
    nibble_of,
)

MAX_PROOF_BYTES = 64 << 10


def prove(reader: TrieReader, root: bytes, key: bytes) -> bytes:
    """Return the proof of what the trie with the hash `root` holds, or does not hold, at `key`."""
    hashed = sha256(key).digest()
    levels: list[Value] = []
    path, digest = b"", root
    while True:
        node = reader.get_node(path, digest)
        nibble = nibble_of(hashed, len(path))
        bitmap, siblings = 0, []
        for index in range(16):
            digest = node.hashes[index * HASH_BYTES : (index + 1) * HASH_BYTES]
            if index != nibble and digest != EMPTY:
                bitmap |= 1 << index
                siblings.append(digest)
        levels.append([bitmap, b"".join(siblings)])
        path += bytes((nibble,))
        digest = node.hashes[nibble * HASH_BYTES : (nibble + 1) * HASH_BYTES]
        if not node.inner >> nibble & 1:
            bucket = b"" if digest == EMPTY else reader.get_bucket(path, digest)
            return encode([levels, bucket])


def verify_proof(root: bytes, key: bytes, value: bytes | None, proof: bytes) -> bool:
    """Tell whether `proof` shows that `key` has `value`, or has none, under `root`. Total."""
    try:
        levels, leaves = _decode(proof)
    except DecodeError:
        return False
    hashed = sha256(key).digest()
    wanted = None if value is None else sha256(value).digest()
    if leaves.get(hashed) != wanted or list(leaves) != sorted(leaves):
        return False
    if any(nibble_of(k, d) != nibble_of(hashed, d) for k in leaves for d in range(len(levels))):
        return False
    current = bucket_hash(b"".join(key + value for key, value in leaves.items()))
    for depth in reversed(range(len(levels))):
        children = levels[depth]
        nibble = nibble_of(hashed, depth)
        if nibble in children:
            return False
        slots = [current if i == nibble else children.get(i, EMPTY) for i in range(16)]
        current = sha256(b"\x01" + b"".join(slots)).digest()
    return current == root


def _decode(proof: bytes) -> tuple[list[dict[int, bytes]], dict[bytes, bytes]]:
    rows, end = expect_list(decode(proof, max_bytes=MAX_PROOF_BYTES), "proof", 2)
    levels = []
    for row in expect_list(rows, "levels", max_length=MAX_DEPTH):
        bits, joined = expect_list(row, "level", 2)
        bitmap = expect_int(bits, "bitmap", 0, (1 << 16) - 1)
        indices = [index for index in range(16) if bitmap >> index & 1]
        hashes = _cut(expect_bytes(joined, "hashes", HASH_BYTES * len(indices)))
        levels.append(dict(zip(indices, hashes, strict=True)))
    bucket = _cut(expect_bytes(end, "bucket", max_length=BUCKET_LEAVES * LEAF_BYTES))
    if not levels or len(bucket) % 2:
        raise DecodeError("a proof ends at a whole bucket below the root")
    leaves = dict(zip(bucket[::2], bucket[1::2], strict=True))
    if len(leaves) * 2 != len(bucket):
        raise DecodeError("a bucket repeats a key")
    return levels, leaves


def _cut(joined: bytes) -> list[bytes]:
    """Raises DecodeError on what is not a whole number of hashes."""
    if len(joined) % HASH_BYTES:
        raise DecodeError("not a whole number of hashes")
    return [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]
