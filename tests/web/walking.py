"""People who walk through the pages by mouse: they click what they see, and know no address."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from node.web.language import choose
from tests.web.conftest import PASSPHRASE, SHOTS, Console

DROP = """([name, text]) => {
    const files = new DataTransfer();
    files.items.add(new File([Uint8Array.from(atob(text), each => each.charCodeAt(0))], name));
    document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: files, bubbles: true}));
}"""


class Person:
    """Somebody at a console, who logs in and clicks; the content policy is in force.

    Names of links and buttons, and what is to be seen, are given in English and looked for in the
    person's language.
    """

    def __init__(self, browser: Any, console: Console, operator: str, language: str) -> None:
        self.words = choose(None, language, None)
        context = browser.new_context(locale=language, timezone_id="Asia/Shanghai",
                                      viewport={"width": 1280, "height": 900})  # fmt: skip
        self.page = context.new_page()
        self.said: list[str] = []
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("console", lambda line: line.type == "error" and self.said.append(line.text))
        self.page.goto(console.address)
        self.label("Operator").fill(operator)
        self.label("Passphrase").fill(PASSPHRASE)
        self.click("Log in")

    def click(self, *names: str) -> None:
        """Links and buttons by what they say, one after the other."""
        for name in map(self.words.say, names):
            both = self.page.get_by_role("link", name=name, exact=True)
            both.or_(self.page.get_by_role("button", name=name, exact=True)).first.click()

    def open(self, row: str) -> None:
        """The first link in the latest row of a table that has some text, once there is one."""
        self.page.locator("tbody tr").filter(has_text=row).first.locator("a").first.click()

    def label(self, name: str) -> Any:
        return self.page.get_by_label(self.words.say(name), exact=True)

    def section(self, title: str) -> Any:
        """A card by its heading."""
        heading = self.page.get_by_role("heading", name=self.words.say(title), exact=True)
        return self.page.locator("section.card").filter(has=heading)

    def sign(self) -> None:
        self.click("Sign and send")
        self.sees("Final, and done.")
        self.click("Go on")

    def press(self, name: str) -> None:
        """Click, and sign what it leads to."""
        self.click(name)
        self.sign()

    def sees(self, text: str) -> None:
        self.page.get_by_text(self.words.say(text)).first.wait_for()

    def take(self, name: str) -> Path:
        """What a link loads down."""
        with self.page.expect_download() as found:
            self.click(name)
        return Path(found.value.path())

    def drop(self, name: str, data: str) -> None:
        """Drop a file, Base64, anywhere onto the page."""
        self.page.evaluate(DROP, [name, data])

    def shoot(self, name: str) -> None:
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"walk-{name}.png", full_page=True)

    def leave(self) -> None:
        assert self.said == []
        self.page.context.close()
