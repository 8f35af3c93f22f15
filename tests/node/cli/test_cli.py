"""The command line as a person meets it: help, mistakes, exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = (
    "init", "card", "network", "start", "status", "peers", "block", "tx", "watch", "standard",
    "dataset", "evidence", "source", "collect", "quarantine", "classify", "contract", "receipt",
    "receipts", "verify",
    "prove-record", "verify-record", "prove-state", "verify-state", "devnet", "simnet", "demo",
)  # fmt: skip


def run(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "node", *args],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **env},
        timeout=60,
        check=False,
    )


def test_help_names_every_command_and_imports_nothing_heavy() -> None:
    done = run("--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert command in done.stdout
    code = (
        "import sys, node.cli\n"
        "try: node.cli.cli.main(['--help'], standalone_mode=False)\n"
        "except BaseException: raise\n"
        "heavy = 'trio libp2p cryptography rich plyvel pyarrow httpx sqlalchemy re2'.split()\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip().endswith("[]")


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command: str) -> None:
    assert run(command, "--help").returncode == 0


def test_wrong_usage_is_exit_2_and_names_the_nearest() -> None:
    done = run("statsu")
    assert done.returncode == 2
    assert "Did you mean status?" in done.stderr
    assert run("status").returncode == 2
    assert run("block", "seven", "--home", "/nowhere").returncode == 2


def test_a_node_that_does_not_run_is_one_sentence(tmp_path: Path) -> None:
    done = run("status", "--home", str(tmp_path))
    assert done.returncode == 1
    assert "start it with: muniment start" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_init_assemble_sign_by_hand(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("correct horse\n")
    secret.chmod(0o600)
    for name in ("tax", "land"):
        home = str(tmp_path / name)
        done = run("init", home, "--name", name, "--passphrase-file", str(secret), "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["name"] == name
    genesis = tmp_path / "genesis.json"
    cards = [str(tmp_path / name / "card.json") for name in ("tax", "land")]
    done = run("network", "assemble", *cards, "-o", str(genesis), "--tier", "tax=central",
               "--parent", "land=tax", "--jurisdiction", "land=cn-31")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "cn-31" in genesis.read_text()
    for name in ("tax", "land"):
        done = run("network", "sign", str(genesis), "--home", str(tmp_path / name),
                   "--passphrase-file", str(secret))  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert "complete" in done.stdout
    again = run("init", str(tmp_path / "tax"), "--name", "tax", "--passphrase-file", str(secret))
    assert again.returncode == 1
    assert "choose another folder" in again.stderr


def test_unsigned_genesis_and_wrong_passphrase_do_not_start(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("correct horse\n")
    secret.chmod(0o600)
    home = tmp_path / "tax"
    run("init", str(home), "--name", "tax", "--passphrase-file", str(secret))
    run("network", "assemble", str(home / "card.json"), "-o", str(home / "genesis.json"))
    done = run("start", "--home", str(home), "--passphrase-file", str(secret))
    assert done.returncode == 1
    assert "is not signed by tax" in done.stderr
    run("network", "sign", str(home / "genesis.json"), "--home", str(home),
        "--passphrase-file", str(secret))  # fmt: skip
    wrong = tmp_path / "wrong"
    wrong.write_text("battery staple\n")
    wrong.chmod(0o600)
    done = run("start", "--home", str(home), "--passphrase-file", str(wrong))
    assert done.returncode == 1
    assert "passphrase" in done.stderr
    assert "Traceback" not in done.stderr
    secret.chmod(0o644)
    done = run("start", "--home", str(home), "--passphrase-file", str(secret))
    assert "chmod 600" in done.stderr


@pytest.mark.parametrize(
    "content", ["", "{}", "[1", '{"genesis": 1, "signatures": {}}', '{"a":' * 2000]
)
def test_hostile_genesis_is_refused_in_one_sentence(tmp_path: Path, content: str) -> None:
    file = tmp_path / "genesis.json"
    file.write_text(content)
    receipt = tmp_path / "x.receipt"
    receipt.write_bytes(b"\x00")
    done = run("verify", str(receipt), "--genesis", str(file))
    assert done.returncode == 1
    assert str(file) in done.stderr
    assert "Traceback" not in done.stderr
