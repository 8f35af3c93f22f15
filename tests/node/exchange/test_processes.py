"""Deliveries between real processes that are killed at any moment."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.delivery import Scene, row_of
from node import checking
from node.data.watermark.candidate import mark_id
from node.data.watermark.kept import Marks
from node.errors import MunimentError
from node.exchange import evidence
from node.exchange.prepared import Prepared
from node.keys import load_key
from node.network import load_genesis

from ..alliance import command

ROWS = 8 * 1_024


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(tmp_path_factory.mktemp("exchange"), ROWS)
    try:
        made.publish()
        yield made
    finally:
        made.close()


def kill_at(scene: Scene, grant: int, moments: list[int], victim: str) -> dict[str, Any]:
    """Fetch; at each of these numbers of chunks kept, kill a side; returns the receipt."""
    chunks = scene.home(scene.recipient).copies / str(grant)
    for moment in moments:
        with scene.serving() as server:
            process = scene.fetch(grant)
            while process.poll() is None and _size(chunks) < moment:
                pass  # the moment is what the recipient has on its disk
            (server if victim == "server" else process).kill()
            out, err = process.communicate()
            if process.returncode == 0:
                break  # it was done before
            if victim == "server" and process.returncode > 0:
                assert "goes on where it was" in err
    else:
        with scene.serving():
            process = scene.fetch(grant)
            out, err = process.communicate()
        assert process.returncode == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*/chunks"))


def check(scene: Scene, grant: int, receipt: dict[str, Any], out: Path) -> None:
    """Rows exact, receipt once, quota exact."""
    home = scene.home(scene.recipient).path
    command("export", grant, "-o", out, "--format", "jsonl", "--home", home)
    rows = sorted(map(json.loads, out.read_text().splitlines()), key=lambda row: row["number"])
    assert [(row["number"], row["fee"]) for row in rows] == [
        (values[0], values[8]) for values in map(row_of, range(ROWS))
    ]
    assert not any(str(row_of(n)[3]) in str(row["phone"]) for n, row in enumerate(rows))
    found = scene.ask(scene.recipient, "access", "grant", grant=grant)
    assert (found["used"], found["reserved"]) == (ROWS, 0)
    numbers = scene.ask(scene.recipient, "deliveries", "of", grant=grant)
    assert numbers == [receipt["delivery"]]
    delivery = scene.ask(scene.owner, "deliveries", "get", delivery=numbers[0])
    assert (delivery["status"], delivery["used"]) == ("closed", ROWS)


@pytest.mark.parametrize("victim", ["server", "recipient"])
def test_either_side_is_killed(scene: Scene, tmp_path: Path, victim: str) -> None:
    grant = scene.grant(ROWS)
    receipt = kill_at(scene, grant, [1], victim)
    check(scene, grant, receipt, tmp_path / "out")


def test_evidence_of_a_delivery_is_explained_and_no_byte_of_it_can_be_altered(
    scene: Scene, tmp_path: Path
) -> None:
    grant = scene.grant(ROWS)
    with scene.serving():
        out, err = scene.fetch(grant).communicate()
    assert out, err
    receipt = json.loads(out)
    path, home = tmp_path / "evidence", scene.home(scene.recipient).path
    command("exchange", "evidence", receipt["delivery"], "--txid", receipt["txid"], "-o", path,
            "--home", home)  # fmt: skip
    genesis = scene.net.folder / "genesis.json"
    said = json.loads(command("verify", path, "--genesis", genesis, "--json"))
    assert said["output digest"] == receipt["digest"]
    assert said["masks"].count(" v1") == 4
    assert said["rows"] == f"{ROWS} of {ROWS} gone through"
    data, trusted = path.read_bytes(), load_genesis(genesis).genesis
    assert checking.check(data, trusted).facts == said
    for place in range(0, len(data), 7):
        altered = bytearray(data)
        altered[place] ^= 1 << place % 8
        with pytest.raises(MunimentError):
            evidence.verify(bytes(altered), trusted)


@pytest.mark.parametrize("victim", ["server", "recipient"])
def test_either_side_is_killed_in_audited_mode(scene: Scene, tmp_path: Path, victim: str) -> None:
    """What was committed to goes on, under one root and one mark."""
    grant, home = scene.grant(ROWS, mode="audited"), scene.home(scene.owner)
    before = set(home.prepared.glob("*/*"))
    with scene.serving() as server:
        process = scene.fetch(grant)
        while process.poll() is None and not set(home.prepared.glob("*/*")) - before:
            pass  # it has begun to prepare
        (server if victim == "server" else process).kill()
        process.communicate()
    receipt = kill_at(scene, grant, [1], victim)
    check(scene, grant, receipt, tmp_path / "out")
    number = receipt["delivery"]
    master = load_key(home.key("vault"), "vault", home.passphrase.read_text().strip())
    prepared = Prepared(home.prepared / str(number), master)
    found = scene.ask(scene.recipient, "deliveries", "get", delivery=number)["audit"]
    assert (found["root"], found["rows"]) == (prepared.root.hex(), ROWS)
    assert found["secret"] is not None
    [entry] = [e for e in Marks(home, master) if e.candidate.delivery == number]
    assert (entry.grant, entry.recipient) == (grant, scene.recipient)
    assert found["mark"] == mark_id(entry.candidate.key).hex()


@pytest.mark.campaign
@pytest.mark.parametrize("victim", ["server", "recipient"])
def test_either_side_is_killed_at_twenty_random_moments(
    scene: Scene, tmp_path: Path, victim: str
) -> None:
    seeded = random.Random(7)
    for number in range(10):
        grant = scene.grant(ROWS)
        moments = sorted(seeded.randint(0, 2_400_000) for _ in range(2))
        check(scene, grant, kill_at(scene, grant, moments, victim), tmp_path / str(number))


def test_after_the_grant_nothing_is_exported_and_copies_are_erased(
    scene: Scene, tmp_path: Path
) -> None:
    grant = scene.grant(ROWS)
    with scene.serving():
        assert scene.fetch(grant).wait() == 0
    scene.submit(scene.owner, "access", "revoke", {"grant": grant, "reason": "misuse"})
    home = scene.home(scene.recipient).path
    said = command("export", grant, "-o", tmp_path / "x", "--home", home, fails=True)
    assert "must be erased" in said
    command("exchange", "erase", grant, "--yes", "--home", home)
    assert scene.ask(scene.owner, "deliveries", "copies", grant=grant)[1] is not None
    assert not (scene.home(scene.recipient).copies / str(grant)).exists()
    with scene.serving():
        process = scene.fetch(grant)
        assert "revoked" in process.communicate()[1]


def test_the_node_keeps_a_server_running_when_the_settings_say_so(scene: Scene) -> None:
    grant = scene.grant(ROWS)
    settings = scene.home(scene.owner).settings
    settings.write_text(settings.read_text().replace("serve = false", "serve = true"))
    scene.net.stop(scene.owner)
    scene.net.start(scene.owner)
    count = len(scene.net.names)
    scene.net.wait(scene.owner, lambda s: s["peers"] == count - 1)
    while scene.fetch(grant).wait() != 0:
        pass  # it has not begun to serve yet
    found = scene.ask(scene.recipient, "access", "grant", grant=grant)
    assert (found["used"], found["reserved"]) == (ROWS, 0)
