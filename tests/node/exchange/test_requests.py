"""A request on real nodes: previewed, sealed, reviewed, granted, explained, revoked; policies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from consensus.validators import Parameters
from node.cli import cli
from node.devnet import Devnet
from node.errors import MunimentError

OWNER, RECIPIENT = "tax", "health"
FIELDS = (
    ("city", "text", 2, None), ("year", "year", 2, None), ("name", "person-name", 3, "name"),
    ("income", "amount", 3, None),
)  # fmt: skip
TASK = ("--purpose", "public-service", "--basis", "public-task", "--rows", 500, "--days", 90)


class Pair:
    """Two members' nodes, and their commands."""

    def __init__(self, net: Devnet) -> None:
        self.net = net

    def run(self, member: str, *args: object, fails: bool = False) -> str:
        line = [*map(str, args), "--home", str(self.net.home(member).path)]
        done = CliRunner().invoke(cli, line, standalone_mode=False)
        if isinstance(done.exception, MunimentError):
            assert fails, done.exception.message
            return done.output + done.exception.message
        if done.exception is not None:
            raise done.exception
        assert not fails, done.output
        return done.output

    def ask(self, member: str, *args: object) -> Any:
        found = json.loads(self.run(member, *args, "--json"))
        if isinstance(found, dict) and isinstance(found.get("height"), int):
            for name in self.net.names:
                self.net.wait(name, lambda status: status["height"] >= found["height"])
        return found


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """tax, a supervisor, has registered tax/firms."""
    folder = tmp_path_factory.mktemp("pair")
    net = Devnet.create(folder / "net", 2, Parameters(epoch_length=8, idle_ms=100))
    net.start(*net.names)
    for name in net.names:
        net.wait(name, lambda status: status["peers"] == 1)
    made = Pair(net)
    rows = [
        {"name": n, "type": t, "unit": None, "codes": None, "level": lv, "class": "general",
         "mask": m}
        for n, t, lv, m in FIELDS
    ]  # fmt: skip
    properties = {n: {"type": ["string", "integer", "null"]} for n, *_ in FIELDS}
    standard = folder / "firm.json"
    standard.write_text(json.dumps({
        "id": "tax/firm", "version": 1, "title": "Firms",
        "schema": {"type": "object", "properties": properties}, "fields": rows,
    }))  # fmt: skip
    table = folder / "firms.csv"
    table.write_text("city,year,name,income\nBeijing,2024,Li,10\nShanghai,2025,Wang,20\n")
    made.ask(OWNER, "standard", "publish", standard)
    register = ("dataset", "register", table, "--standard", "tax/firm", "--title", "Firms")
    made.ask(OWNER, *register)
    yield made
    net.down()


def test_a_request_from_preview_to_revocation(pair: Pair) -> None:
    new = ("request", "new", "tax/firms", "name", "income", *TASK)
    previewed = pair.ask(RECIPIENT, *new, "--dry-run")["decision"]
    assert (previewed["outcome"], previewed["level"]) == ("REVIEW", 3)
    assert pair.ask(RECIPIENT, "request", "list") == []

    denied = pair.run(RECIPIENT, *new, "--where", "name = 'Li'", fails=True)
    assert "do not filter by name" in denied
    assert "not sent" in denied
    assert pair.ask(RECIPIENT, "request", "list") == []

    where = ("--where", "city in ('Beijing', '北京') and year >= 2024")
    sent = pair.ask(RECIPIENT, *new, *where, "--text", "Aid to small firms")
    number = sent["request"]
    assert (number, sent["status"]) == (1, "waiting")

    waiting = pair.run(OWNER, "inbox")
    assert "muniment request show 1" in waiting
    chain = pair.ask(OWNER, "request", "show", 1)
    assert "Beijing" not in json.dumps(chain)
    pair.run(OWNER, "envelope", "show", chain["args"]["envelope"], "--wait", 30)
    opened = pair.run(OWNER, "request", "show", 1, "--sealed")
    assert "city in Beijing, 北京" in opened
    assert "year >= 2024" in opened
    assert "Aid to small firms" in opened

    amended = pair.ask(RECIPIENT, "request", "amend", 1, "--rows", 100)
    assert amended["status"] == "waiting"
    stale = pair.run(OWNER, "request", "approve", 1, "--revision", 1, fails=True)
    assert "latest is 2" in stale
    mask = ("--mask", "income=round:step=1000")
    assert pair.ask(OWNER, "request", "approve", 1, *mask)["status"] == "granted"
    grant = pair.ask(RECIPIENT, "grant", "show", 1)
    assert grant["fields"] == [[2, ["name", 1, {}]], [3, ["round", 1, {"step": 1000}]]]
    assert (grant["rows"], grant["mode"], grant["usable"]) == (100, "audited", "ok")
    assert "round v1 (step=1000)" in pair.run(RECIPIENT, "grant", "show", 1)

    why = pair.run(RECIPIENT, "request", "explain", 1)
    assert "restricted" in why
    assert "leave out" in why

    assert pair.ask(OWNER, "grant", "revoke", 1, "--reason", "misuse")["status"] == "revoked"
    assert "no: grant-ended" in " ".join(pair.run(RECIPIENT, "grant", "list").split())


