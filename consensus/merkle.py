"""Merkle tree hash and inclusion proofs of RFC 9162, section 2.1.

Leaf hash SHA-256(0x00 || leaf), node hash SHA-256(0x01 || left || right); the empty tree hashes
to SHA-256 of nothing. A tree over n leaves splits at the largest power of two below n.
"""

from __future__ import annotations

from collections.abc import Sequence

from consensus.crypto import HASH_BYTES, sha256

EMPTY_ROOT = sha256(b"")
MAX_PROOF_HASHES = 64


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of one leaf."""
    return sha256(b"\x00" + leaf)


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return sha256(b"\x01" + left + right)


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the tree hash over `leaves` in their order."""
    return root_of_hashes([leaf_hash(leaf) for leaf in leaves])


def root_of_hashes(hashes: Sequence[bytes]) -> bytes:
    """Return the tree hash over leaves that are hashed already.

    Pairing neighbours level by level and carrying an odd last one upwards builds the same tree
    as the recursive split at the largest power of two.
    """
    if not hashes:
        return EMPTY_ROOT
    level = list(hashes)
    while len(level) > 1:
        level = _next_level(level)
    return level[0]


def _next_level(level: list[bytes]) -> list[bytes]:
    paired = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
    return [*paired, level[-1]] if len(level) % 2 else paired


def inclusion_proof(hashes: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the audit path of the leaf hash at `index`, from leaf to root."""
    if not 0 <= index < len(hashes):
        raise IndexError(f"no leaf {index} among {len(hashes)}")
    path: list[bytes] = []
    level = list(hashes)
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        level = _next_level(level)
        index //= 2
    return tuple(path)


def root_of_path(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """Return the root that `proof` leads to from the leaf hash, or None if it does not fit.

    RFC 9162, 2.1.3.2. Total over any numbers and byte strings.
    """
    if not 0 <= index < size or len(proof) > MAX_PROOF_HASHES:
        return None
    node, last, current = index, size - 1, leaf
    for sibling in proof:
        if len(sibling) != HASH_BYTES or last == 0:
            return None
        if node & 1 or node == last:
            current = node_hash(sibling, current)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            current = node_hash(current, sibling)
        node >>= 1
        last >>= 1
    return current if last == 0 else None


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected_root: bytes
) -> bool:
    """Tell whether the leaf hash `leaf` stands at `index` of the tree of `size` leaves."""
    return root_of_path(leaf, index, size, proof) == expected_root
