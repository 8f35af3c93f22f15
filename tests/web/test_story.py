"""The whole story by mouse alone, two operators in two browsers: each step is a click on what is
seen; source to verified delivery, alert to sanction, order to escalation."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from tests.node.alliance import command
from tests.web.conftest import Console, Town, needs_browser
from tests.web.test_deliveries import serving
from tests.web.test_dispatch import shared, until
from tests.web.walking import Person
from tests.web.watch import Watch

pytestmark = [needs_browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]
DATASET = "tax/markets"


@pytest.fixture
def source(town: Town, tmp_path: Path) -> str:
    """The title of a source that the console's member has declared; one record is wrong."""
    file = tmp_path / "markets.csv"
    file.write_text("city,income\nBeijing,10\nShanghai,20\nTianjin,ten\n")
    command("source", "add", "markets", "--home", town.console.home.path, f"path={file}",
            "standard=tax/firm", "title=Markets in towns", "key=city")  # fmt: skip
    return "Markets in towns"


def test_from_a_source_to_a_verified_delivery_and_its_proof(
    browser: Any, town: Town, second_console: Console, source: str
) -> None:
    owns = Person(browser, town.console, "li", "zh-CN")
    asks = Person(browser, second_console, "chen", "en-GB")

    owns.click("Data", "My sources", source, "Run now")
    owns.sees("Ready to be registered")
    owns.press("Register")
    owns.click("Look and repair")
    owns.sees("ten")
    owns.label("Should be").fill("30")
    owns.click("Note it", "Run with the corrections")
    owns.sees(owns.words.say("%s added, %s removed, %s changed") % (1, 0, 0))
    owns.press("Register")
    owns.click("Exchange")  # and waits there

    asks.click("Data")
    asks.page.get_by_role("searchbox").or_(asks.page.locator('[name="q"]')).first.fill("markets")
    asks.click("Search", source, "Ask for data")
    asks.page.get_by_role("checkbox", name="city").check()
    asks.label("Purpose").select_option("public-service")
    asks.page.get_by_role("checkbox", name="income").check()
    asks.sees("L3 data needs its owner's review")
    asks.click("Go on to sign")
    asks.sees("access.request")
    asks.sign()
    asks.click("Requests")
    asks.open(DATASET)

    owns.open(DATASET)  # it has come by itself
    owns.page.select_option('[name="mask-1"]', "pseudonym")
    owns.click("Show a sample")
    owns.page.wait_for_selector(".sample")
    owns.shoot("review")
    owns.click("Approve")
    owns.sees("pseudonym v1")
    owns.sign()

    number = int(asks.page.url.rpartition("/")[2])
    asks.click(f"Grant {number}")  # it has come by itself
    with serving(town.console, town.console.member):
        asks.label("File").select_option("csv")
        asks.click("Fetch")
        asks.sees("3 records, each against what stands on the chain")
    asks.shoot("fetched")
    (path,) = second_console.home.exported.glob(f"{number}-*.csv")
    asks.sees(str(path))
    names, *rows = path.read_text().splitlines()
    assert names == "city,income"
    assert sorted(row.partition(",")[0] for row in rows) == ["Beijing", "Shanghai", "Tianjin"]
    assert not any(row.endswith((",10", ",20", ",30")) for row in rows)
    asks.page.locator(".job").get_by_role("link", name="Delivery").click()
    asks.sees("as on the chain")
    asks.shoot("delivery")

    asks.click("As a time line")
    asks.page.locator('.timeline li a[href^="/tx/"]').first.click()
    receipt = asks.take("Receipt").read_bytes()
    asks.click("Evidence", "Check a file")
    asks.drop("delivery.receipt", b64encode(receipt).decode())
    asks.sees("checked against the genesis")
    asks.shoot("proved")

    owns.click("Exchange", "Deliveries")
    owns.open(DATASET)
    owns.sees("The header that stands on the chain")
    for person in (asks, owns):
        person.leave()


def test_from_an_alert_to_a_measure(browser: Any, town: Town) -> None:
    """The alert comes in while the list stands open, and so does what the second confirms."""
    watch = Watch(town)
    li = Person(browser, town.console, "li", "en-GB")
    wang = Person(browser, town.console, "wang", "zh-CN")
    li.click("Supervision")
    alert = watch.alert("forbidden", 4)
    li.click(str(alert), "Open a case", "Go on to sign", "Sign and send")
    li.page.locator("dl.facts").get_by_role("link", name="case").click()
    li.section("Decide").get_by_role("button").click()
    li.sign()
    li.section("Find a violation").get_by_role("button").click()
    li.click("Sign and send")
    li.page.locator("dl.facts").get_by_role("link", name="violation").click()
    number = int(li.page.url.rpartition("/")[2])
    wang.click("Supervision", "Violations", str(number))
    li.press("Impose the measure")
    wang.press("Confirm")  # it comes by itself
    wang.sees("imposed")
    li.sees("imposed")
    watch.act(watch.home, ("sanctions", "lift", {"violation": number}))
    other = li.page.context.new_page()
    other.goto(town.console.address)
    other.get_by_role("button", name="Log out").click()
    li.label("Passphrase").wait_for()  # what stood open shows nothing old
    li.said.clear()  # the browser tells of the stream that it was refused
    for person in (li, wang):
        person.leave()


def test_an_order_is_answered_and_another_escalates(
    browser: Any, console: Console, second_console: Console
) -> None:
    li = Person(browser, console, "li", "en-GB")
    chen = Person(browser, second_console, "chen", "zh-CN")

    def order(text: str, member: str, seconds: str) -> int:
        li.click("Dispatch", "New order")
        li.page.locator(f'[name="to-{member}"]').check()
        li.label("Text").fill(text)
        li.label("Acknowledge within").fill(seconds)
        li.label("Acknowledge within – unit").select_option("seconds")
        li.press("Show what is signed")
        number: int = console.query("dispatch", "list")[0]["id"]
        return number

    late = order("Nobody will see this.", "civil", "8")
    chen.click("Dispatch")
    number = order("Count the pumps.", "health", "600")  # which the open board shows by itself
    chen.page.locator(f'.own a[href="/dispatch/orders/{number}"]').click()
    chen.sees("Count the pumps.")
    chen.press("Acknowledge")
    chen.label("Progress in percent").fill("40")
    chen.label("Text").fill("Half of them run.")
    chen.press("Report")
    chen.label("Text").fill("All run.")
    chen.press("It is done")
    shared(console, number, lambda found: found["parts"]["health"]["status"] == "completed")
    li.click("Dispatch")
    li.page.locator(f'.own a[href="/dispatch/orders/{number}"]').click()
    li.sees("Half of them run.")
    li.press("Confirm")
    assert console.query("dispatch", "get", order=number)["status"] == "closed"

    until(second_console, lambda: second_console.query("dispatch", "raised", member="health") != [])
    chen.click("Dispatch")
    chen.sees(chen.words.say("%s has not acknowledged") % "civil")
    chen.sees(chen.words.say("escalated to %s") % "health")
    chen.shoot("escalated")
    chen.page.locator(f'.own a[href="/dispatch/orders/{late}"]').click()
    told = chen.words.say("%s has not acknowledged in time, which %s is told")
    chen.sees(told % ("civil", "health"))
    li.click("Dispatch", "Orders", str(late))
    li.sees("civil has not acknowledged in time, which health is told")
    li.press("Take it back")
    for person in (li, chen):
        person.leave()
