"""The trie is a function of the key/value set only, and stores no more than it needs."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.trie import (
    BUCKET_LEAVES,
    EMPTY_ROOT,
    CorruptState,
    LayeredTrie,
    TrieCache,
    root_of,
    update,
    update_hashed,
)
from tests.contracts.trie_disk import Disk, Trie

_KEYS = st.integers(0, 2_000).map(lambda number: b"%d" % number)
_BATCHES = st.lists(
    st.tuples(
        st.dictionaries(_KEYS, st.none() | st.binary(max_size=3), max_size=12),
        st.none() | st.tuples(st.integers(0, 1_500), st.integers(1, 500), st.booleans()),
        st.booleans(),
    ),
    max_size=5,
)


def _many(start: int, count: int) -> dict[bytes, bytes | None]:
    return {b"%d" % number: b"v%d" % number for number in range(start, start + count)}


@given(_BATCHES)
def test_any_history_gives_the_root_and_the_stored_nodes_of_its_set(batches: list) -> None:
    trie, model = Trie(), dict[bytes, bytes]()
    for changes, run, restart in batches:
        if run is not None:
            start, count, delete = run
            changes = {**changes, **_many(start, count)}
            if delete:
                changes = dict.fromkeys(changes)
        trie.update(changes)
        for key, value in changes.items():
            if value is None:
                model.pop(key, None)
            else:
                model[key] = value
        assert trie.root == root_of(model)
        if restart:
            trie.restart()
    assert trie.disk.nodes == Trie(model).disk.nodes


@given(st.integers(0, 62), st.booleans())
def test_long_shared_prefixes(shared: int, delete: bool) -> None:
    """More keys than a bucket holds that differ at one late nibble only."""
    trie = Trie()
    keys = []
    for number in range(BUCKET_LEAVES + 1):
        key = bytearray(32)
        # Two nibbles tell the keys apart, the first of which has place `shared`.
        for place, nibble in ((shared, number >> 4), (shared + 1, number & 15)):
            key[place // 2] |= nibble << (0 if place % 2 else 4)
        keys.append(bytes(key))
    trie.update_hashed(dict.fromkeys(keys, b"\1" * 32))
    assert len(trie.disk.nodes) == shared
    trie.restart()
    if delete:
        trie.update_hashed({keys[0]: None})
        assert not trie.disk.nodes
        assert (
            trie.root
            == update_hashed(Trie().cache, EMPTY_ROOT, dict.fromkeys(keys[1:], b"\1" * 32)).root
        )


def test_layers_above_the_final_trie_give_what_one_update_gives() -> None:
    trie = Trie(_many(0, 3_000))  # type: ignore[arg-type]
    first, second = _many(2_900, 500), dict.fromkeys(_many(100, 3_000))
    one = update(trie.cache, trie.root, first)
    two = update(LayeredTrie([one.parts], trie.cache), one.root, second)
    together = update(trie.cache, trie.root, {**first, **second})
    assert two.root == together.root
    trie.apply(one)
    trie.apply(two)
    assert trie.root == root_of({k: v for k, v in _many(0, 3_400).items() if k not in second})  # type: ignore[misc]
    trie.restart()
    assert update(trie.cache, trie.root, {}).root == trie.root


def test_a_node_above_buckets_is_not_stored() -> None:
    assert not Trie(_many(0, 16)).disk.nodes  # type: ignore[arg-type]
    assert list(Trie(_many(0, 2_000)).disk.nodes) == [b""]  # type: ignore[arg-type]


@pytest.mark.parametrize("what", ["leaf", "lost leaf", "node", "lost node", "short node"])
def test_damage_on_disk_is_found_where_it_is_read(what: str) -> None:
    trie = Trie(_many(0, 2_000))  # type: ignore[arg-type]
    trie.restart()
    disk = trie.disk
    key = sha256(b"7").digest()
    match what:
        case "leaf":
            disk.leaves[key] = bytes(32)
        case "lost leaf":
            del disk.leaves[key]
        case "node":
            disk.nodes[b""] = disk.nodes[b""][:-1] + b"\0"
        case "lost node":
            del disk.nodes[b""]
        case "short node":
            disk.nodes[b""] = disk.nodes[b""][:-1]
    with pytest.raises(CorruptState):
        trie.update({b"7": b"new"})


def test_cache_keeps_to_its_bytes_and_drops_what_was_used_longest_ago() -> None:
    trie, disk = Trie(_many(0, 2_000)), Disk()  # type: ignore[arg-type]
    disk.leaves, disk.nodes = trie.disk.leaves, trie.disk.nodes
    held = 0

    def read(*keys: bytes) -> int:
        before = disk.reads
        for key in keys:
            update(cache, trie.root, {key: b"v"})
        return disk.reads - before

    cache = TrieCache(disk, 40_000)
    assert read(b"5") > 0
    for number in range(0, 2_000, 40):
        held += read(b"%d" % number) > 0
        assert read(b"5") == 0
    assert held > 20
    assert read(b"0") > 0
