"""Lives on pages: the time line of what is on the chain, its lineage for others, who read it."""

from __future__ import annotations

import re

import httpx
import pytest

from tests.web.conftest import Console, Town

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
SCRIPT = "<script>alert(1)</script>"


def test_a_life_is_told_with_who_what_when_and_proof(town: Town) -> None:
    number = town.ask_for_ours()
    with town.console.enter() as client:
        page = _traced(client, kind="grant", id=number)
        assert "data was asked for" in page
        assert "Rule <code>" in page
        assert re.search(r'href="/tx/[0-9a-f]{64}"', page)
        assert 'href="/blocks/' in page
        assert f"/data/{town.ours}" in page
        page = _traced(client, kind="record", id=town.ours, row=1)
        assert "a version was registered" in page
        assert "/trace/export/prov?id=" in page
        page = _traced(client, kind="dataset", id=town.ours, by=town.neighbour)
        assert "a version was registered" not in page
        first = _traced(client, kind="dataset", id=town.ours)
        last = _traced(client, kind="dataset", id=town.ours, order="latest")
        assert _heights(first) == _heights(last)[::-1]
        page = _traced(client, kind="dataset", id=town.ours, until="2020-01-01", status=400)
        assert "The chain tells nothing of" in page
        for wrong in ({"kind": SCRIPT}, {"id": SCRIPT}, {"since": SCRIPT}, {"page": "9999"},
                      {"kind": "record", "row": "77"}, {"until": "9999-12-31"}):  # fmt: skip
            asked = {"kind": "dataset", "id": town.ours, **wrong}
            answer = client.get("/trace", params=asked)
            assert answer.status_code == 400, wrong
            assert "<script>alert" not in answer.text


def _traced(client: httpx.Client, status: int = 200, **asked: object) -> str:
    answer = client.get("/trace", params={name: str(value) for name, value in asked.items()})
    assert answer.status_code == status, answer.text
    return answer.text


def _heights(page: str) -> list[str]:
    return re.findall(r'Proof: <a href="/blocks/([0-9]+)"', page)


def test_lineage_is_exported_for_other_tools(town: Town) -> None:
    with town.console.enter() as client:
        asked = {"id": town.ours}
        document = client.get("/trace/export/prov", params=asked).json()
        assert any(town.ours in name for name in document["entity"])
        events = client.get("/trace/export/openlineage", params=asked)
        assert events.headers["content-type"] == "application/x-ndjson"
        assert events.text.count("\n") >= 1
        for path, name in (("prov", "x/y"), ("prov", SCRIPT), ("csv", town.ours)):
            answer = client.get(f"/trace/export/{path}", params={"id": name})
            assert answer.status_code in (400, 404)
            assert "<script>alert" not in answer.text


def test_who_read_a_dataset_is_asked_by_the_desk(town: Town) -> None:
    with town.console.enter() as client:
        assert "Ask who read it" in _traced(client, kind="dataset", id=town.ours)
        page = _answered(town.console, client, "/trace/logs", dataset=town.ours)
        assert "All logs are verified." in page
        assert f"<td>{town.console.member}</td>" in page
        for dataset in (SCRIPT, ""):
            answer = town.console.post(client, "/trace/logs", dataset=dataset)
            assert answer.status_code == 400
        for job in ("x", "0" * 16):
            assert client.get(f"/trace/logs/{job}").status_code in (400, 404)


def test_a_records_row_is_found_by_a_value_in_the_own_vault(town: Town) -> None:
    ours = town.ours
    with town.console.enter() as client:
        assert "Find the row by a value" in _traced(client, 400, kind="record", id=ours)
        form = {"dataset": ours, "field": "city", "value": "Shanghai"}
        page = _answered(town.console, client, "/trace/row", **form)
        assert "1 record has this value." in page
        assert "row=2" in page
        page = _answered(town.console, client, "/trace/row", **{**form, "value": SCRIPT})
        assert "0 records have this value." in page
        page = _answered(town.console, client, "/trace/row", **{**form, "field": "nothing"})
        assert "no field" in page
        logs = _answered(town.console, client, "/trace/logs", dataset=ours)
        assert "trace record by city" in logs
        assert "<td>li</td>" in logs
        for wrong in ({"dataset": town.theirs}, {"value": ""}, {"dataset": SCRIPT}):
            assert town.console.post(client, "/trace/row", **{**form, **wrong}).status_code == 400


def _answered(console: Console, client: httpx.Client, path: str, **form: str) -> str:
    """What the desk says in the end to a question that a form asks."""
    asked = console.post(client, path, **form)
    assert asked.status_code == 303, asked.text
    console.await_jobs()
    return client.get(asked.headers["location"]).text
