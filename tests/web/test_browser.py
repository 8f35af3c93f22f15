"""The frame of all pages in a real browser: its menu, what comes by itself, a node that is away."""

from __future__ import annotations

from itertools import count
from typing import Any

from node.web.console import AREAS
from tests.web.conftest import Console, needs_browser
from tests.web.looking import visitor

pytestmark = needs_browser


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
    console.make_block()
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


def test_a_page_that_waits_takes_nothing_away_that_somebody_writes(
    browser: Any, console: Console
) -> None:
    page = visitor(browser, console, "en-GB")
    asked = count(1)

    def answer(route: Any) -> None:
        given = route.fetch()
        mark = f"<p data-waits>{next(asked)}</p><h1>"
        route.fulfill(response=given, body=given.text().replace("<h1>", mark))

    page.route("**/evidence", answer)
    page.goto(f"{console.address}/evidence")
    page.wait_for_selector("p[data-waits]:text-is('2')")
    field = page.locator("main input[name=q]")
    field.fill("41")
    field.blur()
    shown = page.inner_text("p[data-waits]")
    for _ in range(2):  # the second is asked for once the first was taken or left
        with page.expect_response("**/evidence"):
            pass
    assert (field.input_value(), page.inner_text("p[data-waits]")) == ("41", shown)
    field.fill("")
    field.blur()
    page.wait_for_function("before => document.querySelector('p[data-waits]').innerText !== before",
                           arg=shown)  # fmt: skip
    page.context.close()
