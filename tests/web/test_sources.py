"""Sources by pages alone: runs, quarantine, repair, signature; what outsiders hand in."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from node.data.inbox import Intake
from node.rpc.client import Client
from tests.node.alliance import command
from tests.web.conftest import Console
from tests.web.test_exchange import sign

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(1)>'
SHEET = '=HYPERLINK("http://x.example","x")'
FIELDS = (("code", "identifier", 1), ("fee", "amount", 2), ("note", "text", 1), ("seal", "date", 4))


@dataclass(frozen=True)
class Yard:
    """A member's own source `name`, whose file a test writes."""

    console: Console
    name: str
    file: Path

    @property
    def path(self) -> str:
        return f"/data/sources/{self.name}"

    def write(self, *rows: list[str]) -> None:
        with self.file.open("w", newline="") as file:
            csv.writer(file).writerows([[name for name, _, _ in FIELDS], *rows])

    def post(self, client: httpx.Client, part: str, **form: str) -> httpx.Response:
        data = {"csrf": self.console.csrf(client), **form}
        return client.post(f"{self.path}/{part}", data=data)

    def run(self, client: httpx.Client) -> str:
        """Run by the page; returns the page once the run has ended."""
        assert self.post(client, "run").status_code == 303
        self.console.await_jobs()
        return client.get(self.path).text

    def query(self, contract: str, method: str, **args: Any) -> Any:
        with Client(self.console.home.socket) as client:
            return client.call("state.query", contract=contract, method=method, args=args)


@pytest.fixture(scope="module")
def standard(console: Console, tmp_path_factory: pytest.TempPathFactory) -> str:
    name = f"{console.member}/yard"
    path = tmp_path_factory.mktemp("standard") / "yard.json"
    rows = [{"name": field, "type": kind, "unit": None, "codes": None, "level": level,
             "class": "general", "mask": None} for field, kind, level in FIELDS]  # fmt: skip
    texts = {field: {"type": ["string", "number", "null"]} for field, _, _ in FIELDS}
    body = {"id": name, "version": 1, "title": f"Yard {IMAGE}",
            "schema": {"type": "object", "properties": texts}, "fields": rows}  # fmt: skip
    path.write_text(json.dumps(body))
    command("standard", "publish", path, "--home", console.home.path)
    return name


@pytest.fixture
def yard(console: Console, standard: str, tmp_path: Path) -> Callable[..., Yard]:
    def declare(name: str, *more: str, kind: str = "file") -> Yard:
        file = tmp_path / f"{name}.csv"
        path = [f"path={file}"] if kind == "file" else []
        command("source", "add", name, "--home", console.home.path, f"kind={kind}", *path,
                f"standard={standard}", f"title=Yard {SCRIPT}", "key=code", *more)  # fmt: skip
        return Yard(console, name, file)

    return declare


def test_a_run_a_repair_and_its_signature(yard: Callable[..., Yard]) -> None:
    made = yard("crates", f"keywords={IMAGE}")
    made.write(["A1", "10", "fine", "2024-01-01"], ["A2", f"ten {SCRIPT}", SHEET, "2024-01-02"],
               ["A3", "3", IMAGE, "not a day"])  # fmt: skip
    with made.console.enter() as client:
        assert made.path in client.get("/data/sources").text
        page = made.run(client)
        assert "Ready to be registered" in page
        assert SCRIPT not in page
        assert IMAGE not in page
        assert made.query("catalogue", "get", dataset=f"{made.console.member}/crates") is None
        sign(client, made.post(client, "register"), made.console.csrf(client))
        page = client.get(made.path).text
        assert "Ready to be registered" not in page
        assert "registered" in page
        known = made.query("catalogue", "get", dataset=f"{made.console.member}/crates")
        assert (known["rows"], known["version"], known["level"]) == (1, 1, 4)

        quarantine = client.get(f"{made.path}/quarantine").text
        assert "ten &lt;script&gt;" in quarantine  # what is wrong is shown, and harmless
        assert SCRIPT not in quarantine
        assert IMAGE not in quarantine
        assert "not a day" not in quarantine  # of the highest level
        record = quarantine.partition('id="record-')[2].partition('"')[0]  # the first: A2
        fixed = made.post(client, "quarantine", record=record, field="fee", value="10")
        assert fixed.status_code == 303
        assert "corrections wait for a run" in client.get(made.path).text
        assert "0 added" not in (page := made.run(client))
        assert "1 added, 0 removed, 0 changed" in page
        sign(client, made.post(client, "register"), made.console.csrf(client))
        client.get(made.path)  # sees that it is registered, and is done with it
        assert "Nothing of" not in made.run(client)
        history = client.get(made.path).text
        assert history.count('<span class="badge good">registered</span>') == 2
        assert '<span class="badge ">unchanged</span>' in history

        assert made.post(client, "discard").status_code == 400
        assert made.post(client, "discard", sure="on").status_code == 303
        assert "Nothing is in quarantine." in client.get(f"{made.path}/quarantine").text


