"""From what happened to what is counted: each item becomes sightings of features of members."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from contracts.codes import Code
from contracts.system import VERSIONS
from node.watch.calendar import DAY_MS, Calendar
from node.watch.item import LEDGER, Item, Terms
from node.watch.memory import Memory

_SYSTEM = frozenset(VERSIONS[1])
OTHER = "contracts.other"
"""The feature of all that members' own contracts announce; their names are anybody's to make up."""
_COUNTED = frozenset(
    ("access.requested", "access.decided", "deliveries.opened", "catalogue.lowered")
)
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
MISSES = [15.0, 300.0]
"""Look-ups that found nothing, of how many, that a member's own stand beside."""
_NEW_OWNER = (0.3, 0.3, 0.6, 1.0, 1.2)
"""What a first contact counts by the level of the data."""
_APPROVE, _DENY, _REVIEW = "APPROVE", "DENY", "REVIEW"
_APPROVED, _CLOSED = "approve", "closed"
_NAMING = _SYSTEM - {"access", "deliveries", "alerts", "cases", "evidence"}
"""Contracts of which events count for the members that they name: those of the others do so in
features of their own."""
MAX_MEMBERS, MAX_REVIEWS = 5_000, 20_000
RUSH_MS = 60_000
"""Two acts of one operator within this time."""
EVEN = 0.01
"""Two waits of one operator in turn that differ by less are even."""
HASTY_MS, LATE_MS = 30 * 60_000, DAY_MS // 3
"""Reviews are hasty within this time, the more the sooner, and late after it."""
SAME_ROWS = 50
"""Fewer rows are the same by chance."""

Resolver = Callable[[int], Terms | None]
"""Tells what a grant is about that was given before the watch began."""


class Sighting(NamedTuple):
    """`amount` of a feature of `member`; `subject` is what it is about beside the member."""

    member: str
    feature: str
    amount: float
    subject: str = ""


