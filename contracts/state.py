"""The key-value state that contracts read and write, in layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

MAX_SCAN = 1_000
Rows = list[tuple[bytes, bytes]]


class StateReader(Protocol):
    """State after some block. Keys and values are byte strings."""

    def get(self, key: bytes) -> bytes | None: ...

    def scan(
        self, prefix: bytes, after: bytes = b"", limit: int = 100
    ) -> list[tuple[bytes, bytes]]:
        """Up to `limit` (key, value) pairs under `prefix` with key above `after`, sorted."""
        ...


class Overlay:
    """Changes over a base, with undo: a transaction that fails leaves no trace.

    One overlay serves a whole block. `begin` marks where a transaction starts, `roll_back` takes
    everything since then back, which costs what was written and not a layer for each read.
    """

    __slots__ = ("_base", "_undo", "changes")

    def __init__(self, base: StateReader) -> None:
        self._base = base
        self.changes: dict[bytes, bytes | None] = {}
        self._undo: list[tuple[bytes, bool, bytes | None]] = []

    def get(self, key: bytes) -> bytes | None:
        if key in self.changes:
            return self.changes[key]
        return self._base.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        self._write(key, value)

    def delete(self, key: bytes) -> None:
        self._write(key, None)

    def _write(self, key: bytes, value: bytes | None) -> None:
        was_changed = key in self.changes
        self._undo.append((key, was_changed, self.changes[key] if was_changed else None))
        self.changes[key] = value

    def begin(self) -> None:
        """Make everything written so far permanent in this overlay."""
        self._undo.clear()

    def mark(self) -> int:
        """Return where the transaction is now, for `roll_back`."""
        return len(self._undo)

    def roll_back(self, mark: int = 0) -> None:
        """Take back what was written since `mark`, or since `begin`."""
        while len(self._undo) > mark:
            key, was_changed, old = self._undo.pop()
            if was_changed:
                self.changes[key] = old
            else:
                del self.changes[key]

    def scan(
        self, prefix: bytes, after: bytes = b"", limit: int = 100
    ) -> list[tuple[bytes, bytes]]:
        changed = {k: v for k, v in self.changes.items() if k.startswith(prefix) and k > after}
        return merge_scan(self._base, changed, prefix, after, limit)


def merge_scan(
    base: StateReader,
    changed: dict[bytes, bytes | None],
    prefix: bytes,
    after: bytes,
    limit: int,
) -> list[tuple[bytes, bytes]]:
    """Scan `base` as if `changed` (keys under `prefix`, above `after`) were applied to it."""
    rows: list[tuple[bytes, bytes]] = []
    if limit <= 0:
        return rows
    for row in _merged(base, changed, prefix, after, limit):
        if len(rows) == limit:
            break
        rows.append(row)
    return rows


def _merged(
    base: StateReader, changed: dict[bytes, bytes | None], prefix: bytes, after: bytes, limit: int
) -> Iterator[tuple[bytes, bytes]]:
    fresh = sorted(changed)
    position = 0
    while True:
        page = base.scan(prefix, after, limit)
        for key, value in page:
            while position < len(fresh) and fresh[position] < key:
                late = changed[fresh[position]]
                if late is not None:
                    yield fresh[position], late
                position += 1
            if key not in changed:
                yield key, value
            after = key
        if len(page) < limit:
            break
    for key in fresh[position:]:
        late = changed[key]
        if late is not None:
            yield key, late
