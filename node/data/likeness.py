"""Records without a key: which of those that went and came are alike, and what could be a key."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from node.data.commitment import Field

MAX_SHARED = 50
"""Records that share a value; one that more share does not lead from one to another."""
MAX_KEY_CHARACTERS = 64
Row = Sequence[Field]


def pairs(removed: Sequence[Row], added: Sequence[Row]) -> list[tuple[int, int]]:
    """Return places of records that agree in more than half of their values, the likest first.

    A record is in one pair at most. Empty values count only where the other has one.
    """
    holders: dict[tuple[int, str], list[int]] = defaultdict(list)
    for number, row in enumerate(added):
        for place, value in enumerate(row):
            if value is not None:
                holders[place, value].append(number)
    found = []
    for one, row in enumerate(removed):
        near: set[int] = set()
        for place, value in enumerate(row):
            some = () if value is None else holders.get((place, value), ())
            near.update(some if len(some) <= MAX_SHARED else ())
        for other in near:
            if (score := _likeness(row, added[other])) > 0.5:
                found.append((-score, one, other))
    taken: tuple[set[int], set[int]] = (set(), set())
    kept = []
    for _, one, other in sorted(found):
        if one not in taken[0] and other not in taken[1]:
            kept.append((one, other))
            taken[0].add(one)
            taken[1].add(other)
    return kept


def _likeness(one: Row, other: Row) -> float:
    """The share of values that are equal, of those that either has."""
    counts = Counter(a == b for a, b in zip(one, other, strict=True) if (a, b) != (None, None))
    return counts[True] / max(1, counts.total())


def never_repeated(rows: Iterable[Row], width: int) -> list[int]:
    """Return the columns of `width` in which every record has a short value of its own."""
    seen: dict[int, set[Field]] = {place: set() for place in range(width)}
    for row in rows:
        for place, values in list(seen.items()):
            value = row[place]
            if value is None or len(value) > MAX_KEY_CHARACTERS or value in values:
                del seen[place]
            else:
                values.add(value)
    return list(seen)
