"""Every page says how its node stands, on both sites, and does not pretend."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from node.devnet import Devnet
from node.network import load_genesis
from node.web import console, portal
from node.web.link import Link
from node.web.live import Live
from node.web.sessions import Sessions
from node.web.site import Site

HOST = frozenset({"here"})
SAID = {
    None: ("The node cannot be reached", "无法连接"),
    "no quorum": ("nothing becomes final until enough validators are back", "法定数量"),
    "catching up": ("What is shown may be old", "追赶"),
    "stalled": ("not in step with the network: stalled", "停滞"),
    "reading": ("still being read, block 3 of 1,000", "已读到第 3 块，共 1,000 块"),
    "in sync": ("", ""),
}


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Devnet:
    return Devnet.create(tmp_path_factory.mktemp("net"), 4)


@pytest.mark.parametrize("state", SAID)
async def test_a_page_says_how_its_node_stands(net: Devnet, state: str | None) -> None:
    home = net.home("tax")
    link, genesis = Link(home.socket), load_genesis(home.genesis).genesis
    live = Live(home, link)
    live.report = state and {"node": {"state": state, "height": 7}}
    if state == "reading":
        live.report, live.reading = {"node": {"state": "in sync", "height": 1_000}}, (3, 1_000)
    common = (home, "tax", genesis, link, Link(home.desk_socket), live)
    sessions = Sessions(home, "tax", link, 60.0)
    apps: dict[str, Any] = {
        "/check": portal.build(Site(*common, portal.AREAS), HOST),
        "/login": console.build(Site(*common, console.AREAS, sessions), HOST),
    }
    for path, app in apps.items():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            for language, words in zip(("en", "zh"), SAID[state], strict=True):
                answer = await client.get(path, headers={"accept-language": language})
                assert answer.status_code == 200
                banner = answer.text.partition('role="status">')[2].partition("</div>")[0]
                text = " ".join(banner.split())
                assert (words in text) if words else not text, (path, language)
