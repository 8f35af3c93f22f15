from __future__ import annotations

from collections import Counter

import pytest

from node.watch.item import NODE, Health
from simnet.activity.departments import COUNT
from simnet.activity.month import BEGIN, END, KINDS, Month, make


@pytest.fixture(scope="module")
def month() -> Month:
    return make(3, KINDS)


def test_one_seed_one_month(month: Month) -> None:
    assert make(3, KINDS) == month
    assert make(4).items != month.items


def test_items_are_in_order_and_within_the_time(month: Month) -> None:
    moments = [(item.time, item.height) for item in month.items]
    assert moments == sorted(moments)
    assert moments[-1][0] <= END


def test_each_kind_is_planted_once_within_the_month(month: Month) -> None:
    assert Counter(plant.kind for plant in month.plants) == Counter(KINDS.keys())
    first = [plant.members[0] for plant in month.plants]
    assert len(set(first)) == len(first)
    for plant in month.plants:
        assert BEGIN < plant.begin <= plant.end < END


def test_every_delivery_is_of_a_known_grant_and_ends_after_it_opened(month: Month) -> None:
    opened = {}
    for item in month.items:
        if (item.contract, item.name) == ("deliveries", "opened"):
            number, grant, recipient, server, _, rows = item.data
            terms = month.terms[grant]
            assert (terms.recipient, terms.owner) == (recipient, server)
            assert rows > 0
            opened[number] = item.time
        elif (item.contract, item.name) == ("deliveries", "ended") and item.data[0] in opened:
            assert item.time > opened[item.data[0]]
    assert len(opened) > 5_000


def test_rates_are_heavy_tailed(month: Month) -> None:
    counts = Counter(
        item.data[2]
        for item in month.items
        if (item.contract, item.name) == ("deliveries", "opened")
    )
    assert len(counts) == COUNT
    ranked = sorted(counts.values())
    assert ranked[-1] > 5 * ranked[COUNT // 2]


def test_nodes_report_each_half_hour(month: Month) -> None:
    reports = [Health(*item.data) for item in month.items if item.contract == NODE]
    assert set(Counter(report.member for report in reports).values()) == {44 * 48}
    assert all(r.missed <= r.turns and r.absent <= r.blocks for r in reports)


def test_what_is_right_does_not_depend_on_what_is_planted(month: Month) -> None:
    honest = {repr(item) for item in make(3, ()).items if item.contract != NODE}
    assert honest < {repr(item) for item in month.items}
