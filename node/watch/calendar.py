"""Days as offices keep them, at a fixed offset from UTC: by the office hours that members vote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

DAY_MS = 86_400_000
_THURSDAY = 3
"""The weekday of day 0, 1 January 1970."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """`offset` is in minutes east of UTC, `weekdays` are the working ones as bits from Monday."""

    offset: int = 480
    weekdays: int = 0b0011111

    @classmethod
    def of(cls, office_hours: Sequence[int]) -> Calendar:
        """Take the office hours of the table of access: offset, weekdays, from, to."""
        return cls(office_hours[0], office_hours[1])

    def day(self, time: int) -> int:
        """The number of the local day since 1970 that `time` (ms UTC) falls on."""
        return (time + self.offset * 60_000) // DAY_MS

    def hour(self, time: int) -> int:
        return (time + self.offset * 60_000) % DAY_MS // 3_600_000

    def is_working(self, day: int) -> bool:
        return bool(self.weekdays >> (day + _THURSDAY) % 7 & 1)

    def is_month_end(self, day: int) -> bool:
        """Whether at most three working days are left of the month, this one among them."""
        return _is_month_end(self, day)


@lru_cache(maxsize=64)
def _is_month_end(calendar: Calendar, day: int) -> bool:
    left, later = 0, day
    while _month(later) == _month(day) and left <= 3:
        left += calendar.is_working(later)
        later += 1
    return left <= 3


def _month(day: int) -> int:
    """A number for the month of a day (civil_from_days by H. Hinnant)."""
    era, of_era = divmod(day + 719_468, 146_097)
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    return (era * 400 + year) * 12 + (5 * of_year + 2) // 153
