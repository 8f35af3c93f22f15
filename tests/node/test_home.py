"""The home folder: made once, private, held by one process, written wholly or not at all."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from node.home import Home, HomeError, atomic_write


def test_a_home_is_private_and_made_once(tmp_path: Path) -> None:
    home = Home(tmp_path / "deep" / "home")
    home.create()
    for folder in (home.path, home.path / "keys", home.vault):
        assert folder.stat().st_mode & 0o777 == 0o700
    with pytest.raises(HomeError, match="is a node's home already; choose another folder"):
        home.create()


def test_a_folder_that_holds_other_things_is_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "letter").write_text("dear")
    with pytest.raises(HomeError, match="is not empty; choose another folder"):
        Home(tmp_path).create()
    assert tmp_path.stat().st_mode & 0o777 == 0o755
    with pytest.raises(HomeError, match="cannot be made"):
        Home(tmp_path / "letter").create()


def test_what_is_no_home_says_how_to_make_one(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(HomeError, match="make one with: muniment init"):
            Home(path).require()


def test_a_full_disk_is_noticed_before_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "h")
    home.create()
    home.settings.touch()
    home.require()
    monkeypatch.setattr("node.home.MIN_FREE_BYTES", 1 << 60)
    with pytest.raises(HomeError, match="MiB left; free at least"):
        home.require()


def test_the_lock_names_its_holder_and_ends_with_it(tmp_path: Path) -> None:
    home = Home(tmp_path / "h")
    home.create()
    code = (
        "import sys, pathlib; from node.home import Home;"
        f"Home(pathlib.Path({str(home.path)!r})).lock(); print('held', flush=True);"
        "sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(HomeError, match=f"in use by the node with pid {other.pid}"):
        home.lock()
    other.kill()
    other.communicate()
    os.close(home.lock())


def test_a_file_is_written_wholly_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "card.json"
    atomic_write(file, b"old", 0o644)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, before[1]))
    try:
        with pytest.raises(HomeError, match=f"{file} cannot be written: File too large"):
            atomic_write(file, b"x" * 5_000, 0o644)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert file.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["card.json"]
    atomic_write(file, b"new", 0o600)
    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o600
