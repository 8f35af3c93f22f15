"""A network that lost half of its validators goes on with a new chain and the old state."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from consensus.codec import DecodeError
from consensus.genesis import Genesis, Restart
from consensus.validators import Parameters
from node import restart
from node.devnet import NAMES, Devnet
from node.home import Home
from node.network import SignedGenesis, load_card, load_genesis, save_genesis
from node.provision import make_network
from node.restart import RestartError, adopt, propose

PARAMETERS = Parameters(idle_ms=200, epoch_length=10, delta_ms=200)


def command(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "node", *args], capture_output=True, text=True, check=False
    )


def publish(net: Devnet, member: str, name: str) -> dict[str, object]:
    file = net.folder / f"{name}.json"
    fields = [{"name": "a", "type": "text"}]
    file.write_text(json.dumps({"id": f"{member}/{name}", "title": "S", "fields": fields}))
    home = str(net.home(member).path)
    done = command("standard", "publish", str(file), "--home", home, "--json")
    assert done.returncode == 0, done.stderr
    made: dict[str, object] = json.loads(done.stdout)
    return made


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Homes of four that ran and registered something; civil and land are lost, all stopped."""
    folder = tmp_path_factory.mktemp("restart") / "net"
    make_network(folder, NAMES, PARAMETERS)
    made = Devnet(folder)
    try:
        made.start(*NAMES)
        first = publish(made, "tax", "before")
        home, receipt = str(made.home("tax").path), str(folder / "old.receipt")
        done = command("receipt", str(first["txid"]), "--home", home, "-o", receipt)
        assert done.returncode == 0, done.stderr
        made.kill("civil")
        made.kill("land")
        made.wait("tax", lambda s: s["state"] == "no quorum")
        heights = [made.wait(n, lambda s: True)["height"] for n in ("tax", "health")]
        for name in ("tax", "health"):
            made.wait(name, lambda s: s["height"] == max(heights))
    finally:
        made.down()
    for name in ("civil", "land"):
        shutil.rmtree(folder / name)
    return folder


@pytest.fixture
def net(lost: Path, tmp_path: Path) -> Iterator[Devnet]:
    shutil.copytree(lost, tmp_path / "net")
    made = Devnet(tmp_path / "net")
    yield made
    made.down()


def test_two_of_four_go_on_with_the_old_state(net: Devnet, tmp_path: Path) -> None:
    cards = [str(net.home(name).card) for name in ("tax", "health")]
    file = str(tmp_path / "restart.json")
    tax, health = str(net.home("tax").path), str(net.home("health").path)
    made = command("network", "restart", *cards, "--home", tax, "-o", file)
    assert made.returncode == 0, made.stderr
    early = command("network", "adopt", file, "--home", tax)
    assert early.returncode == 1
    assert "not signed by health, tax yet" in early.stderr
    for home in (tax, health):
        assert command("network", "sign", file, "--home", home).returncode == 0
    for home in (tax, health):
        done = command("network", "adopt", file, "--home", home)
        assert done.returncode == 0, done.stderr
    again = command("network", "adopt", file, "--home", tax)
    assert "has adopted it already" in again.stderr
    net.start("tax", "health")
    status = net.wait("tax", lambda s: s["state"] == "in sync")
    genesis = load_genesis(Path(file)).genesis
    assert genesis.restart is not None
    assert status["chain_id"] == genesis.chain_id.hex()
    assert status["height"] >= genesis.restart.height
    assert status["kept"]["blocks_from"] == genesis.restart.height + 1
    later = publish(net, "health", "after")
    assert isinstance(later["height"], int)
    assert later["height"] > genesis.restart.height
    shown = command("standard", "list", "--home", health, "--json")
    assert {"tax/before", "health/after"} <= {row["id"] for row in json.loads(shown.stdout)}
    # Heights go on and epochs pass; only the members that restarted validate.
    net.wait("tax", lambda s: s["epoch"] >= 1 and s["height"] > genesis.restart.height + 12)  # type: ignore[union-attr]
    receipt = str(tmp_path / "new.receipt")
    done = command("receipt", str(later["txid"]), "--home", tax, "-o", receipt)
    assert done.returncode == 0, done.stderr
    assert command("verify", receipt, "--genesis", file).returncode == 0
    old = net.home("tax").aside("genesis.json", genesis.restart.chain_id)
    assert command("verify", str(net.folder / "old.receipt"), "--genesis", str(old)).returncode == 0
    crossed = command("verify", str(net.folder / "old.receipt"), "--genesis", file)
    assert crossed.returncode == 1


