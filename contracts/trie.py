"""The state root: a 16-ary sparse Merkle trie over hashed keys.

A leaf hashes to H(0x00 || H(key) || H(value)), an inner node to H(0x01 || its 16 children), an
empty slot to 32 zero bytes. A subtree with a single leaf is that leaf, at any depth, so the root
is a function of the key/value set and of nothing else. Nodes are addressed by their nibble path,
one byte a nibble: a changed node replaces the old one, and nothing needs collecting.

In memory a node is a tuple of 16 slots. A slot is None (empty), 32 bytes (the hash of an inner
child, which is stored at the path extended by the slot's number) or 96 bytes (a lone leaf: leaf
hash, H(key), H(value)). Deferring the writes of several updates is safe: the union of their node
maps, later ones winning, is what a single update with all changes would have written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

HASH_BYTES = 32
LEAF_SLOT_BYTES = 96
EMPTY = bytes(HASH_BYTES)
MAX_DEPTH = 64

Slot = bytes | None
Node = tuple[Slot, ...]
_NO_SLOTS: Node = (None,) * 16
_NIBBLES = tuple(bytes((nibble,)) for nibble in range(16))
_Change = tuple[bytes, bytes | None]


class CorruptState(ValueError):
    """Stored trie nodes contradict each other or do not decode."""

    code = "state-corrupt"


class NodeReader(Protocol):
    """Where nodes are read from: a cache, or overlays above it."""

    def get_node(self, path: bytes) -> Node | None: ...


class NodeSource(Protocol):
    """Where encoded nodes are read from."""

    def get_node(self, path: bytes) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class TrieUpdate:
    """The new root, and the nodes that changed by path; None: the node is gone."""

    root: bytes
    nodes: dict[bytes, Node | None]


def update(reader: NodeReader, changes: Mapping[bytes, bytes | None]) -> TrieUpdate:
    """Apply `changes` (None deletes) to the trie behind `reader`.

    Raises CorruptState if a stored node is missing.
    """
    hashed = [
        (sha256(key).digest(), None if value is None else sha256(value).digest())
        for key, value in changes.items()
    ]
    return update_hashed(reader, hashed)


def update_hashed(reader: NodeReader, changes: Iterable[_Change]) -> TrieUpdate:
    """Like `update`, with (H(key), H(value)) pairs; a key stands in it once."""
    ordered = sorted(changes)
    nodes: dict[bytes, Node | None] = {}
    root = reader.get_node(b"") or _NO_SLOTS
    slot = _update_node(reader, nodes, b"", root, ordered, is_root=True)
    if slot is None:
        return TrieUpdate(EMPTY, nodes)
    return TrieUpdate(slot[:HASH_BYTES], nodes)


def _update_node(
    reader: NodeReader,
    nodes: dict[bytes, Node | None],
    path: bytes,
    node: Node,
    changes: Sequence[_Change],
    *,
    is_root: bool = False,
) -> Slot:
    """Apply sorted changes below `path`; returns what the parent's slot becomes.

    The root is stored even when it holds one leaf, so that there is a place to start from.
    """
    depth = len(path)
    slots = list(node)
    byte, high = depth >> 1, not depth & 1
    start, count = 0, len(changes)
    # A node with two children keeps them unless one goes, or shrinks to a leaf.
    may_collapse = node is _NO_SLOTS or is_root
    while start < count:
        digit = changes[start][0][byte]
        nibble = digit >> 4 if high else digit & 15
        end = start + 1
        while end < count:
            digit = changes[end][0][byte]
            if (digit >> 4 if high else digit & 15) != nibble:
                break
            end += 1
        group = changes[start:end]
        old = slots[nibble]
        new = slots[nibble] = _update_slot(reader, nodes, path + _NIBBLES[nibble], old, group)
        may_collapse = may_collapse or new is None or (old is not None and len(old) < len(new))
        start = end
    if may_collapse:
        kept = [slot for slot in slots if slot is not None]
        if len(kept) <= 1 and (not kept or len(kept[0]) == LEAF_SLOT_BYTES):
            # At most one leaf is left: it moves up, and the node goes (the root stays).
            nodes[path] = tuple(slots) if is_root and kept else None
            return kept[0] if kept else None
    nodes[path] = tuple(slots)
    return sha256(b"\x01" + b"".join([s[:32] if s else EMPTY for s in slots])).digest()


def _update_slot(
    reader: NodeReader,
    nodes: dict[bytes, Node | None],
    path: bytes,
    slot: Slot,
    group: Sequence[_Change],
) -> Slot:
    """Return the slot at `path` after the changes of `group`, which all lie below it."""
    if slot is not None and len(slot) == HASH_BYTES:
        child = reader.get_node(path)
        if child is None:
            raise CorruptState(f"trie node {path.hex()} is missing")
        return _update_node(reader, nodes, path, child, group)
    if len(group) == 1:
        key, value = group[0]
        if slot is None or slot[32:64] == key:
            return None if value is None else _leaf(key, value)
    merged = list(group)
    if slot is not None and all(key != slot[32:64] for key, _ in group):
        merged.append((slot[32:64], slot[64:]))
        merged.sort()
    present = [(key, value) for key, value in merged if value is not None]
    if not present:
        return None
    if len(present) == 1:
        return _leaf(*present[0])
    return _update_node(reader, nodes, path, _NO_SLOTS, present)


def _leaf(key: bytes, value: bytes) -> bytes:
    return sha256(b"\x00" + key + value).digest() + key + value


def root_of(items: Mapping[bytes, bytes]) -> bytes:
    """Return the root over `items` by the definition: slow, for checking."""
    pairs = {sha256(k).digest(): sha256(v).digest() for k, v in items.items()}
    return _root_of_hashed(pairs, 0)


def _root_of_hashed(pairs: Mapping[bytes, bytes], depth: int) -> bytes:
    if not pairs:
        return EMPTY
    if len(pairs) == 1:
        ((key, value),) = pairs.items()
        return _leaf(key, value)[:HASH_BYTES]
    children = []
    for nibble in range(16):
        below = {k: v for k, v in pairs.items() if nibble_of(k, depth) == nibble}
        children.append(_root_of_hashed(below, depth + 1))
    return sha256(b"\x01" + b"".join(children)).digest()


def nibble_of(key: bytes, depth: int) -> int:
    """Return the nibble of a hashed key that chooses the slot at `depth`."""
    return key[depth >> 1] >> 4 if not depth & 1 else key[depth >> 1] & 15


def encode_node(path: bytes, node: Node) -> bytes:
    """Return the stored form: bitmaps of inner and of leaf slots, then their bytes in order."""
    inner = leaves = 0
    parts = []
    for index, slot in enumerate(node):
        if slot is None:
            continue
        if len(slot) == HASH_BYTES:
            inner |= 1 << index
            parts.append(slot)
        else:
            leaves |= 1 << index
            parts.append(slot[HASH_BYTES:])
    return inner.to_bytes(2, "big") + leaves.to_bytes(2, "big") + b"".join(parts)


def decode_node(path: bytes, data: bytes) -> Node:
    """Raises CorruptState on bytes that `encode_node` does not make."""
    inner, leaves = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:4], "big")
    size = 4 + 32 * inner.bit_count() + 64 * leaves.bit_count()
    if len(data) != size or inner & leaves or not inner | leaves:
        raise CorruptState(f"stored trie node {path.hex()} is damaged")
    slots: list[Slot] = []
    offset = 4
    for index in range(16):
        if inner >> index & 1:
            slots.append(data[offset : offset + 32])
            offset += 32
        elif leaves >> index & 1:
            slots.append(_leaf(data[offset : offset + 32], data[offset + 32 : offset + 64]))
            offset += 64
        else:
            slots.append(None)
    return tuple(slots)


class NodeCache:
    """Decoded nodes of the final trie, the least recently read dropped first."""

    def __init__(self, source: NodeSource, max_bytes: int) -> None:
        self._source = source
        self._max_nodes = max(1_024, max_bytes // 1_200)
        self._young: dict[bytes, Node] = {}
        self._old: dict[bytes, Node] = {}

    def get_node(self, path: bytes) -> Node | None:
        node = self._young.get(path)
        if node is not None:
            return node
        node = self._old.get(path)
        if node is None:
            data = self._source.get_node(path)
            if data is None:
                return None
            node = decode_node(path, data)
        self._keep(path, node)
        return node

    def _keep(self, path: bytes, node: Node) -> None:
        """Two generations approximate least-recently-used without bookkeeping on each read."""
        self._young[path] = node
        if len(self._young) * 2 > self._max_nodes:
            self._old, self._young = self._young, {}

    def put(self, nodes: Mapping[bytes, Node | None]) -> None:
        """Take over nodes that have become final."""
        for path, node in nodes.items():
            if node is None:
                self._young.pop(path, None)
                self._old.pop(path, None)
            else:
                self._keep(path, node)

    @staticmethod
    def encode(nodes: Mapping[bytes, Node | None]) -> Iterator[tuple[bytes, bytes | None]]:
        """Yield what is to be stored for `nodes`."""
        for path, node in nodes.items():
            yield path, None if node is None else encode_node(path, node)
