"""A trie on the least disk there is, for tests: it stores what an update says and no more."""

from __future__ import annotations

from contracts.trie import EMPTY_ROOT, TrieCache, TrieUpdate, nibble_of, update, update_hashed


class Disk:
    """Implements `contracts.trie.TrieSource`."""

    def __init__(self) -> None:
        self.nodes: dict[bytes, bytes] = {}
        self.leaves: dict[bytes, bytes] = {}
        self.reads = 0

    def get_node(self, path: bytes) -> bytes | None:
        self.reads += 1
        return self.nodes.get(path)

    def scan_leaves(self, path: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        self.reads += 1
        rows = sorted(
            (key, value)
            for key, value in self.leaves.items()
            if all(nibble_of(key, depth) == nibble for depth, nibble in enumerate(path))
        )
        return rows[:limit]


class Trie:
    """A trie and its history; `restart` forgets what is in memory only."""

    def __init__(self, items: dict[bytes, bytes] | None = None) -> None:
        self.disk = Disk()
        self.root = EMPTY_ROOT
        self.restart()
        if items:
            self.update(dict(items))

    def restart(self, cache_bytes: int = 1 << 20) -> None:
        self.cache = TrieCache(self.disk, cache_bytes)

    def update(self, changes: dict[bytes, bytes | None]) -> TrieUpdate:
        return self.apply(update(self.cache, self.root, changes))

    def update_hashed(self, leaves: dict[bytes, bytes | None]) -> TrieUpdate:
        return self.apply(update_hashed(self.cache, self.root, leaves))

    def apply(self, found: TrieUpdate) -> TrieUpdate:
        pairs = ((self.disk.nodes, found.stored), (self.disk.leaves, found.leaves))
        for stored, changes in pairs:
            for key, value in changes.items():
                if value is None:
                    stored.pop(key, None)
                else:
                    stored[key] = value
        self.cache.put(found.parts)
        self.root = found.root
        return found
