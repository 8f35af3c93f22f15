"""On real processes: three subjects of whom one refuses and one withdraws; custody of a version."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from consensus.validators import Parameters
from node.cli import cli
from node.devnet import Devnet
from node.errors import MunimentError
from node.exchange import letter
from node.rpc.client import Client
from tests.node.data.test_markers import contents, forms
from tests.web.conftest import Pages, hidden, sign

LI, WANG, ZHAO = "11010119900307123X", "110101198511110027", "110101197002290017"
ROWS = f"Number,Holder,Fee\n1,{LI},10\n2,{WANG},20\n3,{ZHAO},30\n4,{LI},40\n"
SUPERVISOR, OWNER, RECIPIENT, REGISTRAR = "tax", "health", "civil", "land"


class Town:
    """Runs `muniment` for members, whose nodes are real processes, and for subjects."""

    def __init__(self, net: Devnet) -> None:
        self.net, self.folder = net, net.folder
        self.secret = self.folder / "secret"
        self.secret.touch(0o600)
        self.secret.write_text("a passphrase")

    def run(self, *args: object) -> str:
        done = CliRunner().invoke(cli, [str(arg) for arg in args], standalone_mode=False)
        if done.exception is not None:
            raise done.exception
        return done.stdout

    def at(self, member: str, *args: object, plain: bool = False) -> Any:
        """What a command says at a member's home, once all nodes have what it did."""
        home = ("--home", self.net.home(member).path, *(() if plain else ("--json",)))
        said = self.run(*args, *home)
        found = said if plain else json.loads(said)
        if isinstance(found, dict) and "height" in found:
            for name in self.net.names:
                self.net.wait(name, lambda status: status["height"] >= found["height"])
        return found

    def arrive(self, member: str, envelope: str) -> None:
        self.at(member, "envelope", "show", envelope, "--wait", 30)

    def subject(self, person: str) -> str:
        """Make a key for a person; returns the public part."""
        made = self.run("subject", "key", self.folder / f"{person}.key", "--passphrase-file",
                        self.secret, "--json")  # fmt: skip
        found: str = json.loads(made)["key"]
        return found

    def sign(self, kind: str, person: str, form: Path) -> Path:
        out = self.folder / f"{person}-{kind}.json"
        self.run("authorise", kind, self.folder / f"{person}.key", form, "--identity", person,
                 "--yes", "-o", out, "--passphrase-file", self.secret)  # fmt: skip
        return out

    @contextmanager
    def pages(self, member: str) -> Iterator[tuple[Pages, str]]:
        """A member's console with a steward logged in, and the token of the session.

        All nodes have afterwards what was done on it.
        """
        home = self.net.home(member)
        if not (card := home.operators / "li.json").exists():
            self.at(member, "operator", "new", "li", "--passphrase-file", self.secret)
            self.at(member, "operator", "grant", card, "--duty", "steward", "--trained-until",
                    "2030-06-30", "--confidential-until", "2030-06-30")  # fmt: skip
        pages = Pages(home, member)
        entered = pages.post("/login", {"operator": "li", "passphrase": "a passphrase"})
        assert entered.status_code == 303
        yield pages, hidden(pages.get("/").text, "csrf")
        pages.close()
        with Client(home.socket) as node:
            height = node.call("status")["height"]
        for name in self.net.names:
            self.net.wait(name, lambda status: status["height"] >= height)

    def coverage(self) -> Any:
        scope = ("health/visits", "--for", RECIPIENT, "--purpose", "public-service")
        return self.at(OWNER, "authorise", "coverage", *scope)

    def fetch(self, grant: int) -> list[str]:
        """Fetch under a grant; returns the numbers of the rows that came."""
        with self.serving(OWNER, "exchange"):
            receipt = self.at(RECIPIENT, "fetch", grant)
        assert receipt["by_subject"]
        assert receipt["rows"] + receipt["left_out"] == 4
        return self.export(grant)

    def export(self, grant: int, *options: object) -> list[str]:
        out = self.folder / "visits.jsonl"
        self.at(RECIPIENT, "export", grant, *options, "--format", "jsonl", "-o", out)
        return sorted(row["Number"] for row in self.exported())

    def exported(self) -> list[dict[str, str]]:
        return list(map(json.loads, (self.folder / "visits.jsonl").read_text().splitlines()))

    def enact(self, *proposal: object) -> None:
        """Put something to the vote; three of the four members say yes."""
        number = self.at(SUPERVISOR, *proposal, "--vote")["proposal"]
        for member in (OWNER, RECIPIENT):
            self.at(member, "gov", "vote", number, "yes")
        self.at(SUPERVISOR, "gov", "wait", number)

    @contextmanager
    def serving(self, member: str, what: str = "custody", *double: str) -> Iterator[None]:
        """Let a member give out what is in custody, or what others have grants for.

        `double` stands for another server than the member's own.
        """
        command = double or ("-m", "node", what, "serve", "--home", self.net.home(member).path)
        process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "serving\n"
            yield
        finally:
            process.terminate()
            process.communicate()

    def batch(self, number: int = 1) -> Any:
        asked = ("contract", "query", "subjects", "batch", f"batch={number}")
        return json.loads(self.at(OWNER, *asked, plain=True))


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    net = Devnet.create(
        tmp_path_factory.mktemp("town") / "net", 4, Parameters(epoch_length=8, idle_ms=100)
    )
    net.start(*net.names)
    for name in net.names:
        net.wait(name, lambda s: s["peers"] == 3)
    yield Town(net)
    net.down()


