"""Commands for members, operators and votes on one node: what they print, refuse and remember."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consensus.validators import Parameters
from node.devnet import Devnet

PARAMETERS = Parameters(epoch_length=8, idle_ms=100)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    net = Devnet.create(tmp_path_factory.mktemp("net") / "net", 1, PARAMETERS)
    net.start("tax")
    yield net.home("tax").path
    net.down()


def run(home: Path, *args: object, fails: bool = False) -> str:
    """Run a command at a home; returns what it printed, or what it said on failing."""
    done = subprocess.run(
        [sys.executable, "-m", "node", *map(str, args), "--home", str(home)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode == 1) == fails, done.stderr
    return done.stderr if fails else done.stdout


def ask(home: Path, *args: object) -> Any:
    return json.loads(run(home, *args, "--json"))


def make_operator(home: Path, name: str, *options: str) -> tuple[str, ...]:
    """Make and grant an operator; returns the options to sign as it."""
    file = home.parent / f"{name}.pass"
    file.write_text(f"passphrase of {name}")
    file.chmod(0o600)
    made = ask(home, "operator", "new", name, "--passphrase-file", file)
    assert made["operator"] == name
    run(home, "operator", "grant", home / "operators" / f"{name}.json", *options)
    return ("--as", name, "--passphrase-file", str(file))


def test_operators_act_within_their_duties(home: Path) -> None:
    terms = ("--trained-until", "2099-12-31", "--confidential-until", "2099-12-31")
    steward = make_operator(home, "li", "--duty", "steward", *terms)
    approver = make_operator(home, "wang", "--duty", "approver", *terms)
    lapsed = make_operator(home, "zhao", "--duty", "approver", "--trained-until", "2020-01-01",
                           "--confidential-until", "2099-12-31")  # fmt: skip
    shown = run(home, "operator", "list")
    assert all(name in shown for name in ("li", "wang", "zhao", "2099-12-31"))
    proposal = ("gov", "propose", "parameters", "max_calls=90")
    assert "needs the duty" in run(home, *proposal, *steward, fails=True)
    assert "lapsed" in run(home, *proposal, *lapsed, fails=True)
    file = home.parent / "permit.json"
    fields = [{"name": "number", "type": "text"}]
    file.write_text(json.dumps({"id": "tax/permit", "title": "Permits", "fields": fields}))
    assert "needs the duty" in run(home, "standard", "publish", file, *approver, fails=True)
    assert ask(home, "standard", "publish", file, *steward)["version"] == 1
    number = ask(home, *proposal, "--vote", *approver)["proposal"]
    run(home, "gov", "wait", number)
    assert ask(home, "gov", "parameters")["next_epoch"]["max_calls"] == 90
    by = {row["sender"] for row in ask(home, "log") if row["name"] in ("proposed", "voted")}
    assert by == {"tax/wang"}
    run(home, "operator", "revoke", "wang")
    assert "revoked" in run(home, *proposal, *approver, fails=True)


def test_two_persons_prepare_and_confirm(home: Path) -> None:
    first = make_operator(home, "sun", "--duty", "admin")
    second = make_operator(home, "qian", "--duty", "admin")
    file = home.parent / "zhou.pass"
    file.write_text("passphrase of zhou")
    file.chmod(0o600)
    run(home, "operator", "new", "zhou", "--passphrase-file", file)
    card = home / "operators" / "zhou.json"
    request = ask(home, "operator", "grant", card, "--duty", "auditor", *first)["request"]
    assert [row["id"] for row in ask(home, "operator", "requests")] == [request]
    assert "its own request" in run(home, "operator", "confirm", request, *first, fails=True)
    run(home, "operator", "confirm", request, *second)
    assert ask(home, "operator", "requests") == []
    duties = {row["name"]: row["duties"] for row in ask(home, "operator", "list")}
    assert duties["zhou"] == ["auditor"]
    request = ask(home, "member", "rotate", "sealing", *first)["request"]
    before = ask(home, "member", "show", "tax")["sealing_key"]
    run(home, "operator", "confirm", request, *second)
    assert ask(home, "member", "show", "tax")["stopping"]["sealing"][0] == before


def test_a_member_key_is_replaced(home: Path) -> None:
    before = ask(home, "member", "show", "tax")["member_key"]
    made = ask(home, "member", "rotate", "member", "--grace", "3")
    found = ask(home, "member", "show", "tax")
    assert (found["member_key"], found["stopping"]["member"][0]) == (made["key"], before)
    assert "old member key" in run(home, "member", "show", "tax")
    run(home, "member", "announce", "/ip4/127.0.0.1/tcp/4600")
    assert ask(home, "member", "list")[0]["addresses"] == ["/ip4/127.0.0.1/tcp/4600"]
    assert "members.key-replaced  tax member" in run(home, "log")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("member", "show", "nobody"), "there is no member nobody"),
        (("operator", "list", "nobody"), "there is no member nobody"),
        (("gov", "show", "999"), "there is no proposal 999"),
        (("gov", "propose", "suspend", "member=tax"), "lock the alliance out"),
        (("gov", "propose", "parameters", "max_block_bytes=0"), "max_block_bytes"),
        (("gov", "propose", "expel", "member=tax", "why=x"), "why: unknown argument"),
        (("gov", "vote", "999", "yes"), "proposal 999 does not exist"),
        (("gov", "propose", "admit", "card=@/nothing.json"), "cannot be read"),
        (
            ("operator", "grant", "/nothing.json", "--duty", "admin"),
            "is not what muniment",
        ),
        (("operator", "revoke", "nobody"), "tax/nobody does not exist"),
        (("operator", "confirm", "99"), "request 99 does not exist"),
        (("member", "announce", "x", "--as", "ghost", "--passphrase-file", "/nothing"), "nothing"),
    ],
)
def test_refusals_are_one_sentence(home: Path, args: tuple[str, ...], said: str) -> None:
    message = run(home, *args, fails=True)
    assert said in message
    assert message.startswith("muniment: ")
    assert len(message.strip().splitlines()) == 1
