"""The library on a live network: deployed by vote, used and attacked through the commands."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from consensus.validators import Parameters
from node.cli import cli
from node.devnet import Devnet
from node.errors import MunimentError
from node.rpc.client import Client

LIBRARY = Path(__file__).parents[2] / "contracts" / "library"
NAMES = ("credit-record", "e-invoice", "e-licence", "land-registry", "poll")
DAY_MS = 86_400_000
VOTING_MS = 12_000
"""How long the poll takes votes: the other stories are told meanwhile."""


class Office:
    """Runs `muniment` as members do, against nodes that are real processes."""

    def __init__(self, net: Devnet) -> None:
        self.net = net
        self.folder = net.folder
        secret = self.folder / "secret"
        secret.touch(0o600)
        secret.write_text("a passphrase")
        self.secret = str(secret)
        self.keys: dict[str, str] = {}

    def run(self, *args: object) -> str:
        done = CliRunner().invoke(cli, [str(arg) for arg in args], standalone_mode=False)
        if done.exception is not None:
            raise done.exception
        return done.stdout

    def at(self, member: str, *args: object) -> Any:
        """What a command says in JSON at a member's home."""
        asks = args[:2] == ("contract", "query")
        home = ("--home", self.net.home(member).path)
        found = json.loads(self.run(*args, *home, *(() if asks else ("--json",))))
        if not asks and isinstance(found, dict) and "height" in found:
            for name in self.net.names:  # what one node has as final reaches the others soon
                self.net.wait(name, lambda status: status["height"] >= found["height"])
        return found

    def refused(self, member: str, wanted: str, *args: object) -> None:
        with pytest.raises(MunimentError, match=wanted):
            self.at(member, *args)

    def ask(self, contract: str, query: str, *args: object) -> Any:
        return self.at("tax", "contract", "query", contract, query, *args)

    def file(self, name: str, fields: dict[str, str]) -> Path:
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(fields))
        return path

    def seal(self, member: str, to: str, **fields: str) -> str:
        path = self.file(secrets.token_hex(4), fields)
        found: str = self.at(member, "envelope", "seal", path, "--kind", "deed", "--to", to)["id"]
        return found

    def key(self, person: str) -> str:
        """Make a key for a person; returns it as an argument."""
        path = self.folder / f"{person}.key"
        made = self.run("subject", "key", path, "--passphrase-file", self.secret, "--json")
        self.keys[person] = "hex:" + json.loads(made)["key"]
        return self.keys[person]

    def sign(self, person: str, *args: object) -> str:
        """Sign what a contract's query answers; returns the signature as an argument."""
        made = self.at(
            "tax", "subject", "sign", self.folder / f"{person}.key", *args, "--yes",
            "--passphrase-file", self.secret,
        )  # fmt: skip
        return "hex:" + str(made["signature"])


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("library") / "net"
    net = Devnet.create(folder, 4, Parameters(epoch_length=8, idle_ms=100))
    net.start(*net.names)
    for name in net.names:
        net.wait(name, lambda s: s["peers"] == 3)
    office = Office(net)
    deploy(office)
    open_poll(office)
    yield office
    net.down()


HOSTILE = '''"""Does what no contract should."""

def loop():
    """Go round."""
    for i in range(1 << 60):
        pass

def recurse():
    """Call oneself."""
    recurse()

def enter():
    """Enter the own contract again."""
    call(ctx.contract, "enter")

def allocate():
    """Take memory."""
    x = "a"
    for i in range(40):
        x = x + x

def announce():
    """Say without end."""
    for i in range(1 << 60):
        emit("e", "a" * 1000)

def write():
    """Write without end."""
    for i in range(1 << 60):
        state.put("k%d" % i, "a" * 1000)

def wrong():
    """Return what nobody can send."""
    state.put("wrong", 1)
    return len

def throw():
    """Divide by nothing."""
    state.put("thrown", 1)
    return 1 // 0

def order():
    """Depend on the order of a map."""
    found = {}
    for word in ["b", "a", "c"] + [hex for hex in "zyx".elems()]:
        found[word] = 1
    state.put("order", found.keys())

def kept():
    """What is left of all that."""
    return [key for key, value in state.scan("")] + state.get("order", [])

method(loop)
method(recurse)
method(enter)
method(allocate)
method(announce)
method(write)
method(wrong)
method(throw)
method(order)
query(kept)
'''
HARMS = {
    "loop": "need more than the 1000000 units of gas",
    "recurse": "hostile:10: .*there is no recursion",
    "enter": "hostile:14: contract hostile is in a call already",
    "allocate": "hostile:20: a string may have 262144 characters at most",
    "announce": "events in one transaction|units of gas",
    "write": "need more than the 1000000 units of gas",
    "wrong": "can be neither kept nor sent",
    "throw": "hostile:40: division by zero",
}


