"""Small changes that last: cumulative sums (Page, 1954) that grow while values stay unusual."""

from __future__ import annotations

import math
from typing import NamedTuple

from node.watch.calendar import DAY_MS, Calendar
from node.watch.days import Found
from node.watch.features import Taken
from node.watch.item import Health
from node.watch.memory import Memory

MAX_NODES, MAX_PAIRS = 5_000, 50_000
FACTOR = 2.5
"""How many times the usual rate a lasting rise is looked for."""
BASE_RATE = 0.15
"""Deliveries a day that are usual of anything."""
SWING = 0.5
"""Days swing together: what is done often varies by more than a Poisson count."""
KNOWN, MEMORY, HIGHEST = 7, 20, 20.0
"""Days after which a rate is known and after which it fades, and the highest sum."""
YOUNG_MS = 21 * DAY_MS
"""A grant that is younger has no usual rate yet."""
SETTLE = 20
"""Reports after which a node's own figures are known."""
SLACK, STEP = 2.0, 5.0
"""Spreads that are ignored in each report, and the most that one report adds."""
ODD = 3.5
"""Spreads beyond which a report is odd in itself."""
_FADE = 0.02


MOST = 7.0
"""The most that a sum goes into the next day with, so that what has ended is over soon."""


class Trickle:
    """Deliveries of one dataset to one operator, by day, against their usual rate."""

    def __init__(self, memory: Memory, calendar: Calendar) -> None:
        self._calendar = calendar
        self._pairs = memory.table("trickles", MAX_PAIRS)
        self._begin = memory.table("trickle-begin", 1)

    def add(self, taken: Taken, time: int) -> Found | None:
        """Return the sum so far; `usual` is deliveries a working day, `value` those of lately."""
        is_young = taken.age is not None and taken.age < YOUNG_MS
        if is_young:
            return None
        day = self._calendar.day(time)
        begin = self._begin.setdefault("day", day)
        key = f"{taken.operator}|{taken.dataset}"
        row = self._pairs.get(key)
        if row is None:
            # [day, count today, usual a day, days known, sum, count since the sum began]
            row = [day, 0, 0.0, min(MEMORY, self._working(begin, day)), 0.0, 0]
        if row[0] < day:
            self._close(row, day)
        row[1] += 1
        self._pairs.touch(key, row)
        return Found(row[5] + row[1], row[2], max(0.0, row[4] + self._gain(row, row[1])))

    def _close(self, row: list[float], day: int) -> None:
        for past in range(int(row[0]), min(day, int(row[0]) + 60)):
            count = row[1] if past == row[0] else 0
            if not self._calendar.is_working(past) and not count:
                continue
            row[4] = min(MOST, max(0.0, row[4] + self._gain(row, count)))
            row[5] = row[5] + count if row[4] else 0
            row[3] = min(MEMORY, row[3] + 1)
            top = 2 * row[2] + 2 if row[3] > KNOWN else count
            row[2] += (min(count, top) - row[2]) / row[3]
        row[0], row[1] = day, 0

    def _gain(self, row: list[float], count: float) -> float:
        """The log of how much likelier the count is at FACTOR times the usual rate."""
        if row[3] < KNOWN:
            return 0.0
        rate = row[2] + BASE_RATE
        return (count * math.log(FACTOR) - rate * (FACTOR - 1)) / (1 + SWING * rate)

    def _working(self, first: int, last: int) -> int:
        return sum(map(self._calendar.is_working, range(max(first, last - 60), last)))


class Signal(NamedTuple):
    """One figure of a report: its name, its value, and the least spread that it has."""

    name: str
    value: float
    spread: float


def signals(health: Health) -> list[Signal]:
    """What is compared of a report: shares of turns and blocks, lag, drift, losses."""
    made = [
        Signal("downs", math.sqrt(health.downs), 0.3),
        Signal("lag", math.log1p(health.lag), 1.0),
        Signal("drift", abs(health.drift_ms) / 100, 0.3),
    ]
    if health.turns:
        made.append(Signal("missed-turns", math.sqrt(health.missed), 0.5))
    if health.blocks:
        noise = max(0.02, 0.5 / math.sqrt(health.blocks))
        made.append(Signal("late-votes", health.absent / health.blocks, noise))
    return made


class Stream(NamedTuple):
    """How a stream of values is judged: what is ignored of each and the most that one adds, in
    spreads, after how many values it is known what is usual, and the most that a sum comes to."""

    slack: float
    step: float = STEP
    settle: int = SETTLE
    most: float = math.inf


STEADY = Stream(0.75, 2.0, 10, HIGHEST)
SUDDEN, SLOW = Stream(SLACK), Stream(0.5, 3.0, 96, HIGHEST)


class Streams:
    """Values one by one against what they usually are, by key."""

    def __init__(self, memory: Memory, name: str, limit: int) -> None:
        self._rows = memory.table(name, limit)

    def add(self, key: str, value: float, least: float, how: Stream) -> tuple[Found, float]:
        """Return the sum so far, and how far this value is; `least` is the least spread."""
        mean, variance, weight, total = self._rows.get(key) or [value, 0.0, 0.0, 0.0]
        spread = max(least, math.sqrt(variance))
        far = (value - mean) / spread if weight >= how.settle else 0.0
        total += (far if far < how.step else how.step) - how.slack
        total = 0.0 if total < 0 else total if total < how.most else how.most
        if total < STEP:
            fade = _FADE if weight >= 1 / _FADE else 1 / (weight + 1)
            change = value - mean
            if abs(far) > 3 or weight < how.settle:
                change = max(-3 * spread, min(3 * spread, change))
            mean += fade * change
            variance += fade * (change * change - variance)
        self._rows.touch(key, [mean, variance, weight + 1, total])
        return Found(value, mean, total), far


class Nodes:
    """Each node's figures against what they usually are: sums of what is much and what is long."""

    def __init__(self, memory: Memory) -> None:
        self._sudden = Streams(memory, "nodes", MAX_NODES)
        self._slow = Streams(memory, "nodes-slow", MAX_NODES)

    def add(self, health: Health) -> tuple[list[tuple[str, Found]], bool]:
        """Return the sums of a node's figures by name, and whether one is odd in itself."""
        found, is_odd = list[tuple[str, Found]](), False
        for signal in signals(health):
            key = f"{health.member}|{signal.name}"
            sudden, far = self._sudden.add(key, signal.value, signal.spread, SUDDEN)
            slow, _ = self._slow.add(key, signal.value, signal.spread / 2, SLOW)
            found += [(signal.name, sudden), (f"long-{signal.name}", slow)]
            is_odd = is_odd or far > ODD
        return found, is_odd