def test_three_subjects_one_refuses_and_one_withdraws(town: Town) -> None:
    table, form = town.folder / "visits.csv", town.folder / "form.json"
    table.write_text(ROWS)
    town.at(OWNER, "dataset", "register", table, "--title", "Visits", "--level", 4)
    purpose = ("--purpose", "public-service")
    asked = town.at(RECIPIENT, "request", "new", "health/visits", "Number", "Fee", *purpose,
                    "--basis", "consent", "--rows", 12, "--days", 9)  # fmt: skip
    grant = asked["request"]
    town.at(OWNER, "request", "approve", grant)
    assert town.at(RECIPIENT, "grant", "show", grant)["mode"] == "audited"
    for person in (LI, WANG, ZHAO):
        town.at(REGISTRAR, "registrar", "person", person, "--key", town.subject(person), plain=True)
    scope = ("--for", RECIPIENT, *purpose, "--field", "Holder", "--until", "2099-01-31")
    with pytest.raises(MunimentError, match="five years"):
        town.at(REGISTRAR, "registrar", "open", "health/visits", *scope, "-o", form)
    scope = (*scope[:-1], "2028-01-31")
    with pytest.raises(MunimentError, match="registrar"):
        town.at(SUPERVISOR, "registrar", "open", "health/visits", *scope, "-o", form)
    opened = town.at(REGISTRAR, "registrar", "open", "health/visits", *scope, "-o", form)
    assert opened["batch"] == 1

    # Zhao refuses: nothing is signed, nothing is told to anybody.
    for person in (LI, WANG):
        town.at(REGISTRAR, "registrar", "take", town.sign("sign", person, form))
    forged = json.loads((town.folder / f"{LI}-sign.json").read_text())
    path = town.folder / "forged.json"
    path.write_text(json.dumps({**forged, "identity": ZHAO, "signer": ZHAO}))
    with pytest.raises(MunimentError, match="registered key"):
        town.at(REGISTRAR, "registrar", "take", path)
    assert town.at(REGISTRAR, "registrar", "post", 1)["authorisations"] == 2
    with pytest.raises(MunimentError, match="is posted"):
        town.at(REGISTRAR, "registrar", "take", town.sign("sign", ZHAO, form))
    assert town.at(REGISTRAR, "registrar", "prune", "--days", 0) == {"pruned": []}
    batch = town.batch()
    assert batch["count"] == 16
    for envelope in (*batch["parts"], batch["envelope"]):
        town.arrive(OWNER, envelope)
    found = town.coverage()
    assert (found["covered"], found["left_out"], found["forged"]) == (3, 1, 0)
    assert town.fetch(grant) == ["1", "2", "4"]
    order = [row["Number"] for row in town.exported()]

    proof = town.folder / "li.proof"
    prove = ("authorise", "prove", "health/visits", "--for", RECIPIENT, *purpose)
    town.at(OWNER, *prove, "--identity", LI, "-o", proof, plain=True)
    assert town.at(SUPERVISOR, "authorise", "verify", proof)["purpose"] == "public-service"
    with pytest.raises(MunimentError, match="no batch authorises"):
        town.at(OWNER, *prove, "--identity", ZHAO, "-o", town.folder / "x", plain=True)

    # Wang withdraws: signed, told to the chain; the owner is behind until the new states arrive.
    town.at(REGISTRAR, "registrar", "take", town.sign("withdraw", WANG, form))
    assert town.at(REGISTRAR, "registrar", "refresh") == {"revised": [1]}
    assert town.at(REGISTRAR, "registrar", "refresh") == {"revised": []}
    revised = town.batch()["envelope"]
    assert revised != batch["envelope"]
    town.arrive(OWNER, revised)
    found = town.coverage()
    assert (found["covered"], found["left_out"]) == (2, 2)
    assert town.fetch(grant) == ["1", "4"]
    with pytest.raises(MunimentError, match="revision 1"):
        town.at(SUPERVISOR, "authorise", "verify", proof)

    # The owner tells the recipient which delivered rows are concerned; it erases and attests.
    [duty] = town.at(OWNER, "authorise", "due")
    assert town.at(RECIPIENT, "authorise", "due") == []
    with town.pages(OWNER) as (pages, csrf):
        path = f"/exchange/authorisations/{duty['id']}"
        early = pages.post(f"{path}/erase", data={"csrf": csrf})
        assert (early.status_code, "does not wait" in early.text) == (400, True)
        assert pages.post(f"{path}/look", data={"csrf": csrf}).status_code == 303
        while "data-waits" in (shown := pages.get("/exchange/authorisations").text):
            pass
        assert "Tell: 1 records" in shown
        job = hidden(shown, "job")
        assert pages.post(f"{path}/tell", data={"csrf": csrf, "job": "x"}).status_code == 400
        sign(pages, pages.post(f"{path}/tell", data={"csrf": csrf, "job": job}), csrf)
        assert "Tell: 1 records" not in pages.get("/exchange/authorisations").text
    [duty] = town.at(RECIPIENT, "authorise", "due")
    [waits] = town.at(RECIPIENT, "inbox")
    assert (waits["kind"], waits["number"], waits["by"]) == ("withdrawal", duty["id"], duty["due"])
    assert not waits["overdue"]
    town.arrive(RECIPIENT, duty["envelope"])
    [[delivery, row]] = town.at(RECIPIENT, "authorise", "rows", duty["id"])
    assert (delivery, order[row - 1]) == (1, "2")
    with town.pages(RECIPIENT) as (pages, csrf):
        assert "Erase here and attest: 1 records" in pages.get("/exchange/authorisations").text
        erased = pages.post(f"/exchange/authorisations/{duty['id']}/erase", data={"csrf": csrf})
        assert "files and backups too" in pages.get(erased.headers["location"]).text
        sign(pages, erased, csrf)
    assert town.export(grant, "--delivery", 1) == ["1", "4"]
    assert town.at(RECIPIENT, "authorise", "due") == []

    # Nobody's identity, reference or key stands on the chain, nor in plain on any disk.
    secrets = [LI.encode(), WANG.encode(), ZHAO.encode()]
    for person in (LI, WANG):
        row = json.loads((town.folder / f"{person}-sign.json").read_text())
        secrets += [bytes.fromhex(row[name]) for name in ("reference", "key", "signature")]
    for member in (RECIPIENT, SUPERVISOR, REGISTRAR, OWNER):
        for stored in town.net.home(member).path.rglob("*"):
            content = stored.read_bytes() if stored.is_file() else b""
            assert not any(secret in content for secret in secrets), stored


