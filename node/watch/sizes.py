"""Single deliveries of many more rows than is usual for who takes what."""

from __future__ import annotations

from node.watch.calendar import DAY_MS
from node.watch.days import Found
from node.watch.features import Taken
from node.watch.memory import Memory
from node.watch.usual import CLIP, NOTHING, expected, learn, plain, scaled, unscaled

MAX_SIZES = 100_000
ENOUGH = 4
"""Deliveries after which what an operator usually takes is known."""
FRESH_MS = 4 * DAY_MS
"""A reviewed grant that is younger was looked at for what is taken under it."""


class Sizes:
    """Usual rows, by operator and dataset, by member and dataset, and by dataset."""

    def __init__(self, memory: Memory) -> None:
        self._usual = memory.table("sizes", MAX_SIZES)

    def add(self, taken: Taken) -> Found | None:
        """Return how unusual a delivery is, None where nothing is known to compare it with."""
        size = scaled(taken.rows, is_size=True)
        keys = (
            f"{taken.operator}|{taken.dataset}",
            f"{taken.member}|{taken.dataset}",
            taken.dataset,
        )
        rows = [plain(self._usual.get(key)) for key in keys]
        known = next((row for row in rows if row[2] >= ENOUGH), None)
        found = None
        if known is not None:
            mean, spread = expected(known, NOTHING, is_size=True)
            found = Found(taken.rows, unscaled(mean, is_size=True), (size - mean) / spread)
            top = mean + CLIP * spread
        for key, row in zip(keys, rows, strict=True):
            self._usual.touch(key, learn(row, size, None if known is None else top))
        is_fresh = taken.age is not None and taken.age < FRESH_MS
        return None if taken.is_reviewed and is_fresh else found
