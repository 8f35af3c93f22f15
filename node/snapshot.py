"""Snapshots: a copy of the state after an epoch's last block, in parts that prove themselves.

A snapshot is cut into cells, each a part of the state's trie that is small enough to be sent. Its
manifest names the hash of each; together they hash to the state root, which the next header holds.
So every cell can be checked alone, whoever sent it. Format: docs/snapshots.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from consensus.codec import (
    DecodeError,
    Value,
    decode,
    encode,
    expect_bytes,
    expect_int,
    expect_list,
)
from consensus.crypto import HASH_BYTES, sha256
from consensus.light import EpochStep
from contracts.trie import BUCKET_LEAVES, MAX_DEPTH, nibble_of
from contracts.trie_build import Cell, build, join
from node.store import Store, StoreError, View, Write
from p2p.wire import (
    MAX_CELLS,
    MAX_STEPS,
    PIECE_BYTES,
    ChunkRequest,
    Chunks,
    Rows,
    SnapshotOffer,
    SnapshotRequest,
    Steps,
    StepsRequest,
)

FORMAT = 1
CELL_BYTES = 128 << 10
"""Cells are divided further above this size, unless they are one bucket of the trie."""
MAX_UNDIVIDED = 2_048
"""Very large states have larger cells, at most sixteen times as many as this."""
HOLD_MS = 60_000
MAX_HOLD_MS = 6 * 3_600_000
"""A snapshot that somebody fetches is not replaced until so long after the last part was asked for,
or after the first one was."""
SLICE_ROWS = 250
"""Rows copied in one turn, so that a snapshot never holds up consensus."""


@dataclass(frozen=True)
class Manifest:
    """What a snapshot consists of: its height, its size in bytes, and its cells in order."""

    height: int
    rows: int
    size: int
    cells: tuple[Cell, ...]

    def encode(self) -> bytes:
        cells = [[cell.path, cell.digest, cell.is_node] for cell in self.cells]
        return encode([FORMAT, self.height, self.rows, self.size, cells])

    @classmethod
    def decode(cls, data: bytes) -> Manifest:
        """Raises DecodeError. Whether the cells make the right root is the caller's to check."""
        row = expect_list(decode(data), "manifest", 5)
        expect_int(row[0], "snapshot format", FORMAT, FORMAT)
        height, rows, size = (expect_int(value, "number") for value in row[1:4])
        cells = tuple(_cell(value) for value in expect_list(row[4], "cells", max_length=MAX_CELLS))
        paths = [cell.path for cell in cells]
        if not paths or any(b <= a or b.startswith(a) for a, b in pairwise(paths)):
            raise DecodeError("the cells must be sorted, and none within another")
        return cls(height, rows, size, cells)

    @cached_property
    def digest(self) -> bytes:
        """What a request names: one state can be cut in many ways, all with the same root."""
        return sha256(self.encode())

    def root(self, stored: dict[bytes, bytes]) -> bytes:
        """Return the state root that the cells make; adds the nodes above them to `stored`."""
        return join(self.cells, stored).digest

    def check_cell(self, index: int, rows: Rows) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
        """Return the nodes to store, and the leaves, of a cell's rows; DecodeError if not its."""
        cell = self.cells[index]
        leaves = {sha256(key): sha256(value) for key, value in rows}
        ordered = sorted(leaves.items())
        if len(leaves) != len(rows) or not all(_lies(key, cell.path) for key, _ in ordered):
            raise DecodeError(f"cell {index} holds a key twice, or one of another cell")
        stored: dict[bytes, bytes] = {}
        if build(cell.path, b"".join(key + value for key, value in ordered), stored) != cell:
            raise DecodeError(f"the rows of cell {index} do not hash to what the state root covers")
        return stored, leaves


def _cell(value: Value) -> Cell:
    path, digest, is_node = expect_list(value, "cell", 3)
    nibbles = expect_bytes(path, "path", max_length=MAX_DEPTH)
    if type(is_node) is not bool or any(nibble > 15 for nibble in nibbles):
        raise DecodeError("a cell has a path of nibbles, and is a node or not")
    return Cell(nibbles, expect_bytes(digest, "digest", HASH_BYTES), is_node)


def _lies(key: bytes, path: bytes) -> bool:
    return all(nibble_of(key, depth) == nibble for depth, nibble in enumerate(path))


