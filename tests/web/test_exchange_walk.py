"""The whole exchange by mouse alone: two departments, each with its own console and browser."""

from __future__ import annotations

from typing import Any

import pytest

from node.rpc.client import Client
from tests.web.conftest import SHOTS, Console, Town, needs_browser
from tests.web.test_browser import AXE, FOUND, RULES, look_at
from tests.web.test_deliveries import serving

pytestmark = [needs_browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]


class Person:
    """Somebody at a console, who clicks; the content policy is in force."""

    def __init__(self, browser: Any, console: Console, operator: str) -> None:
        context = browser.new_context(locale="en-GB", timezone_id="Asia/Shanghai",
                                      viewport={"width": 1280, "height": 900})  # fmt: skip
        with console.enter(operator) as client:
            token = client.cookies["muniment"]
        context.add_cookies([{"name": "muniment", "value": token, "url": console.address}])
        self.page = context.new_page()
        self.said: list[str] = []
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("console", lambda line: line.type == "error" and self.said.append(line.text))
        self.page.goto(console.address)

    def click(self, *names: str) -> None:
        """Links and buttons by what they say, one after the other."""
        for name in names:
            both = self.page.get_by_role("link", name=name, exact=True)
            both.or_(self.page.get_by_role("button", name=name, exact=True)).first.click()

    def sign(self) -> None:
        self.click("Sign and send")
        self.page.get_by_text("Final, and done.").wait_for()
        self.click("Go on")

    def sees(self, text: str) -> None:
        self.page.get_by_text(text).first.wait_for()

    def shoot(self, name: str) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"walk-{name}.png", full_page=True)


def test_two_departments_exchange_data_by_mouse(
    browser: Any, town: Town, second_console: Console
) -> None:
    asks, owns = Person(browser, second_console, "chen"), Person(browser, town.console, "li")

    asks.click("Exchange", "Ask for data", town.ours)
    asks.page.check('[name="field-0"]')
    asks.page.select_option("#purpose", "public-service")
    asks.page.check('[name="field-1"]')
    asks.sees("L3 data needs its owner's review")
    asks.click("Go on to sign")
    asks.sees("access.request")
    asks.sign()
    number = asked_by(second_console, town)

    owns.click("Exchange")
    owns.page.click(f'a[href="/exchange/requests/{number}"]')
    owns.page.select_option('[name="mask-1"]', "pseudonym")
    owns.click("Show a sample")
    owns.page.wait_for_selector(".sample")
    owns.shoot("review")
    owns.click("Approve")
    owns.sees("income: pseudonym v1")
    owns.sign()

    asks.click("Requests")
    asks.page.click(f'a[href="/exchange/requests/{number}"]')
    while not asks.page.get_by_role("link", name=f"Grant {number}", exact=True).count():
        asks.page.reload()
    asks.click(f"Grant {number}")
    with serving(town.console, town.console.member):
        asks.page.select_option("#syntax", "csv")
        asks.click("Fetch")
        asks.sees("2 records, each against what stands on the chain")
    asks.shoot("fetched")
    (path,) = second_console.home.exported.glob(f"{number}-*.csv")
    asks.sees(str(path))
    names, *rows = path.read_text().splitlines()
    assert names == "city,income"
    assert sorted(row.partition(",")[0] for row in rows) == ["Beijing", "Shanghai"]
    assert not any(row.endswith((",10", ",20")) for row in rows)
    asks.page.click('.job a[href^="/exchange/deliveries/"]')
    asks.sees("as on the chain")
    asks.shoot("delivery")

    owns.click("Deliveries")
    owns.page.click(f'tr:has(a[href="/exchange/grants/{number}"]) td a')
    owns.sees("The header that stands on the chain")
    assert asks.said == owns.said == []
    delivery = asks.page.url.removeprefix(second_console.address)
    for person in (asks, owns):
        person.page.context.close()
    look_closely(browser, second_console, {"fetched": f"/exchange/grants/{number}",
                                           "delivery": delivery,
                                           "dispute": f"{delivery}/dispute"})  # fmt: skip


def look_closely(browser: Any, console: Console, paths: dict[str, str]) -> None:
    """Pages with something on them fit, and trip no assistive technology, in both languages."""
    with console.enter("chen") as client:
        token = client.cookies["muniment"]
    for language in ("en-GB", "zh-CN"):
        # The policy would keep the checker's script out of the page.
        context = browser.new_context(locale=language, bypass_csp=True)
        context.add_cookies([{"name": "muniment", "value": token, "url": console.address}])
        page = context.new_page()
        look_at(page, console, paths, language)
        for name, path in paths.items():
            page.set_viewport_size({"width": 360, "height": 900})
            page.goto(console.address + path)
            page.add_script_tag(path=AXE)
            assert page.evaluate(FOUND, RULES) == [], name
        context.close()


def asked_by(console: Console, town: Town) -> int:
    """The number of the request that a console's member made last; the town's node has it too."""
    with Client(console.home.socket) as client:
        args = {"member": console.member}
        made = client.call("state.query", contract="access", method="list", args=args)
        height = client.call("status")["height"]
    town.console.net.wait(town.console.member, lambda status: status["height"] >= height)
    return int(next(row["id"] for row in made if row["recipient"] == console.member))
