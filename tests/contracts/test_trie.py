"""The trie is a function of the key/value set only, and stores no more than it needs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.trie import (
    EMPTY,
    CorruptState,
    Node,
    decode_node,
    encode_node,
    root_of,
    update,
    update_hashed,
)


class Nodes(dict[bytes, Node]):
    def get_node(self, path: bytes) -> Node | None:
        return self.get(path)

    def apply(self, nodes: dict[bytes, Node | None]) -> None:
        for path, node in nodes.items():
            if node is None:
                self.pop(path, None)
            else:
                self[path] = decode_node(path, encode_node(path, node))


_KEYS = st.binary(min_size=1, max_size=2)
_BATCHES = st.lists(
    st.dictionaries(_KEYS, st.none() | st.binary(max_size=3), max_size=12), max_size=6
)


@given(_BATCHES)
def test_any_history_gives_the_root_and_nodes_of_its_set(
    batches: list[dict[bytes, bytes | None]],
) -> None:
    nodes, model = Nodes(), dict[bytes, bytes]()
    root = EMPTY
    for batch in batches:
        found = update(nodes, batch)
        nodes.apply(found.nodes)
        root = found.root
        for key, value in batch.items():
            if value is None:
                model.pop(key, None)
            else:
                model[key] = value
        assert root == root_of(model)
    fresh = Nodes()
    if model:
        fresh.apply(update(fresh, dict(model)).nodes)
    assert fresh == nodes


@given(st.integers(0, 63), st.booleans())
def test_long_shared_prefixes(shared: int, delete: bool) -> None:
    a = bytearray(32)
    b = bytearray(32)
    b[shared // 2] = 1 if shared % 2 else 16
    nodes = Nodes()
    pairs = [(bytes(a), b"\1" * 32), (bytes(b), b"\2" * 32)]
    both = update_hashed(nodes, pairs)
    nodes.apply(both.nodes)
    assert len(nodes) == shared + 1
    if delete:
        alone = update_hashed(nodes, [(bytes(b), None)])
        nodes.apply(alone.nodes)
        assert alone.root == update_hashed(Nodes(), pairs[:1]).root
        assert len(nodes) == 1


@given(st.binary(max_size=300))
def test_arbitrary_stored_bytes_decode_or_are_refused(data: bytes) -> None:
    try:
        node = decode_node(b"", data)
    except CorruptState:
        return
    assert encode_node(b"", node) == data


def test_missing_node_is_corrupt() -> None:
    nodes = Nodes()
    nodes.apply(update(nodes, {b"%d" % i: b"x" for i in range(100)}).nodes)
    for path in [path for path in nodes if path]:
        del nodes[path]
    with pytest.raises(CorruptState):
        update(nodes, {b"1": b"y", b"2": b"y", b"3": b"y"})
