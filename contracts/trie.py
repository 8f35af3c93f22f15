"""The state root: a 16-ary sparse Merkle trie over hashed keys, with small buckets at the bottom.

A leaf is the pair H(key), H(value). A subtree with up to BUCKET_LEAVES leaves is a bucket and
hashes to H(0x00 || its leaves in order); a larger one is a node and hashes to
H(0x01 || the hashes of its 16 subtrees), where an empty subtree stands as 32 zero bytes. The
root is always a node. So the root hash is a function of the key/value set and of nothing else.
Paths are nibbles, one byte a nibble; a changed node or bucket replaces the old one at its path,
and nothing needs collecting.

Stored are the leaves, and those nodes that have another node among their children. A node above
buckets only, and the buckets, are made again from the leaves below them (at most 16 times
BUCKET_LEAVES) when they are not in memory. So a change writes 64 bytes and not a path of nodes.
What is read back is checked against the hash that its parent holds.

Deferring the writes of several updates is safe: the union of their maps, later ones winning, is
what a single update with all changes would have written.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple, Protocol

HASH_BYTES = 32
LEAF_BYTES = 64
BUCKET_LEAVES = 32
EMPTY = bytes(HASH_BYTES)
MAX_DEPTH = 64

Leaf = tuple[bytes, bytes | None]
"""H(key) and H(value); None: deleted."""
_BUCKET_BYTES = BUCKET_LEAVES * LEAF_BYTES
_TWIG_LEAVES = 16 * BUCKET_LEAVES
_NIBBLES = tuple(bytes((nibble,)) for nibble in range(16))
_NO_HASHES = bytes(16 * HASH_BYTES)
_NODE_SIZE = 350 + len(_NO_HASHES)


class CorruptState(ValueError):
    """Stored parts of the trie contradict each other or do not decode."""

    code = "state-corrupt"


class Node(NamedTuple):
    """`inner` has a bit for each child that is a node; `hashes` are those of all 16 children."""

    inner: int
    hashes: bytes

    @property
    def digest(self) -> bytes:
        return sha256(b"\x01" + self.hashes).digest()


def encode_node(node: Node) -> bytes:
    """Return the stored form of a node that has nodes among its children."""
    return node.inner.to_bytes(2, "big") + node.hashes


EMPTY_NODE = Node(0, _NO_HASHES)
EMPTY_ROOT = EMPTY_NODE.digest
Part = Node | bytes
"""A node, or a bucket: its leaves in order, 64 bytes each."""


class TrieReader(Protocol):
    """The trie after some block. `digest` is what the parent, or the header, says of the part."""

    def get_node(self, path: bytes, digest: bytes) -> Node: ...

    def get_bucket(self, path: bytes, digest: bytes) -> bytes: ...


class TrieSource(Protocol):
    """Where the final trie is stored."""

    def get_node(self, path: bytes) -> bytes | None: ...

    def scan_leaves(self, path: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Up to `limit` leaves whose hashed key begins with the nibbles of `path`, in order."""
        ...


class TrieUpdate(NamedTuple):
    """The new root; changed parts by path (None: gone); what to store of them; the leaves."""

    root: bytes
    parts: dict[bytes, Part | None]
    stored: dict[bytes, bytes | None]
    leaves: dict[bytes, bytes | None]


def update(reader: TrieReader, root: bytes, changes: Mapping[bytes, bytes | None]) -> TrieUpdate:
    """Apply `changes` (None deletes) to the trie behind `reader` with the hash `root`.

    Raises CorruptState if a stored part is missing or damaged.
    """
    return update_hashed(
        reader,
        root,
        {
            sha256(key).digest(): None if value is None else sha256(value).digest()
            for key, value in changes.items()
        },
    )


def update_hashed(reader: TrieReader, root: bytes, leaves: dict[bytes, bytes | None]) -> TrieUpdate:
    """Like `update`, with hashed keys and values."""
    if not leaves:
        return TrieUpdate(root, {}, {}, {})
    work = _Update(reader)
    changed, _ = work.change(b"", reader.get_node(b"", root), sorted(leaves.items()))
    return TrieUpdate(changed, work.parts, work.stored, leaves)


