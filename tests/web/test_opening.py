"""Open data by mouse alone: published from the console, read by everybody, withdrawn again."""

from __future__ import annotations

import httpx

from node.publish import remarks
from node.publish.shelf import Shelf
from node.rpc.client import Client
from tests.web.conftest import Console
from tests.web.open_data import register


def test_a_steward_publishes_answers_and_withdraws(console: Console) -> None:
    home, name = console.home, f"{console.member}/lamps"
    register(home, "lamps", 1)
    register(home, "wages", 3)
    public = f"{console.portal}/datasets/{name}"
    with console.enter() as client, httpx.Client() as anybody:

        def do(path: str, **form: str) -> httpx.Response:
            return client.post(path, data={"csrf": console.csrf(client), **form})

        shown = client.get("/data/open").text
        assert "All lamps &lt;b&gt;here" in shown
        assert "wages" not in shown
        assert "not published at this address" in anybody.get(public).text
        assert do("/data/open", dataset=name, version="1", decision="publish").status_code == 303
        with Client(home.desk_socket) as desk:
            while any(job["state"] == "running" for job in desk.call("job.list")):
                pass
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
