"""The same rows that go round: circles in the graph of who delivered to whom.

Nodes are members, edges the deliveries of the last two days with time and rows. A circle is a
chain of deliveries, each later than the one before and of nearly as many rows, that comes back to
where it began. Among members that exchange much that happens by chance every day, again and again;
where some of its deliveries are seldom seen between those members it does not. Two members that
deliver to each other are no circle.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from node.watch.calendar import DAY_MS
from node.watch.features import Taken
from node.watch.memory import Memory

LASTS_MS = DAY_MS
"""A circle closes within this time."""
ALIKE = 0.06
"""Rows of two deliveries in a circle differ by at most this share."""
LEAST_ROWS = 20
LONGEST = 4
MAX_EDGES = 200
"""Deliveries kept of each giver."""
MAX_MEMBERS, MAX_CIRCLES, MAX_KNOWN = 2_000, 5_000, 50_000


class Circle(NamedTuple):
    """`members` in order of the flow; `weight` is how little chance explains it.

    Each edge that was seldom used before counts up to one, and so does each earlier circle of the
    same members that has such an edge.
    """

    members: tuple[str, ...]
    rows: int
    times: int
    weight: float


class Flows:
    def __init__(self, memory: Memory) -> None:
        self._given = memory.table("given", MAX_MEMBERS)
        self._circles = memory.table("circles", MAX_CIRCLES)
        self._known = memory.table("flows", MAX_KNOWN)

    def add(self, taken: Taken, time: int) -> Circle | None:
        """Add a delivery; returns the circle that it closes."""
        edge = f"{taken.owner}|{taken.member}"
        count = self._known.get(edge, 0)
        self._known.touch(edge, count + 1)
        if taken.rows < LEAST_ROWS:
            return None
        given = [row for row in self._given.get(taken.owner, ()) if row[0] > time - LASTS_MS]
        found = self._search(taken.member, taken.owner, time, taken.rows)
        self._given.touch(
            taken.owner, [*given, [time, taken.member, taken.rows, count]][-MAX_EDGES:]
        )
        if found is None:
            return None
        members = (*(row[3] for row in found), taken.owner)
        return self._count(members, taken.rows, [*(row[2] for row in found), count], time)

    def _search(self, start: str, end: str, time: int, rows: int) -> list[Any] | None:
        """Find deliveries from `start` on to `end`, the last before `time` and alike in rows.

        Returns [when, rows, count, giver] of each, in order.
        """
        paths: list[list[Any]] = [[[time - LASTS_MS, rows, 0, start, start]]]
        for _ in range(LONGEST - 1):
            longer = []
            for path in paths:
                since, at = path[-1][0], path[-1][4]
                for when, taker, moved, count in self._given.get(at, ()):
                    if not since < when < time or abs(moved - rows) > ALIKE * rows:
                        continue
                    step = [*path, [when, moved, count, at, taker]]
                    if taker == end and len(step) > 2:
                        return [row[:4] for row in step[1:]]
                    if taker != end and all(taker != row[3] for row in step):
                        longer.append(step)
            paths = longer[:MAX_EDGES]
        return None

    def _count(self, members: tuple[str, ...], rows: int, counts: list[int], time: int) -> Circle:
        turn = members.index(min(members))
        ordered = members[turn:] + members[:turn]
        key = "|".join(ordered)
        earlier = [when for when in self._circles.get(key, ()) if when > time - 14 * DAY_MS]
        self._circles.touch(key, [*earlier, time][-32:])
        seldom = sum(1.0 if count < 3 else 0.5 if count < 10 else 0.0 for count in counts)
        weight = seldom + min(1.0, seldom) * len(earlier)
        return Circle(ordered, rows, len(earlier) + 1, weight)