def test_what_opens_data_waits_for_a_second_person(console: Console, tmp_path: Path) -> None:
    body = {"id": f"{console.member}/open-yard", "version": 1, "title": "Open",
            "schema": {"type": "object", "properties": {"code": {"type": "string"}}},
            "fields": [{"name": "code", "type": "text", "unit": None, "codes": None, "level": 1,
                        "class": "general", "mask": None}]}  # fmt: skip
    (tmp_path / "open.json").write_text(json.dumps(body))
    command("standard", "publish", tmp_path / "open.json", "--home", console.home.path)
    file = tmp_path / "fares.csv"
    file.write_text("code\nA1\nA2\n")
    command("source", "add", "fares", "--home", console.home.path, "kind=file", f"path={file}",
            f"standard={console.member}/open-yard", "title=Fares", "key=code")  # fmt: skip
    made = Yard(console, "fares", file)
    dataset = f"{console.member}/fares"
    with console.enter() as client, console.enter("wang") as second:
        assert "Ready to be registered" in made.run(client)
        answer = made.post(client, "register")
        sign(client, answer, console.csrf(client))
        page = client.get(made.path).text
        assert "Waits for a second person" in page
        assert "already" in made.post(client, "register").text
        assert made.query("catalogue", "get", dataset=dataset) is None
        number = page.partition("/seconds/")[2].partition("/")[0] or next(
            str(row["id"]) for row in made.query("operators", "requests", member=console.member)
            if row["args"].get("dataset") == dataset)  # fmt: skip
        data = {"csrf": console.csrf(second), "back": made.path}
        confirm = second.post(f"/seconds/{number}/confirm", data=data)
        sign(second, confirm, console.csrf(second))
        assert "Ready to be registered" not in client.get(made.path).text
    assert made.query("catalogue", "get", dataset=dataset)["level"] == 1


def test_who_has_no_duty_sees_no_value_and_starts_nothing(yard: Callable[..., Yard]) -> None:
    made = yard("barrels")
    made.write(["B1", "x", "plain words", "2024-01-01"])
    with made.console.enter() as client:
        made.run(client)
    with made.console.enter("zhao") as auditor:
        page = auditor.get(made.path)
        assert page.status_code == 200
        assert "Run now" not in page.text
        for part in ("run", "stop", "register", "quarantine", "discard"):
            assert made.post(auditor, part).status_code == 403, part
        assert auditor.get(f"{made.path}/quarantine").status_code == 403
        assert auditor.get("/data/inbox").status_code == 403


def test_a_hostile_repair_is_refused_with_a_sentence(yard: Callable[..., Yard]) -> None:
    made = yard("kegs")
    made.write(["K1", "x", "plain words", "2024-01-01"])
    with made.console.enter() as client:
        made.run(client)
        sign(client, made.post(client, "register"), made.console.csrf(client))
        client.get(made.path)
        page = client.get(f"{made.path}/quarantine").text
        first = page.partition('id="record-')[2].partition('"')[0]
        for record, field, value, told in (
            (first, SCRIPT, "x", "there is no field"),
            ("99", "fee", "1", "not in quarantine"),
            ("x", "fee", "1", "not complete"),
            (first, "fee", "9" * 20_000, "too long"),
        ):
            form = {"record": record, "field": field, "value": value}
            answer = made.post(client, "quarantine", **form)
            assert answer.status_code == 400, told
            assert told in answer.text
            assert SCRIPT not in answer.text
        for name in ("nothing", "..%2fconfig", SCRIPT):
            assert client.get(f"/data/sources/{name}").status_code in (400, 404)


def test_what_outsiders_hand_in_is_looked_at_taken_or_destroyed(
    yard: Callable[..., Yard],
) -> None:
    made = yard("handed", kind="inbox")
    home = made.console.home
    token = command("inbox", "invite", "acme", "handed", "--home", home.path).strip()
    intake = Intake(home)
    sender = intake.sender_of(token)
    ids = []
    for name in (f"{SCRIPT[:8]}onload=x>.csv", "=cmd|' C'!A0.csv"):
        arrival = intake.begin(sender, name)
        arrival.add(b"code,fee,note,seal\nC1,5,ok,2024-01-01\n")
        arrival.complete()
        ids.append(arrival.id)
    with made.console.enter() as client:
        csrf = made.console.csrf(client)
        page = client.get("/data/inbox").text
        assert "&lt;script" in page
        assert "<scriptonload" not in page
        for upload, decision, status in (
            (ids[0], "look", 303), (ids[0], "refuse", 303), (ids[1], "take", 303),
            (ids[0], "take", 400), (ids[1], "burn", 400), ("..%2f..%2fkeys", "refuse", 404),
        ):  # fmt: skip
            data = {"csrf": csrf, "decision": decision}
            answer = client.post(f"/data/inbox/{upload}", data=data)
            assert answer.status_code == status, (upload, decision, answer.text)
        page = client.get("/data/inbox").text
        assert ids[0] not in page
        assert "accepted" in page
        assert "Ready to be registered" in made.run(client)
