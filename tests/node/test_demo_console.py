"""The demonstration's consoles: real processes, two operators, who see the same chain."""

from __future__ import annotations

from pathlib import Path

import httpx

from node.demo_console import DEPARTMENTS, open_consoles
from node.devnet import Devnet


def test_two_operators_log_in_at_two_departments(tmp_path: Path) -> None:
    Devnet.create(tmp_path / "net", 4)
    said: list[str] = []
    with open_consoles(tmp_path / "net", said.append) as addresses:
        passphrase = said[-1].rpartition(" ")[2]
        assert set(addresses) == set(DEPARTMENTS)
        for member, address in addresses.items():
            form = {"operator": DEPARTMENTS[member], "passphrase": passphrase}
            with httpx.Client(base_url=address, headers={"accept-language": "en"}) as client:
                assert client.post("/login", data=form).status_code == 303
                page = client.get("/").text
                assert "in sync" in page
                assert client.get("/blocks/1").status_code == 200
    assert Devnet(tmp_path / "net").processes() == {}
