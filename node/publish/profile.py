"""What a column of open data looks like: counts and the few numbers that a small chart needs.

Two passes over the records, in bounded memory: the first finds ranges and frequent values, the
second counts numbers within the range that was found.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from node.data.commitment import Field
from node.data.types import TYPES

BINS = 24
RANKS = 10
MAX_DISTINCT = 5_000
MAX_LABEL = 60
LARGEST = 1e100
"""A number beyond it, or below its negative, is not drawn: sums and ranges stay finite."""
_NUMBERS, _TIMES = ("integer", "decimal"), ("date", "datetime")


class Profile:
    """One column. `add` each value, then, if it `needs_more`, `add_again` each value."""

    def __init__(self, name: str, labels: tuple[str, str], type_name: str) -> None:
        self._name, self._labels, self._type = name, labels, type_name
        kind = TYPES[type_name].kind if type_name in TYPES else "text"
        # A year is a number that is counted like a name.
        self._is_number = kind in _NUMBERS and type_name != "year"
        self._is_time = kind in _TIMES
        self._nulls = self._known = 0
        self._low, self._high, self._sum = math.inf, -math.inf, 0.0
        self._counts: Counter[str] | None = None if self._is_number else Counter()
        self._bins = [0] * BINS

    def add(self, value: Field) -> None:
        if value is None:
            self._nulls += 1
            return
        if self._is_number:
            number = number_of(value)
            if number is not None:
                self._known += 1
                self._sum += number
                self._low, self._high = min(self._low, number), max(self._high, number)
        elif self._counts is not None:
            self._counts[value[:7] if self._is_time else value[: MAX_LABEL + 1]] += 1
            if len(self._counts) > MAX_DISTINCT:
                self._counts = None

    @property
    def needs_more(self) -> bool:
        """Whether the second pass tells anything of this column."""
        return self._is_number and self._low < self._high

    def add_again(self, value: Field) -> None:
        number = number_of(value)
        if number is not None:
            share = (number - self._low) / (self._high - self._low)
            self._bins[min(int(share * BINS), BINS - 1)] += 1

    def to_json(self) -> dict[str, Any]:
        """`zh` and `en` are labels, or empty.

        `chart`: bins (counts from low to high), months or ranks ([label, count]), or none.
        """
        row: dict[str, Any] = {"name": self._name, "zh": self._labels[0], "en": self._labels[1],
                               "type": self._type, "nulls": self._nulls,
                               "chart": "none"}  # fmt: skip
        if self._is_number and self._known:
            row |= {"low": self._low, "high": self._high, "mean": self._sum / self._known}
            if self.needs_more:
                row |= {"chart": "bins", "bars": self._bins}
        elif self._counts:
            row |= {"distinct": len(self._counts)}
            if self._is_time:
                row |= {"chart": "months", "bars": _months(self._counts)}
            elif max(self._counts.values()) > 1:
                row |= {"chart": "ranks", "bars": _ranks(self._counts)}
        return row


def _months(counts: Counter[str]) -> list[list[Any]]:
    """By month, or by year where there are many months."""
    if len(counts) > 2 * BINS:
        years: Counter[str] = Counter()
        for month, count in counts.items():
            years[month[:4]] += count
        counts = years
    return [[label, counts[label]] for label in sorted(counts)[-10 * BINS :]]


def _ranks(counts: Counter[str]) -> list[list[Any]]:
    found = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:RANKS]
    return [[label if len(label) <= MAX_LABEL else label[:MAX_LABEL] + "…", count]
            for label, count in found]  # fmt: skip


def number_of(value: Field) -> float | None:
    """What a value counts as among numbers."""
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if abs(number) <= LARGEST else None
