"""The pages in a real browser: nothing cut off, nothing that assistive technology trips over."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from node.web.console import AREAS
from tests.node.alliance import command
from tests.web.conftest import SHOTS, Console, Town, needs_browser

pytestmark = needs_browser
PAGES = {"situation": "/", "evidence": "/evidence", "block": "/blocks/1", "nothing": "/nothing",
         "data": "/data", "standards": "/data/standards", "sources": "/data/sources",
         "handed-in": "/data/inbox", "opening": "/data/open",
         "publish-standard": "/data/publish-standard?start=person"}  # fmt: skip
WIDTHS = (360, 1280, 1920)
AXE = Path(__file__).parent / "axe" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
FOUND = """async tags => (await axe.run({runOnly: tags})).violations.map(
    v => v.id + ': ' + v.nodes.map(n => n.html.slice(0, 200)).join(' | '))"""


@cache
def _cookie(console_address: str, enter: Any, operator: str) -> str:
    """One login for the module: unlocking a key costs what it has to."""
    with enter(operator) as client:
        return str(client.cookies["muniment"])


def visitor(
    browser: Any, console: Console, language: str, *, inside: bool = True, operator: str = "li"
) -> Any:
    """A page in a browser of its own, logged in."""
    # The policy would keep the checker's script out of the page.
    context = browser.new_context(locale=language, timezone_id="Asia/Shanghai", bypass_csp=True)
    if inside:
        token = _cookie(console.address, console.enter, operator)
        context.add_cookies([{"name": "muniment", "value": token, "url": console.address}])
    return context.new_page()


def look_at(
    page: Any, console: Console, paths: dict[str, str], language: str, *, is_checked: bool = False
) -> dict[str, list[str]]:
    """Take a picture of each page at each width; nothing may stand beyond the edge.

    Returns what axe finds, by page and width, where the pages are to be checked by it too.
    """
    SHOTS.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[str]] = {}
    for name, path in paths.items():
        page.goto(console.address + path)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{name} at {width}: {wide}"
            page.screenshot(path=SHOTS / f"{name}-{language[:2]}-{width}.png", full_page=True)
        if is_checked:
            page.add_script_tag(path=AXE)
            for width in WIDTHS[:2]:
                page.set_viewport_size({"width": width, "height": 900})
                if wrong := page.evaluate(FOUND, RULES):
                    found[f"{name} at {width}"] = wrong
    return found


@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
def test_pages_fit_every_width(browser: Any, console: Console, language: str) -> None:
    page = visitor(browser, console, language)
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    look_at(page, console, PAGES, language)
    assert said == []
    page.context.close()


@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
def test_the_exchange_fits_every_width(browser: Any, town: Town, language: str) -> None:
    granted, waiting = town.ask_for_ours(), town.ask_for_ours()
    town.at(town.console.member, "request", "approve", granted)
    page = visitor(browser, town.console, language)
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    ask = f"/exchange/ask?dataset={town.theirs}"
    paths = {"inbox": "/exchange", "requests": "/exchange/requests", "ask": ask,
             "deliveries": "/exchange/deliveries", "disputes": "/exchange/disputes",
             "authorisations": "/exchange/authorisations", "prepared": "/exchange/prepared",
             "request": f"/exchange/requests/{waiting}", "grants": "/exchange/grants",
             "grant": f"/exchange/grants/{granted}"}  # fmt: skip
    look_at(page, town.console, paths, language)
    found: dict[str, list[str]] = {}
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        for name, path in paths.items():
            page.goto(town.console.address + path)
            page.add_script_tag(path=AXE)
            if wrong := page.evaluate(FOUND, RULES):
                found[f"{name} at {width}"] = wrong
    assert found == {}
    page.goto(town.console.address + ask)
    page.select_option("#purpose", "public-service")
    page.check('[name="field-1"]')  # what would be decided comes by itself
    page.wait_for_selector('[value="propose"]')
    page.screenshot(path=SHOTS / f"preview-{language[:2]}-1280.png", full_page=True)
    page.goto(f"{town.console.address}/exchange/requests/{waiting}")
    page.select_option('[name="mask-1"]', "redact")
    page.click('[value="try"]')
    page.wait_for_selector(".sample")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.screenshot(path=SHOTS / f"sample-{language[:2]}-{width}.png", full_page=True)
    page.add_script_tag(path=AXE)
    assert page.evaluate(FOUND, RULES) == []
    assert said == []
    page.context.close()


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 360)])
def test_a_checker_of_accessibility_finds_nothing(
    browser: Any, console: Console, theme: str, width: int
) -> None:
    found: dict[str, list[str]] = {}
    for inside, paths in ((True, PAGES), (False, {"login": "/login"})):
        page = visitor(browser, console, "en-GB", inside=inside)
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": 900})
        for name, path in paths.items():
            page.goto(console.address + path)
            page.add_script_tag(path=AXE)
            if width == 360:
                page.click("summary")
            if wrong := page.evaluate(FOUND, RULES):
                found[name] = wrong
        page.evaluate("document.querySelector('main').innerHTML += '<img src=/static/mark.svg>'")
        assert any("image-alt" in line for line in page.evaluate(FOUND, RULES))  # it does look
        page.context.close()
    assert found == {}


def test_the_menu_opens_by_keyboard(browser: Any, console: Console) -> None:
    page = visitor(browser, console, "en-GB")
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(console.address)
    link = page.locator('nav a[href="/evidence"]')
    assert not link.is_visible()
    page.locator("summary").focus()
    page.keyboard.press("Enter")
    for _ in AREAS[: [area.path for area in AREAS].index("/evidence") + 1]:
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "/evidence"
    page.keyboard.press("Enter")
    page.wait_for_url("**/evidence")
    page.set_viewport_size({"width": 1280, "height": 800})
    assert link.is_visible()
    assert page.evaluate("document.querySelector('.top').offsetHeight") < 80
    page.context.close()


def test_the_situation_follows_the_chain(browser: Any, console: Console) -> None:
    page = visitor(browser, console, "en-GB")
    page.goto(console.address)
    before = int(page.inner_text('[data-live="situation"] a[href^="/blocks/"]').replace(",", ""))
    command("operator", "train", "wang", "--trained-until", "2031-01-01",
            "--confidential-until", "2031-01-01", "--home", console.home.path)  # fmt: skip
    page.wait_for_function(
        "before => Number(document.querySelector('[data-live=\"situation\"] a[href^=\"/blocks/\"]')"
        ".innerText.replace(',', '')) > before", arg=before,
    )  # fmt: skip
    page.context.close()


def test_an_open_page_says_that_its_node_is_away_and_recovers(
    browser: Any, console: Console
) -> None:
    page = visitor(browser, console, "en-GB")
    page.goto(console.address)
    console.net.stop(console.member)
    try:
        page.wait_for_selector(".banner .bad")
        page.goto(console.address)
        assert page.locator("h1").inner_text() == "Situation"
        assert page.locator(".banner .bad").is_visible()
        assert page.locator("nav").count() == 1
    finally:
        console.net.start(console.member)
    page.wait_for_selector(".banner .bad", state="detached")
    page.context.close()