class _Update:
    """One pass over the trie, from the root down along all changed keys at once."""

    __slots__ = ("parts", "reader", "stored")

    def __init__(self, reader: TrieReader) -> None:
        self.reader = reader
        self.parts: dict[bytes, Part | None] = {}
        self.stored: dict[bytes, bytes | None] = {}

    def change(self, path: bytes, node: Node, leaves: Sequence[Leaf]) -> tuple[bytes, bool]:
        """Apply sorted changes below `path`; returns the hash, and whether it is still a node."""
        reader, parts = self.reader, self.parts
        depth = len(path)
        byte, high = depth >> 1, not depth & 1
        hashes, inner, has_shrunk = bytearray(node.hashes), node.inner, False
        start, count = 0, len(leaves)
        digit = leaves[0][0][byte]
        nibble = digit >> 4 if high else digit & 15
        while start < count:
            here, end = nibble, start + 1
            while end < count:
                digit = leaves[end][0][byte]
                nibble = digit >> 4 if high else digit & 15
                if nibble != here:
                    break
                end += 1
            child = path + _NIBBLES[here]
            place = here * HASH_BYTES
            digest = node.hashes[place : place + HASH_BYTES]
            if inner >> here & 1:
                below = reader.get_node(child, digest)
                group = leaves if end - start == count else leaves[start:end]
                digest, is_node = self.change(child, below, group)
                if not is_node:
                    inner ^= 1 << here
                    has_shrunk = True
            else:
                old = b"" if digest == EMPTY else reader.get_bucket(child, digest)
                if end - start == 1:
                    new = _with_leaf(old, *leaves[start])
                else:
                    new = _with_leaves(old, leaves[start:end])
                if len(new) > _BUCKET_BYTES:
                    digest = self.split(child, new)
                    inner |= 1 << here
                else:
                    has_shrunk = has_shrunk or len(new) < len(old)
                    digest = bucket_hash(new)
                    parts[child] = new or None
            hashes[place : place + HASH_BYTES] = digest
            start = end
        if has_shrunk and not inner and path:
            merged = self.gather(path, bytes(hashes))
            if merged is not None:
                parts[path] = merged or None
                if node.inner:
                    self.stored[path] = None
                return bucket_hash(merged), False
        return self.keep(path, Node(inner, bytes(hashes)), node.inner), True

    def keep(self, path: bytes, node: Node, was_inner: int = 0) -> bytes:
        """Take note of a changed node; returns its hash."""
        self.parts[path] = node
        if node.inner:
            self.stored[path] = encode_node(node)
        elif was_inner:
            self.stored[path] = None
        return sha256(b"\x01" + node.hashes).digest()

    def split(self, path: bytes, leaves: bytes) -> bytes:
        """Make a node of more leaves than a bucket holds; returns its hash."""
        buckets = _divide(leaves, len(path))
        inner = 0
        hashes = []
        for nibble, bucket in enumerate(buckets):
            child = path + _NIBBLES[nibble]
            if len(bucket) > _BUCKET_BYTES:
                inner |= 1 << nibble
                hashes.append(self.split(child, bucket))
            else:
                hashes.append(bucket_hash(bucket))
                if bucket:
                    self.parts[child] = bucket
        return self.keep(path, Node(inner, b"".join(hashes)))

    def gather(self, path: bytes, hashes: bytes) -> bytes | None:
        """Join the buckets below a node if one bucket can hold them all, and drop them."""
        found: dict[bytes, bytes] = {}
        size = 0
        for nibble in range(16):
            digest = hashes[nibble * HASH_BYTES : (nibble + 1) * HASH_BYTES]
            if digest == EMPTY:
                continue
            child = path + _NIBBLES[nibble]
            part = self.parts.get(child)
            bucket = part if type(part) is bytes else self.reader.get_bucket(child, digest)
            size += len(bucket)
            if size > _BUCKET_BYTES:
                return None
            found[child] = bucket
        self.parts.update(dict.fromkeys(found))
        return b"".join(found.values())


def _with_leaf(bucket: bytes, key: bytes, value: bytes | None) -> bytes:
    """Return the bucket with the leaf put in, replaced or (None) taken out."""
    low, high = 0, len(bucket) >> 6
    while low < high:
        middle = (low + high) >> 1
        if bucket[middle << 6 : (middle << 6) + HASH_BYTES] < key:
            low = middle + 1
        else:
            high = middle
    at = low << 6
    after = at + LEAF_BYTES if bucket[at : at + HASH_BYTES] == key else at
    if value is None:
        return bucket[:at] + bucket[after:]
    return b"%b%b%b%b" % (bucket[:at], key, value, bucket[after:])


def _with_leaves(bucket: bytes, leaves: Iterable[Leaf]) -> bytes:
    """Like `_with_leaf`, for many at once."""
    found: dict[bytes, bytes | None] = {
        bucket[at : at + HASH_BYTES]: bucket[at + HASH_BYTES : at + LEAF_BYTES]
        for at in range(0, len(bucket), LEAF_BYTES)
    }
    found.update(leaves)
    return b"".join([key + value for key, value in sorted(found.items()) if value is not None])


def _divide(leaves: bytes, depth: int) -> list[bytes]:
    """Cut sorted leaves, which share `depth` nibbles, into the 16 buckets below."""
    groups: list[list[bytes]] = [[] for _ in range(16)]
    for at in range(0, len(leaves), LEAF_BYTES):
        leaf = leaves[at : at + LEAF_BYTES]
        groups[nibble_of(leaf, depth)].append(leaf)
    return [b"".join(group) for group in groups]


