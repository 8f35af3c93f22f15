"""Fetching from a grant's page: progress, what was verified, where the file is; single look-ups."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from node.exchange import server
from node.network import load_genesis
from node.state_proof import verify
from node.web.console import grants
from tests.node.alliance import command
from tests.web.conftest import Console, Town
from tests.web.test_asking import SCRIPT, ask
from tests.web.test_proofs import check

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@contextmanager
def serving(console: Console, member: str) -> Iterator[None]:
    """Let a member deliver."""
    home = console.net.home(member).path
    process = subprocess.Popen([sys.executable, "-m", "node", "exchange", "serve", "--home", home],
                               stdout=subprocess.PIPE, text=True,
                               env={**os.environ, "PYTHONUNBUFFERED": "1"})  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "serving"
    try:
        yield
    finally:
        process.kill()  # it would end with the next block
        process.wait(10)
        process.stdout.close()


@pytest.fixture(scope="module")
def served(town: Town) -> Iterator[Town]:
    """The town, whose neighbour delivers."""
    with serving(town.console, town.neighbour):
        yield town


def granted(client: httpx.Client, town: Town, **form: str) -> int:
    """Ask for the neighbour's L2 field, which nobody has to review; returns the grant's number."""
    return ask(client, town, **{"field-1": "", "rows": "9", **form})


def test_what_is_fetched_is_counted_verified_and_proved(served: Town, tmp_path: Path) -> None:
    with served.console.enter() as client:
        csrf = served.console.csrf(client)
        grant = granted(client, served)
        answer = client.post(f"/exchange/grants/{grant}/fetch", data={"csrf": csrf})
        assert answer.status_code == 303
        served.console.await_jobs()
        page = client.get(f"/exchange/grants/{grant}").text
        assert "2 records, each against what stands on the chain" in page
        (number,) = served.query("deliveries", "of", grant=grant)
        shown = client.get(f"/exchange/deliveries/{number}").text
        assert "as on the chain" in shown
        assert served.query("deliveries", "get", delivery=number)["status"] == "closed"

        export = {"csrf": csrf, "delivery": str(number), "syntax": "csv"}
        client.post(f"/exchange/grants/{grant}/export", data=export)
        path = served.console.home.exported / f"{grant}-{number}.csv"
        served.console.await_jobs()
        assert str(path) in client.get(f"/exchange/grants/{grant}").text
        with path.open(newline="") as file:
            rows = list(csv.reader(file))
        assert rows[0] == ["city"]
        assert sorted(rows[1:]) == [["Beijing"], ["Shanghai"]]
        assert path.stat().st_mode & 0o077 == 0

        listed = client.get("/exchange/deliveries").text
        assert f'href="/exchange/deliveries/{number}"' in listed
        path = f"/exchange/deliveries/{number}"
        proof, evidence = (served.console.load(client, f"{path}/{name}")
                           for name in ("proof", "evidence"))  # fmt: skip
        genesis = load_genesis(served.console.home.genesis).genesis
        assert verify(proof, genesis).value is not None
        assert f'href="{path}/evidence"' in shown
        checked = check(served.console, client, evidence, "5.evidence").text
        assert "evidence of a delivery" in checked
        assert f"{number} by {served.neighbour}" in checked
        file = tmp_path / "5.evidence"
        file.write_bytes(evidence)
        told = command("verify", file, "--genesis", served.console.home.genesis)
        assert served.neighbour in told
        wrong = evidence[:-9] + bytes([evidence[-9] ^ 1]) + evidence[-8:]
        assert check(served.console, client, wrong, "5.evidence").status_code == 400


def test_single_records_are_looked_up(served: Town) -> None:
    with served.console.enter() as client:
        csrf = served.console.csrf(client)
        grant = granted(client, served, kind="lookup", key="city")
        path = f"/exchange/grants/{grant}/look-up"
        found = client.post(path, data={"csrf": csrf, "key": "Beijing"}).text
        assert "<td>Beijing</td>" in found
        assert "1 of 9 calls of this session used" in found
        missed = client.post(path, data={"csrf": csrf, "key": SCRIPT})
        assert "No record has this key." in missed.text
        assert SCRIPT not in missed.text
        assert client.post(path, data={"csrf": csrf, "key": " "}).status_code == 400
        client.post(path, data={"csrf": csrf, "close": "on"})
        (number,) = served.query("deliveries", "of", grant=grant)
        ended = served.query("deliveries", "get", delivery=number)
        assert (ended["status"], ended["used"]) == ("closed", 2)
        assert served.query("access", "grant", grant=grant)["used"] == 2


def test_an_owner_is_told_that_nobody_serves(town: Town) -> None:
    number = town.ask_for_ours()
    town.at(town.console.member, "request", "approve", number)
    assert grants.SERVICE == server.SERVICE
    said = "Nobody serves deliveries of this member now"
    with town.console.enter() as client:
        assert said in client.get(f"/exchange/grants/{number}").text
        assert said in client.get("/exchange/deliveries").text
        with serving(town.console, town.console.member):
            assert said not in client.get(f"/exchange/grants/{number}").text


def test_what_is_wrong_is_refused(town: Town) -> None:
    theirs = town.ask_for_ours()
    town.at(town.console.member, "request", "approve", theirs)
    with town.console.enter() as client:
        csrf = town.console.csrf(client)
        for act in ("fetch", "export", "look-up", "stop"):
            for grant in (999_999, theirs):  # not there, and not ours to fetch under
                data = {"csrf": csrf, "key": "x", "delivery": "1", "rows": ""}
                answer = client.post(f"/exchange/grants/{grant}/{act}", data=data)
                if (act, grant) != ("stop", theirs):
                    assert 400 <= answer.status_code < 500, (act, grant)
        answer = client.post(f"/exchange/grants/{theirs}/fetch", data={"csrf": csrf, "rows": "-1"})
        assert answer.status_code == 400
        assert client.get("/exchange/deliveries/999999").status_code == 404
        for what in ("proof", "evidence"):
            assert client.get(f"/exchange/deliveries/999999/{what}").status_code == 404
    with town.console.enter("wang") as client:  # no steward
        data = {"csrf": town.console.csrf(client)}
        assert client.post(f"/exchange/grants/{theirs}/fetch", data=data).status_code == 403
