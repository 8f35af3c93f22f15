"""Snapshots: cells that prove themselves, whatever the state and however it is cut."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.codec import DecodeError
from consensus.crypto import sha256
from contracts.trie import Node, NodeCache, Slot, encode_node, root_of, update
from contracts.trie_build import build, join_cells
from node.snapshot import Maker, Manifest
from node.store import LevelDB, Store, StoreError
from node.window import replay_floor


class Memory:
    """Encoded trie nodes by path."""

    def __init__(self) -> None:
        self.nodes: dict[bytes, bytes] = {}

    def get_node(self, path: bytes) -> bytes | None:
        return self.nodes.get(path)


def cut(state: dict[bytes, bytes], depth: int) -> Manifest:
    pairs = sorted((sha256(k), sha256(v)) for k, v in state.items())
    cells: list[Slot] = []
    for index in range(256**depth):
        prefix = index.to_bytes(depth, "big") if depth else b""
        path = bytes(n for byte in prefix for n in (byte >> 4, byte & 15))
        cells.append(build(path, [p for p in pairs if p[0].startswith(prefix)], {}))
    return Manifest(7, len(state), 1, depth, tuple(cells))


_STATES = st.dictionaries(st.binary(max_size=6), st.binary(max_size=6), max_size=40)


@settings(max_examples=40)
@given(_STATES, st.integers(0, 1))
def test_cells_make_the_root_and_the_nodes_of_the_trie(
    state: dict[bytes, bytes], depth: int
) -> None:
    manifest = cut(state, depth)
    nodes: dict[bytes, Node] = {}
    assert manifest.root(nodes) == root_of(state)
    assert Manifest.decode(manifest.encode()) == manifest
    for index in range(len(manifest.cells)):
        prefix = index.to_bytes(depth, "big") if depth else b""
        rows = tuple((k, v) for k, v in state.items() if sha256(k).startswith(prefix))
        nodes |= manifest.check_cell(index, rows)
    reference = update(NodeCache(Memory(), 1 << 20), state)
    expected = {path: node for path, node in reference.nodes.items() if node is not None}
    assert {p: encode_node(p, n) for p, n in nodes.items()} == {
        p: encode_node(p, n) for p, n in expected.items()
    }


@settings(max_examples=40)
@given(_STATES.filter(lambda s: len(s) > 1), st.integers(0, 1), st.data())
def test_no_changed_cell_passes(state: dict[bytes, bytes], depth: int, data: st.DataObject) -> None:
    manifest = cut(state, depth)
    filled = [i for i, slot in enumerate(manifest.cells) if slot is not None]
    index = data.draw(st.sampled_from(filled))
    prefix = index.to_bytes(depth, "big") if depth else b""
    rows = [(k, v) for k, v in state.items() if sha256(k).startswith(prefix)]
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
    manifest = cut({b"a": b"1", b"b": b"2", b"c": b"3"}, 1)
    good = manifest.encode()
    for position in range(0, len(good), 7):
        flipped = good[:position] + bytes((good[position] ^ 1,)) + good[position + 1 :]
        try:
            assert Manifest.decode(flipped).root({}) != manifest.root({}) or (
                Manifest.decode(flipped).cells == manifest.cells
            )
        except DecodeError:
            continue
    leaf = next(slot for slot in manifest.cells if slot is not None)
    moved = [None] * 256
    moved[leaf[32] ^ 1] = leaf  # type: ignore[call-overload]
    with pytest.raises(DecodeError, match="lies in another cell"):
        Manifest.decode(replace(manifest, cells=tuple(moved)).encode())


def test_joining_one_leaf_keeps_a_root_node() -> None:
    nodes: dict[bytes, Node] = {}
    manifest = cut({b"only": b"1"}, 1)
    assert join_cells(manifest.cells, nodes) == root_of({b"only": b"1"})
    assert list(nodes) == [b""]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(LevelDB(tmp_path / "db"))


def test_a_snapshot_is_of_one_moment_and_replaces_the_one_before(store: Store) -> None:
    state = {b"%d" % i: b"x" * i for i in range(700)}
    store.write(store.state_writes(state.items()))
    maker = Maker(store)
    maker.begin(10, root_of(state))
    maker.step()
    store.write(store.state_writes([(b"0", None), (b"late", b"1")]))
    while maker.is_working:
        maker.step()
    assert maker.height == 10
    rows = dict(row for cell in maker.rows(0) for row in cell)
    assert rows == state
    again = Maker(store)
    assert again.height == 10
    assert again.rows(0) == maker.rows(0)
    now = {key: value for key, value in state.items() if key != b"0"} | {b"late": b"1"}
    again.begin(20, root_of(now))
    while again.is_working:
        again.step()
    assert dict(row for cell in again.rows(0) for row in cell) == now
    assert len(list(store.snapshot_keys(0))) + len(list(store.snapshot_keys(1))) == len(now)
    store.close()


def test_a_damaged_state_makes_no_snapshot(store: Store) -> None:
    store.write(store.state_writes((b"%d" % i, b"1") for i in range(250)))
    maker = Maker(store)
    maker.begin(10, root_of({b"a": b"2"}))
    maker.step()
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
