"""A figure of an alert day by day, counted anew from what the chain tells of its member."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from node.trace.index import Entry
from node.watch import limits
from node.watch.calendar import Calendar
from node.watch.features import Features, Resolver, Sighting, Taken
from node.watch.item import FAILED, LEDGER, Item
from node.watch.memory import Memory

LEANING = frozenset(
    (
        "off-hours", "misses", "new-owners", "new-hands", "new-deeds", "new-datasets", "new-sets",
        "new-takers", "odd-reports", "downs-a-day", "turns-lost",
    )
)  # fmt: skip
"""Figures that lean on all that went before or on nodes' reports, so that a part of the chain does
not tell them."""
_LARGEST = "delivery-rows"
_TRICKLE = "same-deliveries"


def can_count(figure: str) -> bool:
    """Whether a figure is counted by day, from events alone."""
    is_event = "." in figure and not figure.startswith("through.")
    return (
        is_event
        or figure in (_LARGEST, _TRICKLE)
        or (figure in limits.DAYS and figure not in LEANING)
    )


def by_day(
    entries: Iterable[Entry], member: str, figure: str, subject: str, days: range,
    calendar: Calendar, resolve: Resolver,
) -> list[float]:  # fmt: skip
    """The figure on each of `days`, numbered as the calendar does; `entries` in order.

    A figure that is counted over several days together is the sum of these. Of deliveries' rows it
    is the largest.
    """
    features = Features(Memory(), calendar, resolve)
    limit = limits.DAYS.get(figure, limits.OTHER)
    found: Counter[int] = Counter()
    for item in _items(entries):
        day = calendar.day(item.time)
        for seen in features.see(item):
            match seen:
                case Sighting(who, what, amount, about) if (who, what) == (member, figure):
                    if not limit.by_subject or about == subject:
                        found[day] += amount  # type: ignore[assignment]
                case Taken() if seen.member == member and subject in ("", seen.dataset):
                    if figure == _LARGEST:
                        found[day] = max(found[day], seen.rows)
                    elif figure == _TRICKLE:
                        found[day] += 1
    width = 1 if figure in (_LARGEST, _TRICKLE) else limit.days
    return [float(sum(found[day - back] for back in range(width))) for day in days]


def grants_of(entries: Iterable[Entry]) -> list[int]:
    """Numbers of the requests and grants that entries tell of, in order."""
    found: dict[int, None] = {}
    for entry in entries:
        match entry.contract, entry.name, entry.data:
            case "access", "requested", [int(number), *_]:
                found[number] = None
            case "deliveries", "opened", [_, int(number), *_]:
                found[number] = None
    return list(found)


def _items(entries: Iterable[Entry]) -> Iterator[Item]:
    """As the watch sees them: a transaction that failed is one item, however many calls it had."""
    failed = ""
    for entry in entries:
        if not entry.code:
            yield Item(entry.height, entry.time, entry.contract, entry.name, entry.data,
                       entry.sender)  # fmt: skip
        elif entry.txid != failed:
            failed = entry.txid
            yield Item(entry.height, entry.time, LEDGER, FAILED, [entry.code], entry.sender)
