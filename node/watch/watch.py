"""The watch: items in, alerts out. Pure and replayable; what it remembers can be written down.

Explicit rules stand beside streams: equivocation, differing roots and refused messages need no
history. Everything else is compared with what is usual for the member (`days`, `sizes`, `drifts`)
or with the graph of deliveries (`flows`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import cbor2

from node.watch import limits
from node.watch.alert import Alert, Reason
from node.watch.calendar import DAY_MS, Calendar
from node.watch.days import Days, Found
from node.watch.drifts import STEADY, Nodes, Streams, Trickle
from node.watch.features import SENSITIVE, Features, Measure, Resolver, Sighting, Taken
from node.watch.flows import Flows
from node.watch.item import HEALTH, NODE, Health, Item
from node.watch.memory import Memory
from node.watch.relays import Relays
from node.watch.sizes import Sizes

AGAIN_MS = 3 * DAY_MS
"""Trouble that goes on is not told again for so long, unless it gets worse."""
MAX_TOLD, MAX_FACTORS, MAX_STREAMS = 20_000, 20_000, 50_000
LOWEST, HIGHEST = 0.75, 2.0
"""How far dispositions move a detector's threshold for a member."""
STEPS = {"confirmed": 0.95, "unfounded": 1.2, "expected": 1.2}
MOST_LOST = 6
"""Turns that one report counts for the day, so that a line that was down is no bad day."""
FORMAT = 2


class StateError(ValueError):
    """What was kept is not a watch's memory."""


