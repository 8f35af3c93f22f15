"""The pages in a real browser: nothing cut off, nothing that assistive technology trips over."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.conftest import PASSPHRASE, SHOTS, Console, needs_browser

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


@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
def test_pages_fit_every_width(browser: Any, console: Console, language: str) -> None:
    page = visitor(browser, console, language)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    SHOTS.mkdir(parents=True, exist_ok=True)
    for name, path in PAGES.items():
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(console.address + path)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{name} at {width}: {wide}"
            page.screenshot(path=SHOTS / f"{name}-{language[:2]}-{width}.png", full_page=True)
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
