from __future__ import annotations

from typing import Any

import pytest

from contracts.codes import Code
from node.watch import limits
from node.watch.alert import Alert
from node.watch.calendar import DAY_MS, Calendar
from node.watch.item import FAILED, HEALTH, HEALTH_MS, LEDGER, NODE, Health, Item, Terms
from node.watch.memory import Table
from node.watch.watch import StateError, Watch
from node.watch.words import MEANINGS
from simnet.activity.month import Month, make

MONDAY = 20_871 * DAY_MS
"""22 February 2027, 8:00 in the offices."""
HOUR = 3_600_000
TERMS = {
    1: Terms("tax", "land", "land/parcels", 3),
    2: Terms("land", "city", "city/permits", 2),
    3: Terms("city", "tax", "tax/returns", 2),
}


class Life:
    """A watch, and what is told to it; `alerts` are all that it raised."""

    def __init__(self, watch: Watch | None = None) -> None:
        self.watch = watch or Watch(TERMS.get)
        self.alerts: list[Alert] = []
        self.deliveries = 0

    def tell(self, time: int, contract: str, name: str, data: Any, sender: str) -> list[Alert]:
        made = self.watch.step(Item(1, time, contract, name, data, sender))
        self.alerts += made
        return made

    def deliver(
        self, grant: int, rows: int, time: int, operator: str = "li", *, lasts: int = 60_000,
        asked: int | None = None,
    ) -> list[Alert]:  # fmt: skip
        self.deliveries += 1
        number, terms = self.deliveries, TERMS.get(grant, TERMS[1])
        opened = [number, grant, terms.recipient, terms.owner, 1, asked or rows]
        sender = f"{terms.recipient}/{operator}"
        made = self.tell(time, "deliveries", "opened", opened, sender)
        ended = [number, grant, "closed", rows]
        return made + self.tell(time + lasts, "deliveries", "ended", ended, f"{terms.owner}/node")

    def ask(self, number: int, time: int, waits: int | None) -> None:
        """Tax asks land, whose reviewer approves after `waits`, or never answers."""
        self.tell(time, "access", "requested", [number, "tax", "land/parcels"], "tax/li")
        self.tell(time, "access", "decided", [number, "REVIEW", "level", 3], "tax/li")
        if waits is not None:
            data = [number, "land", "approve", []]
            self.tell(time + waits, "access", "reviewed", data, "land/wu")

    def live(self, days: int) -> int:
        """Two deliveries each working day; returns the morning after."""
        for day in range(days):
            if Calendar().is_working(Calendar().day(MONDAY + day * DAY_MS)):
                self.deliver(1, 1_000 + day, MONDAY + day * DAY_MS + 2 * HOUR)
                self.deliver(1, 1_100 - day, MONDAY + day * DAY_MS + 5 * HOUR)
        return MONDAY + days * DAY_MS

    def report(self, slot: int, **values: int) -> list[Alert]:
        health = Health("tax", **values)
        return self.tell(MONDAY + slot * HEALTH_MS, NODE, HEALTH, list(health), "")


def names(alerts: list[Alert]) -> set[str]:
    return {alert.detector for alert in alerts}


def test_what_is_usual_raises_nothing() -> None:
    life = Life()
    life.live(28)
    assert life.alerts == []


def test_a_bulk_delivery_names_its_rows_and_what_is_usual() -> None:
    life = Life()
    morning = life.live(21)
    [alert] = [a for a in life.deliver(1, 40_000, morning + HOUR) if a.detector == "bulk"]
    assert (alert.member, alert.subject, alert.key) == (
        "tax", "land/parcels", "bulk/tax/land/parcels",
    )  # fmt: skip
    [reason] = alert.reasons
    assert (reason.feature, reason.value) == ("delivery-rows", 40_000)
    assert 900 < reason.usual < 1_200
    assert reason.far > 4


def test_the_same_trouble_is_told_once_and_again_after_days() -> None:
    life = Life()
    morning = life.live(21)
    assert "bulk" in names(life.deliver(1, 40_000, morning + HOUR))
    assert "bulk" not in names(life.deliver(1, 40_000, morning + 2 * HOUR))
    assert "bulk" in names(life.deliver(1, 400_000, morning + 4 * DAY_MS))


