"""Snapshots: cells that prove themselves, whatever the state and however it is cut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.codec import DecodeError
from consensus.crypto import sha256
from contracts.trie import (
    BUCKET_LEAVES,
    EMPTY_ROOT,
    TrieCache,
    nibble_of,
    root_of,
    update,
)
from contracts.trie_build import Cell, build
from node.snapshot import HOLD_MS, MAX_HOLD_MS, Maker, Manifest, serve_chunks
from node.store import LevelDB, Store, StoreError
from node.window import replay_floor
from p2p.wire import ChunkRequest


def leaves_of(state: dict[bytes, bytes]) -> list[bytes]:
    return sorted(sha256(k) + sha256(v) for k, v in state.items())


def cut(state: dict[bytes, bytes], depth: int) -> Manifest:
    """Cut at one depth, or higher where a bucket stands there."""
    leaves = leaves_of(state)

    def cells(path: bytes, below: list[bytes]) -> list[Cell]:
        if not leaves or len(path) == depth or (path and len(below) <= BUCKET_LEAVES):
            return [build(path, b"".join(below), {})] if below or not path else []
        parts = ([x for x in below if nibble_of(x, len(path)) == n] for n in range(16))
        return [c for n, part in enumerate(parts) for c in cells(path + bytes((n,)), part)]

    return Manifest(7, len(state), 1, tuple(cells(b"", leaves)))


def rows_of(state: dict[bytes, bytes], cell: Cell) -> list[tuple[bytes, bytes]]:
    return [
        (k, v)
        for k, v in state.items()
        if all(nibble_of(sha256(k), d) == n for d, n in enumerate(cell.path))
    ]


class Nothing:
    """An empty trie's store."""

    def get_node(self, path: bytes) -> bytes | None:
        return None

    def scan_leaves(self, path: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        return []


_SMALL = st.dictionaries(st.binary(max_size=6), st.binary(max_size=6), max_size=40)
_STATES = _SMALL | st.integers(40, 900).map(lambda n: {b"%d" % i: b"v" for i in range(n)})


@settings(max_examples=40, deadline=None)
@given(_STATES, st.integers(0, 3))
def test_cells_make_the_root_and_what_a_store_keeps_of_the_trie(
    state: dict[bytes, bytes], depth: int
) -> None:
    manifest = cut(state, depth)
    nodes: dict[bytes, bytes] = {}
    assert manifest.root(nodes) == root_of(state)
    assert Manifest.decode(manifest.encode()) == manifest
    leaves: dict[bytes, bytes] = {}
    for index, cell in enumerate(manifest.cells):
        below, some = manifest.check_cell(index, tuple(rows_of(state, cell)))
        nodes |= below
        leaves |= some
    expected = update(TrieCache(Nothing(), 1 << 20), EMPTY_ROOT, state)
    assert nodes == {path: node for path, node in expected.stored.items() if node is not None}
    assert leaves == expected.leaves


@settings(max_examples=40, deadline=None)
@given(_STATES.filter(lambda s: len(s) > 1), st.integers(0, 2), st.data())
def test_no_changed_cell_passes(state: dict[bytes, bytes], depth: int, data: st.DataObject) -> None:
    manifest = cut(state, depth)
    index = data.draw(st.integers(0, len(manifest.cells) - 1))
    rows = rows_of(state, manifest.cells[index])
    place = data.draw(st.integers(0, len(rows) - 1))
    key, value = rows[place]
    wrong = [
        rows[:place] + rows[place + 1 :],
        [*rows, rows[place]],
        [*rows[:place], (key, value + b"x"), *rows[place + 1 :]],
        [*rows, (b"another key", b"")],
    ]
    for each in wrong:
        with pytest.raises(DecodeError):
            manifest.check_cell(index, tuple(each))


def test_hostile_manifests_are_refused() -> None:
    state = {b"%d" % i: b"v" for i in range(600)}
    manifest = cut(state, 2)
    good = manifest.encode()
    for position in range(0, len(good), 7):
        flipped = good[:position] + bytes((good[position] ^ 1,)) + good[position + 1 :]
        try:
            found = Manifest.decode(flipped)
        except DecodeError:
            continue
        # Whether a cell is a node shows when its rows come; all else changes the root.
        parts = [(cell.path, cell.digest) for cell in found.cells]
        is_same = parts == [(cell.path, cell.digest) for cell in manifest.cells]
        assert is_same or found.root({}) != manifest.root({})
        assert found == manifest or found.digest != manifest.digest
    first, second, *rest = manifest.cells
    for cells in (
        (),
        (second, first, *rest),
        (first, first, *rest),
        (first, replace(second, path=first.path + b"\x01"), *rest),
        (replace(first, path=b"\x10"), second, *rest),
        (replace(first, path=bytes(65)), second, *rest),
    ):
        with pytest.raises(DecodeError):
            Manifest.decode(replace(manifest, cells=tuple(cells)).encode())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(LevelDB(tmp_path / "db"))


def everything(maker: Maker) -> dict[bytes, bytes]:
    """All rows, asked for as a newcomer does."""
    found: dict[bytes, bytes] = {}
    assert maker.manifest is not None
    index = 0
    while index < len(maker.manifest.cells):
        cells = maker.rows(index)
        assert cells
        for rows in cells:
            found.update(rows)
        index += len(cells)
    assert len(found) == maker.manifest.rows
    return found


def test_a_snapshot_is_of_one_moment_and_replaces_the_one_before(store: Store) -> None:
    state = {b"%d" % i: b"x" * i for i in range(900)}
    store.write(store.state_writes(state.items()))
    maker = Maker(store)
    maker.begin(10, root_of(state), 1)
    maker.step()
    store.write(store.state_writes([(b"0", None), (b"late", b"1")]))
    while maker.is_working:
        maker.step()
    assert maker.height == 10
    assert maker.manifest is not None
    assert len(maker.manifest.cells) >= 16
    assert everything(maker) == state
    again = Maker(store)
    assert again.height == 10
    assert everything(again) == state
    now = {key: value for key, value in state.items() if key != b"0"} | {b"late": b"1"}
    again.begin(20, root_of(now), 1)
    while again.is_working:
        again.step()
    assert everything(again) == now
    assert len(list(store.snapshot_keys(0))) + len(list(store.snapshot_keys(1))) == len(now)
    store.close()


def test_a_snapshot_stays_while_somebody_fetches_it(store: Store) -> None:
    state = {b"a": b"1"}
    store.write(store.state_writes(state.items()))
    maker = Maker(store)

    def make(height: int, now_ms: int) -> int:
        maker.begin(height, root_of(state), now_ms)
        while maker.is_working:
            maker.step()
        return maker.height

    assert make(10, 1) == 10
    assert maker.manifest is not None
    request = ChunkRequest(maker.manifest.digest, 0)
    assert serve_chunks(maker, request, 5_000).cells == (((b"a", b"1"),),)
    assert make(20, 5_000 + HOLD_MS - 1) == 10
    serve_chunks(maker, request, 50_000)
    assert make(20, 50_000 + HOLD_MS - 1) == 10
    assert make(20, 50_000 + HOLD_MS) == 20
    assert serve_chunks(maker, request, 200_000).cells == ()
    assert make(30, 200_001) == 30
    # Not for ever, whoever asks.
    fresh = ChunkRequest(maker.manifest.digest, 0)
    serve_chunks(maker, fresh, 300_000)
    serve_chunks(maker, fresh, 300_000 + MAX_HOLD_MS)
    assert make(40, 300_000 + MAX_HOLD_MS) == 40
    store.close()


def test_a_damaged_state_makes_no_snapshot(store: Store) -> None:
    store.write(store.state_writes((b"%d" % i, b"1") for i in range(249)))
    maker = Maker(store)
    maker.begin(10, root_of({b"a": b"2"}), 1)
    maker.step()
    with pytest.raises(StoreError, match="the stored state after height 10 is damaged"):
        maker.step()
    assert Maker(store).height == 0
    store.close()


@pytest.mark.parametrize(
    ("height", "epochs", "floor"),
    [
        (100, [(1, 12)], 90),
        (5, [(1, 600)], 1),
        # The window shrank: what was signed for the old one is still valid.
        (100, [(91, 8), (1, 50)], 52),
        (100, [(91, 8), (1, 10)], 94),
        # It grew: the earlier blocks' transactions have expired.
        (100, [(91, 50), (1, 8)], 91),
    ],
)
def test_the_window_of_each_epoch_counts(
    height: int, epochs: list[tuple[int, int]], floor: int
) -> None:
    assert replay_floor(height, epochs) == floor
    expected = min(
        b
        for b in range(1, height + 2)
        for first, window in [next(e for e in epochs if e[0] <= b)]
        if b + window > height + 1 or b == height + 1
    )
    assert floor == expected