def _complain(town: Town) -> tuple[Any, str]:
    """Wang hands a letter in; returns what the registrar answers, and the code of the answer."""
    key, form = town.folder / f"{WANG}.key", town.folder / "form.json"
    out = town.folder / "letter.json"
    said = town.run("authorise", "complain", key, form, "--identity", WANG, "--words", "Not agreed",
                    "--yes", "-o", out, "--passphrase-file", town.secret)  # fmt: skip
    assert town.at(REGISTRAR, "registrar", "letters") == []
    name = letter.hand_in(town.net.home(REGISTRAR).letters, out.read_bytes())
    [waiting] = town.at(REGISTRAR, "registrar", "letters")
    assert (waiting["person"], waiting["words"]) == (WANG, "Not agreed")
    assert "say something" in refused(town, REGISTRAR, "registrar", "answer", name)
    told = town.at(REGISTRAR, "registrar", "answer", name, "--text", "It was withdrawn")
    assert town.at(REGISTRAR, "registrar", "letters") == []
    return told, said.split()[-1]


def test_who_had_a_record_is_told_to_those_whom_it_concerns(town: Town) -> None:
    """Goes on from the story above: two deliveries, Li's record in both, Wang's in the first."""
    question = town.sign("ask", WANG, town.folder / "form.json")
    with pytest.raises(MunimentError, match="muniment trace subject"):
        town.at(REGISTRAR, "registrar", "take", question)
    reference = json.loads((town.folder / f"{LI}-sign.json").read_text())["reference"]
    record = ("trace", "record", "health/visits", "--where", f"Holder={WANG}", "--logs")
    with town.serving(OWNER, "exchange"), town.serving(RECIPIENT, "exchange"):
        # The subject, through the registrar, which has the question signed.
        answer = town.at(REGISTRAR, "trace", "subject", "--asked", question)
        assert answer["complete"]
        [request] = answer["requests"]
        assert (request["by"], request["status"]) == (RECIPIENT, "granted")
        assert (request["had_it_in"], request["left_out_in"]) == ([1], [2])
        [log] = answer["logs"]
        assert [entry["delivery"] for entry in log["entries"]][-1] == 0  # this very look-up
        assert {entry["delivery"] for entry in log["entries"]} == {0, 1, 2}
        assert WANG not in json.dumps(answer)
        events = [f"{e['contract']}.{e['name']}" for e in answer["events"]]
        assert {"access.requested", "deliveries.opened", "subjects.revised"} <= set(events)
        told, code = _complain(town)
        assert told["requests"] == answer["requests"]
        letters = town.net.home(REGISTRAR).letters
        assert letter.read_answer(letters, code) == told
        # The supervisor, by the reference; it sees which rows every other entry is about.
        answer = town.at(
            SUPERVISOR, "trace", "subject", "--batch", 1, "--reference", reference
        )  # fmt: skip
        [request] = answer["requests"]
        assert (request["had_it_in"], answer["complete"]) == ([1, 2], True)
        assert sum(log["withheld"] for log in answer["logs"]) == 0
        # The owner, by a value in its vault; the recipient is asked too.
        answer = town.at(OWNER, *record)
        assert (answer["record"]["row"], answer["complete"]) == (2, True)
        theirs = {log["member"]: log["entries"] for log in answer["logs"]}
        assert "export under grant 1" in {entry["purpose"] for entry in theirs[RECIPIENT]}
        commitment = answer["record"]["commitment"]
        again = town.at(OWNER, "trace", "record", "health/visits", "--commitment", commitment)
        assert again == {"record": answer["record"], "events": answer["events"]}
        assert "2 records" in refused(town, OWNER, *record[:4], f"Holder={LI}")
        assert "neither a supervisor nor concerned" in refused(
            town, RECIPIENT, "trace", "subject", "--batch", 1, "--reference", reference
        )
        assert "keeps no register" in refused(town, OWNER, "trace", "subject", LI)
    # Who does not answer is named, and the command fails though it shows what it has.
    why = refused(town, SUPERVISOR, "trace", "dataset", "health/visits", "--logs")
    assert f"{RECIPIENT} (silent" in why
    assert f"{OWNER} (silent" in why


