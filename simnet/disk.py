"""A disk that can lose power, fill up, fail, rot and be slow; what was synced is kept.

It holds one ordered key-value database (in place of LevelDB) and a few files (the journal).
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from random import Random

from sortedcontainers import SortedDict

from node.store import StoreError, Write

SECTOR_BYTES = 4_096
SCAN_PAGE = 32


class PowerCut(BaseException):
    """The machine stops at this very operation; nothing in the node may catch it."""


class Disk:
    """What survives a process. All operations go through `_operate`, where faults strike."""

    def __init__(self, random: Random, fired: Counter[str]) -> None:
        self.random = random
        self.fired = fired
        self.rows: SortedDict[bytes, bytes] = SortedDict()
        self.files: dict[Path, _Content] = {}
        self.operations = 0
        self.cut_after: int | None = None
        self.is_full = False
        self.fails_sync = False
        self.sync_ms = 0
        self.rotten: set[bytes] = set()
        self.met_rot = False
        self.on_slow: Callable[[int], None] = lambda ms: None
        self._undo: list[list[Write]] = []

    # Faults

    def operate(self) -> None:
        """Count one operation; the power may go at it."""
        self.operations += 1
        if self.cut_after is not None:
            self.cut_after -= 1
            if self.cut_after <= 0:
                self.cut_after = None
                self.fired["cut at an operation"] += 1
                raise PowerCut

    def check_space(self) -> None:
        if self.is_full:
            self.fired["write to a full disk"] += 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def check_sync(self) -> None:
        if self.fails_sync:
            self.fails_sync = False
            self.fired["failed fsync"] += 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if self.sync_ms:
            self.fired["slow sync"] += 1
            self.on_slow(self.sync_ms)

    def lose_power(self) -> None:
        """Drop or tear what was not synced: batches from the end, sectors at will."""
        lost = self.random.randint(0, len(self._undo))
        for undo in self._undo[len(self._undo) - lost :][::-1]:
            self.fired["unsynced batch lost"] += 1
            self._apply(undo)
        self._undo.clear()
        for content in self.files.values():
            if content.lose_power(self.random):
                self.fired["unsynced bytes torn"] += 1

    def keep_all(self) -> None:
        """The process ended but the machine did not: the operating system writes everything."""
        self._undo.clear()
        for content in self.files.values():
            content.sync()

    def lose_database(self) -> None:
        """Lose the database and keep the files."""
        self.rows.clear()
        self._undo.clear()
        self.mend_rows()

    def rot_rows(self) -> None:
        """Let one row in eight rot: reading one fails, as LevelDB's checksums make it fail."""
        self.rotten = {key for key in self.rows if not self.random.randrange(8)}

    def mend_rows(self) -> None:
        self.rotten = set()
        self.met_rot = False

    def check_row(self, key: bytes) -> None:
        if key in self.rotten:
            self.met_rot = True
            raise StoreError("a stored row is damaged: its checksum is wrong")

    def rot(self, path: Path, *, both: bool) -> None:
        """Flip a bit in one copy (or the same batch's both copies) of a doubled journal batch."""
        content = self.files.get(path)
        if content is None or len(content.data) < 4 * SECTOR_BYTES:
            return
        # Batches are small here: each copy is one sector, pairs follow each other.
        pairs = len(content.data) // (2 * SECTOR_BYTES)
        pair = self.random.randrange(pairs)
        first = 2 * SECTOR_BYTES * pair
        copies = (0, 1) if both else (self.random.randrange(2),)
        for copy in copies:
            place = first + copy * SECTOR_BYTES + self.random.randrange(60)
            content.data[place] ^= 1 << self.random.randrange(8)
        content.sync()

    # KeyValue

    def get(self, key: bytes) -> bytes | None:
        self.check_row(key)
        value: bytes | None = self.rows.get(key)
        return value

    def write(self, batch: Iterable[Write], *, sync: bool) -> None:
        self.operate()
        try:
            self.check_space()
            rows = list(batch)
            before = {key: self.rows.get(key) for key, _ in rows}
            self._apply(rows)
            self._undo.append(list(before.items()))
            self.operate()
            if sync:
                self.check_sync()
                self._undo.clear()
        except OSError as error:
            raise StoreError(f"writing to the database failed ({error.strerror})") from error

    def _apply(self, rows: Iterable[Write]) -> None:
        for key, value in rows:
            self.rotten.discard(key)
            if value is None:
                self.rows.pop(key, None)
            else:
                self.rows[key] = value

    def scan(self, prefix: bytes, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        return _scan(self.rows, prefix, after, self.check_row)

    def view(self) -> DiskView:
        return DiskView(self.rows.copy())

    def close(self) -> None:
        """Nothing to release: the database outlives its process."""

    # Files

    def create(self, path: Path) -> SimFile:
        self.operate()
        self.check_space()
        if path in self.files:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        self.files[path] = _Content()
        return SimFile(self, self.files[path])

    def open(self, path: Path) -> SimFile:
        if path not in self.files:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return SimFile(self, self.files[path])

    def replace(self, old: Path, new: Path) -> None:
        self.operate()
        self.files[new] = self.files.pop(old)

    def remove(self, path: Path) -> None:
        self.operate()
        self.files.pop(path, None)

    def sync_folder(self, path: Path) -> None:
        self.operate()
        self.check_sync()


class DiskView:
    """The database at one moment. Implements node.store.View."""

    def __init__(self, rows: SortedDict[bytes, bytes]) -> None:
        self._rows = rows

    def scan(self, prefix: bytes, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        return _scan(self._rows, prefix, after, lambda key: None)

    def close(self) -> None:
        self._rows = SortedDict()


def _scan(
    rows: SortedDict[bytes, bytes], prefix: bytes, after: bytes, check: Callable[[bytes], None]
) -> Iterator[tuple[bytes, bytes]]:
    """A page at a time, since rows may be written while a scan is under way."""
    start, inclusive = prefix + after, not after
    while page := list(islice(rows.irange(start, inclusive=(inclusive, True)), SCAN_PAGE)):
        for key in page:
            if not key.startswith(prefix):
                return
            value = rows.get(key)
            if value is not None:
                check(key)
                yield key[len(prefix) :], value
        start, inclusive = page[-1], False


class _Content:
    """Bytes of a file, and what its sectors changed since the last sync held before."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._before: dict[int, bytes] = {}
        self._synced_size = 0

    def write(self, offset: int, data: bytes) -> None:
        end = offset + len(data)
        for sector in range(offset // SECTOR_BYTES, -(-end // SECTOR_BYTES)):
            start = sector * SECTOR_BYTES
            self._before.setdefault(sector, bytes(self.data[start : start + SECTOR_BYTES]))
        if len(self.data) < end:
            self.data.extend(bytes(end - len(self.data)))
        self.data[offset:end] = data

    def truncate(self, size: int) -> None:
        del self.data[size:]
        self.sync()

    def sync(self) -> None:
        self._before.clear()
        self._synced_size = len(self.data)

    def lose_power(self, random: Random) -> bool:
        """Let each unsynced sector be old, new or torn in the middle; the growth may be lost."""
        was_dirty = bool(self._before)
        for sector, before in sorted(self._before.items()):
            start = sector * SECTOR_BYTES
            old = before.ljust(len(self.data[start : start + SECTOR_BYTES]), b"\0")
            kept = random.choice((0, len(old), random.randrange(len(old) + 1)))
            self.data[start + kept : start + len(old)] = old[kept:]
        if was_dirty and random.randrange(2):
            del self.data[random.randint(self._synced_size, len(self.data)) :]
        self.sync()
        return was_dirty


class SimFile:
    """An open file on a Disk. Implements node.files.File."""

    def __init__(self, disk: Disk, content: _Content) -> None:
        self._disk = disk
        self._content = content

    def size(self) -> int:
        return len(self._content.data)

    def read_all(self) -> bytes:
        return bytes(self._content.data)

    def write(self, offset: int, data: bytes) -> None:
        self._disk.operate()
        self._disk.check_space()
        self._content.write(offset, data)

    def truncate(self, size: int) -> None:
        self._disk.operate()
        self._content.truncate(size)

    def sync(self) -> None:
        self._disk.operate()
        self._disk.check_sync()
        self._content.sync()
        self._disk.operate()

    def close(self) -> None:
        """Nothing to release."""
