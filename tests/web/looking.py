"""Looks at pages in a real browser, under the content policy that they are served with."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from tests.web.conftest import SHOTS, Console

WIDTHS = (360, 1280, 1920)
CHECKED = (("en", 360), ("zh", 1920))
PICTURE = {"captureBeyondViewport": True, "optimizeForSpeed": True}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
FOUND = """async only => {
    const { violations } = await axe.run({ runOnly: only, resultTypes: ['violations'] });
    return violations.map(
        found => found.id + ': ' + found.nodes.map(n => n.html.slice(0, 200)).join(' | '));
}"""
BEYOND = """() => document.documentElement.scrollWidth <= innerWidth ? [] : ['beyond the edge',
    ...[...document.querySelectorAll('body *')].filter(
        e => e.getBoundingClientRect().right > innerWidth && !e.closest('.scroll, svg')
    ).map(e => e.outerHTML.slice(0, 120))]"""


@cache
def _cookie(console_address: str, enter: Any, operator: str) -> str:
    """One login for the module: unlocking a key costs what it has to."""
    with enter(operator) as client:
        return str(client.cookies["muniment"])


@cache
def _axe() -> str:
    return (Path(__file__).parent / "axe" / "axe.min.js").read_text("utf-8")


def visitor(
    browser: Any, console: Console, language: str, *, inside: bool = True, operator: str = "li"
) -> Any:
    """A page in a browser of its own, logged in."""
    context = browser.new_context(locale=language, timezone_id="Asia/Shanghai")
    if inside:
        token = _cookie(console.address, console.enter, operator)
        context.add_cookies([{"name": "muniment", "value": token, "url": console.address}])
    return context.new_page()


@contextmanager
def listening(page: Any) -> Iterator[list[str]]:
    """What the page's scripts and the browser complain of, which is nothing at the end."""
    said: list[str] = []

    def note(line: Any) -> None:
        if line.type in ("error", "warning"):
            said.append(f"{line.location['url']}: {line.text}")

    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", note)
    yield said
    assert said == []


def check(page: Any) -> list[str]:
    """What axe finds on a page as it is; the driver runs it in spite of the page's policy."""
    page.evaluate(_axe())
    return list(page.evaluate(FOUND, RULES))


def beyond(page: Any) -> list[str]:
    """What makes a page wider than its window."""
    return list(page.evaluate(BEYOND))


def look(page: Any, name: str, language: str) -> list[str]:
    """Take a picture of an open page at each width; returns what is wrong with it.

    Nothing may stand beyond the edge. The checker looks at the narrowest page in English, and at
    the widest, which is a dark one, in Chinese.
    """
    code, wrong = language[:2], list[str]()
    SHOTS.mkdir(parents=True, exist_ok=True)
    protocol = page.context.new_cdp_session(page)
    for width in WIDTHS:
        is_dark = (code, width) == ("zh", WIDTHS[-1])
        page.emulate_media(color_scheme="dark" if is_dark else "light")
        page.set_viewport_size({"width": width, "height": 900})
        found = beyond(page)
        taken = protocol.send("Page.captureScreenshot", PICTURE)
        (SHOTS / f"{name}-{code}-{width}.png").write_bytes(b64decode(taken["data"]))
        if (code, width) in CHECKED:
            found += check(page)
        wrong += [f"{name} at {width}: {line}" for line in found]
    protocol.detach()
    return wrong