def test_a_leak_is_traced_to_the_grant_and_recipient_that_it_came_from(town: Town) -> None:
    """Two recipients get the same incomes, each with a mark; half the rows of one turn up."""
    standard = town.folder / "income.json"
    fields = [("Person", "person-name", 3, "name"), ("Born", "date", 3, "date-shift"),
              ("Place", "coordinates", 3, "coordinates")]  # fmt: skip
    standard.write_text(json.dumps({
        "id": "health/income", "version": 1, "title": "Incomes",
        "fields": [{"name": n, "type": t, "level": level, "mask": mask}
                   for n, t, level, mask in fields],
    }))  # fmt: skip
    town.at(OWNER, "standard", "publish", standard, plain=True)
    table, found = town.folder / "incomes.csv", town.folder / "found.csv"
    seeded = random.Random(5)
    table.write_text("Person,Born,Place\n" + "".join(
        f"王{n},{1940 + n % 60}-{n % 12 + 1:02}-{n % 28 + 1:02},"
        f'"{seeded.uniform(22, 42):.5f},{seeded.uniform(100, 122):.5f}"\n'
        for n in range(1_500)
    ))  # fmt: skip
    town.at(OWNER, "dataset", "register", table, "--standard", "health/income", "--title",
            "Incomes")  # fmt: skip
    grants, receipts = {}, {}
    for member in (RECIPIENT, REGISTRAR):
        asked = town.at(member, "request", "new", "health/incomes", "Born", "Place", "--purpose",
                        "public-service", "--basis", "public-task", "--audited", "--rows", 1_500,
                        "--days", 9)  # fmt: skip
        grants[member] = asked["request"]
        town.at(OWNER, "request", "approve", grants[member])
        with town.serving(OWNER, "exchange"):
            receipts[member] = town.at(member, "fetch", grants[member])
            audited = town.at(SUPERVISOR, "exchange", "audit", receipts[member]["delivery"])
        assert (audited["outcome"], audited["checked"], audited["faults"]) == ("passed", 300, [])
    out = town.folder / "incomes-out.csv"
    town.at(RECIPIENT, "export", grants[RECIPIENT], "-o", out)
    head, *rows = out.read_text().splitlines()
    seeded.shuffle(rows)
    found.write_text("\n".join([head, *rows[:750]]))
    first, second = town.at(OWNER, "leak", "trace", found, "--dataset", "health/incomes")
    assert (first["recipient"], first["grant"], first["found"]) == (
        RECIPIENT, grants[RECIPIENT], True
    )  # fmt: skip
    assert (second["recipient"], second["found"]) == (REGISTRAR, False)
    assert first["delivery"] == receipts[RECIPIENT]["delivery"]
    # Nobody is named for what was never delivered.
    found.write_text("Born,Place\n" + "\n".join(line.partition(",")[2] for line in
                                                table.read_text().splitlines()[1:]))  # fmt: skip
    assert not any(each["found"] for each in town.at(OWNER, "leak", "trace", found))
    # The evidence of the delivery binds the mark that was found.
    evidence = town.folder / "evidence"
    town.at(OWNER, "exchange", "evidence", first["delivery"], "--txid",
            receipts[RECIPIENT]["txid"], "-o", evidence, plain=True)  # fmt: skip
    said = json.loads(town.run("verify", evidence, "--genesis", town.folder / "genesis.json",
                               "--json"))  # fmt: skip
    assert said["watermark"] == first["mark"]
    assert said["mode"].startswith("audited: passed by tax")


