"""What a column of open data looks like, in a few numbers."""

from __future__ import annotations

from typing import Any

from node.publish.profile import BINS, MAX_DISTINCT, Profile


def profile(type_name: str, values: list[str | None]) -> dict[str, Any]:
    made = Profile("field", ("", ""), type_name)
    for value in values:
        made.add(value)
    for value in values if made.needs_more else ():
        made.add_again(value)
    return made.to_json()


def test_numbers_are_counted_between_lowest_and_highest() -> None:
    found = profile("amount", ["-1.5", "0", "8.5", None, "no number", "nan"])
    assert (found["low"], found["high"], found["nulls"]) == (-1.5, 8.5, 1)
    assert found["chart"] == "bins"
    assert sum(found["bars"]) == 3
    assert found["bars"][0] == found["bars"][-1] == 1
    assert profile("integer", ["7", "7"])["chart"] == "none"


def test_numbers_that_no_sum_can_hold_are_left_out() -> None:
    found = profile("decimal", ["1", f"1{'0' * 308}", f"-1{'0' * 308}", "9" * 400, "2"])
    assert (found["low"], found["high"], found["mean"]) == (1, 2, 1.5)
    assert sum(found["bars"]) == 2


def test_times_are_counted_by_month_and_many_of_them_by_year() -> None:
    assert profile("date", ["2026-01-31", "2026-01-01", "2025-12-31"])["bars"] == [
        ["2025-12", 1], ["2026-01", 2],
    ]  # fmt: skip
    many = [f"{year}-{month:02}-01" for year in range(2000, 2020) for month in range(1, 13)]
    assert profile("date", many)["bars"][0] == ["2000", 12]


def test_names_are_ranked_unless_all_differ_or_are_too_many() -> None:
    assert profile("text", ["b", "a", "b"])["bars"] == [["b", 2], ["a", 1]]
    assert profile("text", ["b", "a"])["chart"] == "none"
    assert "distinct" not in profile("text", [str(i) for i in range(MAX_DISTINCT + 2)])
    assert len(profile("text", ["x" * 500] * 2)["bars"][0][0]) < 70
    assert BINS > 2
