"""The vault: sealed, proved, located when damaged, and erased for good."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from consensus import merkle
from node.data import commitment, standard, vault
from node.data.keyring import Keyring

MASTER = bytes(range(32))


def _write(folder: Path, rows: list[list[str | None]]) -> vault.Version:
    content = standard.draft("tax/x", "X", ("a", "b"), 2)
    keyring = Keyring(folder.parent, MASTER)
    vault.write(folder, bytes(32), "tax/x", 1, content, iter(rows), keyring)
    return vault.Version(folder, keyring)


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
    other = Keyring(tmp_path, bytes(32))
    other.put({version.key_name: bytes(32)})
    with pytest.raises(vault.VaultError, match="another home"):
        vault.Version(tmp_path / "v" / "1", other)


def test_plain_values_do_not_stand_in_the_vault(tmp_path: Path) -> None:
    _write(tmp_path / "1", [["marker-4711", "x"]] * 10)
    for file in (tmp_path / "1").iterdir():
        assert b"marker-4711" not in file.read_bytes()


@pytest.mark.parametrize("name", ["segments", "tree", "places", "head", "standard", "keys"])
def test_a_flipped_byte_is_found(tmp_path: Path, name: str) -> None:
    version = _write(tmp_path / "1", [[str(i), "x"] for i in range(1_500)])
    path = tmp_path / "1" / name
    size = path.stat().st_size
    for position in range(0, size, max(1, size // 12)):
        data = bytearray(path.read_bytes())
        data[position] ^= 1
        path.write_bytes(data)
        with pytest.raises(vault.VaultError):
            vault.Version(tmp_path / "1", Keyring(tmp_path, MASTER)).verify()
        data[position] ^= 1
        path.write_bytes(data)
    version.verify()


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    def rows() -> object:
        yield ["1", "2"]
        raise KeyboardInterrupt

    content = standard.draft("tax/x", "X", ("a", "b"), 2)
    keyring = Keyring(tmp_path, MASTER)
    with pytest.raises(KeyboardInterrupt):
        vault.write(tmp_path / "1", bytes(32), "tax/x", 1, content, rows(), keyring)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_changed_byte_is_located(tmp_path: Path) -> None:
    version = _write(tmp_path / "1", [[str(i), "x"] for i in range(2_500)])
    path = tmp_path / "1" / "segments"
    size = path.stat().st_size

    def flipped(name: str, position: int) -> list[str]:
        data = bytearray((tmp_path / "1" / name).read_bytes())
        data[position] ^= 1
        (tmp_path / "1" / name).write_bytes(data)
        found = list(version.damages())
        data[position] ^= 1
        (tmp_path / "1" / name).write_bytes(data)
        return found

    (damage,) = flipped("segments", size // 2)
    assert "segment 1 (rows 1025 to 2048, bytes " in damage
    place = version.record(7).place
    root, damage = flipped("tree", 32 * place + 3)
    assert "differs from the registered root" in root
    assert damage.endswith(f"tree: row 7 (segment 0) differs from the tree, at byte {32 * place}")
    (damage,) = flipped("places", 8 * 6 + 7)
    assert "places: row 7 (segment 0)" in damage
    data = path.read_bytes()
    path.write_bytes(data[: size - 10])
    (damage,) = version.damages()
    assert "segment 2 (rows 2049 to 2500" in damage


def test_an_erased_record_is_gone_from_older_copies_too(tmp_path: Path) -> None:
    rows: list[list[str | None]] = [[str(i), f"secret-{i}"] for i in range(2_500)]
    version = _write(tmp_path / "v" / "1", rows)
    keyring = Keyring(tmp_path / "v", MASTER)
    shutil.copytree(tmp_path / "v" / "1", tmp_path / "v" / "2")
    before = version.record(1_500)
    version.erase([1_500, 3], keyring)
    with pytest.raises(vault.VaultError, match="row 1500 of tax/x is erased"):
        version.record(1_500)
    again = vault.Version(tmp_path / "v" / "1", keyring)
    again.verify()
    assert again.erased() == [3, 1_500]
    assert len(list(again.rows())) == 2_498
    assert again.record(1_501).values == ("1500", "secret-1500")
    leaf = merkle.leaf_hash(commitment.record(before.seed, before.values))
    assert merkle.verify_inclusion(leaf, before.place, 2_500, before.path, again.head.root)
    with pytest.raises(vault.VaultError, match="the key is destroyed"):
        vault.Version(tmp_path / "v" / "2", keyring)
    again.erase([3], keyring)
    assert len(keyring.all()) == 1


def test_an_erasure_that_was_cut_short_is_finished(tmp_path: Path) -> None:
    version = _write(tmp_path / "1", [[str(i)] * 2 for i in range(10)])
    keyring = Keyring(tmp_path, MASTER)
    version._rewrite({4}, keyring)
    assert len(keyring.all()) == 2
    again = vault.Version(tmp_path / "1", keyring)
    again.erase([4], keyring)
    assert list(keyring.all()) == [again.key_name]
    assert [path.name for path in (tmp_path / "1").glob("segments*")] == ["segments.1"]


def test_an_erased_version_cannot_be_opened_from_a_copy(tmp_path: Path) -> None:
    folder = vault.folder_of(tmp_path, "tax/x", 1)
    _write(folder, [["a", "b"]])
    keyring = Keyring(tmp_path, MASTER)
    vault.write(
        vault.folder_of(tmp_path, "tax/x", 2), bytes(32), "tax/x", 2,
        standard.draft("tax/x", "X", ("a", "b"), 2), iter([["c", "d"]]), keyring,
    )  # fmt: skip
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    # The test's ring stands beside the version; what was written in it moves to the vault's.
    keyring.put(Keyring(folder.parent, MASTER).all())
    vault.Version(copy, keyring)
    vault.erase(tmp_path, "tax/x", 1, keyring)
    with pytest.raises(vault.VaultError, match="destroyed"):
        vault.Version(copy, keyring)
    assert list(vault.Version(vault.folder_of(tmp_path, "tax/x", 2), keyring).rows()) == [
        ["c", "d"]
    ]


_WRITE = """
import sys
from pathlib import Path
from node.data import standard, vault
from node.data.keyring import Keyring
folder, rows, vault.RUN_ENTRIES = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
content = standard.draft("tax/x", "X", [f"c{i}" for i in range(10)], 2)
made = ([f"{i}-{j}" for j in range(10)] for i in range(rows))
ring = Keyring(folder, bytes(32))
head = vault.write(folder / "1", bytes(32), "tax/x", 1, content, made, ring)
assert head.rows == rows
vault.Version(folder / "1", ring).verify()
status = dict(line.split(":") for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]) >> 10)
"""


def _peak_mib(folder: Path, rows: int, entries: int) -> int:
    """Return the peak memory of a process that writes and verifies so many rows of ten fields."""
    folder.mkdir()
    args = [sys.executable, "-c", _WRITE, str(folder), str(rows), str(entries)]
    done = subprocess.run(args, capture_output=True, text=True, check=True)
    shutil.rmtree(folder)
    return int(done.stdout)


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    small, large = (_peak_mib(tmp_path / str(n), n, 4_000) for n in (8_000, 60_000))
    assert large - small <= 8


@pytest.mark.campaign
def test_ten_million_rows_are_written_in_bounded_memory(tmp_path: Path) -> None:
    assert _peak_mib(tmp_path / "v", 10_000_000, vault.RUN_ENTRIES) <= 128
