from __future__ import annotations

from random import Random

from node.watch import limits
from node.watch.calendar import DAY_MS
from node.watch.features import Taken
from node.watch.memory import Memory
from node.watch.relays import LEAST_ROWS, Relay, Relays

HOUR = 3_600_000
LIMIT = limits.RELAY


def taken(owner: str, member: str, rows: int, operator: str = "li") -> Taken:
    return Taken(member, owner, f"{owner}/set", 2, f"{member}/{operator}", rows, None, False)


def pass_on(relays: Relays, days: int, rows: list[int]) -> list[Relay | None]:
    """City takes of land in the morning; sea takes as many of city later that day."""
    found = []
    for day, count in zip(range(days), rows, strict=False):
        relays.add(taken("land", "city", count), day * DAY_MS)
        found.append(relays.add(taken("city", "sea", count), day * DAY_MS + 3 * HOUR))
    return found


def test_what_is_passed_on_each_day_adds_up() -> None:
    found = pass_on(Relays(Memory()), 4, [1_210, 830, 1_904, 977])
    last = found[-1]
    assert last is not None
    assert last[:4] == ("land/set", "city", "sea", 4)
    assert last.weight > LIMIT
    assert found[0] is not None
    assert found[0].weight < LIMIT


def test_chance_among_members_that_exchange_much_does_not() -> None:
    random, relays, most = Random(7), Relays(Memory()), 0.0
    for day in range(40):
        for number in range(40):
            giver, taker = random.sample(("land", "city", "sea", "tax"), 2)
            rows = round(random.lognormvariate(6.5, 0.5)) + LEAST_ROWS
            found = relays.add(taken(giver, taker, rows), day * DAY_MS + number * 600_000)
            most = max(most, found.weight if found else 0)
    assert 0 < most < LIMIT


def test_a_job_that_always_takes_as_many_proves_nothing() -> None:
    random, relays, most = Random(7), Relays(Memory()), 0.0
    for day in range(60):
        for owner, member in (("land", "city"), ("city", "sea")):
            rows = round(5_000 * random.lognormvariate(0, 0.02))
            found = relays.add(taken(owner, member, rows, "job"), day * DAY_MS + HOUR)
            most = max(most, found.weight if found and day > 10 else 0)
    assert most < LIMIT


def test_what_comes_later_than_a_day_or_is_tiny_is_not_looked_at() -> None:
    relays = Relays(Memory())
    relays.add(taken("land", "city", 1_000), 0)
    assert relays.add(taken("city", "sea", 1_000), DAY_MS) is None
    relays.add(taken("land", "city", LEAST_ROWS - 1), 2 * DAY_MS)
    assert relays.add(taken("city", "sea", LEAST_ROWS - 1), 2 * DAY_MS + 1) is None
