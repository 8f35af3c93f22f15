"""An overlay is the base with its changes applied, and undo leaves no trace."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from contracts.state import Overlay

KEYS = st.binary(max_size=3).map(lambda key: bytes(b"ab"[byte & 1] for byte in key))
CHANGES = st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=2)), max_size=12)


class Base:
    def __init__(self, values: dict[bytes, bytes]) -> None:
        self.values = values

    def get(self, key: bytes) -> bytes | None:
        return self.values.get(key)

    def scan(
        self, prefix: bytes, after: bytes = b"", limit: int = 100
    ) -> list[tuple[bytes, bytes]]:
        rows = sorted(self.values.items())
        return [row for row in rows if row[0].startswith(prefix) and row[0] > after][:limit]


def write(overlay: Overlay, changes: list[tuple[bytes, bytes | None]]) -> None:
    for key, value in changes:
        if value is None:
            overlay.delete(key)
        else:
            overlay.put(key, value)


def model(base: dict[bytes, bytes], changes: list[tuple[bytes, bytes | None]]) -> Base:
    values = dict(base)
    for key, value in changes:
        if value is None:
            values.pop(key, None)
        else:
            values[key] = value
    return Base(values)


@given(st.dictionaries(KEYS, st.binary(max_size=2)), CHANGES, KEYS, KEYS, st.integers(0, 5))
def test_reads_merge_base_and_changes(
    base: dict[bytes, bytes],
    changes: list[tuple[bytes, bytes | None]],
    prefix: bytes,
    after: bytes,
    limit: int,
) -> None:
    overlay = Overlay(Base(base))
    write(overlay, changes)
    expected = model(base, changes)
    assert overlay.scan(prefix, after, limit) == expected.scan(prefix, after, limit)
    for key in (*base, *(key for key, _ in changes)):
        assert overlay.get(key) == expected.get(key)


@given(st.dictionaries(KEYS, st.binary(max_size=2)), CHANGES, CHANGES)
def test_roll_back_restores_the_changes_before_begin(
    base: dict[bytes, bytes],
    kept: list[tuple[bytes, bytes | None]],
    undone: list[tuple[bytes, bytes | None]],
) -> None:
    overlay = Overlay(Base(base))
    write(overlay, kept)
    before = dict(overlay.changes)
    overlay.begin()
    write(overlay, undone)
    overlay.roll_back()
    assert overlay.changes == before
