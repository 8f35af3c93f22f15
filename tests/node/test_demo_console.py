"""The demonstration's consoles: real processes, an operator of each department."""

from __future__ import annotations

from pathlib import Path

import httpx

from node.demo_console import OPERATORS, open_consoles
from node.demo_stage import GUESSER, WATCHER
from node.devnet import Devnet
from node.rpc.client import Client


def test_an_operator_of_each_department_sees_the_work_of_all(tmp_path: Path) -> None:
    net = Devnet.create(tmp_path / "net", 4)
    before = net.home("tax").settings.read_text()
    said: list[str] = []
    with open_consoles(tmp_path / "net", said.append) as addresses:
        passphrase = said[-1].rpartition(" ")[2]
        assert list(addresses) == list(OPERATORS)
        for member, address in addresses.items():
            form = {"operator": OPERATORS[member][0], "passphrase": passphrase}
            with httpx.Client(base_url=address, headers={"accept-language": "en"}) as client:
                assert client.post("/login", data=form).status_code == 303
                page = client.get("/").text
                assert "in sync" in page
                found = client.get("/data").text
                assert all(f"{name}/counters" in found for name in OPERATORS)
                assert "Complaints 2026" in client.get("/data/sources").text
        # Work goes on: somebody asks for what another has counted, and gets it.
        with Client(net.home("tax").socket) as client:
            events = client.subscribe(("events",))
            assert any(
                (told["contract"], told["name"]) == ("deliveries", "ended") for _, told in events
            )
        # A watch has noticed who tried keys out.
        with Client(net.home(WATCHER).socket) as client:
            blocks = client.subscribe(("blocks",))
            ask = {"contract": "alerts", "method": "open", "args": {}}
            with Client(net.home(WATCHER).socket) as asking:
                while not (found := asking.call("state.query", **ask)):
                    next(blocks)
        assert [(row["detector"], row["member"]) for row in found] == [("enumeration", GUESSER)]
    assert net.processes() == {}
    assert net.home("tax").settings.read_text() == before
