"""Real processes: a newcomer joins by a snapshot after old blocks were forgotten; state proofs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consensus.validators import Parameters
from node.devnet import NAMES, Devnet
from node.provision import make_network

PARAMETERS = Parameters(idle_ms=100, epoch_length=10, replay_window=12, retention=15, delta_ms=200)


def command(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "node", *args], capture_output=True, text=True, check=False
    )


def answer(*args: str) -> Any:
    done = command(*args, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    """Three of four, far enough that old blocks are gone, while land has never been started."""
    folder = tmp_path_factory.mktemp("joining") / "net"
    make_network(folder, NAMES, PARAMETERS)
    made = Devnet(folder)
    made.start("tax", "health", "civil")
    made.wait("tax", lambda s: s["kept"]["blocks_from"] > 20, timeout_s=90)
    yield made
    made.down()


def test_a_newcomer_joins_by_a_snapshot_even_if_it_is_killed(net: Devnet) -> None:
    net.start("land")
    net.kill("land")
    net.start("land")
    status = net.wait("land", lambda s: s["kept"]["blocks_from"] > 1, timeout_s=60)
    assert status["kept"]["results_from"] > status["kept"]["blocks_from"]
    net.wait("land", lambda s: s["peers"] == 3)
    status = net.wait("land", lambda s: s["state"] == "in sync" and s["kept"]["snapshot"])
    home = str(net.home("land").path)
    shown = command("status", "--home", home).stdout
    assert re.search(r"^keeps +blocks from \d+, .*a snapshot of \d+, for 15 heights$", shown, re.M)
    gone = command("block", "1", "--home", home)
    assert gone.returncode == 1
    assert "no block 1; kept are" in gone.stderr
    latest = answer("block", "--home", home)
    assert latest["height"] >= status["height"]


def test_a_lost_journal_is_recovered_from_the_others(net: Devnet) -> None:
    """It signs nothing until a finalization is above whatever it may have signed."""
    for name in net.names:
        if name not in net.processes():
            net.start(name)
    net.wait("civil", lambda s: s["peers"] == 3)
    net.kill("civil")
    home = net.home("civil")
    home.journal.unlink()
    net.start("civil")
    status = net.wait("civil", lambda s: s["state"] == "in sync" and s["peers"] == 3)
    net.wait("civil", lambda s: s["height"] > status["height"] + 2)
    assert "the vote journal is missing" in (home.path / "node.log").read_text()
    assert "every forgotten vote is below a finalization" in (home.path / "node.log").read_text()
    assert answer("evidence", "--home", str(home.path)) == []


def test_the_state_is_proved_offline_with_one_flipped_byte_refused(
    net: Devnet, tmp_path: Path
) -> None:
    home, genesis = str(net.home("tax").path), str(net.folder / "genesis.json")
    file = tmp_path / "tax.state"
    made = answer("prove-state", "members/member/tax", "--home", home, "-o", str(file))
    assert made["exists"] is True
    found = answer("verify-state", str(file), "--genesis", genesis)
    assert found["value"]["name"] == "tax"
    assert found["height"] == made["height"]
    assert "members/member/tax holds" in command(
        "verify-state", str(file), "--genesis", genesis
    ).stdout  # fmt: skip
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    refused = command("verify-state", str(file), "--genesis", genesis)
    assert refused.returncode == 1
    assert refused.stderr.startswith("muniment: the state proof")
    absent = answer("prove-state", "--hex", "6d61", "--home", home, "-o", str(file))
    assert absent["exists"] is False
    assert answer("verify-state", str(file), "--genesis", genesis)["exists"] is False
    assert command("prove-state", "--hex", "zz", "--home", home, "-o", "x").returncode == 2


def test_receipts_of_many_blocks_are_saved(net: Devnet, tmp_path: Path) -> None:
    home = str(net.home("tax").path)
    standard = tmp_path / "s.json"
    standard.write_text(
        json.dumps({"id": "tax/s", "title": "S", "fields": [{"name": "a", "type": "text"}]})
    )
    made = answer("standard", "publish", str(standard), "--home", home)
    net.wait("tax", lambda s: s["height"] > made["height"] + 1)
    folder = tmp_path / "receipts"
    found = answer(
        "receipts", "--from", str(made["height"]), "--sender", "tax", "--home", home,
        "-o", str(folder),
    )  # fmt: skip
    assert found["receipts"] == 1
    (file,) = folder.iterdir()
    report = answer("verify", str(file), "--genesis", str(net.folder / "genesis.json"))
    assert report["txid"] == file.stem
    assert command("evidence", "--home", home).stdout.startswith("No validator")