class Maker:
    """Makes this node's snapshots, a slice at a time, and hands out their parts."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._work: Iterator[None] | None = None
        self._view: View | None = None
        self.manifest: Manifest | None = None
        self._slot = 0
        self._asked_from_ms = self._asked_ms = 0
        self._load()

    def _load(self) -> None:
        found = self._store.snapshot()
        if found is not None:
            self._slot = found[0]
            self.manifest = Manifest.decode(found[1])

    @property
    def height(self) -> int:
        """The height of the complete snapshot, 0 without one."""
        return self.manifest.height if self.manifest is not None else 0

    @property
    def is_working(self) -> bool:
        return self._work is not None

    def begin(self, height: int, root: bytes, now_ms: int) -> None:
        """Start on the state as it is now, which is that after `height`.

        Not while one is made, nor while somebody fetches the one that is there.
        """
        is_held = now_ms - self._asked_ms < HOLD_MS and now_ms - self._asked_from_ms < MAX_HOLD_MS
        if self._work is None and height > self.height and not (self._asked_ms and is_held):
            self._view = self._store.view()
            self._work = self._make(height, root, self._view)

    def stop(self) -> None:
        """Give up what is being made: another state is put in force."""
        self._work = None
        if self._view is not None:
            self._view.close()
            self._view = None

    def step(self) -> None:
        """Do one slice of work."""
        if self._work is not None and next(self._work, _DONE) is _DONE:
            self.stop()

    def _make(self, height: int, root: bytes, view: View) -> Iterator[None]:
        store, slot = self._store, self._slot ^ 1
        yield from delete(store, store.snapshot_keys(slot))
        rows = size = 0
        batch: list[Write] = []
        for key, value in store.state_of(view):
            batch.append(store.snapshot_row(slot, sha256(key), key, value))
            rows, size = rows + 1, size + len(key) + len(value)
            if len(batch) == SLICE_ROWS:
                store.write_lazily(batch)
                batch = []
                yield
        store.write_lazily(batch)
        cells: list[Cell] = []
        yield from self._cut(slot, b"", max(CELL_BYTES, size // MAX_UNDIVIDED), cells)
        manifest = Manifest(height, rows, size, tuple(cells))
        if manifest.root({}) != root:
            raise StoreError(
                f"the stored state after height {height} is damaged: its root is another; "
                "move the database away, and the node fetches it anew"
            )
        store.write(store.snapshot_writes(slot, manifest.encode()))
        old, self._slot, self.manifest = self._slot, slot, manifest
        self._asked_from_ms = self._asked_ms = 0
        yield from delete(store, store.snapshot_keys(old))

    def _cut(self, slot: int, path: bytes, limit: int, cells: list[Cell]) -> Iterator[None]:
        """Add the cells below `path`, none with more than `limit` bytes unless it is a bucket."""
        leaves = []
        size = 0
        for hashed, key, value in self._store.snapshot_rows(slot, path):
            leaves.append(hashed + sha256(value))
            size += len(key) + len(value)
            if size > limit and len(leaves) > BUCKET_LEAVES:
                yield
                for nibble in range(16):
                    yield from self._cut(slot, path + bytes((nibble,)), limit, cells)
                return
        if leaves or not path:
            cells.append(build(path, b"".join(leaves), {}))
            yield

    def hold(self, now_ms: int) -> None:
        """Somebody fetches the snapshot: it should still be there for the next part."""
        self._asked_from_ms = self._asked_from_ms or now_ms
        self._asked_ms = now_ms

    def rows(self, first: int) -> tuple[Rows, ...]:
        """Return the rows of cells from number `first` on, as many as fit a piece."""
        manifest = self.manifest
        if manifest is None:
            return ()
        cells: list[Rows] = []
        size = 0
        for index in range(first, len(manifest.cells)):
            found = self._store.snapshot_rows(self._slot, manifest.cells[index].path)
            rows = tuple((key, value) for _, key, value in found)
            size += sum(len(key) + len(value) + 8 for key, value in rows) + 4
            if cells and size > PIECE_BYTES:
                break
            cells.append(rows)
        return tuple(cells)


_DONE = object()


def delete(store: Store, keys: Iterable[bytes]) -> Iterator[None]:
    """Delete `keys` from the database, a slice at a time."""
    batch: list[Write] = []
    for key in keys:
        batch.append((key, None))
        if len(batch) == 4 * SLICE_ROWS:
            store.write_lazily(batch)
            batch = []
            yield
    if batch:
        store.write_lazily(batch)


# Answers to those who fetch one


def serve_steps(store: Store, request: StepsRequest) -> Steps:
    """How the epochs from the asked one on handed over, as many as fit a piece."""
    steps: list[EpochStep] = []
    size = 0
    while size < PIECE_BYTES and len(steps) < MAX_STEPS:
        step = store.epoch_step(request.epoch + len(steps))
        if step is None:
            break
        steps.append(step)
        size += len(encode(step.to_value()))
    return Steps(request.epoch, tuple(steps))


def serve_offer(store: Store, maker: Maker, request: SnapshotRequest) -> SnapshotOffer:
    """The manifest of the own snapshot with its proof, if it is the one asked for."""
    height = request.height
    found = store.finalization_from(height + 1)
    if maker.manifest is None or maker.height != height or found is None:
        return SnapshotOffer(height, b"", (), None)
    final_height, certificate = found
    fulls = [store.block_at(above) for above in range(height + 1, final_height + 1)]
    headers = tuple(full.block.header for full in fulls if full is not None)
    return SnapshotOffer(height, maker.manifest.encode(), headers, certificate)


def serve_chunks(maker: Maker, request: ChunkRequest, now_ms: int) -> Chunks:
    """Rows of the own snapshot, if it is the one asked for."""
    manifest = maker.manifest
    if manifest is None or manifest.digest != request.manifest:
        return Chunks(request.manifest, request.cell, ())
    maker.hold(now_ms)
    return Chunks(request.manifest, request.cell, maker.rows(request.cell))