class Watch:
    """Detectors over one memory. `resolve` tells of grants that are older than the watch."""

    def __init__(
        self, resolve: Resolver, calendar: Calendar | None = None, kept: bytes | None = None
    ) -> None:
        calendar = calendar or Calendar()
        self._memory = memory = Memory(_read(kept))
        self._calendar = calendar
        self._features = Features(memory, calendar, resolve)
        self._days = Days(memory, calendar)
        self._sizes = Sizes(memory)
        self._trickle = Trickle(memory, calendar)
        self._nodes = Nodes(memory)
        self._streams = Streams(memory, "streams", MAX_STREAMS)
        self._flows = Flows(memory)
        self._relays = Relays(memory)
        self._told = memory.table("told", MAX_TOLD)
        self._factors = memory.table("factors", MAX_FACTORS)
        self._today = memory.table("together", 5_000)

    def dump(self) -> bytes:
        """Everything remembered, for `kept` of another watch."""
        return cbor2.dumps([FORMAT, self._memory.to_value()])

    def step(self, item: Item) -> list[Alert]:
        """Take what happened; returns the alerts that it completes."""
        return [alert for alert in self._look(item) if self._is_new(alert)]

    def learn(self, detector: str, member: str, disposition: str) -> None:
        """Take to heart what became of an alert: how far the detector must see for the member."""
        step = STEPS.get(disposition)
        if step is not None:
            key = f"{detector}|{member}"
            factor = self._factors.get(key, 1.0) * step
            self._factors.touch(key, max(LOWEST, min(HIGHEST, factor)))

    def _is_new(self, alert: Alert) -> bool:
        """Not told lately, or worse than what was told."""
        found = self._told.get(alert.key)
        if found and alert.time - found[0] < AGAIN_MS and alert.severity <= found[1]:
            return False
        self._told.touch(alert.key, [alert.time, alert.severity])
        return True

    def _was_told(self, item: Item, member: str, feature: str) -> bool:
        """Whether a feature was told by itself lately: what sums it up tells nothing more."""
        found = self._told.get(f"{feature}/{member}")
        return found is not None and item.time - found[0] < AGAIN_MS

    # Detectors

    def _look(self, item: Item) -> Iterator[Alert]:
        if item.contract == NODE:
            yield from self._look_at_node(item, Health(*item.data))
            return
        yield from self._look_at_rules(item)
        for seen in self._features.see(item):
            match seen:
                case Sighting():
                    yield from self._look_at_day(item, seen)
                case Measure():
                    yield from self._look_at_stream(item, seen)
                case Taken():
                    yield from self._look_at_delivery(item, seen)

    def _look_at_rules(self, item: Item) -> Iterator[Alert]:
        """What contracts themselves have found to be wrong."""
        match item.contract, item.name, item.data:
            case "evidence", "reported", [str(member), *_]:
                reason = Reason("equivocation", 1, 0, 1)
                yield _alert(item, "equivocation", member, "", 4, 1.0, (reason,))
            case "deliveries", "enumeration", [_, str(member), int(count), int(misses)]:
                reasons = (Reason("misses", misses, 0, 1), Reason("lookups", count, 0, 1))
                yield _alert(item, "enumeration", member, "", 3, 1.0, reasons)
            case "deliveries", "overdue", [int(grant), *_]:
                terms = self._features.terms(grant)
                if terms is not None:
                    reason = Reason("overdue-erasure", 1, 0, 1)
                    yield _alert(item, "overdue-erasure", terms[0], terms[2], 3, 1.0, (reason,))

    def _look_at_day(self, item: Item, seen: Sighting) -> Iterator[Alert]:
        member, feature, amount, subject = seen
        limit = limits.DAYS.get(feature, limits.OTHER)
        found, lasting = self._days.add(member, feature, subject, amount, item.time, limit)
        beyond = self._beyond(feature, member, found.far / limit.far)
        about = subject if limit.by_subject else ""
        if beyond >= 1 and found.value >= limit.least:
            yield _alert(
                item, feature, member, about, limit.severity, beyond, (_reason(feature, found),)
            )
        if limit.days == 1 and not limit.by_subject and found.far > 0:
            beyond = self._beyond("lasting", member, lasting / limits.LASTING)
            if beyond >= 1 and not self._was_told(item, member, feature):
                yield _alert(
                    item, "lasting", member, feature, 2, beyond, (_reason(feature, found),)
                )
        if not limit.by_subject:
            yield from self._look_at_all(item, member, feature, found)

    def _look_at_all(self, item: Item, member: str, feature: str, found: Found) -> Iterator[Alert]:
        """Features that are each a little unusual on the same day."""
        day = self._calendar.day(item.time)
        row = self._today.get(member)
        if row is None or row[0] != day:
            row = [day, {}]
        row[1][feature] = list(found)
        self._today.touch(member, row)
        odd = {name: f for name, f in row[1].items() if f[2] > 2}
        total = sum((f[2] - 2) ** 2 for f in odd.values())
        beyond = self._beyond("together", member, total / limits.TOGETHER)
        if (
            beyond >= 1
            and len(odd) >= 3
            and not any(self._was_told(item, member, name) for name in odd)
        ):
            reasons = tuple(_reason(name, Found(*f)) for name, f in sorted(odd.items()))
            yield _alert(item, "together", member, "", 2, beyond, reasons)

    def _look_at_stream(self, item: Item, seen: Measure) -> Iterator[Alert]:
        key = f"{seen.member}|{seen.subject}|{seen.feature}"
        found, _ = self._streams.add(key, seen.value, seen.least, STEADY)
        limit, severity = limits.STREAMS[seen.feature]
        beyond = self._beyond(seen.feature, seen.member, found.far / limit)
        if beyond >= 1:
            reason = Reason(
                seen.feature, math.expm1(seen.value), math.expm1(found.usual), found.far
            )
            yield _alert(item, seen.feature, seen.member, seen.subject, severity, beyond, (reason,))

    def _look_at_delivery(self, item: Item, taken: Taken) -> Iterator[Alert]:
        size = self._sizes.add(taken)
        if size is not None and taken.rows >= limits.SIZE_ROWS:
            beyond = self._beyond("bulk", taken.member, size.far / limits.SIZE)
            if beyond >= 1:
                yield _alert(
                    item, "bulk", taken.member, taken.dataset, 3, beyond,
                    (_reason("delivery-rows", size),),
                )  # fmt: skip
        slow = self._trickle.add(taken, item.time)
        if slow is not None:
            limit = limits.TRICKLE if taken.level >= SENSITIVE else limits.TRICKLE_PLAIN
            beyond = self._beyond("trickle", taken.member, slow.far / limit)
            if beyond >= 1:
                yield _alert(
                    item, "trickle", taken.member, taken.dataset, 3, beyond,
                    (_reason("same-deliveries", slow),),
                )  # fmt: skip
        circle = self._flows.add(taken, item.time)
        if circle is not None:
            member = circle.members[0]
            beyond = self._beyond("circle", member, circle.weight / limits.CIRCLE)
            if beyond >= 1:
                reasons = (
                    Reason("circles", circle.times, 0, circle.weight),
                    *(Reason(f"through.{name}", circle.rows, 0, 0) for name in circle.members),
                )
                about = ".".join(circle.members[1:])
                yield _alert(item, "circle", member, about, 3, beyond, reasons)

        relay = self._relays.add(taken, item.time)
        if relay is not None and relay.times >= limits.RELAY_TIMES:
            beyond = self._beyond("relay", relay.giver, relay.weight / limits.RELAY)
            if beyond >= 1:
                reasons = (
                    Reason("passed-on", relay.times, 0, relay.weight),
                    Reason("rows", taken.rows, 0, 0),
                )
                about = f"{relay.source}.{relay.taker}"
                yield _alert(item, "relay", relay.giver, about, 3, beyond, reasons)

    def _look_at_node(self, item: Item, health: Health) -> Iterator[Alert]:
        member = health.member
        for rule, count, severity in (
            ("mismatched-roots", health.mismatched, 4), ("invalid-messages", health.invalid, 2),
        ):  # fmt: skip
            if count:
                reason = Reason(rule, count, 0, count)
                yield _alert(item, rule, member, "", severity, 1.0, (reason,))
        if item.name != HEALTH:
            return
        sums, is_odd = self._nodes.add(health)
        if is_odd:
            yield from self._look_at_day(item, Sighting(member, "odd-reports", 1))
        for name, count in (
            ("downs-a-day", health.downs),
            ("turns-lost", min(MOST_LOST, health.missed)),
        ):
            if count:
                yield from self._look_at_day(item, Sighting(member, name, count))
        for name, found in sums:
            limit, severity = limits.NODES[name]
            beyond = self._beyond(name, member, found.far / limit)
            if beyond >= 1:
                yield _alert(item, name, member, "", severity, beyond, (_reason(name, found),))

    def _beyond(self, detector: str, member: str, far: float) -> float:
        return far / float(self._factors.get(f"{detector}|{member}", 1.0))


def _reason(feature: str, found: Found) -> Reason:
    return Reason(feature, *found)


def _alert(
    item: Item, detector: str, member: str, subject: str, severity: int, far: float,
    reasons: Iterable[Reason],
) -> Alert:  # fmt: skip
    worse = severity + (far >= 2)
    return Alert(
        detector, member, subject, min(4, worse), item.height, item.time, far, tuple(reasons)
    )


def _read(kept: bytes | None) -> dict[str, Any] | None:
    """Raises StateError."""
    if kept is None:
        return None
    try:
        number, tables = cbor2.loads(kept)
    except (cbor2.CBORDecodeError, TypeError, ValueError) as error:
        raise StateError(f"the memory of the watch is damaged: {error}") from error
    if number != FORMAT or not isinstance(tables, dict):
        raise StateError(f"the memory of the watch has another format, {number}")
    return tables