class Measure(NamedTuple):
    """A value of a stream about `member` and `subject`: a logarithm, of which `least` is the least
    spread."""

    member: str
    feature: str
    value: float
    least: float = 0.5
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
        self._sets = memory.table("sets", MAX_PAIRS)
        self._shares = memory.table("misses", MAX_MEMBERS)
        self._touched = memory.table("touched", MAX_PAIRS)
        self._acts = memory.table("acts", MAX_OPERATORS)
        self._deeds = memory.table("deeds", MAX_PAIRS)
        self._members = memory.table("members", MAX_MEMBERS)
        self._reviews = memory.table("reviews", MAX_REVIEWS)
        self._sizes = memory.table("last-rows", MAX_PAIRS)

    def see(self, item: Item) -> Iterator[Sighting | Measure | Taken]:
        """Yield what an item shows: itself, by its name, and what it means where that is known."""
        member, _, operator = item.sender.partition("/")
        if member:
            self._members.touch(member, 1)
        name = f"{item.contract}.{item.name}" if item.contract in _SYSTEM else OTHER
        if member and operator != "node" and item.contract != LEDGER and name not in _COUNTED:
            yield Sighting(member, name, 1)
        if item.contract in _NAMING and isinstance(item.data, list):
            for named in dict.fromkeys(word for word in item.data if isinstance(word, str)):
                if named != member and named in self._members:  # also by the chain's schedule
                    yield Sighting(named, f"named.{name}", 1)
        if operator and operator != "node":
            yield from self._act(item, member, name)
        yield from self._unanswered(item)
        yield from self._understand(item, member)

    def _understand(self, item: Item, member: str) -> Iterator[Sighting | Measure | Taken]:
        """Data of a shape that is not known means nothing."""
        match item.contract, item.name, item.data:
            case "access", "requested", [int(number), str(recipient), str(dataset)]:
                owner = dataset.partition("/")[0]
                self._grants.touch(str(number), [recipient, owner, dataset, 0, None, False])
                yield Sighting(recipient, "requests", 1)
                yield Sighting(recipient, "asked-lately", 1)
                yield from self._touch(recipient, dataset)
            case "access", "decided", [int(number), str(outcome), _, int(level)]:
                yield from self._decided(item, number, outcome, level)
            case "access", "reviewed", [int(number), str(reviewer), str(outcome), *_]:
                yield from self._reviewed(item, number, reviewer, outcome)
            case "access", "granted", [int(number), *_]:
                if str(number) in self._grants:
                    self._grants[str(number)][4] = item.time
            case "catalogue", "registered", [str(dataset), *_]:
                if dataset not in self._sets:
                    yield Sighting(member, "new-sets", 1)
                self._sets.touch(dataset, 1)
            case "dispatch", _, [int(), str(name), True, *_]:
                yield Sighting(name, "late-orders", 1)
            case "catalogue", "lowered", [str(dataset), *_]:
                yield Sighting(dataset.partition("/")[0], "lowered", 1)
            case "deliveries", "opened", [int(number), int(grant), str(recipient), _, _, int(rows)]:
                yield from self._opened(item, number, grant, recipient, rows)
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

    def _decided(self, item: Item, number: int, outcome: str, level: int) -> Iterator[Sighting]:
        row = self._grants.get(str(number))
        if row is None:
            return
        row[3] = level
        recipient, owner, dataset, *_ = row
        if outcome == _REVIEW:
            self._reviews.touch(str(number), [item.time, owner])
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

    def _opened(
        self, item: Item, number: int, grant: int, recipient: str, rows: int
    ) -> Iterator[Sighting]:
        row = self.terms(grant)
        self._deliveries.touch(str(number), [item.sender, grant, 0, 0, item.time, rows])
        yield Sighting(recipient, "deliveries", 1)
        yield Sighting(recipient, "one-hand", 1, item.sender.partition("/")[2])
        if row is None:
            return
        yield from self._touch(recipient, row[2])
        if row[3] >= SENSITIVE:
            yield Sighting(recipient, "sensitive", 1)
        hand = f"{item.sender}|{row[2]}"
        if hand not in self._hands and row[4] is None:
            yield Sighting(recipient, "new-hands", 1, item.sender.partition("/")[2] or recipient)
        self._hands.touch(hand, 1)
        yield from self._meet(recipient, row[1], row[3])

    def _ended(
        self, item: Item, number: int, grant: int, status: str, rows: int
    ) -> Iterator[Sighting | Measure | Taken]:
        row, delivery = self.terms(grant), self._deliveries.pop(str(number), None)
        if row is None or delivery is None:
            return
        recipient, owner, dataset, level, granted, is_reviewed = row
        rows = max(0, rows)
        if status != _CLOSED:
            yield Sighting(recipient, "unfinished", 1)
        if not delivery[2]:  # a table: look-ups are counted call by call
            age = None if granted is None else item.time - granted
            yield Sighting(recipient, "rows", rows)
            yield from self._repeated(recipient, dataset, rows)
            if status == _CLOSED:
                seconds = max(0, item.time - delivery[4]) / 1_000
                yield Measure(owner, "slow-serving", math.log1p(seconds))
                yield Measure(recipient, "growing-rows", math.log1p(rows), subject=dataset)
                short = abs(math.log((1 + rows) / (1 + max(0, delivery[5]))))
                for party in (owner, recipient):
                    yield Measure(party, "other-rows", short, 0.1)
            yield Taken(recipient, owner, dataset, level, delivery[0], rows, age, is_reviewed)

    def _called(self, number: int, count: int, misses: int) -> Iterator[Sighting]:
        delivery = self._deliveries.get(str(number))
        if delivery is None:
            return
        row = self.terms(delivery[1])
        if row is not None:
            made, missed = max(0, count - delivery[2]), max(0, misses - delivery[3])
            yield Sighting(row[0], "lookups", made)
            yield Sighting(row[0], "misses", missed - self._share(row[0], made, missed))
        delivery[2:4] = [count, misses]

    def _share(self, member: str, made: int, missed: int) -> float:
        """How many of so many look-ups usually find nothing, before these are learnt."""
        found, total = self._shares.get(member) or MISSES
        if total > FULL:
            found, total = found / 2, total / 2
        usual = found / total
        self._shares.touch(member, [found + min(missed, 2 * usual * made + 1), total + made])
        return made * usual

    def _failed(self, item: Item, member: str, code: int) -> Iterator[Sighting]:
        day = self._calendar.day(item.time)
        key = f"{item.sender}|{code}"
        found = self._slips.get(key)
        count = found[1] + 1 if found is not None and found[0] == day else 1
        self._slips.touch(key, [day, count])
        yield Sighting(member, "failures", 1 if count <= SAME_SLIPS else RETRY)
        if code in FORBIDDEN:
            yield Sighting(member, "forbidden", 1)

    def _act(self, item: Item, member: str, name: str) -> Iterator[Sighting]:
        """What a transaction of a person or program shows, whatever it is about."""
        last, gap = self._acts.get(item.sender) or (0, 0)
        if item.time == last:
            return
        wait = item.time - last if last else DAY_MS
        self._acts.touch(item.sender, [item.time, wait])
        if item.contract == LEDGER:  # failures are counted by themselves
            return
        yield from self._odd_hour(item, member)
        if wait < RUSH_MS:
            yield Sighting(member, "rush", 1)
        if abs(wait - gap) < EVEN * gap < EVEN * DAY_MS / 2:
            yield Sighting(member, "even-pace", 1, item.sender.partition("/")[2])
        deed = f"{item.sender}|{name}"
        if deed not in self._deeds:
            yield Sighting(member, "new-deeds", 1)
        self._deeds.touch(deed, 1)

    def _touch(self, member: str, dataset: str) -> Iterator[Sighting]:
        key = f"{member}|{dataset}"
        if key not in self._touched:
            yield Sighting(member, "new-datasets", 1)
            yield Sighting(member, "new-takers", 1, dataset)
        self._touched.touch(key, 1)

    def _reviewed(self, item: Item, number: int, owner: str, outcome: str) -> Iterator[Sighting]:
        """Count reviews by how soon and how late they come, and for whom."""
        waiting = self._reviews.pop(str(number), None)
        row = self._grants.get(str(number))
        if row is None:
            return
        row[5] = True
        what = "approvals" if outcome.startswith(_APPROVED) else "refusals"
        yield Sighting(owner, f"{what}-of-one", 1, row[0])
        if what == "refusals":
            yield Sighting(owner, "refusals", 1)
        if waiting is not None:
            waited = max(1_000, item.time - waiting[0])
            late = math.log2(waited / LATE_MS)
            if late > 0:
                yield Sighting(owner, "late-reviews", min(4.0, late))
            haste = math.log2(HASTY_MS / waited)
            if haste > 0:
                yield Sighting(owner, "hasty-reviews", min(4.0, haste))

    def _unanswered(self, item: Item) -> Iterator[Sighting]:
        """What was to be reviewed and never is."""
        number = next(iter(self._reviews), None)
        if number is not None and item.time - self._reviews[number][0] > 16 * LATE_MS:
            yield Sighting(self._reviews.pop(number)[1], "late-reviews", 4)

    def _repeated(self, member: str, dataset: str, rows: int) -> Iterator[Sighting]:
        key = f"{member}|{dataset}"
        last = self._sizes.get(key, [])
        if rows >= SAME_ROWS and rows in last:
            yield Sighting(member, "same-rows", 1, dataset)
        self._sizes.touch(key, [*last, rows][-10:])

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
