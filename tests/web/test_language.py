"""Every word of the pages stands in every language, and none stands there for nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from node.web import console, language, portal
from node.web.vocabulary import WORDS

WEB = Path(language.__file__).parent
KEYWORDS = {"_": None, "say": None, "gettext": None, "ngettext": (1, 2)}


def _said() -> set[str]:
    """What templates, handlers and the ledger's vocabulary say; plurals by their first form."""
    plain, counted = _messages()
    return plain | counted


def _messages() -> tuple[set[str], set[str]]:
    """Words that are said as they are, and the first forms of those that are counted."""
    found = extract_from_dir(
        WEB,
        method_map=[("**.py", "python"), ("templates/**.html", "jinja2")],
        options_map={"templates/**.html": {"trimmed": "true"}},
        keywords=KEYWORDS,
    )
    titles = {area.title for area in (*console.AREAS, *portal.AREAS)}
    messages = [message for _, _, message, _, _ in found]
    plain = {message for message in messages if isinstance(message, str)}
    counted = {message[0] for message in messages if not isinstance(message, str)}
    return plain | set(WORDS) | titles, counted


def test_no_word_is_said_plainly_that_stands_as_a_counted_one() -> None:
    plain, counted = _messages()
    assert plain & counted == set()


@pytest.mark.parametrize("code", [code for code in language.NAMES if code != "en"])
def test_catalogues_are_complete(code: str) -> None:
    known: set[str] = set()
    for path in (WEB / "locale" / code).glob("*.po"):
        with path.open("rb") as file:
            for message in read_po(file, locale=code, abort_invalid=True):
                if message.id:
                    text = message.string
                    first = message.id if isinstance(message.id, str) else message.id[0]
                    assert all(text if isinstance(text, tuple | list) else [text]), first
                    assert first not in known, f"{first!r} stands twice"
                    said = text if isinstance(text, str) else text[0]
                    assert first.count("%") == said.count("%"), first
                    known.add(first)
    assert known == _said()


def test_language_is_chosen_by_switch_then_browser() -> None:
    assert language.choose("zh", "en", None).code == "zh"
    assert language.choose(None, "zh-TW,zh;q=0.9,en;q=0.8", None).code == "zh"
    assert language.choose(None, "fr,en;q=0.5,zh;q=0.4", None).code == "en"
    assert language.choose(None, "en;q=0", None).code == "en"
    assert language.choose("../../etc", "q=;;,,;q=x", "../../etc/passwd").code == "en"


def test_times_are_in_the_visitors_zone() -> None:
    there = language.choose("en", "", "Asia/Shanghai")
    assert there.moment(0) == "1970-01-01 08:00:00"
    assert there.utc(0) == "00:00:00"
    assert language.choose("zh", "", "Asia/Shanghai").say("Situation") == "态势"
    assert there.number(1234567) == "1,234,567"
