"""Key files: sealed, private, and refused with the reason when anything is off."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from consensus.crypto import Signer
from node.keys import KeyFileError, create_key, load_key, read_passphrase

SECRET, SALT = bytes(range(32)), bytes(16)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "member.key"
    create_key(path, "member", "correct horse", SECRET, SALT)
    return path


def test_a_key_comes_back_and_is_private(key: Path) -> None:
    assert load_key(key, "member", "correct horse") == SECRET
    assert key.stat().st_mode & 0o777 == 0o600
    text = key.read_text()
    assert SECRET.hex() not in text
    assert json.loads(text)["public_key"] == Signer(SECRET).public_key.hex()


def test_a_key_is_not_replaced(key: Path) -> None:
    before = key.read_bytes()
    with pytest.raises(KeyFileError, match="exists already and will not be replaced"):
        create_key(key, "member", "other", bytes(32), SALT)
    assert key.read_bytes() == before


@pytest.mark.parametrize("name", ["public_key", "salt", "nonce", "sealed"])
def test_every_flipped_field_is_found(key: Path, name: str) -> None:
    content = json.loads(key.read_text())
    value = content[name]
    content[name] = ("0" if value[0] != "0" else "1") + value[1:]
    key.write_text(json.dumps(content))
    with pytest.raises(KeyFileError, match=r"does not open|damaged"):
        load_key(key, "member", "correct horse")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"suite": "rot13"}, "uses suite 'rot13'"),
        ({"purpose": "node"}, "holds a node key, not a member key"),
        # Parameters that would take 8 GiB of memory, or no work at all.
        ({"n": 1 << 21, "r": 32}, "out of bounds"),
        ({"n": 1}, "out of bounds"),
        ({"n": 3 << 10}, "out of bounds"),
        ({"p": 1 << 30}, "out of bounds"),
        ({"n": "many"}, "is damaged; restore it from a backup"),
        ({"sealed": "zz"}, "is damaged"),
        ({"sealed": None}, "is damaged"),
        ({"nonce": ""}, "does not open"),
    ],
)
def test_hostile_key_files(key: Path, changes: dict[str, object], problem: str) -> None:
    key.write_text(json.dumps({**json.loads(key.read_text()), **changes}))
    with pytest.raises(KeyFileError, match=problem) as refused:
        load_key(key, "member", "correct horse")
    assert str(key) in refused.value.message


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"\xff", b"[" * 4_000, b" " * 5_000])
def test_files_that_are_no_keys(key: Path, content: bytes) -> None:
    key.write_bytes(content)
    with pytest.raises(KeyFileError, match="is damaged; restore it from a backup"):
        load_key(key, "member", "correct horse")


def test_wrong_passphrase_missing_file_and_open_permissions(key: Path) -> None:
    with pytest.raises(KeyFileError, match="the passphrase does not open"):
        load_key(key, "member", "battery staple")
    with pytest.raises(KeyFileError, match=r"none\.key is missing; restore it from a backup"):
        load_key(key.with_name("none.key"), "member", "correct horse")
    key.chmod(0o640)
    with pytest.raises(KeyFileError, match=f"run: chmod 600 {key}"):
        load_key(key, "member", "correct horse")


def test_passphrase_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "muniment-passphrase"
    with pytest.raises(KeyFileError, match="cannot be read"):
        read_passphrase(file)
    file.write_text("\n")
    file.chmod(0o600)
    with pytest.raises(KeyFileError, match="is empty"):
        read_passphrase(file)
    file.write_bytes(b"\xff")
    with pytest.raises(KeyFileError, match="cannot be read"):
        read_passphrase(file)
    file.write_text("correct horse\r\n")
    assert read_passphrase(file) == "correct horse"
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_passphrase(None) == "correct horse"
    file.chmod(0o644)
    with pytest.raises(KeyFileError, match="run: chmod 600"):
        read_passphrase(None)
