"""Commitments, tables, vault and disclosure on real files."""

from __future__ import annotations

from hashlib import sha256, shake_256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus import merkle
from consensus.codec import encode
from node.data import commitment, standard, table, vault

MASTER = bytes(range(32))
_FIELDS = st.lists(st.none() | st.text(max_size=300), min_size=1, max_size=8)


@given(st.binary(min_size=32, max_size=32), _FIELDS)
def test_record_is_what_the_definition_says(seed: bytes, values: list[str | None]) -> None:
    salts = shake_256(seed).digest(16 * len(values))
    hashes = [
        sha256(b"\x10" + salts[16 * i : 16 * i + 16] + i.to_bytes(2, "big") + encode(v)).digest()
        for i, v in enumerate(values)
    ]
    count = len(values).to_bytes(2, "big")
    assert commitment.record(seed, values) == sha256(b"\x11" + count + b"".join(hashes)).digest()
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


def _write(folder: Path, rows: list[list[str | None]]) -> vault.Version:
    content = standard.draft("tax/x", "X", ("a", "b"), 2)
    vault.write(folder, bytes(32), "tax/x", 1, content, iter(rows), MASTER)
    return vault.Version(folder, MASTER)


def test_vault_gives_back_every_record_with_its_proof(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault, "RUN_ENTRIES", 700)
    rows: list[list[str | None]] = [[str(i), None if i % 3 else "x"] for i in range(2_500)]
    version = _write(tmp_path / "v" / "1", rows)
    version.verify()
    for row in (1, 2, 1_024, 1_025, 2_500):
        record = version.record(row)
        assert list(record.values) == rows[row - 1]
        leaf = merkle.leaf_hash(commitment.record(record.seed, record.values))
        assert merkle.verify_inclusion(leaf, record.place, 2_500, record.path, version.head.root)
    with pytest.raises(vault.VaultError, match="rows 1 to 2500"):
        version.record(2_501)
    with pytest.raises(vault.VaultError, match="vault key"):
        vault.Version(tmp_path / "v" / "1", bytes(32))


def test_plain_values_do_not_stand_in_the_vault(tmp_path: Path) -> None:
    _write(tmp_path / "1", [["marker-4711", "x"]] * 10)
    for file in (tmp_path / "1").iterdir():
        assert b"marker-4711" not in file.read_bytes()


@pytest.mark.parametrize("name", ["segments", "tree", "head", "standard"])
def test_a_flipped_byte_is_found(tmp_path: Path, name: str) -> None:
    version = _write(tmp_path / "1", [[str(i), "x"] for i in range(1_500)])
    path = tmp_path / "1" / name
    size = path.stat().st_size
    for position in range(0, size, max(1, size // 40)):
        data = bytearray(path.read_bytes())
        data[position] ^= 1
        path.write_bytes(data)
        with pytest.raises(vault.VaultError):
            vault.Version(tmp_path / "1", MASTER).verify()
        data[position] ^= 1
        path.write_bytes(data)
    version.verify()


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    def rows() -> object:
        yield ["1", "2"]
        raise KeyboardInterrupt

    content = standard.draft("tax/x", "X", ("a", "b"), 2)
    with pytest.raises(KeyboardInterrupt):
        vault.write(tmp_path / "1", bytes(32), "tax/x", 1, content, rows(), MASTER)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


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