def bucket_hash(bucket: bytes) -> bytes:
    """Return the hash of a bucket, which may be empty."""
    return sha256(b"\x00" + bucket).digest() if bucket else EMPTY


def nibble_of(key: bytes, depth: int) -> int:
    """Return the nibble of a hashed key that chooses the child at `depth`."""
    return key[depth >> 1] >> 4 if not depth & 1 else key[depth >> 1] & 15


def root_of(items: Mapping[bytes, bytes]) -> bytes:
    """Return the root over `items` by the definition: slow, for checking."""
    pairs = sorted((sha256(k).digest(), sha256(v).digest()) for k, v in items.items())
    return _root_of_leaves(b"".join(key + value for key, value in pairs), 0)


def _root_of_leaves(leaves: bytes, depth: int) -> bytes:
    if depth and len(leaves) <= _BUCKET_BYTES:
        return bucket_hash(leaves)
    hashes = [_root_of_leaves(bucket, depth + 1) for bucket in _divide(leaves, depth)]
    return sha256(b"\x01" + b"".join(hashes)).digest()


class TrieCache:
    """Parts of the final trie in memory, the least recently used dropped first."""

    def __init__(self, source: TrieSource, max_bytes: int) -> None:
        self._source = source
        self._max_bytes = max_bytes
        self._parts: OrderedDict[bytes, Part] = OrderedDict()
        self._bytes = 0

    def get_node(self, path: bytes, digest: bytes) -> Node:
        part = self._parts.get(path)
        if type(part) is Node:
            self._parts.move_to_end(path)
            return part
        node = self._load_node(path)
        if node.digest != digest:
            raise CorruptState(f"trie node {path.hex()} is damaged")
        return node

    def get_bucket(self, path: bytes, digest: bytes) -> bytes:
        part = self._parts.get(path)
        if type(part) is bytes:
            self._parts.move_to_end(path)
            return part
        leaves = self._source.scan_leaves(path, BUCKET_LEAVES + 1)
        bucket = b"".join(key + value for key, value in leaves)
        if bucket_hash(bucket) != digest:
            raise CorruptState(f"trie leaves below {path.hex()} are damaged")
        self._keep(path, bucket)
        return bucket

    def put(self, parts: Mapping[bytes, Part | None]) -> None:
        """Take over parts that have become final."""
        for path, part in parts.items():
            if part is not None:
                self._keep(path, part)
            elif (gone := self._parts.pop(path, None)) is not None:
                self._bytes -= _size(gone)

    def _load_node(self, path: bytes) -> Node:
        """Read a stored node, or make one of the leaves below it, whose buckets are kept too."""
        data = self._source.get_node(path)
        if data is not None:
            if len(data) != 2 + len(_NO_HASHES):
                raise CorruptState(f"trie node {path.hex()} is damaged")
            node = Node(int.from_bytes(data[:2], "big"), data[2:])
        else:
            leaves = self._source.scan_leaves(path, _TWIG_LEAVES + 1)
            buckets = _divide(b"".join(key + value for key, value in leaves), len(path))
            if any(len(bucket) > _BUCKET_BYTES for bucket in buckets):
                raise CorruptState(f"trie node {path.hex()} is missing")
            for nibble, bucket in enumerate(buckets):
                if bucket:
                    self._keep(path + _NIBBLES[nibble], bucket)
            node = Node(0, b"".join(map(bucket_hash, buckets)))
        self._keep(path, node)
        return node

    def _keep(self, path: bytes, part: Part) -> None:
        parts = self._parts
        old = parts.get(path)
        parts[path] = part
        self._bytes += _size(part) - (0 if old is None else _size(old))
        while self._bytes > self._max_bytes:
            self._bytes -= _size(parts.popitem(last=False)[1])


def _size(part: Part) -> int:
    """About what a part takes in memory with its path and its place in a dict; bytes."""
    return 300 + len(part) if type(part) is bytes else _NODE_SIZE


class LayeredTrie:
    """Updates that are not final, newest first, over the final trie."""

    def __init__(self, layers: Iterable[Mapping[bytes, Part | None]], base: TrieReader) -> None:
        self._layers = [layer for layer in layers if layer]
        self._base = base

    # What is asked for is there, so of each layer that knows the path the newest has its kind.

    def get_node(self, path: bytes, digest: bytes) -> Node:
        for layer in self._layers:
            part = layer.get(path)
            if type(part) is Node:
                return part
        return self._base.get_node(path, digest)

    def get_bucket(self, path: bytes, digest: bytes) -> bytes:
        for layer in self._layers:
            part = layer.get(path)
            if type(part) is bytes:
                return part
        return self._base.get_bucket(path, digest)
