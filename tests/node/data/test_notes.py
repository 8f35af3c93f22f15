"""Notes of checks and detectors: whatever value one has comes back, and each can be told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.data.notes import NOTES, at, note, tell


@given(st.text(), st.text())
def test_any_value_comes_back_in_the_sentence(value: str, place: str) -> None:
    made = note("unexpected", value)
    assert tell(made) == f"has the unexpected field {value}"
    assert tell(at(place, made)) == f"{place}: has the unexpected field {value}"


@pytest.mark.parametrize("code", NOTES)
def test_each_is_told_with_as_many_values_as_it_has_places(code: str) -> None:
    count = NOTES[code].count("{}")
    told = tell(note(code, *range(count)), str.upper)
    assert told == NOTES[code].upper().format(*range(count))
    assert tell(note(code, *range(count + 1))) == note(code, *range(count + 1))


def test_types_are_named_in_the_readers_words() -> None:
    words = {"is not a valid {}": "不是有效的{}", "telephone number": "电话号码"}
    assert tell(note("not-valid", "phone"), lambda text: words[text]) == "不是有效的电话号码"


@pytest.mark.parametrize("kept", ["its name", "within 3 values", "it's", "", "at", "at x", "'"])
def test_what_was_kept_in_words_stays_as_it_is(kept: str) -> None:
    assert tell(kept) == kept
