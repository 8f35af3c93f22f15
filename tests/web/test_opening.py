"""Open data by mouse alone: published from the console, read by everybody, withdrawn again."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from node.publish import remarks
from node.publish.shelf import Shelf
from tests.node.alliance import command
from tests.web.conftest import Console, needs_browser
from tests.web.open_data import register
from tests.web.test_browser import AXE, FOUND, RULES, look_at, visitor


@pytest.fixture(scope="module")
def lamps(console: Console) -> str:
    """An open dataset, beside one that is not."""
    register(console.home, "lamps", 1)
    register(console.home, "wages", 3)
    return f"{console.member}/lamps"


@needs_browser
@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
def test_the_page_fits_and_a_checker_finds_nothing(
    browser: Any, console: Console, lamps: str, language: str
) -> None:
    home = console.home
    command("portal", "publish", lamps, "--home", home.path)
    waiting = remarks.hand_in(home.open, lamps, "Too dim, " * 40, "Somebody")
    page = visitor(browser, console, language)
    look_at(page, console, {"opening": "/data/open"}, language)
    page.set_viewport_size({"width": 360, "height": 900})
    page.add_script_tag(path=AXE)
    assert page.evaluate(FOUND, RULES) == []
    page.context.close()
    command("portal", "reject", waiting, "--home", home.path)
    command("portal", "withdraw", lamps, "--version", 1, "--home", home.path)


def test_a_steward_publishes_answers_and_withdraws(console: Console, lamps: str) -> None:
    home, name = console.home, lamps
    public = f"{console.portal}/datasets/{name}"
    with console.enter() as client, httpx.Client() as anybody:

        def do(path: str, **form: str) -> httpx.Response:
            return client.post(path, data={"csrf": console.csrf(client), **form})

        shown = client.get("/data/open").text
        assert "All lamps &lt;b&gt;here" in shown
        assert "wages" not in shown
        assert "not published at this address" in anybody.get(public).text
        assert do("/data/open", dataset=name, version="1", decision="publish").status_code == 303
        console.await_jobs()
        assert "Publish anew" in client.get("/data/open").text
        assert f"/datasets/{name}/1/records.csv" in anybody.get(public).text

        waiting = remarks.hand_in(home.open, name, "Too dim <script>alert(1)</script>", "")
        shown = client.get("/data/open").text
        assert "Too dim &lt;script&gt;" in shown
        assert "<script>alert" not in shown
        assert "Too dim" not in anybody.get(public).text
        do("/data/open/remarks", remark=waiting, decision="show", answer="Mended")
        assert "Mended" in anybody.get(public).text
        other = remarks.hand_in(home.open, name, "Rude", "")
        do("/data/open/remarks", remark=other, decision="refuse")
        assert "Rude" not in client.get("/data/open").text + anybody.get(public).text

        do("/data/open", dataset=name, version="1", decision="withdraw")
        assert Shelf(home.open).find(name, 1) is None
        for form in ({"dataset": f"{console.member}/wages"}, {"dataset": "x/y"}, {"dataset": ""}):
            answer = do("/data/open", decision="publish", version="1", **form)
            assert answer.status_code in (303, 400), form
        gone = do("/data/open", dataset="../x", version="1", decision="withdraw")
        assert gone.status_code == 400


def test_only_stewards_open_data(console: Console) -> None:
    with console.enter("zhao") as client:
        assert client.get("/data/open").status_code == 403
        form = {"csrf": console.csrf(client), "dataset": "x/y", "decision": "publish"}
        assert client.post("/data/open", data=form).status_code == 403
