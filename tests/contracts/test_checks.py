"""Checkers accept exactly what they say, and name the argument otherwise."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.codec import DecodeError
from contracts import checks
from contracts.api import Checker

SHORT = checks.text(8)


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (checks.integer(1, 4), [1, 4], [0, 5, True, "1", None]),
        (checks.data(2), [b"ab"], [b"a", b"abc", "ab", None]),
        (SHORT, ["a", "土地", "12345678", "a b"], ["", "123456789", "土地土", 1, None]),
        (SHORT, ["\U0001faf7"], ["a\n", "\x7f", "\x9b", "\u2028", "\u202e", "\ud800", "\u2066"]),
        (checks.text(4, 0), ["", "abcd"], ["abcde"]),
        (checks.slug, ["a", "a-b.c_9", "x" * 128], ["", "A", "a b", "x" * 129, "é", 1]),
        (checks.owned_id, ["a/b", "a/" + "b" * 126], ["a", "/b", "a/", "a/b/c", "A/b", 1]),
        (checks.owned_id, [], ["a/" + "b" * 127, "\ud800/b", None]),
        (checks.one_of("x", "y"), ["x", "y"], ["z", "", 1, None, ["x"]]),
        (checks.optional(checks.slug), [None, "a"], ["A", 1]),
        (checks.list_of(checks.slug, 2), [[], ["a", "b"]], [["a"] * 3, "a", ["A"], [1]]),
        (checks.record({"a": checks.slug}), [{"a": "b"}], [{}, {"a": 1}, {"a": "b", "c": 1}, []]),
    ],
)
def test_accepts_and_refuses(check: Checker, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert check(value, "field") == value
    for value in bad:
        with pytest.raises(DecodeError, match=r"^field"):
            check(value, "field")


def test_the_place_inside_a_value_is_named() -> None:
    check = checks.list_of(checks.record({"rows": checks.integer(0, 1)}), 9)
    with pytest.raises(DecodeError, match=r"^sources\[1\]\.rows: "):
        check([{"rows": 0}, {"rows": 2}], "sources")


@given(st.text())
def test_any_text_is_accepted_or_refused(text: str) -> None:
    for check in (SHORT, checks.slug, checks.owned_id):
        with suppress(DecodeError):
            assert check(text, "field") == text


@given(st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 64) - 1))
def test_number_keys_sort_by_number(low: int, high: int) -> None:
    assert (checks.number_key(low) < checks.number_key(high)) == (low < high)
