"""Members govern a network of real processes: who belongs to it, and by which rules it runs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from consensus.validators import Parameters
from node.devnet import DevnetError
from tests.node.alliance import Alliance, Load, command

DELTA_MS = 500
PARAMETERS = Parameters(epoch_length=16, delta_ms=DELTA_MS, idle_ms=200)


@pytest.fixture
def alliance(tmp_path: Path) -> Iterator[Alliance]:
    made = Alliance(tmp_path / "net", PARAMETERS)
    made.start()
    yield made
    made.net.down()


def admit(alliance: Alliance, names: list[str]) -> None:
    """A fifth department is admitted, syncs, says ready, and proposes a block."""
    alliance.join("water")
    card = alliance.home("water") / "card.json"
    arguments = (f"card=@{card}", "tier=local", "roles=validator", "jurisdiction=cn-31")
    alliance.decide(names, "admit", *arguments)
    alliance.net.wait("water", lambda s: s["role"] == "validator" and s["state"] == "in sync")
    start = alliance.ask("water", "status")["height"]
    height = start
    while alliance.ask("tax", "block.get", height=height)["proposer"] != "water":
        height += 1
        alliance.net.wait("tax", lambda s, height=height: s["height"] >= height)  # type: ignore[misc]
        assert height < start + 200


def test_a_fifth_department_is_admitted_and_one_leaves(alliance: Alliance) -> None:
    admit(alliance, ["tax", "health", "land"])
    alliance.decide(["tax", "health", "land"], "suspend", "member=civil")
    said = command("gov", "vote", 2, "no", "--home", alliance.home("civil"), fails=True)
    assert "suspended" in said
    alliance.decide(["tax", "health", "land"], "expel", "member=civil")
    alliance.net.wait("civil", lambda s: s["peers"] == 0)
    for name in ("tax", "health", "land", "water"):
        alliance.net.wait(name, lambda s: s["peers"] == 3 and s["members"] == 4)
    changes = {row["name"] for row in alliance.ask("water", "log.get")}
    assert {"admitted", "ready", "suspended", "expelled", "executed", "voted"} <= changes
    shown = command("log", "--home", alliance.home("water"))
    assert "members.expelled  civil" in shown


@pytest.mark.campaign
def test_everything_changes_under_load(alliance: Alliance) -> None:
    """The whole story; prints what it took."""
    load = Load(alliance.net.home("health"))
    begun = time.monotonic()
    try:
        names = ["tax", "health", "land"]

        def step(title: str) -> None:
            """Keep a receipt of the newest transaction of the load."""
            count = len(load.txids)
            print(f"{time.monotonic() - begun:6.1f} s  {title}: {count} sent, "
                  f"longest stall {load.longest_stall_s * 1_000:.0f} ms")  # fmt: skip
            alliance.keep_receipt("health", load.txids[-1])

        alliance.net.wait("health", lambda s: bool(load.txids))
        step("before")
        admit(alliance, names)
        step("a fifth department validates")
        alliance.decide([*names, "water"], "suspend", "member=civil")
        step("one is suspended")
        alliance.decide([*names, "water"], "expel", "member=civil")
        alliance.net.wait("civil", lambda s: s["peers"] == 0)
        step("and expelled")

        # A member key is lost: the home cannot act until the others have voted for a new card.
        (alliance.home("land") / "keys" / "member.key").unlink()
        card = alliance.home("land") / "card.json"
        command("member", "new-keys", "member", "--home", alliance.home("land"), "--json")
        said = command("gov", "list", "--home", alliance.home("land"))
        assert "expel" in said
        said = command("member", "announce", "/ip4/127.0.0.1/tcp/1", "--home",
                       alliance.home("land"), fails=True)  # fmt: skip
        assert "does not hold the member key" in said
        alliance.decide(["tax", "health", "water"], "rotate", f"card=@{card}")
        step("a lost member key is replaced by vote")
        # A voting key is replaced by its owner, who starts again to know the new one.
        out = command("member", "rotate", "voting", "--home", alliance.home("land"), "--json")
        alliance.net.kill("land")
        alliance.net.start("land")
        stop = json.loads(out)["stops_at"]
        alliance.net.wait("land", lambda s: s["height"] > stop and s["role"] == "validator")
        step("a voting key is exchanged")
        # A new node key: the others let both in until the old one stops.
        command("member", "rotate", "node", "--grace", 2_000, "--home", alliance.home("land"))
        alliance.net.kill("land")
        alliance.net.start("land")
        alliance.net.wait("land", lambda s: s["peers"] == 3 and s["state"] == "in sync")
        step("a node key is replaced")
        everybody = ["tax", "health", "land", "water"]
        for changes in (
            ("delta_ms=300", "delta_cap_ms=3000", "retry_ms=600"),
            ("max_block_transactions=20", "max_block_bytes=131072"),
            ("fault_model=crash",),
            ("fault_model=byzantine", "max_block_transactions=4000", "epoch_length=24"),
        ):
            alliance.decide(everybody, "parameters", *changes)
            step(" ".join(changes))
        alliance.net.wait("tax", lambda s: s["epoch"] > 0)
        step("after")
    finally:
        load.stop()
    for txid in load.txids:
        assert alliance.ask("health", "tx.wait", txid=txid, timeout_ms=30_000)["code"] == 0
    epochs = alliance.verify_receipts()
    top = alliance.require_one_chain("tax", "health", "land", "water")
    stall_ms = load.longest_stall_s * 1_000
    print(f"{len(load.txids)} transactions, none lost, {len(load.refused)} refused; "
          f"{top} blocks equal on four nodes; receipts of epochs {epochs} verified; "
          f"longest stall {stall_ms:.0f} ms, {10 * DELTA_MS} ms allowed")  # fmt: skip
    assert not load.refused
    assert len(load.moments) > 100
    assert stall_ms < 10 * DELTA_MS


NEXT_RELEASE = (str(Path(__file__).with_name("next_release.py")),)


def test_an_upgrade_leaves_one_node_behind_that_stops_and_goes_on_later(alliance: Alliance) -> None:
    upgraded = ["tax", "health", "land"]
    pin = ("contract", "call", "board", "pin", "note=hello", "--home", alliance.home("tax"))
    alliance.decide(upgraded, "version", "version=2")
    assert "does not: install a newer one" in command("status", "--home", alliance.home("tax"))
    assert "no contract named board" in command(*pin, fails=True)
    # The epoch may end at any of these restarts: who was not upgraded yet has stopped by then.
    for name in upgraded:
        with suppress(DevnetError, ProcessLookupError):
            alliance.net.kill(name)
        alliance.net.start(name, program=NEXT_RELEASE)
        alliance.net.wait(name, lambda s: True)
    for name in upgraded:
        alliance.net.wait(name, lambda s: s["version"] == 2)
    alliance.net.wait_gone("civil")
    said = (alliance.home("civil") / "node.log").read_text()
    assert "the network executes protocol version 2; this release executes 1." in said
    command(*pin)
    again = command("start", "--home", alliance.home("civil"), fails=True)
    assert "protocol version 2" in again
    alliance.net.start("civil", program=NEXT_RELEASE)
    top = alliance.ask("tax", "status")["height"]
    alliance.net.wait("civil", lambda s: s["height"] > top and s["role"] == "validator")
    height = alliance.require_one_chain("tax", "health", "land", "civil")
    activated = next(
        r for r in alliance.ask("civil", "log.get") if r["name"] == "version-activated"
    )
    print(f"version 2 from height {activated['data'][1]}, {height} blocks equal on four nodes")
