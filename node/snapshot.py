"""Snapshots: a copy of the state after an epoch's last block, in parts that prove themselves.

A snapshot is cut into cells by the first bytes of H(key): 1, 256 or 65,536 of them, so that a cell
stays small. Its manifest names the slot that each cell fills in the state's trie; together they
hash to the state root, which the next header holds. So every cell can be checked alone, whoever
sent it. Format: docs/snapshots.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from consensus.codec import (
    DecodeError,
    decode,
    encode,
    expect_bytes,
    expect_int,
    expect_list,
)
from consensus.crypto import HASH_BYTES, sha256
from consensus.light import EpochStep
from contracts.trie import LEAF_SLOT_BYTES, Node, Slot
from contracts.trie_build import build, join_cells, leaf
from node.store import Store, StoreError, View, Write
from p2p.wire import (
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
MAX_DEPTH = 2
"""Bytes of H(key) that choose a cell."""
CELL_BYTES = 128 << 10
"""Cells are divided further above this size on average."""
SLICE_ROWS = 250
"""Rows copied in one turn, so that a snapshot never holds up consensus."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a snapshot consists of: its height, its size in bytes, and each cell's slot."""

    height: int
    rows: int
    size: int
    depth: int
    cells: tuple[Slot, ...]

    def encode(self) -> bytes:
        inner = leaves = 0
        parts = []
        for index, slot in enumerate(self.cells):
            if slot is None:
                continue
            if len(slot) == LEAF_SLOT_BYTES:
                leaves |= 1 << index
                parts.append(slot[HASH_BYTES:])
            else:
                inner |= 1 << index
                parts.append(slot)
        size = -(-len(self.cells) // 8)
        bitmaps = inner.to_bytes(size, "little"), leaves.to_bytes(size, "little")
        numbers = [FORMAT, self.height, self.rows, self.size, self.depth]
        return encode([*numbers, *bitmaps, b"".join(parts)])

    @classmethod
    def decode(cls, data: bytes) -> Manifest:
        """Raises DecodeError. Whether the cells make the right root is the caller's to check."""
        row = expect_list(decode(data), "manifest", 8)
        expect_int(row[0], "snapshot format", FORMAT, FORMAT)
        depth = expect_int(row[4], "depth", 0, MAX_DEPTH)
        count = 256**depth
        size = -(-count // 8)
        inner = int.from_bytes(expect_bytes(row[5], "inner cells", size), "little")
        leaves = int.from_bytes(expect_bytes(row[6], "leaf cells", size), "little")
        joined = expect_bytes(row[7], "cells")
        if inner & leaves or (inner | leaves) >> count:
            raise DecodeError("a cell is both inner and leaf, or there is no such cell")
        if len(joined) != 32 * inner.bit_count() + 64 * leaves.bit_count():
            raise DecodeError("manifest's bitmaps and cells do not agree")
        cells: list[Slot] = []
        offset = 0
        for index in range(count):
            if inner >> index & 1:
                cells.append(joined[offset : offset + 32])
                offset += 32
            elif leaves >> index & 1:
                key, value = joined[offset : offset + 32], joined[offset + 32 : offset + 64]
                if key[:depth] != index.to_bytes(depth, "big"):
                    raise DecodeError("a leaf lies in another cell than its key")
                cells.append(leaf(key, value))
                offset += 64
            else:
                cells.append(None)
        height, rows, total = (expect_int(value, "number") for value in row[1:4])
        return cls(height, rows, total, depth, tuple(cells))

    def root(self, nodes: dict[bytes, Node]) -> bytes:
        """Return the state root that the cells make; adds the nodes above them to `nodes`."""
        return join_cells(self.cells, nodes)

    def check_cell(self, index: int, rows: Rows) -> dict[bytes, Node]:
        """Return the trie nodes of a cell's rows. Raises DecodeError if they are not its rows."""
        prefix = index.to_bytes(self.depth, "big") if self.depth else b""
        pairs = sorted((sha256(key), sha256(value)) for key, value in rows)
        if any(not key.startswith(prefix) for key, _ in pairs):
            raise DecodeError(f"a row lies outside of cell {index}")
        if len({key for key, _ in pairs}) != len(pairs):
            raise DecodeError(f"cell {index} holds a key twice")
        nodes: dict[bytes, Node] = {}
        if build(_nibbles(prefix), pairs, nodes) != self.cells[index]:
            raise DecodeError(f"the rows of cell {index} do not hash to what the state root covers")
        return nodes


def _nibbles(prefix: bytes) -> bytes:
    return bytes(nibble for byte in prefix for nibble in (byte >> 4, byte & 15))


class Maker:
    """Makes this node's snapshots, a slice at a time, and hands out their parts."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._work: Iterator[None] | None = None
        self._view: View | None = None
        self.manifest: Manifest | None = None
        self._slot = 0
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

    def begin(self, height: int, root: bytes) -> None:
        """Start on the state as it is now, which is that after `height`; unless one is made."""
        if self._work is None and height > self.height:
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
        depth = 0
        while depth < MAX_DEPTH and size > CELL_BYTES * 256**depth:
            depth += 1
        cells: list[Slot] = []
        done = 0
        for index in range(256**depth):
            prefix = index.to_bytes(depth, "big") if depth else b""
            pairs = [(h, sha256(v)) for h, _, v in store.snapshot_rows(slot, prefix)]
            cells.append(build(_nibbles(prefix), pairs, {}))
            done += len(pairs) + 1
            if done >= SLICE_ROWS:
                done = 0
                yield
        manifest = Manifest(height, rows, size, depth, tuple(cells))
        if manifest.root({}) != root:
            raise StoreError(
                f"the stored state after height {height} is damaged: its root is another; "
                "move the database away, and the node fetches it anew"
            )
        store.write(store.snapshot_writes(slot, manifest.encode()))
        old, self._slot, self.manifest = self._slot, slot, manifest
        yield from delete(store, store.snapshot_keys(old))

    def rows(self, first: int) -> tuple[Rows, ...]:
        """Return the rows of cells from number `first` on, as many as fit a piece."""
        manifest = self.manifest
        if manifest is None:
            return ()
        cells: list[Rows] = []
        size = 0
        for index in range(first, len(manifest.cells)):
            prefix = index.to_bytes(manifest.depth, "big") if manifest.depth else b""
            found = self._store.snapshot_rows(self._slot, prefix)
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


def serve_chunks(maker: Maker, request: ChunkRequest) -> Chunks:
    """Rows of the own snapshot, if it is the one asked for."""
    cells = maker.rows(request.cell) if maker.height == request.height else ()
    return Chunks(request.height, request.cell, cells)