def refused(town: Town, member: str, *args: object) -> str:
    with pytest.raises(MunimentError) as error:
        town.at(member, *args)
    return error.value.message


def test_a_version_in_escrow_and_with_a_delegate(town: Town) -> None:
    table = town.folder / "shops.csv"
    table.write_text("Shop,Kind\n" + "".join(f"s{n},bakery\n" for n in range(200)))
    town.at(OWNER, "dataset", "register", table, "--title", "Shops", "--level", 2)
    until = ("--until", "2099-01-31")
    with pytest.raises(MunimentError, match="country"):
        town.at(OWNER, "custody", "offer", "health/visits", "--to", RECIPIENT, "--mode", "escrow",
                *until)  # fmt: skip
    for number, (keeper, mode) in enumerate(((RECIPIENT, "escrow"), (REGISTRAR, "delegate")), 1):
        town.at(OWNER, "custody", "offer", "health/shops", "--to", keeper, "--mode", mode, *until)
        town.at(keeper, "custody", "accept", number)
        out = town.folder / f"handover-{number}"
        town.at(OWNER, "custody", "place", number, "--version", 1, "-o", out)
        assert not (out / "report").exists()
        [row] = town.at(OWNER, "custody", "list")[number - 1]["placements"]
        if row["envelope"]:
            town.arrive(keeper, row["envelope"])
        damaged = town.folder / f"damaged-{number}"
        shutil.copytree(out, damaged)
        with (damaged / "segments").open("r+b") as file:
            file.write(b"\0\0\0\0")
        with pytest.raises(MunimentError, match="not what the owner"):
            town.at(keeper, "custody", "take", number, "--version", 1, damaged)
        town.at(keeper, "custody", "take", number, "--version", 1, out)

    # Later versions say on the chain how they are kept, if that is agreed.
    again = ("dataset", "register", table, "--title", "Shops", "--custody")
    assert town.at(OWNER, *again, "delegate")["version"] == 2
    town.at(OWNER, "custody", "offer", "health/only", "--to", RECIPIENT, "--mode", "escrow", *until)
    with pytest.raises(MunimentError, match="no agreement"):
        town.at(OWNER, *again, "delegate", "--dataset", "only")

    # A placement may be taken anew over a stream; only its custodian gets it.
    with town.serving(OWNER):
        town.at(OWNER, "custody", "place", 1, "--version", 1)
        with pytest.raises(MunimentError, match="refused"):
            town.at(SUPERVISOR, "custody", "take", 1, "--version", 1)
        kept = Path(town.at(RECIPIENT, "custody", "take", 1, "--version", 1)["kept"])
        assert not list((kept.parents[1] / "incoming").iterdir())

    # An owner that has lost its copy gets it back from escrow.
    shutil.rmtree(town.net.home(OWNER).vault / "health+shops" / "1")
    assert town.at(OWNER, "vault", "restore", kept.parents[1])["restored"] == [
        "health/shops version 1"
    ]

    # The delegate reads it as its own; whoever holds it in escrow cannot.
    preview = ("dataset", "preview", "health/shops", "--version", 1, "--rows", 1, "--plain",
               "--purpose", "trial")  # fmt: skip
    assert town.at(REGISTRAR, *preview)["rows"] == [["s0", "bakery"]]
    with pytest.raises(MunimentError):
        town.at(RECIPIENT, *preview)

    # A challenge is answered; one whose data are damaged fails, and silence is told.
    answers = town.folder / "answers"
    town.at(SUPERVISOR, "custody", "challenge", 1, "--version", 1)
    town.at(RECIPIENT, "custody", "answer")
    with town.serving(RECIPIENT):
        assert town.at(SUPERVISOR, "custody", "check", 1)["passed"]
    with pytest.raises(MunimentError, match="whose digest"):
        town.at(OWNER, "custody", "check", 1, table)
    segments = kept / "segments"
    segments.write_bytes(segments.read_bytes()[:-1])
    asked = town.at(OWNER, "custody", "challenge", 1, "--version", 1, "--blocks", 4)
    with pytest.raises(MunimentError, match="not any more"):
        town.at(RECIPIENT, "custody", "answer", "-o", answers)
    for name in town.net.names:
        town.net.wait(name, lambda status: status["height"] > asked["deadline"] + 2)
    query = ("contract", "query", "custody", "challenge", "challenge=2")
    assert json.loads(town.at(OWNER, *query, plain=True))["status"] == "silent"

    town.at(OWNER, "custody", "end", 2)
    town.at(REGISTRAR, "custody", "erase", 2, "--yes")
    assert town.at(REGISTRAR, "vault", "list") == []