def test_nights_and_many_sensitive_deliveries_are_seen() -> None:
    life = Life()
    morning = life.live(21)
    night = morning + 17 * HOUR
    for minute in range(12):
        life.deliver(1, 1_000, night + minute * 600_000)
    assert {"off-hours", "sensitive"} <= names(life.alerts)


def test_another_hand_at_standing_grants_and_lowered_labels_are_seen() -> None:
    life = Life(Watch(lambda grant: Terms("tax", "land", f"land/set-{grant}", 2)))
    morning = life.live(21)
    for grant in range(4, 8):
        life.deliver(grant, 100, morning + grant * HOUR, "deputy")
    for version in range(2):
        life.tell(morning + version, "catalogue", "lowered", ["land/set-1", version, []], "land/li")
    found = {(a.detector, a.member, a.subject) for a in life.alerts}
    assert {("new-hands", "tax", "deputy"), ("lowered", "land", "")} <= found


def test_failures_count_by_how_various_they_are() -> None:
    retries, probes = Life(), Life()
    for life in (retries, probes):
        life.live(21)
    noon = MONDAY + 21 * DAY_MS + 4 * HOUR
    codes = (Code.NEEDS_DUTY, Code.NOT_OWNER, Code.NOT_PARTY, Code.NOT_REVIEWER)
    for number in range(8):
        retries.tell(noon + number, LEDGER, FAILED, [int(Code.GRANT_EXPIRED)], "tax/etl")
        probes.tell(noon + number, LEDGER, FAILED, [int(codes[number % 4])], "tax/li")
    assert names(retries.alerts) == set()
    assert {"failures", "forbidden"} <= names(probes.alerts)


def test_rows_that_go_round_are_a_circle() -> None:
    life = Life()
    life.live(21)
    morning = MONDAY + 22 * DAY_MS
    life.deliver(2, 5_000, morning)
    life.deliver(1, 4_950, morning + HOUR)  # land to tax, as every day
    assert "circle" not in names(life.alerts)
    life.deliver(3, 4_900, morning + 2 * HOUR)
    for grant in (2, 1, 3):
        morning += HOUR
        life.deliver(grant, 5_000, morning + DAY_MS)
    [alert] = [a for a in life.alerts if a.detector == "circle"]
    assert {alert.member, *alert.subject.split(".")} == {"city", "land", "tax"}


def test_nodes_are_compared_with_themselves() -> None:
    life = Life()
    usual = {"turns": 75, "blocks": 900, "absent": 200}
    life.deliver(1, 100, MONDAY)
    for slot in range(480):
        life.report(slot, **usual)
    assert life.alerts == []
    for slot in range(480, 486):
        life.report(slot, **usual | {"absent": 500, "downs": 4})
    found = {"late-votes", "downs", "long-late-votes", "long-downs", "odd-reports", "downs-a-day"}
    assert names(life.alerts) == found


def test_a_node_that_fails_a_little_for_long_or_now_and_then_is_seen() -> None:
    usual = {"turns": 75, "blocks": 900, "absent": 200}
    long, often = Life(), Life()
    often.deliver(1, 100, MONDAY)
    for slot in range(48 * 10):
        wave = slot % 3
        long.report(slot, **usual | {"absent": 200 + wave + 40 * (slot >= 48 * 9)})
        often.report(slot, **usual | {"absent": 200 + wave + 100 * (slot >= 432 and slot % 9 == 0)})
    assert "long-late-votes" in names(long.alerts)
    assert "late-votes" not in names(long.alerts)
    assert names(often.alerts) == {"odd-reports"}


def test_contradictions_and_differing_roots_need_no_history() -> None:
    life = Life()
    life.tell(MONDAY, "evidence", "reported", ["tax", 1, 7], "land/node")
    life.report(1, mismatched=1)
    assert {(a.detector, a.severity) for a in life.alerts} == {
        ("equivocation", 4), ("mismatched-roots", 4),
    }  # fmt: skip


