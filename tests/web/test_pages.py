"""Every page of both sites, with something on it, in both languages: it fits, and reads well.

Pictures of them are left in build/screenshots.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette
from starlette.routing import Match, Route

from node.home import Home
from node.web import console as console_site
from node.web import portal as portal_site
from node.web.link import Link
from node.web.live import Live
from node.web.site import Site
from tests.web.conftest import Console, Town, needs_browser
from tests.web.looking import beyond, check, listening, look, visitor
from tests.web.scene import Scene, scene_of

PORTAL, NOWHERE = "portal", ""
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
SIGHTS = {
    "door": {"login": "/login"},
    "situation": {"situation": "/", "menu": "/", "nothing": "/nothing"},
    "data": {
        "data": "/data", "standards": "/data/standards",
        "publish-standard": "/data/publish-standard",
        "standard": "/data/standards/{member}/crate", "sources": "/data/sources",
        "source": "/data/sources/crate-fees",
        "quarantine": "/data/sources/crate-fees/quarantine", "handed-in": "/data/inbox",
        "opening": "/data/open", "dataset": "/data/{member}/stores",
        "foreign-dataset": "/data/{neighbour}/firms",
        "lineage": "/data/{member}/summary/lineage", "preview": "/data/{member}/stores/preview",
        "compare": "/data/{member}/stores/compare?old=1&new=2",
    },
    "exchange": {
        "inbox": "/exchange", "requests": "/exchange/requests",
        "request": "/exchange/requests/{waiting}", "ask": "/exchange/ask",
        "preview-of-a-request": "/exchange/ask?dataset={neighbour}/firms",
        "amend": "/exchange/requests/{asked}/amend", "clone": "/exchange/requests/{asked}/clone",
        "own-request": "/exchange/requests/{asked}", "grants": "/exchange/grants",
        "grant": "/exchange/grants/{given}", "fetched": "/exchange/grants/{fetched}",
        "deliveries": "/exchange/deliveries", "delivery": "/exchange/deliveries/{delivery}",
        "dispute": "/exchange/deliveries/{delivery}/dispute", "disputes": "/exchange/disputes",
        "authorisations": "/exchange/authorisations", "prepared": "/exchange/prepared",
    },
    "supervision": {
        "alerts": "/supervision", "alert": "/supervision/alerts/{alert}",
        "cases": "/supervision/cases", "case": "/supervision/cases/{case}?read=1",
        "case-new": "/supervision/cases/new?alert={alert}",
        "violations": "/supervision/violations",
        "violation": "/supervision/violations/{violation}", "permits": "/supervision/permits",
        "feedback": "/supervision/feedback", "trace": "/trace?kind=dataset&id={member}/firms",
        "readers": "/trace/logs/{logs}", "rows": "/trace/row/{row}",
    },
    "dispatch": {
        "dispatch": "/dispatch", "orders": "/dispatch/orders", "order": "/dispatch/orders/{order}",
        "order-new": "/dispatch/new", "plans": "/dispatch/plans",
        "plan-new": "/dispatch/plans/new", "plan": "/dispatch/plans/{member}/flood-9",
        "groups": "/dispatch/groups",
    },
    "governance": {
        "governance": "/governance", "proposal": "/governance/proposals/{proposal}",
        "proposal-of-code": "/governance/proposals/{deployed}",
        "propose-rules": "/governance/propose/access",
        "propose-statute": "/governance/propose/statute",
        "propose-pack": "/governance/propose/pack", "members": "/governance/members",
        "member": "/governance/members/{member}", "operators": "/governance/operators",
        "parameters": "/governance/parameters", "contracts": "/governance/contracts",
        "contract": "/governance/contracts/dispatch",
        "deployed-contract": "/governance/contracts/poll", "polls": "/governance/polls",
        "poll": "/governance/polls/rule-9",
    },
    "evidence": {
        "evidence": "/evidence", "block": "/blocks/{block}", "transaction": "/tx/{txid}",
        "proved": "/evidence/verify", "not-proved": "/evidence/verify",
        "export": "/evidence/export", "export-sign": "/evidence/export/{export}",
        "sign": "/sign/{signing}",
    },
    PORTAL: {
        "portal-catalogue": "/", "portal-dataset": "/datasets/{member}/trees",
        "portal-records": "/datasets/{member}/trees/1/records?sort=2", "portal-check": "/check",
        "portal-developers": "/developers", "portal-hand-in": "/hand-in", "portal-mine": "/mine",
        "portal-answer": "/mine", "portal-nothing": "/nothing",
    },
}  # fmt: skip
"""Pages by area and name, with the words of the scene in their paths."""
NO_PAGES = (
    "/live", "/tx/{txid}/receipt", "/exchange/deliveries/{number:int}/proof",
    "/supervision/cases/{number:int}/export", "/governance/packs/",
    "/exchange/deliveries/{number:int}/evidence", "/trace/export/{form}",
    "/api/", "/catalogue.", "/robots.txt", "/sitemap.xml",
    "/genesis.json", "/datasets/{owner}/{name}/{version:int}/proof",
    "/datasets/{owner}/{name}/{version:int}/{file}", "/hand-in/",
)  # fmt: skip
"""Beginnings of what answers a program, or with a file."""


def try_masks(page: Any, scene: Scene) -> None:
    page.select_option('[name="mask-1"]', "redact")
    page.click('[value="try"]')
    page.wait_for_selector(".sample")


def fill_in(page: Any, scene: Scene) -> None:
    page.check('[name="field-0"]')
    page.select_option("#purpose", "public-service")
    page.check('[name="field-1"]')  # what would be decided comes by itself
    page.wait_for_selector('[value="propose"]')


def hand_in(page: Any, receipt: bytes) -> None:
    file = {"name": "received.receipt", "mimeType": "application/octet-stream", "buffer": receipt}
    page.set_input_files("#file", file)
    page.click("main button")
    page.wait_for_selector("section.card .badge")


def read_answer(page: Any, scene: Scene) -> None:
    page.fill("#code", scene.code)
    page.click('form[action="/mine/answer"] button')
    page.wait_for_url("**/mine/answer")


FIRST: dict[str, Callable[[Any, Scene], None]] = {
    "menu": lambda page, _: page.evaluate("document.querySelector('.menu').open = true"),
    "request": try_masks,
    "preview-of-a-request": fill_in,
    "proved": lambda page, scene: hand_in(page, scene.receipt),
    "not-proved": lambda page, scene: hand_in(page, scene.receipt[:-1]),
    "portal-answer": read_answer,
}
"""What a visitor does on a page before it is looked at."""
REFUSED = {"nothing": "status of 404", "portal-nothing": "status of 404",
           "not-proved": "status of 400"}  # fmt: skip
"""Pages that are an answer to what is wrong, which the browser notes."""


@pytest.fixture(scope="module")
def scene(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene_of(town, tmp_path_factory.mktemp("scene")) as made:
        yield made


@needs_browser
@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
@pytest.mark.parametrize("area", SIGHTS)
def test_pages_fit_every_width_and_a_checker_finds_nothing(
    browser: Any, scene: Scene, area: str, language: str
) -> None:
    wrong, console = list[str](), scene.console
    words = {**scene.words, "signing": scene.signing[language]}
    page = visitor(browser, console, language, inside=False)
    if area != "door":
        cookie = {"name": "muniment", "value": scene.token, "url": console.address}
        page.context.add_cookies([cookie])
    address = console.portal if area == PORTAL else console.address
    with listening(page) as said:
        for name, path in SIGHTS[area].items():
            page.goto(address + path.format_map(words))
            if name in FIRST:
                FIRST[name](page, scene)
            wrong += look(page, name, language)
            if name in REFUSED:
                said.remove(next(line for line in said if REFUSED[name] in line))
            assert said == [], name
    assert wrong == []
    page.context.close()


@needs_browser
def test_the_checker_does_look(browser: Any, console: Console) -> None:
    page = visitor(browser, console, "en-GB", inside=False)
    page.goto(console.address + "/login")
    page.evaluate("document.querySelector('main').innerHTML += '<img src=/static/mark.svg>'")
    assert any("image-alt" in line for line in check(page))
    page.set_viewport_size({"width": 360, "height": 900})
    assert beyond(page) == []
    page.evaluate("document.querySelector('main form').style.minWidth = '400px'")
    assert any("<form" in line for line in beyond(page))
    page.context.close()


def test_no_page_is_left_out(tmp_path: Path) -> None:
    """A new page's path is to be added to SIGHTS, and something on it to scene.py."""
    home = Home(tmp_path)
    link = Link(home.socket)
    site = Site(home, "tax", cast(Any, None), link, link, Live(home, link), ())
    apps = {
        True: portal_site.build(site, frozenset()),
        False: console_site.build(site, frozenset()),
    }
    for is_portal, app in apps.items():
        routes = [route for route in cast(Starlette, app).routes
                  if isinstance(route, Route) and "GET" in (route.methods or ())]  # fmt: skip
        looked_at = {_pattern(routes, path) for area, paths in SIGHTS.items()
                     for path in paths.values() if (area == PORTAL) == is_portal}  # fmt: skip
        pages = {route.path for route in routes if not route.path.startswith(NO_PAGES)}
        assert looked_at - {NOWHERE} == pages


def _pattern(routes: list[Route], path: str) -> str:
    """The path of the route that answers a path."""
    place = urlsplit(path.format_map(defaultdict(lambda: "1"))).path
    scope = {"type": "http", "method": "GET", "path": place, "root_path": ""}
    return next((route.path for route in routes if route.matches(scope)[0] is Match.FULL), NOWHERE)