def test_a_use_by_law_is_enacted_allowed_and_notified(town: Town) -> None:
    town.enact("gov", "propose", "statute", "statute=visits-act-7", f"digest=hex:{'07' * 32}",
               "until=4102444800000", "notice_days=3650")  # fmt: skip
    use = town.at(RECIPIENT, "authorise", "law", "invoke", "visits-act-7", "health/visits",
                  "--purpose", "enforcement", "--registrar", REGISTRAR, "--until",
                  "2028-01-31")["use"]  # fmt: skip
    with pytest.raises(MunimentError, match="role supervisor"):
        town.at(OWNER, "authorise", "law", "allow", use, "--notice", "2027-12-31")
    town.at(SUPERVISOR, "authorise", "law", "allow", use, "--notice", "2027-12-31")
    town.at(REGISTRAR, "operator", "new", "wu", "--passphrase-file", town.secret)
    card = town.net.home(REGISTRAR).operators / "wu.json"
    signs = ("--as", "wu", "--passphrase-file", town.secret)
    town.at(REGISTRAR, "operator", "grant", card, "--duty", "auditor")
    with pytest.raises(MunimentError, match="needs the duty"):
        town.at(REGISTRAR, "registrar", "notified", use, *signs)
    town.at(REGISTRAR, "operator", "grant", card, "--duty", "dispatcher")
    town.at(REGISTRAR, "registrar", "notified", use, *signs)
    [row] = town.at(OWNER, "authorise", "law", "list")
    assert (row["status"], row["reviewer"], row["overdue"]) == ("notified", SUPERVISOR, False)


