"""Disputes, authorisations and second persons on pages."""

from __future__ import annotations

import json

import httpx
import pytest

from node.rpc.client import Client
from tests.node.alliance import command
from tests.web.conftest import Console, Town, sign
from tests.web.test_asking import SCRIPT
from tests.web.test_deliveries import serving

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(scope="module")
def delivery(town: Town, second_console: Console) -> int:
    """A delivery from the neighbour to a third member, which that one has fetched."""
    terms = ("--purpose", "public-service", "--basis", "public-task", "--rows", 5, "--days", 9)
    asked = town.at(second_console.member, "request", "new", town.theirs, "city", *terms)
    home = second_console.home.path
    with serving(town.console, town.neighbour):
        fetched = json.loads(command("fetch", asked["request"], "--json", "--home", home))
    return int(fetched["delivery"])


def test_a_recipient_shows_and_a_supervisor_settles(
    town: Town, second_console: Console, delivery: int
) -> None:
    path = f"/exchange/deliveries/{delivery}/dispute"
    with second_console.enter("chen") as chen:
        own = {"csrf": second_console.csrf(chen), "row": "1"}
        assert f'href="{path}"' in chen.get(path.removesuffix("/dispute")).text
        looked = chen.post(path, data={**own, "decision": "look"}).text
        assert "agreed on and registered" in looked
        assert "This proves nothing by itself" in looked
        empty = chen.post(path, data={**own, "decision": "propose"})
        assert (empty.status_code, "proves nothing" in empty.text) == (400, True)
        home = second_console.home.path
        command("dispute", "open", delivery, "--row", 1, "--yes", "--home", home, fails=True)
        said = {**own, "text": f"There is no such city {SCRIPT}", "decision": "propose"}
        answer = chen.post(path, data=said)
        assert town.console.member in chen.get(answer.headers["location"]).text  # who judges
        sign(chen, answer, own["csrf"])
        assert "waits for a supervisor" in chen.get(path).text
        caught_up(town, second_console, town.console)

    with town.console.enter() as client:
        csrf = town.console.csrf(client)
        assert f'href="{path}"' in client.get("/exchange").text
        assert f'href="{path}"' in client.get("/exchange/disputes").text
        page = evidence_page(client, path)
        assert "the evidence does not stand against" in page
        assert "There is no such city &lt;script&gt;" in page
        shown = command("dispute", "show", delivery, "--home", town.console.home.path)
        assert "the evidence does not stand against" in shown
        assert "Beijing" in shown or "Shanghai" in shown
        assert "Beijing" not in page
        assert "Shanghai" not in page
        settle = {"csrf": csrf, "outcome": "void", "rows": "0"}
        for wrong in ({"outcome": SCRIPT}, {"rows": "-1"}, {"rows": ""}):
            assert client.post(f"{path}/settle", data={**settle, **wrong}).status_code == 400
        first, second = (client.post(f"{path}/settle", data=settle) for _ in range(2))
        sign(client, first, csrf)
        late = client.post(second.headers["location"], data={"csrf": csrf, "decision": "sign"})
        assert f"{town.console.member} has settled this dispute" in late.text
        assert "void" in client.get(path).text
    assert town.query("deliveries", "get", delivery=delivery)["status"] == "settled"
    caught_up(town, town.console, second_console)
    with second_console.enter("chen") as chen:
        assert f"void · {town.console.member}" in chen.get(path).text


def caught_up(town: Town, one: Console, other: Console) -> None:
    """Return once another member's node has what one's has."""
    with Client(one.home.socket) as client:
        height = client.call("status")["height"]
    town.console.net.wait(other.member, lambda status: status["height"] >= height)


def evidence_page(client: httpx.Client, path: str) -> str:
    """The page once the envelopes have come from the neighbour's node."""
    while "What the evidence proves" not in (page := client.get(path).text):
        pass
    return page


def test_only_recipients_dispute_and_only_what_came(town: Town, delivery: int) -> None:
    path = f"/exchange/deliveries/{delivery}/dispute"
    with town.console.enter() as client:
        csrf = town.console.csrf(client)
        answer = client.post(path, data={"csrf": csrf, "row": "1", "decision": "look"})
        assert answer.status_code == 400
        assert "nothing of delivery" in answer.text
        for wrong in ({"row": "-1"}, {"row": "x"}, {"row": "1", "text": "x" * 300}):
            assert client.post(path, data={"csrf": csrf, **wrong}).status_code == 400, wrong
        assert client.get("/exchange/deliveries/999999/dispute").status_code == 404
    with town.console.enter("wang") as client:  # no steward
        data = {"csrf": town.console.csrf(client), "row": "1"}
        assert client.post(path, data=data).status_code == 403


def test_what_one_has_prepared_another_drops(town: Town) -> None:
    member = town.console.member
    made = town.at(member, "operator", "prepare", "catalogue", "destroy", f"dataset={town.ours}",
                   "version=1", "rows=[1]")  # fmt: skip
    with town.console.enter() as client:
        csrf = town.console.csrf(client)
        page = client.get("/exchange/prepared").text
        assert "catalogue.destroy" in page
        assert "/exchange/prepared" in client.get("/exchange").text
        path = f"/exchange/prepared/{made['request']}/drop"
        first, second = (client.post(path, data={"csrf": csrf}) for _ in range(2))
        sign(client, first, csrf)
        late = client.post(second.headers["location"], data={"csrf": csrf, "decision": "sign"})
        assert "does not wait any more" in late.text
        assert client.post(path, data={"csrf": csrf}).status_code == 400
    with town.console.enter("zhao") as client:
        data = {"csrf": town.console.csrf(client)}
        assert client.post(path, data=data).status_code == 403


def test_authorisations_are_listed_and_counted(town: Town) -> None:
    with town.console.enter() as client:
        assert "Uses by law" in client.get("/exchange/authorisations").text
        scope = {"dataset": town.ours, "recipient": town.neighbour, "purpose": "public-service"}
        data = {"csrf": town.console.csrf(client), **scope}
        assert client.post("/exchange/authorisations", data=data).status_code == 303
        town.console.await_jobs()
        page = client.get("/exchange/authorisations").text
        assert "0 records of version 1 are covered, 2 left out" in page
        for wrong in (town.theirs, SCRIPT, ""):
            answer = client.post("/exchange/authorisations", data={**data, "dataset": wrong})
            assert answer.status_code == 400
            assert SCRIPT not in answer.text
