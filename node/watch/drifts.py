"""Small changes that last: cumulative sums (Page, 1954) that grow while values stay unusual."""

from __future__ import annotations

import math
from typing import NamedTuple

from node.watch.calendar import DAY_MS, Calendar
from node.watch.days import Found
from node.watch.features import SENSITIVE, Taken
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
_FADE = 0.02


class Trickle:
    """Deliveries of one sensitive dataset to one operator, by day, against their usual rate."""

    def __init__(self, memory: Memory, calendar: Calendar) -> None:
        self._calendar = calendar
        self._pairs = memory.table("trickles", MAX_PAIRS)
        self._begin = memory.table("trickle-begin", 1)

    def add(self, taken: Taken, time: int) -> Found | None:
        """Return the sum so far; `usual` is deliveries a working day, `value` those of lately."""
        is_young = taken.age is not None and taken.age < YOUNG_MS
        if taken.level < SENSITIVE or is_young:
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
            row[4] = min(HIGHEST, max(0.0, row[4] + self._gain(row, count)))
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


class Nodes:
    """Each node's figures against what they usually are."""

    def __init__(self, memory: Memory) -> None:
        self._nodes = memory.table("nodes", MAX_NODES)

    def add(self, health: Health) -> list[tuple[str, Found]]:
        """Return the sums of a node's figures; `far` is in spreads beyond the slack."""
        return [
            (signal.name, self._add(f"{health.member}|{signal.name}", signal))
            for signal in signals(health)
        ]

    def _add(self, key: str, signal: Signal) -> Found:
        mean, variance, weight, total = self._nodes.get(key) or [signal.value, 0.0, 0.0, 0.0]
        spread = max(signal.spread, math.sqrt(variance))
        far = (signal.value - mean) / spread if weight >= SETTLE else 0.0
        total = max(0.0, total + min(far, STEP) - SLACK)
        if total < STEP:
            fade = max(_FADE, 1 / (weight + 1))
            change = max(-3 * spread, min(3 * spread, signal.value - mean))
            mean += fade * change
            variance += fade * (change * change - variance)
        self._nodes.touch(key, [mean, variance, weight + 1, total])
        return Found(signal.value, mean, total)
