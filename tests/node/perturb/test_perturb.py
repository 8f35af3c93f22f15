"""Real processes in trouble under open load, from a seed; and the checks that judge them."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from node.cli.devnet import devnet
from node.devnet import Devnet
from node.errors import MunimentError
from node.perturb.operator import Seen
from node.perturb.promises import BrokenPromiseError, check_votes
from node.perturb.relay import Relay
from node.perturb.run import KINDS, Perturber, may_mount

ANYWHERE = tuple(kind for kind in KINDS if kind != "disk-full")


def perturb(folder: Path, seed: int, kinds: tuple[str, ...], duration_s: float) -> Perturber:
    net = Devnet.create(folder, 4)
    before = {name: net.home(name).settings.read_bytes() for name in net.names}
    perturber = Perturber(net, seed, kinds, 25, print)
    checked = perturber.run(duration_s)
    assert checked["final"]
    assert checked["votes"]
    assert {name: net.home(name).settings.read_bytes() for name in net.names} == before
    assert not net.processes()
    return perturber


def test_troubles_lose_nothing(tmp_path: Path) -> None:
    assert perturb(tmp_path / "net", 2, ("blackout", "disconnect", "wipe"), 6).counts


@pytest.mark.skipif(not may_mount(), reason="may not mount a volume here")
def test_node_stops_at_a_full_disk_and_goes_on_with_room(tmp_path: Path) -> None:
    assert perturb(tmp_path / "net", 1, ("disk-full",), 1).counts["disk-full"]


@pytest.mark.campaign
def test_many_troubles_lose_nothing(tmp_path: Path) -> None:
    assert perturb(tmp_path / "net", 2, ANYWHERE, 240).counts.total() > 10


def test_unknown_kind_is_named(tmp_path: Path) -> None:
    done = CliRunner().invoke(devnet, ["perturb", str(tmp_path / "net"), "--kinds", "kill,flood"])
    assert done.exit_code == 2
    assert "'flood' is none of: kill" in done.output


@pytest.mark.parametrize("second", ["1 7 NOTARIZE 2 6 bb ff", "1 7 NULLIFY 2 0 - ff"])
def test_contradicting_votes_are_found(tmp_path: Path, second: str) -> None:
    first = f"1 7 {'NOTARIZE' if 'NOTARIZE' in second else 'FINALIZE'} 2 6 aa ff"
    files = [tmp_path / "a", tmp_path / "b"]
    files[0].write_text(first + "\n")
    files[1].write_text(second + "\n")
    assert check_votes(files[:1]) == 1
    with pytest.raises(BrokenPromiseError, match="validator 2 contradicts itself in view 7"):
        check_votes(files)


def test_contradicting_reports_are_noted() -> None:
    seen = Seen()
    seen.take("blocks", {"height": 3, "digest": "aa"})
    seen.take("transactions", {"height": 3, "txid": "01"})
    assert not seen.problems
    seen.take("blocks", {"height": 3, "digest": "bb"})
    seen.take("transactions", {"height": 4, "txid": "01"})
    assert len(seen.problems) == 2


def test_relay_passes_on_until_it_is_cut() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        relay = Relay(server.getsockname()[1])
        caller = socket.create_connection(("127.0.0.1", relay.port))
        called, _ = server.accept()
        caller.sendall(b"to")
        assert called.recv(10) == b"to"
        called.sendall(b"fro")
        assert caller.recv(10) == b"fro"
        relay.cut()
        assert called.recv(10) == b"" == caller.recv(10)
        with socket.create_connection(("127.0.0.1", relay.port)) as refused:
            assert refused.recv(10) == b""
        relay.mend()
        answers: list[bytes] = []
        thread = threading.Thread(target=lambda: answers.append(server.accept()[0].recv(10)))
        thread.start()
        with socket.create_connection(("127.0.0.1", relay.port)) as again:
            again.sendall(b"again")
            thread.join(10)
        assert answers == [b"again"]
        for each in (caller, called):
            each.close()
        relay.close()


def test_an_error_of_the_network_is_an_error_of_the_command(tmp_path: Path) -> None:
    with pytest.raises(MunimentError):
        Perturber(Devnet(tmp_path), 1, ANYWHERE, 1, print)
