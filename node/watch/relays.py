"""What is passed on: rows that a member takes from one and that leave it for another in a day.

Among members who exchange much, two deliveries that look alike are a matter of chance every day.
So each delivery onward is judged by how likely chance would bring one as close, in rows and in
order, and the logarithms of that add up (Page, 1954) for each path: a dataset taken, a dataset
given, who takes it. A delivery with nothing alike before it brings the sum down.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from node.watch.calendar import DAY_MS
from node.watch.features import Taken
from node.watch.memory import Memory
from node.watch.usual import learn, plain, scaled

WITHIN_MS = DAY_MS
LEAST_ROWS = 20
PEAK = 0.4
"""The density of a normal distribution at its middle, for a spread of one."""
SPREAD, LEAST_SPREAD, ENOUGH = 0.5, 0.01, 6
"""Spread of the logarithms of rows until so many deliveries are known, and the least."""
EXACT = 0.001
"""Closer than this is no closer."""
PASSED, SHAPE = 0.8, 0.3
"""Where data is passed on: the share of deliveries that have their like before them, and how close
to nothing the chance of those is (a beta distribution's first parameter)."""
HIGHEST = 40.0
MAX_MEMBERS, MAX_TAKEN, MAX_PATHS = 2_000, 200, 50_000


class Relay(NamedTuple):
    """`giver` took of `source` and passed on to `taker`, `times` times; `weight` is how little
    chance explains it, as a natural logarithm."""

    source: str
    giver: str
    taker: str
    times: int
    weight: float


class Relays:
    def __init__(self, memory: Memory) -> None:
        self._taken = memory.table("relay-taken", MAX_MEMBERS)
        self._sizes = memory.table("relay-sizes", MAX_PATHS)
        self._paths = memory.table("relay-paths", MAX_PATHS)

    def add(self, taken: Taken, time: int) -> Relay | None:
        """Add a delivery; returns the path through its owner for which most speaks by now."""
        if taken.rows < LEAST_ROWS or taken.member == taken.owner:
            return None
        density = self._density(taken)
        best = None
        by_source: dict[str, list[int]] = {}
        for when, source, rows in reversed(self._taken.get(taken.owner, ())):
            if when <= time - WITHIN_MS:
                break
            by_source.setdefault(source, []).append(rows)
        for source, sizes in by_source.items():
            found = self._judge(source, taken, sizes, density)
            if found is not None and (best is None or found.weight > best.weight):
                best = found
        mine = [row for row in self._taken.get(taken.member, ()) if row[0] > time - WITHIN_MS]
        mine.append([time, taken.dataset, taken.rows])
        self._taken.touch(taken.member, mine[-MAX_TAKEN:])
        return best

    def _density(self, taken: Taken) -> float:
        """How densely the logarithms of such a delivery's rows lie, at most: a job's very much."""
        key = f"{taken.operator}|{taken.dataset}"
        row = plain(self._sizes.get(key))
        spread = SPREAD if row[2] < ENOUGH else max(LEAST_SPREAD, math.sqrt(row[1]))
        self._sizes.touch(key, learn(row, scaled(taken.rows, is_size=True)))
        return PEAK / spread

    def _judge(self, source: str, taken: Taken, sizes: list[int], density: float) -> Relay | None:
        """Add what a delivery tells of one path.

        `sizes` are those of the source's deliveries to the giver, the latest first.
        """
        far = (max(EXACT, 0.5 / taken.rows, abs(math.log(taken.rows / rows))) for rows in sizes)
        closest = min(step * rank for rank, step in enumerate(far, 1))
        chance = min(1.0, 2 * density * closest * (1 + math.log(len(sizes))))
        gain = math.log(PASSED * SHAPE * chance ** (SHAPE - 1) + 1 - PASSED)
        key = f"{source}|{taken.dataset}|{taken.member}"
        total, times = self._paths.get(key) or (0.0, 0)
        if total + gain <= 0:
            self._paths.pop(key, None)
            return None
        total, times = min(HIGHEST, total + gain), times + (gain > 0)
        self._paths.touch(key, [total, times])
        return Relay(source, taken.owner, taken.member, times, total) if gain > 0 else None
