"""Names, dates and hours as people write them."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.system.access.rules import hours
from node.exchange.asking import AskingError, Dataset, parse_hours, parse_moment, show_hours


@pytest.mark.parametrize(
    ("text", "window", "shown"),
    [
        ("mon-fri 08:00-18:00 +08:00", [480, 31, 480, 1080],
         "mon tue wed thu fri 08:00-18:00 UTC+08:00"),
        ("Sat 00:00-24:00 -03:30", [-210, 32, 0, 1440], "sat 00:00-24:00 UTC-03:30"),
        ("09:00-10:00 +00:00", [0, 127, 540, 600],
         "mon tue wed thu fri sat sun 09:00-10:00 UTC+00:00"),
    ],
)  # fmt: skip
def test_hours_are_read_and_shown(text: str, window: list[int], shown: str) -> None:
    assert parse_hours(text) == window
    assert hours(list(window), "hours") == window
    assert show_hours(window) == shown


@pytest.mark.parametrize(
    "text",
    ["", "always", "fri-mon 08:00-18:00 +08:00", "mon 18:00-08:00 +00:00", "mon 8:00-9:00 +00:00",
     "mon 08:00-25:00 +00:00", "one 08:00-09:00 +00:00", "mon 08:00-09:00"],
)  # fmt: skip
def test_what_are_no_hours_is_refused(text: str) -> None:
    with pytest.raises(AskingError):
        parse_hours(text)


def test_moments_are_utc_unless_they_say_otherwise() -> None:
    assert parse_moment("2026-01-01") == 1_767_225_600_000
    assert parse_moment("2026-01-01T08:00+08:00") == 1_767_225_600_000
    with pytest.raises(AskingError):
        parse_moment("tomorrow")


def test_fields_are_found_by_name() -> None:
    def query(contract: str, method: str, args: dict[str, Any]) -> Any:
        if contract == "standards":
            return {"standard": {"fields": [{"name": "a"}, {"name": "b"}]}}
        return {"dataset": args["dataset"], "standard": ["x/y", 1, ""], "version": 3}

    found = Dataset.find(query, "x/z", None)
    assert (found.places(["b", "a", "b"]), found.places([])) == ([0, 1], [0, 1])
    with pytest.raises(AskingError, match="has no field 'c'; it has a, b"):
        found.place("c")