def proposal(net: Devnet) -> Genesis:
    return propose(net.home("tax"), [load_card(net.home(n).card) for n in ("tax", "health")])


def sign(net: Devnet, genesis: Genesis, file: Path) -> SignedGenesis:
    save_genesis(file, SignedGenesis(genesis, {}))
    for name in ("tax", "health"):
        done = command("network", "sign", str(file), "--home", str(net.home(name).path))
        assert done.returncode == 0, done.stderr
    return load_genesis(file)


class Cut(BaseException):
    """The process ends here."""


def test_adopting_can_be_cut_off_anywhere(
    net: Devnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genesis = proposal(net)
    signed = sign(net, genesis, tmp_path / "restart.json")
    steps = [
        (restart, "_copy_rows"), (restart, "_swap"), (restart, "save_genesis"),
        (restart.JournalFile, "create"),
    ]  # fmt: skip

    def cut(*args: object, **kwargs: object) -> None:
        raise Cut

    whole = tmp_path / "whole"
    shutil.copytree(net.home("tax").path, whole)
    for place, name in steps:
        home = Home(tmp_path / f"cut at {name}")
        shutil.copytree(whole, home.path)
        with monkeypatch.context() as patch:
            patch.setattr(place, name, cut)
            with pytest.raises(Cut):
                adopt(home, signed)
        adopt(home, signed)
        assert load_genesis(home.genesis).genesis == genesis
        with pytest.raises(RestartError, match="adopted it already"):
            adopt(home, signed)
    # And cut off between the two moves of the databases.
    home = Home(tmp_path / "between")
    shutil.copytree(whole, home.path)
    real = Path.replace

    def once(self: Path, target: Path) -> Path:
        if self.name == "db.new":
            raise Cut
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", once)
        with pytest.raises(Cut):
            adopt(home, signed)
    adopt(home, signed)
    assert load_genesis(home.genesis).genesis == genesis


def test_what_does_not_fit_is_refused(net: Devnet, tmp_path: Path) -> None:
    genesis = proposal(net)
    assert genesis.restart is not None
    signed = sign(net, genesis, tmp_path / "restart.json")
    with pytest.raises(RestartError, match="begins a network"):
        adopt(net.home("tax"), load_genesis(net.home("tax").genesis))
    other = replace(genesis, restart=replace(genesis.restart, chain_id=bytes(32)))
    with pytest.raises(RestartError, match="from another chain than the one in this home"):
        adopt(net.home("tax"), sign(net, other, tmp_path / "other.json"))
    forged = replace(genesis, restart=replace(genesis.restart, state_root=bytes(32)))
    with pytest.raises(RestartError, match="state is not the one"):
        adopt(net.home("tax"), sign(net, forged, tmp_path / "forged.json"))
    later = replace(genesis, restart=replace(genesis.restart, height=9_999))
    with pytest.raises(RestartError, match="wait until it has caught up"):
        adopt(net.home("tax"), sign(net, later, tmp_path / "later.json"))
    stranger = replace(load_card(net.home("tax").card), name="stranger")
    with pytest.raises(RestartError, match="stranger is not a member of the chain"):
        propose(net.home("tax"), [stranger])
    # None of this has changed the home.
    adopt(net.home("tax"), signed)


def test_a_restart_genesis_is_total() -> None:
    value = Restart(bytes(32), 7, bytes(32), bytes(32)).to_value()
    for key in value:
        with pytest.raises(DecodeError):
            Restart.from_value({**value, key: None})
    with pytest.raises(DecodeError, match="lacks or has unknown keys"):
        Restart.from_value({**value, "extra": 1})
