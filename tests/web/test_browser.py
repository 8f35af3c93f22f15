"""The pages in a real browser: nothing cut off, nothing that assistive technology trips over."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.conftest import PASSPHRASE, SHOTS, Console, Town, needs_browser

pytestmark = needs_browser
PAGES = {"situation": "/", "evidence": "/evidence", "block": "/blocks/1"}
WIDTHS = (360, 1280, 1920)


def visitor(browser: Any, console: Console, language: str) -> Any:
    """A page in a browser of its own, logged in as li."""
    context = browser.new_context(locale=language, timezone_id="Asia/Shanghai")
    page = context.new_page()
    page.goto(console.address)
    page.fill("#operator", "li")
    page.fill("#passphrase", PASSPHRASE)
    page.click("main button")
    page.wait_for_selector("h1")
    return page


def look_at(page: Any, console: Console, paths: dict[str, str], language: str) -> None:
    """Take a picture of each page at each width; nothing may stand beyond the edge."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    for name, path in paths.items():
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(console.address + path)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{name} at {width}: {wide}"
            page.screenshot(path=SHOTS / f"{name}-{language[:2]}-{width}.png", full_page=True)


@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
def test_pages_fit_every_width(browser: Any, console: Console, language: str) -> None:
    page = visitor(browser, console, language)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    look_at(page, console, PAGES, language)
    assert said == []
    page.context.close()


@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
def test_the_exchange_fits_every_width(browser: Any, town: Town, language: str) -> None:
    granted, waiting = town.ask_for_ours(), town.ask_for_ours()
    town.at(town.console.member, "request", "approve", granted)
    page = visitor(browser, town.console, language)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    ask = f"/exchange/ask?dataset={town.theirs}"
    paths = {"inbox": "/exchange", "requests": "/exchange/requests", "ask": ask,
             "request": f"/exchange/requests/{waiting}", "grants": "/exchange/grants",
             "grant": f"/exchange/grants/{granted}"}  # fmt: skip
    look_at(page, town.console, paths, language)
    page.goto(town.console.address + ask)
    page.check('[name="field-1"]')
    page.click('[value="preview"]')
    page.wait_for_selector('[value="propose"]')
    page.screenshot(path=SHOTS / f"preview-{language[:2]}-1920.png", full_page=True)
    assert said == []
    page.context.close()


def test_the_situation_follows_the_chain(browser: Any, console: Console) -> None:
    from tests.node.alliance import command

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
