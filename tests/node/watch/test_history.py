"""Figures of alerts counted day by day from the chain, as the watch counts them."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.codes import Code
from node.trace.index import Entry
from node.watch import limits
from node.watch.calendar import DAY_MS, Calendar
from node.watch.history import LEANING, by_day, can_count, grants_of
from node.watch.item import Terms
from node.watch.words import FIGURES, figure_text

CALENDAR = Calendar(offset=0)
DAYS = range(10, 14)


def entry(day: int, sender: str, contract: str, name: str, data: Any, code: int = 0) -> Entry:
    return Entry(day, day * DAY_MS + 1, f"{sender}{day}", sender, code, contract, name, data)


def count(figure: str, *entries: Entry, subject: str = "") -> list[float]:
    def resolve(grant: int) -> Terms:
        return Terms("city", "land", "land/wells", 3)

    return by_day(entries, "city", figure, subject, DAYS, CALENDAR, resolve)


def asked(day: int, number: int, by: str = "city") -> Entry:
    return entry(day, by, "access", "requested", [number, by, "land/wells"])


def test_requests_are_counted_on_their_days() -> None:
    life = [asked(11, 1), asked(11, 2), asked(12, 3), asked(12, 4, by="tax")]
    assert count("requests", *life) == [0, 2, 1, 0]
    assert count("asked-lately", *life) == [0, 2, 3, 3]  # three days together
    assert grants_of(life) == [1, 2, 3, 4]


def test_rows_and_sensitive_deliveries_follow_their_grants() -> None:
    life = []
    for number, (day, rows) in enumerate(((10, 5), (12, 900), (12, 30)), 1):
        opened, ended = [number, 7, "city", "land", 1, 9], [number, 7, "closed", rows]
        life += [entry(day, "city/li", "deliveries", "opened", opened),
                 entry(day, "city/li", "deliveries", "ended", ended)]  # fmt: skip
    assert count("deliveries", *life) == [1, 0, 2, 0]
    assert count("rows", *life) == [5, 0, 930, 0]
    assert count("delivery-rows", *life, subject="land/wells") == [5, 0, 900, 0]
    assert count("delivery-rows", *life, subject="land/other") == [0, 0, 0, 0]
    assert count("same-deliveries", *life, subject="land/wells") == [1, 0, 2, 0]
    assert grants_of(life) == [7]


def test_a_transaction_that_failed_counts_once() -> None:
    code = int(Code.NOT_OWNER)
    life = [entry(11, "city", "access", "review", [], code),
            entry(11, "city", "access", "revoke", [], code)]  # fmt: skip
    assert count("failures", *life) == [0, 1, 0, 0]
    assert count("forbidden", *life) == [0, 1, 0, 0]


@pytest.mark.parametrize("figure", ["off-hours", "new-owners", "circles", "through.tax", "lag"])
def test_what_leans_on_all_that_went_before_is_not_counted(figure: str) -> None:
    assert not can_count(figure)


def test_every_figure_has_words() -> None:
    assert limits.DAYS.keys() >= LEANING
    assert {*limits.DAYS, *limits.NODES, *limits.STREAMS} <= FIGURES.keys()
    assert can_count("cases.opened")
    assert figure_text("cases.opened") == ("cases.opened", "")
    assert figure_text("through.tax")[1] == "tax"
