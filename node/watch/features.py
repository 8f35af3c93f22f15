"""From what happened to what is counted: each item becomes sightings of features of members."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from contracts.codes import Code
from contracts.system import VERSIONS
from node.watch.calendar import Calendar
from node.watch.item import LEDGER, Item, Terms
from node.watch.memory import Memory

_SYSTEM = frozenset(VERSIONS[1])
OTHER = "contracts.other"
"""The feature of all that members' own contracts announce; their names are anybody's to make up."""
_COUNTED = frozenset(("access.requested", "access.decided", "deliveries.opened"))
"""Events that features of their own are made of."""
FORBIDDEN = frozenset(
    (
        Code.WRONG_KEY, Code.NEEDS_DUTY, Code.DUTY_LAPSED, Code.NOT_OWNER, Code.NOT_VOTER,
        Code.NOT_PARTY, Code.NO_PERMIT, Code.SANCTIONED, Code.NOT_REVIEWER, Code.NOT_REGISTRAR,
        Code.NEEDS_ROLE, Code.NOT_SUPERIOR, Code.NOT_RECIPIENT, Code.NOT_SUPERVISOR, Code.OWN_CASE,
        Code.OWN_REQUEST,
    )
)  # fmt: skip
"""How calls fail that the sender may not make."""
SENSITIVE = 3
"""The sharing level from which data is sensitive."""
MAX_GRANTS, MAX_DELIVERIES, MAX_PAIRS, MAX_OPERATORS = 200_000, 50_000, 100_000, 20_000
SAME_SLIPS = 3
"""Failures of one operator by the same code beyond these in a day are a program's retries."""
RETRY = 0.25
OTHERS, FULL = 6.0, 2_000
"""Acts that what others do is worth beside an operator's own, and after which old ones fade."""
_NEW_OWNER = (0.3, 0.3, 0.6, 1.0, 1.2)
"""What a first contact counts by the level of the data."""
_APPROVE, _DENY, _CLOSED = "APPROVE", "DENY", "closed"

Resolver = Callable[[int], Terms | None]
"""Tells what a grant is about that was given before the watch began."""


class Sighting(NamedTuple):
    """`amount` of a feature of `member`; `subject` is what it is about beside the member."""

    member: str
    feature: str
    amount: float
    subject: str = ""


class Taken(NamedTuple):
    """Rows that went from `owner` to `member` in a delivery that `operator` opened at `opened`.

    `age` is how long ago the grant was given in ms, None if before the watch began; `is_reviewed`
    tells whether people looked at it.
    """

    member: str
    owner: str
    dataset: str
    level: int
    operator: str
    rows: int
    age: int | None
    is_reviewed: bool