def test_a_lie_is_refused_disputed_and_settled_by_a_supervisor(town: Town) -> None:
    table = town.folder / "stalls.csv"
    table.write_text("Number,City\n" + "".join(f"P-{n:04},Wuhan\n" for n in range(60)))
    town.at(OWNER, "dataset", "register", table, "--title", "Stalls", "--level", 2)
    grant = town.at(RECIPIENT, "request", "new", "health/stalls", "Number", "City", "--purpose",
                    "public-service", "--basis", "contract", "--rows", 60, "--days", 9,
                    "--linked")["request"]  # fmt: skip
    liar = ("-m", "node.demo_liar", str(town.net.home(OWNER).path))
    with (
        town.serving(OWNER, "exchange", *liar),
        pytest.raises(MunimentError, match="contest it with: muniment dispute open"),
    ):
        town.at(RECIPIENT, "fetch", grant)
    [copy] = [c for c in town.at(RECIPIENT, "exchange", "copies") if c["grant"] == grant]
    number = copy["delivery"]
    with pytest.raises(MunimentError, match="row 1 did not come"):
        town.at(RECIPIENT, "dispute", "open", number, "--row", 1, "--yes")
    with pytest.raises(MunimentError, match="not disputed"):
        town.at(OWNER, "dispute", "show", number)
    opened = town.at(RECIPIENT, "dispute", "open", number, "--yes")
    assert opened["sealed to"] == SUPERVISOR

    # Everybody sees that there is a dispute; what is shown in it only the supervisor opens.
    for member in (OWNER, REGISTRAR):
        [row] = town.at(member, "dispute", "list", "--open")
        assert (row["id"], row["dispute"]["by"]) == (number, RECIPIENT)
        said = town.at(member, "dispute", "show", number)
        assert "not sealed to" in said["evidence"]
        assert "found" not in said
    assert not any(town.net.home(OWNER).envelopes.glob(f"{row['dispute']['envelopes'][0]}*"))
    [due] = [d for d in town.at(SUPERVISOR, "inbox") if d["kind"] == "dispute"]
    assert due["command"] == f"muniment dispute show {number}"
    for envelope in row["dispute"]["envelopes"]:
        town.arrive(SUPERVISOR, envelope)
    said = town.at(SUPERVISOR, "dispute", "show", number)
    assert [(each["code"], each["fault"]) for each in said["found"]] == [("other-record", True)]
    assert "stands against" in town.at(SUPERVISOR, "dispute", "show", number, plain=True)

    settle = ("dispute", "settle", number, "for-recipient", "--rows", 0)
    with pytest.raises(MunimentError, match="supervisor"):
        town.at(OWNER, *settle)
    assert town.at(SUPERVISOR, *settle)["quota left"] == 60
    assert [d for d in town.at(SUPERVISOR, "inbox") if d["kind"] == "dispute"] == []
    assert town.at(OWNER, "dispute", "list", "--open") == []
    with town.serving(OWNER, "exchange"):
        assert town.at(RECIPIENT, "fetch", grant)["rows"] == 60