def deploy(office: Office) -> None:
    hostile = office.folder / "hostile.star"
    hostile.write_text(HOSTILE)
    paths = (hostile, *(LIBRARY / f"{name}.star" for name in NAMES))
    decide(office, *(("deploy", path) for path in paths))


def decide(office: Office, *proposals: tuple[object, ...]) -> None:
    """Put changes of contracts to the vote at one member, and agree to them at two more."""
    numbers = []
    for proposal in proposals:
        made = office.at("tax", "contract", *proposal, "--vote")
        numbers.append(made["proposal"])
    for member in ("health", "civil"):
        for number in numbers:
            office.at(member, "gov", "vote", number, "yes")
    for number in numbers:
        assert office.at("land", "gov", "wait", number)["status"] == "executed"


SALT = "salt=hex:" + "02" * 16


def open_poll(office: Office) -> None:
    now = time.time_ns() // 1_000_000
    office.at(
        "land", "contract", "call", "poll", "open", "poll=rule-7", "question=hex:" + "00" * 32,
        "choices=2", 'members=["health", "civil"]', f"votes_until={now + VOTING_MS}",
        f"shown_until={now + DAY_MS}", "quorum=5000",
    )  # fmt: skip
    office.at("health", "poll", "vote", "rule-7", 1)
    terms = ("poll=rule-7", "voter=civil", "choice=1", SALT)
    vote = ("contract", "call", "poll", "vote", "poll=rule-7")
    ballot = "ballot=hex:" + office.ask("poll", "ballot", *terms)
    office.at("civil", *vote, ballot)
    office.refused("land", "not-eligible", *vote, ballot)
    office.refused("health", "it cannot be changed", "poll", "vote", "rule-7", 0)
    office.refused("health", "voted", "poll", "vote", "rule-7", 1)
    office.refused("health", "too-early", "poll", "show", "rule-7")


def test_all_are_deployed(office: Office) -> None:
    rows = office.at("land", "contract", "list")
    assert tuple(row["name"] for row in rows) == tuple(sorted((*NAMES, "hostile")))


def test_a_hostile_contract_fails_alike_everywhere_and_harms_no_node(office: Office) -> None:
    for method, wanted in HARMS.items():
        office.refused("civil", wanted, "contract", "call", "hostile", method)
    height = office.at("civil", "contract", "call", "hostile", "order")["height"]
    words = ["b", "a", "c", "z", "y", "x"]
    for member in office.net.names:
        assert office.at(member, "contract", "query", "hostile", "kept") == ["order", *words]
    # The state after that block is in the header of the next, which a quorum has signed.
    roots = set()
    for member in office.net.names:
        office.net.wait(member, lambda status: status["height"] > height)
        with Client(office.net.home(member).socket) as client:
            roots.add(client.call("block.get", height=height + 1)["state_root"])
    assert len(roots) == 1


def test_an_upgrade_keeps_the_state_and_a_retired_contract_still_answers(office: Office) -> None:
    file = office.folder / "hostile.star"
    file.write_text(HOSTILE + "\ndef migrate(version):\n    loop()\n")
    office.refused("tax", "units of gas", "contract", "upgrade", file)
    file.write_text(HOSTILE + '\ndef migrate(version):\n    state.put("from", version)\n')
    decide(office, ("upgrade", file))
    kept = office.ask("hostile", "kept")
    assert kept[:2] == ["from", "order"]
    decide(office, ("retire", "hostile"))
    office.refused("civil", "hostile is retired", "contract", "call", "hostile", "order")
    assert office.ask("hostile", "kept") == kept


