"""Building a trie from all its keys, part by part: what snapshots are made of and checked by."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from contracts.trie import (
    EMPTY,
    HASH_BYTES,
    LEAF_SLOT_BYTES,
    Node,
    Slot,
    nibble_of,
)


def build(path: bytes, pairs: Sequence[tuple[bytes, bytes]], nodes: dict[bytes, Node]) -> Slot:
    """Return the slot at `path` over `pairs` of H(key) and H(value); adds the nodes to `nodes`.

    The pairs are sorted, distinct, and all lie below `path`.
    """
    if not pairs:
        return None
    if len(pairs) == 1:
        ((key, value),) = pairs
        return leaf(key, value)
    slots: list[Slot] = []
    start = 0
    for nibble in range(16):
        end = start
        while end < len(pairs) and nibble_of(pairs[end][0], len(path)) == nibble:
            end += 1
        slots.append(build(path + bytes((nibble,)), pairs[start:end], nodes))
        start = end
    return join(path, slots, nodes)


def leaf(key: bytes, value: bytes) -> bytes:
    """Return the slot of a lone leaf, from H(key) and H(value)."""
    return sha256(b"\x00" + key + value).digest() + key + value


def join(path: bytes, slots: Sequence[Slot], nodes: dict[bytes, Node]) -> Slot:
    """Return the slot at `path` over its 16 children; a lone leaf moves up."""
    kept = [slot for slot in slots if slot is not None]
    if not kept:
        return None
    if len(kept) == 1 and len(kept[0]) == LEAF_SLOT_BYTES:
        return kept[0]
    nodes[path] = tuple(slots)
    return sha256(b"\x01" + b"".join(s[:HASH_BYTES] if s else EMPTY for s in slots)).digest()


def join_cells(cells: Sequence[Slot], nodes: dict[bytes, Node]) -> bytes:
    """Return the root over a whole level: 16**depth slots in order. Adds the nodes above them."""
    level = list(cells)
    depth = 0
    while 16**depth < len(level):
        depth += 1
    while depth:
        depth -= 1
        level = [
            join(path_of(index, depth), level[16 * index : 16 * index + 16], nodes)
            for index in range(16**depth)
        ]
    root = level[0]
    if root is None:
        return EMPTY
    if len(root) == LEAF_SLOT_BYTES:
        # The root stands even over one leaf, so that there is a place to start from.
        slots: list[Slot] = [None] * 16
        slots[nibble_of(root[32:64], 0)] = root
        nodes[b""] = tuple(slots)
    return root[:HASH_BYTES]


def path_of(index: int, depth: int) -> bytes:
    """Return the path of the slot with `index` among the 16**depth slots of a level."""
    return bytes(index >> 4 * place & 15 for place in reversed(range(depth)))
