"""Building a trie from all its leaves, part by part: what snapshots are made of and checked by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.trie import (
    BUCKET_LEAVES,
    EMPTY,
    LEAF_BYTES,
    Node,
    bucket_hash,
    encode_node,
    nibble_of,
)

_NIBBLES = tuple(bytes((nibble,)) for nibble in range(16))


@dataclass(frozen=True, slots=True)
class Cell:
    """A part of the trie: the hash of what stands at `path`, and whether that is a node."""

    path: bytes
    digest: bytes
    is_node: bool


def build(path: bytes, leaves: bytes, stored: dict[bytes, bytes]) -> Cell:
    """Return the part at `path` over sorted leaves, 64 bytes each, which all lie below it.

    Adds to `stored` the nodes that a store keeps, encoded.
    """
    if path and len(leaves) <= BUCKET_LEAVES * LEAF_BYTES:
        return Cell(path, bucket_hash(leaves), is_node=False)
    children = []
    start, depth = 0, len(path)
    for nibble in range(16):
        end = start
        while end < len(leaves) and nibble_of(leaves[end : end + LEAF_BYTES], depth) == nibble:
            end += LEAF_BYTES
        children.append(build(path + _NIBBLES[nibble], leaves[start:end], stored))
        start = end
    return _join(path, children, stored)


def join(cells: Sequence[Cell], stored: dict[bytes, bytes], path: bytes = b"") -> Cell:
    """Return the part at `path` over sorted `cells`, none of which lies within another."""
    if len(cells) == 1 and cells[0].path == path:
        return cells[0]
    if not cells and path:
        return Cell(path, EMPTY, is_node=False)
    children = []
    start, depth = 0, len(path)
    for nibble in range(16):
        end = start
        while end < len(cells) and cells[end].path[depth] == nibble:
            end += 1
        children.append(join(cells[start:end], stored, path + _NIBBLES[nibble]))
        start = end
    return _join(path, children, stored)


def _join(path: bytes, children: Sequence[Cell], stored: dict[bytes, bytes]) -> Cell:
    inner = sum(1 << nibble for nibble, child in enumerate(children) if child.is_node)
    node = Node(inner, b"".join(child.digest for child in children))
    if inner:
        stored[path] = encode_node(node)
    return Cell(path, node.digest, is_node=True)