def test_an_invoice_reaches_its_parties_and_a_forger_fails(office: Office) -> None:
    call = ("contract", "call", "e-invoice")
    office.at("tax", *call, "appoint", "authority=tax")
    record = office.file("invoice", {"number": "007", "total": "100.00", "goods": "图纸"})
    sealed = (*call, "issue", "invoice=land/007", "buyer=civil", "--seal", record, "--to", "civil")
    office.at("land", *sealed)
    kept = sorted(office.net.home("land").envelopes.iterdir())
    office.refused("land", "duplicate", *sealed)
    assert sorted(office.net.home("land").envelopes.iterdir()) == kept, "nothing stays of a failure"
    envelope = office.ask("e-invoice", "invoice", "invoice=land/007")["envelope"]
    shown = office.at("civil", "envelope", "show", envelope, "--wait", "20")
    assert shown["fields"] == {"number": "007", "total": "100.00", "goods": "图纸"}
    assert shown["parties"] == ["civil", "land", "tax"]
    # A stranger neither has it nor uses it; the holder cannot pass on another amount.
    office.refused("health", "no envelope here", "envelope", "show", envelope)
    office.refused("health", "not-holder", *call, "use", "invoice=land/007", "purpose=deduct")
    forged = office.file("forged", {"number": "007", "total": "900.00", "goods": "图纸"})
    terms = (*call, "transfer", "invoice=land/007", "to=health", "--to", "health", "--to", "tax")
    office.refused("civil", "body-differs", *terms, "--seal", forged)
    office.at("civil", *terms, "--forward", envelope[:12])
    new = office.ask("e-invoice", "invoice", "invoice=land/007")["envelope"]
    assert (
        office.at("health", "envelope", "show", new, "--wait", "20")["fields"]["total"] == "100.00"
    )
    # The buyer has no more need of it.
    office.at("civil", "envelope", "erase", envelope)
    office.refused("civil", "was erased here", "envelope", "show", envelope)
    office.at("civil", "envelope", "erase", envelope)  # again does no harm
    rows = office.at("civil", "envelope", "list")
    assert [(row["state"], row["erased"]) for row in rows if row["id"] == envelope] == [
        ("erased", ["civil"])
    ]


def test_a_replaced_sealing_key_still_opens_what_was_sealed_to_it(office: Office) -> None:
    old = office.seal("land", "civil", note="before")
    office.at("civil", "envelope", "show", old, "--wait", "20")
    office.at("civil", "member", "rotate", "sealing")
    new = office.seal("land", "civil", note="after")
    assert office.at("civil", "envelope", "show", new, "--wait", "20")["fields"] == {
        "note": "after"
    }
    assert office.at("civil", "envelope", "show", old)["fields"] == {"note": "before"}
    key = office.net.home("civil").keys / "sealing-2.key"
    lost = key.rename(office.folder / "lost")
    office.refused("civil", "sealed to the key .* and this home's is", "envelope", "show", new)
    lost.rename(key)


def test_mistakes_are_told(office: Office) -> None:
    good, number = office.file("good", {"a": "1"}), office.file("number", {"a": "1"})
    number.write_text('{"a": 1}')
    text = office.folder / "text.json"
    text.write_text("[1")
    call = ("envelope", "seal")
    office.refused(
        "land", "field a: must be text or null", *call, number, "--kind", "x", "--to", "tax"
    )
    office.refused("land", "is not JSON", *call, text, "--kind", "x", "--to", "tax")
    office.refused("land", "nobody is not an active member; members are civil, health, land, tax",
                   *call, good, "--kind", "x", "--to", "nobody")  # fmt: skip
    office.refused(
        "land", "cannot be read", *call, office.folder / "none", "--kind", "x", "--to", "tax"
    )
    office.refused("land", "no envelope here begins with 'ffff'", "envelope", "show", "ffff")
    office.refused(
        "tax", "answers with no text", "subject", "sign", "x.key", "poll", "poll", "poll=p"
    )
    office.refused("tax", "must precede hexadecimal|hexadecimal", "subject", "sign", "x.key",
                   "poll", "vote_text", "poll=p", 'ballot="hex:zz"')  # fmt: skip
    office.refused("tax", "is no presentation", "licence", "verify", good, "--for", "tax",
                   "--nonce", "00" * 16)  # fmt: skip
    with pytest.raises(click.UsageError, match="32 hexadecimal digits"):
        office.at("tax", "licence", "verify", good, "--for", "tax", "--nonce", "00")
    terms = ("contract", "call", "e-invoice", "agree", "invoice=land/1")
    with pytest.raises(click.UsageError, match="not both"):
        office.at("land", *terms, "--seal", good, "--forward", "ffffffff")


def test_a_licence_is_shown_in_part(office: Office) -> None:
    holder = office.key("li")
    record = office.file("licence", {"name": "李", "born": "1980-01-01", "scope": "surgery"})
    now = time.time_ns() // 1_000_000
    office.at(
        "health", "contract", "call", "e-licence", "issue", "licence=health/li", "kind=physician",
        f"holder={holder}", f"start={now - DAY_MS}", f"end={now + DAY_MS}", "--seal", record,
    )  # fmt: skip
    envelope = office.ask("e-licence", "licence", "licence=health/li")["envelope"]
    health = ("--home", office.net.home("health").path)
    office.run("envelope", "export", envelope, "-o", office.folder / "li.record", *health)
    nonce = secrets.token_hex(16)
    shown = office.folder / "li.shown"
    terms = ("--for", "tax", "--nonce", nonce)
    office.run(
        "licence", "present", office.folder / "li.record", "--licence", "health/li", "--field",
        "scope", "--key", office.folder / "li.key", *terms, "--genesis",
        office.folder / "genesis.json", "-o", shown, "--passphrase-file", office.secret,
    )  # fmt: skip
    assert b"1980" not in shown.read_bytes()
    found = office.at("tax", "licence", "verify", shown, *terms)
    assert found["fields"] == {"scope": "surgery"}
    assert found["hidden"] == 2
    again = ("--for", "tax", "--nonce", secrets.token_hex(16))
    office.refused("tax", "may be a copy", "licence", "verify", shown, *again)
    changed = office.folder / "forged.shown"
    changed.write_bytes(shown.read_bytes().replace(b"surgery", b"surgerY"))
    office.refused("tax", "not those that the issuer", "licence", "verify", changed, *terms)
    office.at(
        "health", "contract", "call", "e-licence", "revoke", "licence=health/li", "reason=fraud"
    )
    office.refused("tax", "genuine, and revoked .fraud", "licence", "verify", shown, *terms)