def test_a_denial_has_a_sealed_reason_and_a_clone_goes_on(pair: Pair) -> None:
    number = pair.ask(RECIPIENT, "request", "new", "tax/firms", "income", *TASK)["request"]
    denied = pair.ask(OWNER, "request", "deny", number, "--text", "Ask for the city only.")
    assert denied["status"] == "denied"
    reason = pair.ask(RECIPIENT, "request", "show", number)["reviews"]["owner"][4]
    pair.run(RECIPIENT, "envelope", "show", reason, "--wait", 30)
    assert "city only" in pair.run(RECIPIENT, "envelope", "show", reason)
    cloned = pair.ask(RECIPIENT, "request", "clone", number, "city", "--basis", "contract")
    assert cloned["status"] == "granted"
    pair.ask(RECIPIENT, "request", "withdraw", cloned["request"])
    assert pair.ask(RECIPIENT, "grant", "show", cloned["request"])["status"] == "ended"


def test_an_owners_policy_is_set_and_decides(pair: Pair, tmp_path: Path) -> None:
    file = tmp_path / "tax.star"
    file.write_text(
        "def decide(request):\n"
        "    if request['rows'] > 200:\n"
        "        return {'outcome': 'deny', 'rule': 'portions'}\n"
    )
    pair.ask(OWNER, "policy", "set", "tax/firms", file)
    new = ("request", "new", "tax/firms", "city", "--purpose", "public-service", "--basis",
           "contract", "--days", 30)  # fmt: skip
    assert "portions" in pair.run(RECIPIENT, *new, "--rows", 201, fails=True)
    assert pair.ask(RECIPIENT, *new, "--rows", 200)["status"] == "granted"
    assert pair.ask(RECIPIENT, "policy", "show", OWNER)[0]["prefix"] == "tax/firms"
    bad = tmp_path / "bad.star"
    bad.write_text("def decide(request):\n    return 1 +\n")
    assert "policy:2" in pair.run(OWNER, "policy", "set", "tax/", bad, fails=True)
    pair.ask(OWNER, "policy", "set", "tax/firms", "--remove")
    assert "public-service" in pair.run(RECIPIENT, "policy", "rules")


def test_mistakes_say_what_to_do(pair: Pair) -> None:
    new = ("request", "new", "tax/firms")
    assert "has no field 'nmae'" in pair.run(RECIPIENT, *new, "nmae", *TASK, fails=True)
    assert "muniment dataset list" in pair.run(
        RECIPIENT, "request", "new", "tax/none", *TASK, fails=True
    )
    assert "there is no request 99" in pair.run(RECIPIENT, "request", "show", 99, fails=True)
    assert "there is no grant 99" in pair.run(RECIPIENT, "grant", "show", 99, fails=True)
    unknown = (*new, "city", "--purpose", "curiosity", "--basis", "contract", "--rows", 1,
               "--days", 1)  # fmt: skip
    said = pair.run(RECIPIENT, *unknown, fails=True)
    assert "unknown-purpose" in said
    assert "one of the purposes" in " ".join(said.split())
