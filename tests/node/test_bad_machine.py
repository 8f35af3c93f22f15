"""A machine that is not as it should be: one sentence that says what to do, and nothing spoiled."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import config
from consensus.validators import Parameters
from node.devnet import NAMES, Devnet
from node.provision import make_network

PARAMETERS = Parameters(idle_ms=200, delta_ms=200)
DISK = "size=110m"
"""Above the space that a node asks for at its start, with some for a full disk to come soon."""


def start(home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "node", "start", "--home", str(home)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def fill(file: Path) -> OSError:
    """Write until nothing more can be written; returns why."""
    with file.open("wb", buffering=0) as ballast:
        while True:
            try:
                ballast.write(bytes(1 << 14))
            except OSError as error:
                return error


def publish(standard: Path, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "node", "standard", "publish", str(standard), "--home", str(home)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("machine") / "net"
    make_network(folder, NAMES, PARAMETERS)
    return folder


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """A home that has never run, to be spoiled."""
    shutil.copytree(made / "tax", tmp_path / "tax")
    return tmp_path / "tax"


def _port(home: Path) -> int:
    listen: str = config.load(home / "settings.toml").network.listen[0]
    return int(listen.rpartition("/")[2])


def _occupy(home: Path) -> socket.socket:
    taken = socket.socket()
    taken.bind(("127.0.0.1", _port(home)))
    taken.listen()
    return taken


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda h: (h / "keys/voting.key").unlink(), "voting.key is missing; restore it"),
        (lambda h: (h / "keys/node.key").write_text("{"), "node.key is damaged; restore it"),
        (lambda h: (h / "keys/voting.key").chmod(0o644), "run: chmod 600"),
        (lambda h: (h / "passphrase").chmod(0o640), "run: chmod 600"),
        (lambda h: (h / "passphrase").write_text("wrong\n"), "the passphrase does not open"),
        (lambda h: (h / "settings.toml").unlink(), "make one with: muniment init"),
        (lambda h: (h / "settings.toml").write_text("[nod]\n"), "did you mean node?"),
        (lambda h: (h / "genesis.json").unlink(), "genesis.json cannot be read: No such file"),
        (lambda h: (h / "genesis.json").write_text("{}"), "is not a valid genesis"),
        (lambda h: (h / "journal").write_bytes(b"\xff" * 9_000), "journal is damaged"),
        (lambda h: (h / "db").write_text("no folder"), "cannot be opened"),
        (_occupy, "cannot listen: "),
    ],
)  # fmt: skip
def test_a_spoiled_home_does_not_start_and_says_why(
    home: Path, spoil: Callable[[Path], object], sentence: str
) -> None:
    held = spoil(home)
    done = start(home)
    if isinstance(held, socket.socket):
        held.close()
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("muniment: ")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own, where this system allows to make one."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", DISK, "tmpfs", str(place)], capture_output=True, check=False
    ) if shutil.which("mount") and os.getuid() == 0 else None  # fmt: skip
    if made is None or made.returncode:
        pytest.skip("this system does not allow to mount a disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_read_only_home_is_refused(made: Path, disk: Path) -> None:
    shutil.copytree(made / "tax", disk / "tax")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    done = start(disk / "tax")
    assert done.returncode == 1
    assert done.stderr == (
        f"muniment: {disk / 'tax'} is read-only; the node must be able to write there\n"
    )


def test_too_little_space_is_refused_before_anything_is_written(made: Path, disk: Path) -> None:
    shutil.copytree(made / "tax", disk / "tax")
    before = sorted(path.name for path in (disk / "tax").iterdir())
    (disk / "ballast").write_bytes(bytes(60 << 20))
    done = start(disk / "tax")
    assert done.returncode == 1
    assert "MiB left; free at least 64 MiB" in done.stderr
    assert sorted(path.name for path in (disk / "tax").iterdir()) == before


def test_a_disk_that_fills_up_stops_one_node_and_spoils_nothing(made: Path, disk: Path) -> None:
    """The others go on; with space again the node starts, catches up, and agrees with them."""
    folder = disk.parent / "net"
    shutil.copytree(made, folder)
    shutil.move(folder / "tax", disk / "tax")
    (folder / "tax").symlink_to(disk / "tax")
    net = Devnet(folder)
    tax = subprocess.Popen(
        [sys.executable, "-m", "node", "start", "--home", str(disk / "tax")],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        net.start("health", "civil", "land")
        net.wait("health", lambda s: s["peers"] == 3)
        ballast = disk / "ballast"
        assert fill(ballast).errno == errno.ENOSPC
        fields = [{"name": f"f{i}", "type": "text"} for i in range(200)]
        standard = folder / "s.json"
        number = 0
        while tax.poll() is None:
            number += 1
            content = {"id": f"health/s{number}", "title": "S" * 200, "fields": fields}
            standard.write_text(json.dumps(content))
            done = publish(standard, folder / "health")
            assert done.returncode == 0, done.stderr
        assert tax.returncode == 1
        assert tax.stderr is not None
        last = tax.stderr.read().strip().splitlines()[-1]
        assert last.startswith("muniment: writing ")
        assert "free disk space and start again" in last or "mend the disk" in last
        ballast.unlink()
        net.start("tax")
        top = net.wait("health", lambda s: s["peers"] == 3)["height"]
        rows = [net.wait(name, lambda s: s["height"] >= top) for name in NAMES]
        top = max(row["height"] for row in rows)
        rows = [net.wait(name, lambda s: s["height"] >= top) for name in NAMES]
        assert len({row["state_root"] for row in rows}) == 1
    finally:
        tax.kill()
        tax.communicate()
        net.down()