def test_a_title_moves_by_two_signatures(office: Office) -> None:
    seller, buyer = office.key("seller"), office.key("buyer")
    deed = "deed=hex:" + office.seal("land", "civil", parcel="p-1", area="120.5")
    accept = ("land-registry", "accept_text", "title=t-1", deed)
    call = ("contract", "call", "land-registry")
    office.at(
        "land", *call, "register", "title=t-1", "parcel=p-1", f"owner={seller}", deed,
        f"acceptance={office.sign('seller', *accept)}",
    )  # fmt: skip
    deed = "deed=hex:" + office.seal("land", "civil", parcel="p-1", price="900000")
    text = ("land-registry", "transfer_text", "title=t-1", f"to={buyer}", deed)
    accepted = office.sign("buyer", "land-registry", "accept_text", "title=t-1", deed)
    terms = (*call, "transfer", "title=t-1", f"to={buyer}", deed, f"acceptance={accepted}")
    forged, signed = office.sign("buyer", *text), office.sign("seller", *text)
    office.refused("land", "not-signed", *terms, f"consent={forged}")
    office.refused("civil", "not-registrar", *terms, f"consent={signed}")
    office.at("land", *terms, f"consent={signed}")
    assert "hex:" + office.ask("land-registry", "title", "title=t-1")["owner"] == buyer
    rows = office.ask("land-registry", "history", "title=t-1", "after=0")
    assert [row["kind"] for row in rows] == ["registered", "transferred"]


def test_a_credit_record_is_read_by_consent(office: Office) -> None:
    subject = office.key("subject")
    call = ("contract", "call", "credit-record")
    office.at("land", *call, "enrol", f"subject={subject}")
    record = office.file("report", {"what": "late by 40 days", "amount": "1200.00"})
    until = time.time_ns() // 1_000_000 + DAY_MS
    office.at(
        "health", *call, "report", "report=health/r1", f"subject={subject}", "kind=arrears",
        f"counts_until={until}", "--seal", record,
    )  # fmt: skip
    consult = (*call, "consult", "consultation=civil/c1", f"subject={subject}", "purpose=loan")
    office.refused("civil", "no-consent", *consult)
    terms = (f"subject={subject}", "reader=civil", "purpose=loan", f"until={until}")
    signed = office.sign("subject", "credit-record", "consent_text", *terms)
    office.at("civil", *call, "consent", *terms, f"signature={signed}")
    office.at("civil", *consult)
    report = office.ask("credit-record", "found", "report=health/r1")
    office.at(
        "health", *call, "answer", "consultation=civil/c1", "report=health/r1", "--forward",
        report["envelope"], "--to", "civil",
    )  # fmt: skip
    row = office.ask("credit-record", "consultation", "consultation=civil/c1")["reports"][0]
    shown = office.at("civil", "envelope", "show", row["envelope"], "--wait", "20")
    assert shown["commitment"] == report["commitment"]
    assert shown["fields"]["what"] == "late by 40 days"


def test_the_poll_counts_votes_as_cast(office: Office) -> None:
    until = office.ask("poll", "poll", "poll=rule-7")["votes_until"]
    with Client(office.net.home("tax").socket) as client:
        for _, block in client.subscribe(("blocks",)):
            if block["timestamp"] >= until:
                break
    call = ("contract", "call", "poll")
    shown = (*call, "show", "poll=rule-7")
    office.refused("civil", "not-your-vote", *shown, "choice=0", SALT)
    office.at("civil", *shown, "choice=1", SALT)
    office.refused("civil", "keeps no ballot of rule-7", "poll", "show", "rule-7")
    assert office.at("health", "poll", "show", "rule-7")["choice"] == 1
    office.at("land", *call, "close", "poll=rule-7")
    found = office.ask("poll", "poll", "poll=rule-7")
    assert found["result"] == {"turnout": 10_000, "choice": 1}
