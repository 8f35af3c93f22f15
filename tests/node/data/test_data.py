"""Commitments, tables and standards on real files."""

from __future__ import annotations

from hashlib import sha256, shake_256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consensus import merkle
from consensus.codec import encode
from node.data import commitment, standard, table

_FIELDS = st.lists(st.none() | st.text(max_size=300), min_size=1, max_size=8)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.binary(min_size=32, max_size=32), _FIELDS)
def test_record_is_what_the_definition_says(seed: bytes, values: list[str | None]) -> None:
    salts = shake_256(seed).digest(16 * len(values))
    hashes = [
        sha256(b"\x10" + salts[16 * i : 16 * i + 16] + i.to_bytes(2, "big") + encode(v)).digest()
        for i, v in enumerate(values)
    ]
    count = len(values).to_bytes(2, "big")
    record = sha256(b"\x11" + count + b"".join(hashes)).digest()
    assert commitment.record(seed, values) == record
    assert commitment.commit(seed, values) == (record, encode([seed, values]))
    for i, value in enumerate(values):
        salt = commitment.salt_of(seed, i)
        assert commitment.leaf(salt, i, commitment.encode_field(value)) == hashes[i]


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=70))
def test_streaming_root_is_the_tree_root(records: list[bytes]) -> None:
    assert commitment.root(records) == merkle.root(records)


@given(st.integers(1, 80), st.data())
def test_inclusion_proofs_hold_for_their_place_only(size: int, data: st.DataObject) -> None:
    hashes = [merkle.leaf_hash(b"%d" % i) for i in range(size)]
    root = merkle.root_of_hashes(hashes)
    place = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(hashes, place)
    assert merkle.verify_inclusion(hashes[place], place, size, proof, root)
    other = data.draw(st.integers(0, size - 1))
    if other != place:
        assert not merkle.verify_inclusion(hashes[place], other, size, proof, root)


def _read(path: Path) -> list[list[str | None]]:
    return [values for values, _ in table.rows(path, table.inspect(path))]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_encodings_are_found(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes('编号,名称\n007,"北京\n市"\n0164A,\n'.encode(encoding))
    assert table.inspect(path).columns == ("编号", "名称")
    assert _read(path) == [["007", "北京\n市"], ["0164A", None]]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "row 1"),
        (b"a,a\n1,2\n", "twice"),
        (b"a,\n1,2\n", "column 2"),
        (b"a,b\n1,2\n1,2,3\n", "row 3"),
        (b'a,b\n1,"2\n', "row 2"),
        (b"a,b\n\xff\xff\xff,2\n", "neither"),
    ],
)
def test_bad_tables_are_refused_with_their_row(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(table.TableError, match=problem):
        _read(path)


def test_columns_are_matched_to_the_standard(tmp_path: Path) -> None:
    content = standard.draft("tax/x", "X", ("city", "state"), 2)
    assert standard.order_columns(content, ("state", "city")) == [1, 0]
    with pytest.raises(standard.StandardError, match="did you mean 'city'"):
        standard.order_columns(content, ("citi", "state"))
    assert standard.grade(content) == (2, "general")
    bad = tmp_path / "s.json"
    bad.write_text(
        '{"id": "tax/x", "title": "t", "fields": [{"name": "a", "type": "text", "level": 9}]}'
    )
    with pytest.raises(standard.StandardError, match="level"):
        standard.load(bad)