class Features:
    """Joins requests, grants and deliveries by their numbers, and knows who deals with whom."""

    def __init__(self, memory: Memory, calendar: Calendar, resolve: Resolver) -> None:
        self._calendar = calendar
        self._resolve = resolve
        self._grants = memory.table("grants", MAX_GRANTS)
        self._deliveries = memory.table("deliveries", MAX_DELIVERIES)
        self._pairs = memory.table("pairs", MAX_PAIRS)
        self._hours = memory.table("hours", MAX_OPERATORS)
        self._hands = memory.table("hands", MAX_PAIRS)
        self._slips = memory.table("slips", MAX_OPERATORS)

    def see(self, item: Item) -> Iterator[Sighting | Taken]:
        """Yield what an item shows: itself, by its name, and what it means where that is known."""
        member, _, operator = item.sender.partition("/")
        name = f"{item.contract}.{item.name}" if item.contract in _SYSTEM else OTHER
        if member and operator != "node" and item.contract != LEDGER and name not in _COUNTED:
            yield Sighting(member, name, 1)
        yield from self._understand(item, member)

    def _understand(self, item: Item, member: str) -> Iterator[Sighting | Taken]:
        """Data of a shape that is not known means nothing."""
        match item.contract, item.name, item.data:
            case "access", "requested", [int(number), str(recipient), str(dataset)]:
                owner = dataset.partition("/")[0]
                self._grants.touch(str(number), [recipient, owner, dataset, 0, None, False])
                yield Sighting(recipient, "requests", 1)
                yield Sighting(recipient, "asked-lately", 1)
            case "access", "decided", [int(number), str(outcome), _, int(level)]:
                yield from self._decided(number, outcome, level)
            case "access", "reviewed", [int(number), *_]:
                if str(number) in self._grants:
                    self._grants[str(number)][5] = True
            case "access", "granted", [int(number), *_]:
                if str(number) in self._grants:
                    self._grants[str(number)][4] = item.time
            case "catalogue", "lowered", [str(dataset), *_]:
                yield Sighting(dataset.partition("/")[0], "lowered", 1)
            case "deliveries", "opened", [int(number), int(grant), str(recipient), *_]:
                yield from self._opened(item, number, grant, recipient)
            case "deliveries", "ended", [int(number), int(grant), str(status), int(rows)]:
                yield from self._ended(item, number, grant, status, rows)
            case "deliveries", "calls", [int(number), int(count), _, int(misses)]:
                yield from self._called(number, count, misses)
            case "/ledger", "failed", [int(code)]:
                yield from self._failed(item, member, code)

    def terms(self, grant: int) -> Any:
        """[recipient, owner, dataset, level, when granted or None, reviewed], or None."""
        row = self._grants.get(str(grant))
        if row is None:
            found = self._resolve(grant)
            if found is None:
                return None
            row = [*found, None, True]
            self._grants.touch(str(grant), row)
        return row

    def _decided(self, number: int, outcome: str, level: int) -> Iterator[Sighting]:
        row = self._grants.get(str(number))
        if row is None:
            return
        row[3] = level
        recipient, owner, dataset, *_ = row
        if outcome == _DENY:
            yield Sighting(recipient, "denied", 1)
        elif outcome == _APPROVE and not row[5]:
            yield Sighting(recipient, "pieces", 1, dataset)
        yield from self._meet(recipient, owner, level)

    def _meet(self, recipient: str, owner: str, level: int) -> Iterator[Sighting]:
        pair = f"{recipient}|{owner}"
        if pair not in self._pairs and recipient != owner:
            yield Sighting(recipient, "new-owners", _NEW_OWNER[min(level, 4)], owner)
        self._pairs.touch(pair, 1)

    def _opened(self, item: Item, number: int, grant: int, recipient: str) -> Iterator[Sighting]:
        row = self.terms(grant)
        self._deliveries.touch(str(number), [item.sender, grant, 0, 0])
        yield Sighting(recipient, "deliveries", 1)
        yield from self._odd_hour(item, recipient)
        if row is None:
            return
        if row[3] >= SENSITIVE:
            yield Sighting(recipient, "sensitive", 1)
        hand = f"{item.sender}|{row[2]}"
        if hand not in self._hands and row[4] is None:
            yield Sighting(recipient, "new-hands", 1, item.sender.partition("/")[2] or recipient)
        self._hands.touch(hand, 1)
        yield from self._meet(recipient, row[1], row[3])

    def _ended(
        self, item: Item, number: int, grant: int, status: str, rows: int
    ) -> Iterator[Sighting | Taken]:
        row, delivery = self.terms(grant), self._deliveries.pop(str(number), None)
        if row is None or delivery is None:
            return
        recipient, owner, dataset, level, granted, is_reviewed = row
        if status != _CLOSED:
            yield Sighting(recipient, "unfinished", 1)
        if not delivery[2]:  # a table: look-ups are counted call by call
            age = None if granted is None else item.time - granted
            yield Sighting(recipient, "rows", rows)
            yield Taken(recipient, owner, dataset, level, delivery[0], rows, age, is_reviewed)

    def _called(self, number: int, count: int, misses: int) -> Iterator[Sighting]:
        delivery = self._deliveries.get(str(number))
        if delivery is None:
            return
        row = self.terms(delivery[1])
        if row is not None:
            yield Sighting(row[0], "lookups", max(0, count - delivery[2]))
            yield Sighting(row[0], "misses", max(0, misses - delivery[3]))
        delivery[2:] = [count, misses]

    def _failed(self, item: Item, member: str, code: int) -> Iterator[Sighting]:
        day = self._calendar.day(item.time)
        key = f"{item.sender}|{code}"
        found = self._slips.get(key)
        count = found[1] + 1 if found is not None and found[0] == day else 1
        self._slips.touch(key, [day, count])
        yield Sighting(member, "failures", 1 if count <= SAME_SLIPS else RETRY)
        if code in FORBIDDEN:
            yield Sighting(member, "forbidden", 1)

    def _odd_hour(self, item: Item, member: str) -> Iterator[Sighting]:
        """Count an act by how seldom its operator, its member, and offices act at such an hour."""
        day, hour = self._calendar.day(item.time), self._calendar.hour(item.time)
        place = hour if self._calendar.is_working(day) else hour + 24
        share = _office_share(place)
        for key in (f"{member}/", item.sender):
            row: list[Any] = self._hours.get(key) or [{}, 0.0, day, []]
            counts, total, since, today = row
            if since < day:  # what happens today is not usual yet
                for past in today:
                    counts[past] = counts.get(past, 0.0) + 1
                total += len(today)
                since, today = day, []
                if total > FULL:
                    counts, total = {p: n / 2 for p, n in counts.items()}, total / 2
            near = sum(
                counts.get((hour + step) % 24 + place // 24 * 24, 0.0) for step in (-1, 0, 1)
            )
            share = (near + OTHERS * share) / (total + OTHERS)
            if len(today) < FULL:
                today.append(place)
            self._hours.touch(key, [counts, total, since, today])
        seldom = -math.log10(share) - 1.0
        if seldom > 0:
            yield Sighting(member, "off-hours", min(2.0, seldom))


def _office_share(place: int) -> float:
    """The share of acts within an hour of this one in offices of which nothing else is known."""
    if place >= 24:
        return 0.02 if 8 <= place - 24 < 19 else 0.002
    if 8 <= place < 19:
        return 0.25
    return 0.05 if place in (7, 19, 20) else 0.002
