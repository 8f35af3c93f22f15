"""Open data by mouse alone: published from the console, read by everybody, withdrawn again."""

from __future__ import annotations

import json
from functools import partial

import httpx
import pytest

from node.publish import remarks
from node.publish.shelf import Shelf
from node.rpc.client import Client
from tests.node.alliance import command
from tests.web.conftest import Console, second_of, sign
from tests.web.open_data import register


@pytest.fixture(scope="module")
def lamps(console: Console) -> str:
    """An open dataset, beside one that is not."""
    register(console.home, "lamps", 1)
    register(console.home, "wages", 3)
    return f"{console.member}/lamps"


def test_two_publish_by_command(console: Console, lamps: str) -> None:
    home = console.home
    secret = console.net.folder.parent / f"{console.member}.passphrase"
    publish = ("portal", "publish", lamps, "--home", home.path, "--as", "li",
               "--as-passphrase-file", secret)  # fmt: skip
    request = json.loads(command(*publish, "--json"))["request"]
    assert Shelf(home.open).find(lamps, 1) is None
    signs = ("--passphrase-file", secret, "--home", home.path)
    command("operator", "confirm", request, "--as", "wang", *signs)
    assert json.loads(command(*publish, "--json"))["records"] == 2
    command("portal", "withdraw", lamps, "--version", 1, "--as", "li", *signs)
    assert Shelf(home.open).find(lamps, 1) is None


def test_two_publish_and_a_steward_answers_and_withdraws(console: Console, lamps: str) -> None:
    home, name = console.home, lamps
    public = f"{console.portal}/datasets/{name}"
    with console.enter() as client, console.enter("wang") as wang, httpx.Client() as anybody:
        do = partial(console.post, client)
        shown = client.get("/data/open").text
        assert "All lamps &lt;b&gt;here" in shown
        assert "wages" not in shown
        assert "not published at this address" in anybody.get(public).text
        console.press(client, "/data/open", dataset=name, version="1", decision="publish")
        waits = client.get("/data/open").text
        assert "waits for a second person" in waits
        assert "Confirm</button>" not in waits  # not by who prepared it
        with Client(home.desk_socket) as desk:  # nor is anything written before
            one = {"dataset": name, "version": 1, "who": "li"}
            job = desk.call("open.publish", **one)
            ended = desk.call("job.wait", job=job, timeout_ms=30_000)
            assert "does not call it published" in ended["problem"]
        seen = wang.get("/data/open").text
        assert "What people say" not in seen
        console.press(wang, second_of(seen), back="/data/open")
        assert "not written yet" in client.get("/data/open").text
        assert do("/data/open", dataset=name, version="1", decision="publish").status_code == 303
        console.await_jobs()
        assert "Write the files anew" in client.get("/data/open").text
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

        gone = do("/data/open", dataset=name, version="1", decision="withdraw")
        assert Shelf(home.open).find(name, 1) is None
        sign(client, gone, console.csrf(client))
        assert "Publish</button>" in client.get("/data/open").text
        for form in ({"dataset": f"{console.member}/wages"}, {"dataset": "x/y"}, {"dataset": ""}):
            answer = do("/data/open", decision="publish", version="1", **form)
            assert answer.status_code == 400, form
        gone = do("/data/open", dataset="../x", version="1", decision="withdraw")
        assert gone.status_code == 400


def test_only_stewards_open_data(console: Console) -> None:
    form = {"dataset": "x/y", "decision": "publish"}
    with console.enter("wang") as client:  # an approver, who confirms only
        data = {"csrf": console.csrf(client), **form}
        assert client.post("/data/open", data=data).status_code == 403
    with console.enter("zhao") as client:
        assert client.get("/data/open").status_code == 403
        data = {"csrf": console.csrf(client), **form}
        assert client.post("/data/open", data=data).status_code == 403