def test_what_contracts_have_found_is_passed_on() -> None:
    life = Life()
    life.tell(MONDAY, "deliveries", "enumeration", [1, "city", 80, 60], "tax/node")
    life.tell(MONDAY, "deliveries", "overdue", [1, MONDAY], "")
    life.tell(MONDAY, "deliveries", "overdue", [99, MONDAY], "")
    assert {(a.detector, a.member, a.subject) for a in life.alerts} == {
        ("enumeration", "city", ""), ("overdue-erasure", "tax", "land/parcels"),
    }  # fmt: skip


def test_reviews_are_judged_by_haste_delay_and_for_whom() -> None:
    hasty, late, silent = Life(), Life(), Life()
    for life, waits in ((hasty, 10_000), (late, 3 * DAY_MS), (silent, None)):
        morning = life.live(21)
        for number in range(10, 16):
            life.ask(number, morning + number * HOUR // 4, waits)
    silent.live(40)
    assert {"hasty-reviews", "approvals-of-one"} <= names(hasty.alerts)
    assert "late-reviews" in names(late.alerts) & names(silent.alerts)
    assert not names(late.alerts) & {"hasty-reviews"}
    assert {a.member for a in hasty.alerts if a.detector == "hasty-reviews"} == {"land"}


def test_many_who_take_a_dataset_for_the_first_time_are_seen_together() -> None:
    members = ("city", "sea", "fire", "port")
    terms = {n: Terms(name, "land", "land/parcels", 1) for n, name in enumerate(members, 10)}
    life = Life(Watch((TERMS | terms).get))
    morning = life.live(21)
    for number, name in enumerate(members, 10):
        life.tell(
            morning + number * 60_000, "deliveries", "opened",
            [number, number, name, "land", 1, 9], f"{name}/li",
        )  # fmt: skip
    found = [(a.member, a.subject) for a in life.alerts if a.detector == "new-takers"]
    assert found == [("fire", "land/parcels"), ("port", "land/parcels")]


def test_what_the_chain_does_by_schedule_counts_for_whom_it_names() -> None:
    life = Life()
    morning = life.live(21)
    for number in range(5):
        life.tell(morning + number, "custody", "failed", [number, "tax", "land/parcels"], "")
        life.tell(morning + number, "custody", "failed", [number, "nobody", "land/parcels"], "")
    assert {(a.detector, a.member) for a in life.alerts} == {("named.custody.failed", "tax")}


def test_a_programs_pace_and_the_same_rows_are_seen() -> None:
    life = Life()
    morning = life.live(21)
    for number in range(9):
        life.deliver(1, 777, morning + number * 20 * 60_000)
    assert {"even-pace", "same-rows"} <= names(life.alerts)


def test_streams_see_what_has_changed_for_good() -> None:
    life = Life()
    morning = life.live(28)
    assert life.alerts == []
    for number in range(8):
        time = morning + number % 2 * HOUR + number // 2 * DAY_MS + 2 * HOUR
        life.deliver(1, 4_000, time, lasts=3_600_000, asked=9_000)
    assert {"growing-rows", "slow-serving", "other-rows"} <= names(life.alerts)


def test_a_little_more_each_day_adds_up() -> None:
    life = Life()
    morning = life.live(28)
    for number in range(100):
        if Calendar().is_working(Calendar().day(morning + number // 5 * DAY_MS)):
            life.deliver(1, 1_000, morning + number // 5 * DAY_MS + number % 5 * 2 * HOUR)
    found = [a for a in life.alerts if a.detector == "lasting"]
    assert {a.subject for a in found} == {"rows"}
    assert not {"rows", "deliveries", "sensitive"} & names(life.alerts)


def test_misses_count_beyond_the_usual_share_of_look_ups() -> None:
    busy, guessing = Life(), Life()
    for life, missed in ((busy, 40), (guessing, 200)):
        morning = life.live(21)
        life.deliveries += 1
        opened = [life.deliveries, 1, "tax", "land", 1, 10_000]
        life.tell(morning, "deliveries", "opened", opened, "tax/li")
        calls = [life.deliveries, 800, bytes(32), missed]
        life.tell(morning + HOUR, "deliveries", "calls", calls, "land/node")
    assert "misses" not in names(busy.alerts)
    assert "misses" in names(guessing.alerts)


def test_dispositions_move_a_threshold_within_bounds() -> None:
    deaf, keen = Life(), Life()
    for life in (deaf, keen):
        life.live(21)
    for _ in range(50):
        deaf.watch.learn("bulk", "tax", "unfounded")
        keen.watch.learn("bulk", "tax", "confirmed")
    morning = MONDAY + 21 * DAY_MS + HOUR
    assert "bulk" not in names(deaf.deliver(1, 8_000, morning))
    assert "bulk" in names(keen.deliver(1, 8_000, morning))
    assert "bulk" in names(deaf.deliver(1, 100_000, morning + HOUR))


def test_data_of_another_shape_shows_nothing() -> None:
    life = Life()
    for data in (None, [], ["x"], [1, 2], {"a": 1}, [1, [2], "tax", None], [-1, -1, "", "", 0, 0]):
        for contract, name in (
            ("access", "requested"), ("access", "decided"), ("access", "reviewed"),
            ("deliveries", "opened"), ("deliveries", "ended"), ("deliveries", "calls"),
            ("evidence", "said"), ("node", "health"), (LEDGER, FAILED), ("mine", "said"),
        ):  # fmt: skip
            life.tell(MONDAY, contract, name, data, "tax/li")
    assert life.alerts == []


@pytest.fixture(scope="module")
def month() -> Month:
    return make(2)


def test_a_watch_goes_on_where_it_was_written_down(month: Month) -> None:
    items = month.items[:30_000]
    whole = Life(Watch(month.terms.get))
    for item in items:
        whole.tell(*item[1:])
    first = Life(Watch(month.terms.get))
    for item in items[:20_000]:
        first.tell(*item[1:])
    second = Life(Watch(month.terms.get, kept=first.watch.dump()))
    for item in items[20_000:]:
        second.tell(*item[1:])
    assert whole.alerts == first.alerts + second.alerts
    assert second.watch.dump() == whole.watch.dump()
    assert whole.alerts


@pytest.mark.parametrize(
    "kept", [b"", b"\xff", b"\x01", b"\x82\x01\xa0", b"\x82\x03\xa0", b"\x82\x01\x02"]
)
def test_a_damaged_memory_is_refused(kept: bytes) -> None:
    with pytest.raises(StateError):
        Watch(TERMS.get, kept=kept)


def test_every_detector_is_explained() -> None:
    others = {
        "enumeration",
        "overdue-erasure",
        "bulk",
        "circle",
        "equivocation",
        "invalid-messages",
        "lasting",
        "mismatched-roots",
        "relay",
        "together",
        "trickle",
    }
    assert {*limits.DAYS, *limits.NODES, *limits.STREAMS, *others} == MEANINGS.keys()


def test_tables_forget_what_was_touched_least_lately() -> None:
    table = Table(2)
    for key in ("a", "b", "a", "c"):
        table.touch(key, key)
    assert list(table) == ["a", "c"]


def test_months_end_on_their_last_working_days() -> None:
    calendar = Calendar()
    first = calendar.day(MONDAY) + 7  # 1 March 2027
    ends = [day - first + 1 for day in range(first, first + 31) if calendar.is_month_end(day)]
    assert ends == [27, 28, 29, 30, 31]


def test_office_days_are_those_of_the_table_of_access() -> None:
    """Sunday to Thursday at UTC+3: a Friday evening in Greenwich is a Saturday there."""
    calendar = Calendar.of([180, 0b1001111, 7 * 60, 15 * 60])
    working = [calendar.is_working(calendar.day(MONDAY + n * DAY_MS)) for n in range(7)]
    assert working == [True, True, True, True, False, False, True]
    late = MONDAY + 4 * DAY_MS + 22 * 3_600_000
    assert calendar.hour(late) == (Calendar(0).hour(late) + 3) % 24
    assert calendar.day(late) == Calendar(0).day(late + 3 * 3_600_000)


def test_a_watch_goes_on_under_another_calendar() -> None:
    watch = Watch(lambda grant: None)
    watch.step(Item(1, MONDAY, LEDGER, FAILED, [4], "tax/li"))
    again = Watch(lambda grant: None, Calendar.of([0, 0b0011111, 0, 1]), watch.dump())
    assert again.step(Item(2, MONDAY + DAY_MS, LEDGER, FAILED, [4], "tax/li")) == []
    assert again.dump() != watch.dump()
