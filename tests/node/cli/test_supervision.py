"""Supervision on real nodes of three tiers, told by commands: cases, sanctions, orders."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import cbor2
import pytest

from consensus.codec import encode
from consensus.validators import Parameters
from contracts.codes import Code
from node import checking
from node.cli.common import ask
from node.errors import MunimentError
from node.network import load_genesis
from node.rpc.client import Client
from node.trace import case_file
from node.watch.calendar import DAY_MS
from node.watch.item import FAILED, LEDGER, Item
from node.watch.watch import Watch
from tests.node.alliance import Alliance, command

SECRET = "Close the locks at marker-9317"


def run(home: Path, *args: object, group: str = "dispatch") -> Any:
    return json.loads(command(group, *args, "--home", home, "--json"))


@pytest.fixture(scope="module")
def alliance(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """tax is central, health a province below it, civil and land local below health."""
    parameters = Parameters(epoch_length=16, idle_ms=100)
    made = Alliance(tmp_path_factory.mktemp("net") / "net", parameters)
    made.start()
    yield made
    made.net.down()


@pytest.fixture(scope="module")
def told(alliance: Alliance) -> Alliance:
    """The network after both stories, each of which checks itself as it goes."""
    a_case_leads_to_a_sanction_that_an_appeal_takes_back(alliance)
    an_order_reaches_three_tiers_and_escalates_past_who_is_gone(alliance)
    return alliance


def until(client: Client, wanted: str) -> dict[str, Any]:
    """Wait for an event of the contract."""
    for _, told in client.subscribe(("events",)):
        if (told["contract"], told["name"]) == ("dispatch", wanted):
            return dict(told)
    raise AssertionError("the node has stopped")


def a_case_leads_to_a_sanction_that_an_appeal_takes_back(alliance: Alliance) -> None:
    tax, health, civil, land = map(alliance.home, ("tax", "health", "civil", "land"))
    number = run(
        civil, "open", "--kind", "leak", "--member", "land", "--severity", 3, "--text", SECRET,
        group="case",
    )["case"]  # fmt: skip
    refused = command("case", "dispose", number, "confirmed", "--home", health, fails=True)
    assert "the status does not allow it: reported" in refused
    assert run(tax, "assign", number, "tax", "--operator", "li", group="case")["case"] == number
    command("case", "attach", number, Path(__file__), "--kind", "leak", "--home", tax)
    command("case", "dispose", number, "confirmed", "--text", "It was theirs.", "--home", tax)
    shown = command("case", "show", number, "--home", land)
    assert SECRET in shown
    assert "It was theirs." in shown
    # The province is no party: it sees the steps, and none of the words.
    shown = command("case", "show", number, "--home", health)
    assert "disposed" in shown
    assert SECRET not in shown

    found = run(tax, "find", "land", "leak", "--gravity", 4, "--case", number, group="sanction")
    imposed = run(tax, "impose", found["violation"], group="sanction")
    assert (imposed["status"], imposed["measure"]) == ("imposed", "suspend")
    now = alliance.ask("health", "block.get", height=imposed["height"])["timestamp"]
    args = {"member": "land", "time": now}
    assert ask(health, "sanctions", "in_force", args)[:2] == ["suspend", 1]
    run(land, "appeal", 1, "--text", "Another copy, see the watermark.", group="sanction")
    refused = command("sanction", "decide", 1, "granted", "--home", tax, fails=True)
    assert "cannot decide" in refused
    # Somebody without a part in it decides, once a vote has given the province that role.
    assert "is not a supervisor" in command(
        "sanction", "decide", 1, "granted", "--home", health, fails=True
    )
    alliance.decide(["tax", "health", "civil"], "change", "member=health",
                    "roles=supervisor,validator")  # fmt: skip
    decided = run(health, "decide", 1, "granted", "--text", "Agreed.", group="sanction")
    assert decided["status"] == "overturned"
    assert ask(civil, "sanctions", "in_force", args) is None
    assert "overturned" in command("sanction", "list", "--home", civil)


def an_order_reaches_three_tiers_and_escalates_past_who_is_gone(
    alliance: Alliance,
) -> None:
    tax, health, civil, land = map(alliance.home, ("tax", "health", "civil", "land"))
    alliance.net.stop("land")
    order = run(tax, "issue", "--to", "health", "--severity", "urgent", "--text", SECRET)["order"]
    command("dispatch", "acknowledge", order, "--home", health)
    assert SECRET in command("dispatch", "show", order, "--home", health)
    assert SECRET not in command("dispatch", "show", order, "--home", civil)

    # The province passes it on; nobody is at work in land, so the deadline goes by.
    watcher = Client(alliance.net.home("tax").socket)
    watcher.call("subscribe", topics=["events"])
    passed = run(
        health, "issue", "--to", "civil", "--to", "land", "--origin", order, "--text", SECRET,
        "--acknowledge", "4s", "--escalate", "1h",
    )["order"]  # fmt: skip
    command("dispatch", "acknowledge", passed, "--home", civil)
    due = run(civil, "due")["due"]
    assert [each["id"] for each, _ in due] == [passed]
    run(civil, "report", passed, "--progress", 60, "--text", "half way")
    assert run(civil, "complete", passed)["order"] == passed
    with watcher:
        told = until(watcher, "escalated")
    assert told["data"][:3] == [passed, "acknowledge", 0]
    assert ["land", "health"] in told["data"][3]
    assert run(health, "due")["raised"] == [[passed, "land", "acknowledge"]]
    assert "land" in command("dispatch", "due", "--home", health)

    # To the block: the event stands in the first block whose time is past the deadline.
    deadline = run(tax, "show", passed)["acknowledge_by"]
    at = told["height"]
    before, block = (alliance.ask("tax", "block.get", height=h) for h in (at - 1, at))
    assert before["timestamp"] <= deadline < block["timestamp"]

    alliance.net.start("land")
    alliance.net.wait("land", lambda status: status["state"] == "in sync")
    assert [each["id"] for each, _ in run(land, "due")["due"]] == [passed]
    assert run(land, "acknowledge", passed)["late"] is True
    assert run(land, "complete", passed, "--text", "done, we were cut off")["late"] is False
    assert run(health, "due")["raised"] == []
    for name in ("civil", "land"):
        command("dispatch", "confirm", passed, name, "--home", health)
    assert run(tax, "show", passed)["status"] == "closed"
    run(health, "complete", order)
    listed = command("dispatch", "list", "--home", land)
    assert "closed" in listed
    assert SECRET not in listed


def remember(path: Path, height: int, member: str) -> None:
    """Write the memory of a watch that has known a member for a month, in which nothing failed."""
    watch = Watch(lambda grant: None)
    now = time.time_ns() // 1_000_000
    for day in range(30, 0, -1):
        item = Item(1, now - day * DAY_MS, LEDGER, FAILED, [int(Code.NOT_LATER)], f"{member}/li")
        assert watch.step(item) == []
    path.write_bytes(cbor2.dumps([height, watch.dump()]))


def test_what_a_member_tries_reaches_the_supervisors_terminal(told: Alliance) -> None:
    tax, health, land = map(told.home, ("tax", "health", "land"))
    assert "is no supervisor" in command("supervise", "--home", land, fails=True)
    remember(tax / "watch.cbor", told.ask("tax", "status")["height"], "land")
    case = ("--kind", "other", "--home", land, "--json")
    number = json.loads(command("case", "open", *case))["case"]
    with started("watch", "alerts", "--home", tax) as terminal:
        with started("supervise", "--home", tax) as supervisor:
            assert supervisor.stdout is not None
            assert "watching as tax" in supervisor.stdout.readline()
            for _ in range(3):
                command("case", "assign", number, "land", "--home", land, fails=True)
            assert "forbidden/land" in supervisor.stdout.readline()
        assert supervisor.returncode == 0
        assert terminal.stdout is not None
        assert "raised  severity" in (line := terminal.stdout.readline())
        assert "forbidden  land" in line
    [alert] = json.loads(command("alert", "list", "--home", health, "--json"))
    assert (alert["detector"], alert["by"], alert["status"]) == ("forbidden", ["tax"], "open")
    explained = command("alert", "explain", alert["id"], "--home", health)
    assert "land: calls that the sender may not make" in explained
    assert "3.00" in explained
    command("alert", "dispose", alert["id"], "expected", "--home", tax)
    assert json.loads(command("alert", "list", "--home", health, "--json")) == []
    assert "expected" in command("alert", "show", alert["id"], "--home", land)

    # It goes on where it was, and learns what became of the alert.
    with started("supervise", "--home", tax) as supervisor:
        assert supervisor.stdout is not None
        assert "watching as tax" in supervisor.stdout.readline()
    kept = cbor2.loads((tax / "watch.cbor").read_bytes())
    assert kept[0] >= alert["height"]
    for step in (("assign", number, "tax"), ("dispose", number, "unfounded"), ("close", number)):
        command("case", *step, "--home", tax)


@contextmanager
def started(*args: object) -> Iterator[subprocess.Popen[str]]:
    """Run a command that does not end by itself, until the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "node", *map(str, args)], stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def test_a_case_is_proved_offline_by_one_file(told: Alliance, tmp_path: Path) -> None:
    out, genesis = tmp_path / "1.case", told.net.folder / "genesis.json"
    lines = run(told.home("civil"), "member", "health", group="trace")
    refused = next(
        e["txid"] for e in lines if (e["contract"], e["name"]) == ("sanctions", "decide")
    )
    command("case", "export", 1, "-o", out, "--with", refused, "--home", told.home("civil"))
    found = json.loads(command("verify", out, "--genesis", genesis, "--json"))
    assert (found["about"], found["came to"], found["steps"]) == ("land", "confirmed", "all 4")
    [violation] = found["violations"]
    assert (violation["measure"], violation["status"]) == ("suspend", "overturned")
    assert [line["what"] for line in found["history"]] == [
        "cases.opened", "cases.assigned", "cases.attached", "cases.disposed", "sanctions.found",
        "sanctions.imposed", "sanctions.appealed", "sanctions.decide failed: not-supervisor",
        "sanctions.decided",
    ]  # fmt: skip
    assert "overturned" in command("verify", out, "--genesis", genesis)

    data, trusted = out.read_bytes(), load_genesis(genesis).genesis
    checked = checking.check(data, trusted)
    assert checking.WHOLE in checked.steps
    assert list(checked.lines) == [*found["violations"], *found["history"]]
    kind, proofs, receipts = cbor2.loads(data)
    for left in (receipts[1:], receipts[:3] + receipts[4:], [*receipts, receipts[0]]):
        with pytest.raises(MunimentError):
            case_file.verify(encode([kind, proofs, left]), trusted)
    for name in (b"found", b"imposed", b"appealed", b"decided"):
        without = [each for each in receipts if name not in each]
        with pytest.raises(MunimentError):
            case_file.verify(encode([kind, proofs, without]), trusted)
    for wrong in (proofs[:1], proofs[::-1], []):
        with pytest.raises(MunimentError):
            case_file.verify(encode([kind, wrong, receipts]), trusted)
    for place in range(0, len(data), len(data) // 60):
        altered = bytearray(data)
        altered[place] ^= 1 << place % 8
        with pytest.raises(MunimentError):
            case_file.verify(bytes(altered), trusted)


def test_the_life_of_each_is_told_in_order_and_checked_with_the_chain(told: Alliance) -> None:
    tax, civil = told.home("tax"), told.home("civil")
    lines = run(civil, "case", 1, group="trace")
    steps = [f"{entry['contract']}.{entry['name']}" for entry in lines]
    assert steps == [
        "cases.opened", "cases.assigned", "cases.attached", "cases.disposed", "sanctions.found",
        "sanctions.imposed", "sanctions.appealed", "sanctions.decided",
    ]  # fmt: skip
    for entry in lines:
        block = told.ask("tax", "block.get", height=entry["height"])
        assert block["timestamp"] == entry["time"]
        assert entry["txid"] in {row["txid"] for row in block["transactions"]}
    failed = [e for e in run(civil, "member", "health", group="trace") if e["code"]]
    assert {(e["contract"], e["name"]) for e in failed} >= {
        ("cases", "dispose"), ("sanctions", "decide"),
    }  # fmt: skip
    assert "dispatch escalated" in command("trace", "order", 2, "--home", tax)
    assert command("trace", "order", 99, "--home", tax, fails=True).startswith("muniment: ")

    assert "are those of the chain" in command("trace", "check", "--home", civil)
    with closing(sqlite3.connect(civil / "trace.db")) as db, db:
        db.execute("UPDATE entries SET sender = 'tax' WHERE name = 'appealed'")
    assert "differs" in command("trace", "check", "--home", civil, fails=True)
    command("trace", "rebuild", "--home", civil)
    assert run(civil, "case", 1, group="trace") == lines


def test_the_situation_is_shown_and_measured(told: Alliance) -> None:
    tax = told.home("tax")
    report = json.loads(command("situation", "--home", tax, "--json"))
    assert report["node"]["state"] == "in sync"
    assert {peer["name"] for peer in report["peers"]} == {"civil", "health", "land"}
    assert report["orders"] == {"open": 1, "overdue": {}}
    cases = ask(tax, "cases", "list", {})
    assert sum(report["cases"].values()) == sum(c["disposition"] is None for c in cases)
    assert report["measures"] == []
    assert "trial as seen by tax" in command("situation", "--home", tax)
    assert 'muniment_peer_connected{member="land"} 1.0' in command("metrics", "--home", tax)


def test_people_are_told_by_ids_what_concerns_their_member(told: Alliance) -> None:
    said = command("notify", "--dry-run", "--home", told.home("land"))
    assert "[trial] sanctions imposed 1" in said
    assert "[trial] dispatch issued 2" in said
    assert SECRET not in said
    refused = command("notify", "--home", told.home("land"), fails=True)
    assert "notices.mail_to" in refused