def test_what_is_said_and_asked_in_confidence_stands_nowhere_in_plain(town: Town) -> None:
    """Last of all, since the nodes are stopped to look into their databases."""
    words, literal, holder, dispute = (f"Zq7confide{n:02}" for n in range(4))
    table = town.folder / "confided.csv"
    table.write_text("Number,Holder\n" + "".join(f"{literal}-{n:02},{holder}\n" for n in range(20)))
    town.at(OWNER, "dataset", "register", table, "--title", "Confided", "--level", 2)
    table.unlink()
    terms = ("--purpose", "public-service", "--basis", "contract", "--days", 9)
    filtered = town.at(
        RECIPIENT, "request", "new", "health/confided", "Number", *terms, "--rows", 20,
        "--where", f"Number > '{literal}-05'", "--text", words,
    )  # fmt: skip
    assert filtered["status"] == "granted"
    grant = town.at(RECIPIENT, "request", "new", "health/confided", "Number", "Holder", *terms,
                    "--rows", 20, "--linked")["request"]  # fmt: skip
    lookup = town.at(RECIPIENT, "request", "new", "health/confided", "Holder", *terms, "--rows", 9,
                     "--lookup", "Number", "--linked")["request"]  # fmt: skip
    with town.serving(OWNER, "exchange"):
        number = town.at(RECIPIENT, "fetch", grant)["delivery"]
        [found] = town.at(RECIPIENT, "lookup", lookup, f"{literal}-07", "--close")
    assert found["Holder"] == holder
    opened = town.at(RECIPIENT, "dispute", "open", number, "--row", 3, "--text", dispute, "--yes")
    assert opened["sealed to"] == SUPERVISOR
    [row] = [d for d in town.at(SUPERVISOR, "dispute", "list") if d["id"] == number]
    for envelope in row["dispute"]["envelopes"]:
        town.arrive(SUPERVISOR, envelope)
    said = town.at(SUPERVISOR, "dispute", "show", number)
    assert (said["says"], said["row"]["Holder"]) == (dispute, holder)
    assert [each["code"] for each in said["found"]] == ["nothing"]
    town.at(SUPERVISOR, "dispute", "settle", number, "for-owner", "--rows", 20)

    town.net.down()
    wanted = [form for text in (words, literal, holder, dispute) for form in forms(text)]
    for member in town.net.names:
        for place, data in contents(town.net.home(member).path):
            assert not any(form in data for form in wanted), place
