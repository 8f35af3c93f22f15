"""Features counted by day, against what is usual for the member on such days.

The value of an unfinished day is compared as it grows, so an alert does not wait for midnight.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from node.watch.calendar import Calendar
from node.watch.memory import Memory
from node.watch.usual import CLIP, MEMORY, NOTHING, expected, learn, plain, scaled, unscaled

MAX_COUNTS = 50_000
SETTLED = 7
"""Days after which it is known what is usual; before, nothing is unusual."""
MONTH_END = 1.25
"""What is usual, on the scale, grows so on the last three working days of a month."""


class Limit(NamedTuple):
    """When a feature is unusual: `far` spreads beyond the mean, and at least `least`.

    `days` are counted together; `by_subject` counts each subject of a member by itself,
    `of_all` what all members do with a subject.
    """

    far: float
    least: float
    severity: int = 2
    days: int = 1
    is_size: bool = False
    by_subject: bool = False
    of_all: bool = False


class Found(NamedTuple):
    """A value, what is usual, and how many spreads lie between."""

    value: float
    usual: float
    far: float


LASTING_SLACK, LASTING_STEP, LASTING_MOST = 0.75, 3.0, 13.0
"""Spreads of a day that are ignored in what lasts, and the most that a day adds, and all do."""


class Days:
    """What each member did today, feature by feature, and usually does."""

    def __init__(self, memory: Memory, calendar: Calendar) -> None:
        self._calendar = calendar
        self._today = memory.table("today", MAX_COUNTS)
        self._usual = memory.table("usual", 2 * MAX_COUNTS)
        self._pool = memory.table("pool", 2_000)
        self._lasting = memory.table("lasting", MAX_COUNTS)
        self._since = memory.table("since", 1)

    def add(
        self, member: str, feature: str, subject: str, amount: float, time: int, limit: Limit
    ) -> tuple[Found, float]:
        """Add to today's value; returns how unusual the day is by now, and the days until now."""
        day = self._calendar.day(time)
        since = self._since.setdefault("day", day)
        who = f"{'' if limit.of_all else member}|{subject}" if limit.by_subject else member
        key = f"{who}|{feature}"
        row = self._today.get(key)
        if row is None:
            row = [day, 0.0, []]
            self._begin(key, day - since)
        elif row[0] < day:
            self._close(key, feature, row, day, limit)
        row[1] += amount
        self._today.touch(key, row)
        found = self._compare(key, feature, row, limit)
        if day - since < SETTLED:
            return found._replace(far=0.0), 0.0
        return found, self._lasting.get(key, 0.0) + _gain(found.far)

    def _begin(self, key: str, days: int) -> None:
        """A feature that shows for the first time was nothing on all the days before."""
        for kind, share in (("w", 5 / 7), ("o", 2 / 7)):
            self._usual.touch(f"{key}|{kind}", [0.0, 0.0, min(MEMORY, days * share)])

    def _close(self, key: str, feature: str, row: list[Any], day: int, limit: Limit) -> None:
        """Learn the days that are over, those on which nothing happened among them."""
        for past in range(row[0], min(day, row[0] + MEMORY)):
            value = row[1] if past == row[0] else 0.0
            together = scaled(value + sum(row[2]), is_size=limit.is_size)
            kind = self._kind(past)
            usual = plain(self._usual.get(f"{key}|{kind}"))
            pool = plain(self._pool.get(f"{feature}|{kind}"))
            mean, spread = expected(usual, pool, is_size=limit.is_size)
            top = mean + CLIP * spread if usual[2] >= 3 else None
            if usual[2] >= SETTLED and (kind == "w" or value):
                gain = _gain((together - mean) / spread)
                lasting = max(0.0, self._lasting.get(key, 0.0) + gain)
                self._lasting.touch(key, min(LASTING_MOST, lasting))
            self._usual.touch(f"{key}|{kind}", learn(usual, together, top))
            self._pool.touch(f"{feature}|{kind}", learn(pool, together, top))
            row[2] = [*row[2], value][-(limit.days - 1) :] if limit.days > 1 else []
        row[0], row[1] = day, 0.0

    def _compare(self, key: str, feature: str, row: list[Any], limit: Limit) -> Found:
        kind = self._kind(row[0])
        usual = plain(self._usual.get(f"{key}|{kind}"))
        pool = NOTHING if limit.by_subject else plain(self._pool.get(f"{feature}|{kind}"))
        mean, spread = expected(usual, pool, is_size=limit.is_size)
        if self._calendar.is_month_end(row[0]):
            mean *= MONTH_END
        value = row[1] + sum(row[2])
        far = (scaled(value, is_size=limit.is_size) - mean) / spread
        return Found(value, unscaled(mean, is_size=limit.is_size), far)

    def _kind(self, day: int) -> str:
        return "w" if self._calendar.is_working(day) else "o"


def _gain(far: float) -> float:
    return min(far, LASTING_STEP) - LASTING_SLACK
