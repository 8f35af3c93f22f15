"""A dataset's page: findings, preview, versions compared, lineage walked, feedback, destruction."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.node.alliance import command
from tests.web.conftest import Town, sign

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def shops(town: Town, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A dataset with hostile words in every text that its owner gives, in two versions."""
    name, table = f"{town.console.member}/shops", tmp_path_factory.mktemp("shops") / "shops.csv"
    for rows in ("Beijing,10\n=1+1,20\n", f"Beijing,11\n=1+1,20\n{SCRIPT},30\n"):
        table.write_text("city,income\n" + rows)
        town.at(town.console.member, "dataset", "register", table, "--standard",
                f"{town.console.member}/firm", "--title", f"Shops {SCRIPT}",
                "--keyword", SCRIPT)  # fmt: skip
    return name


def test_a_page_shows_versions_and_veiled_records(town: Town, shops: str) -> None:
    path = f"/data/{shops}"
    with town.console.enter() as client:
        page = client.get(path).text
        assert SCRIPT not in page
        assert "Shops &lt;script&gt;" in page
        assert page.count('href="/blocks/') >= 3
        seen = client.get(f"{path}/preview").text
        assert SCRIPT not in seen
        assert "Beijing" not in seen
        assert "B***" in seen
        assert '<td class="mono">11</td>' not in seen
        assert client.get(f"{path}/preview?version=99").status_code == 404
        theirs = client.get(f"/data/{town.theirs}/preview")
        assert theirs.status_code == 400
    with town.console.enter("zhao") as auditor:
        assert auditor.get(f"{path}/preview").status_code == 403
        assert "Destroy or retire" not in auditor.get(path).text
        for part in ("rate", "grade", "destroy", "carry-out", "retire", "compare"):
            assert town.console.post(auditor, f"{path}/{part}").status_code == 403


def test_two_versions_are_compared(town: Town, shops: str) -> None:
    path = f"/data/{shops}/compare"
    with town.console.enter() as client:
        shown = client.get(path).text
        assert "version 1" in shown
        assert "<strong>3</strong>" in shown  # records
        answer = town.console.post(client, path, old="1", new="2")
        assert answer.status_code == 303
        town.console.await_jobs()
        shown = client.get(answer.headers["location"]).text
        assert "Records that differ" in shown
        assert "***" in shown
        assert SCRIPT not in shown
        assert town.console.post(client, path, old="x", new="2").status_code == 400
        assert client.get(path, params={"old": "7", "new": "9"}).status_code == 404
        assert client.get(f"/data/{town.theirs}/compare").status_code == 404  # has one version


def test_lineage_is_walked(town: Town, shops: str) -> None:
    with town.console.enter() as client:
        page = client.get(f"/data/{shops}/lineage").text
        assert f'href="/data/{shops}/lineage?version=2"' in page
        assert '<svg class="lineage"' in page
        assert "<style" not in page
        assert SCRIPT not in page
        assert client.get(f"/data/{shops}/lineage?version=1").status_code == 200
        assert client.get(f"/data/{shops}/lineage?version=9").status_code == 404


def test_an_opinion_is_given_with_sealed_words(town: Town) -> None:
    path = f"/data/{town.theirs}"
    with town.console.enter() as client:
        assert town.console.post(client, f"{path}/rate", stars="6").status_code == 400
        answer = town.console.post(client, f"{path}/rate", stars="4", text=f"Good {SCRIPT}",
                      **{"topic-accuracy": "on"})  # fmt: skip
        assert "Good &lt;script&gt;" in client.get(answer.headers["location"]).text
        sign(client, answer, town.console.csrf(client))
        page = client.get(path).text
        assert "★★★★" in page
    (opinion,) = town.query("feedback", "list", dataset=town.theirs)
    assert (opinion["stars"], opinion["topics"]) == (4, ["accuracy"])
    assert opinion["envelope"] is not None


def test_destruction_takes_two_and_is_carried_out_here(town: Town, shops: str) -> None:
    path = f"/data/{shops}"
    with town.console.enter() as client, town.console.enter("wang") as second:
        for version, rows in (("9", ""), ("1", "x"), ("", "")):
            answer = town.console.post(client, f"{path}/destroy", version=version, rows=rows)
            assert answer.status_code in (400, 404), (version, rows)
        town.console.press(client, f"{path}/destroy", version="1")
        page = client.get(path).text
        assert "Waits for a second person" in page
        rows = town.query("operators", "requests", member=town.console.member)
        number = next(row["id"] for row in rows if row["args"].get("dataset") == shops)
        town.console.press(second, f"/seconds/{number}/confirm", back=path)
        assert "Destroyed on the chain, still kept here" in client.get(path).text
        assert town.console.post(client, f"{path}/carry-out").status_code == 303
        page = client.get(path).text
        assert "still kept here" not in page
        assert "wholly" in page
        assert client.get(f"{path}/preview?version=1").status_code == 400


def test_a_level_is_decided_and_a_dataset_retired(town: Town, tmp_path: Path) -> None:
    member, home = town.console.member, town.console.home.path
    table = tmp_path / "halls.csv"
    table.write_text("city,income\nBeijing,10\n")
    command("source", "add", "halls", "--home", home, f"path={table}", f"standard={member}/firm",
            f"title=Halls {SCRIPT}")  # fmt: skip
    town.at(member, "collect", "run", "halls")
    path = f"/data/{member}/halls"
    with town.console.enter() as client:
        assert town.console.post(client, f"{path}/grade", level="3").status_code == 400
        form = {"field": "city", "level": "3", "reason": f"Names a person {SCRIPT}"}
        assert town.console.post(client, f"{path}/grade", **form).status_code == 303
        form["field"] = SCRIPT
        assert town.console.post(client, f"{path}/grade", **form).status_code == 400
        page = client.get(path).text
        assert "Names a person &lt;script&gt;" in page
        assert SCRIPT not in page
        town.console.press(client, f"{path}/retire")
        assert "Retired: it takes no further version." in client.get(path).text
    found = json.loads(command("classify", "decisions", "halls", "--home", home, "--json"))
    assert found[0]["level"] == 3
