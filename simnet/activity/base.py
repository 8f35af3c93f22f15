"""What departments rightly do: the rhythm of their days, and the news that a month brings."""

from __future__ import annotations

import math
from bisect import bisect
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random
from typing import Any

from contracts.codes import Code
from node.watch.item import FAILED, LEDGER, Item, Terms
from simnet.activity.departments import (
    DAY_MS,
    HOUR_MS,
    JOB,
    MINUTE_MS,
    Dataset,
    Department,
    Grant,
)

START = 1_802_649_600_000
"""Monday 15 February 2027, 00:00 UTC: the first day of the past."""
PAST_DAYS = 14
DAYS = 44
"""The past, from which detectors may learn, and a month, March."""
MONTH_END = (27, 28, 29, 30)
"""Days of March whose working days are its last."""
WEEKDAYS = (1.15, 1.05, 1.0, 1.0, 0.85, 0.04, 0.03)
BLOCK_MS = 2_000
SLIPS = (
    Code.GRANT_EXPIRED, Code.QUOTA_EXCEEDED, Code.BAD_ARGUMENT, Code.OFF_HOURS, Code.NEEDS_DUTY,
)  # fmt: skip
"""How honest calls fail: now and then somebody tries what is for a colleague to do."""


@dataclass(slots=True)
class World:
    """Departments, and what has happened so far, in no order."""

    random: Random
    departments: dict[str, Department]
    items: list[Item] = field(default_factory=list)
    terms: dict[int, Terms] = field(default_factory=dict)
    holiday: int = -1
    numbers: dict[str, int] = field(default_factory=dict)

    def add(self, time: float, contract: str, name: str, data: Any, sender: str) -> None:
        moment = int(time)
        height = 1 + (moment - START) // BLOCK_MS
        self.items.append(Item(height, moment, contract, name, data, sender))

    def number(self, what: str) -> int:
        """The next number of a counter."""
        self.numbers[what] = self.numbers.get(what, 0) + 1
        return self.numbers[what]

    def moment(self, department: Department, day: int, minute: float) -> float:
        """A minute of the department's own day, as ms UTC."""
        return START + day * DAY_MS + (minute - department.offset) * MINUTE_MS

    def office_minute(self, department: Department) -> float:
        """A minute at which it works: two humps about a pause at noon."""
        middle = (department.opens + department.closes) / 2
        while True:
            minute = self.random.uniform(department.opens, department.closes)
            if abs(minute - middle) > 40 or self.random.random() < 0.3:
                return minute

    def poisson(self, mean: float) -> int:
        if mean > 50:
            return max(0, round(self.random.gauss(mean, math.sqrt(mean))))
        limit, count, product = math.exp(-mean), 0, self.random.random()
        while product > limit:
            count += 1
            product *= self.random.random()
        return count

    # What one department can do

    def deliver(self, grant: Grant, rows: int, time: float, sender: str) -> float:
        """Open a delivery and end it; returns when it ended."""
        number = self.number("delivery")
        self.add(
            time, "deliveries", "opened",
            [number, grant.number, grant.recipient, grant.owner, 1, rows], sender,
        )  # fmt: skip
        end = time + 2_000 + rows / 10 + self.random.uniform(0, 5_000)
        status = "closed" if self.random.random() < 0.97 else "lapsed"
        got = rows if status == "closed" else round(rows * self.random.random())
        self.add(
            end, "deliveries", "ended", [number, grant.number, status, got],
            f"{grant.owner}/node",
        )  # fmt: skip
        return end

    def fail(self, time: float, code: int, sender: str) -> None:
        self.add(time, LEDGER, FAILED, [int(code)], sender)

    def look_up(
        self, grant: Grant, time: float, minutes: int, pace: float, misses: float, sender: str
    ) -> None:
        """A session of single answers, told each minute: how many, how many found nothing."""
        number = self.number("delivery")
        self.add(
            time, "deliveries", "opened",
            [number, grant.number, grant.recipient, grant.owner, 1, 10_000], sender,
        )  # fmt: skip
        count = missed = 0
        for minute in range(minutes):
            made = self.poisson(pace)
            if not made:
                continue
            count += made
            missed += sum(self.random.random() < misses for _ in range(made))
            self.add(
                time + (minute + 1) * MINUTE_MS, "deliveries", "calls",
                [number, count, bytes(32), missed], f"{grant.owner}/node",
            )  # fmt: skip
        self.add(
            time + (minutes + 1) * MINUTE_MS, "deliveries", "ended",
            [number, grant.number, "closed", count], f"{grant.owner}/node",
        )  # fmt: skip

    def ask(
        self, department: Department, dataset: Dataset, time: float, sender: str,
        outcome: str | None = None, kind: str = "table",
    ) -> Grant | None:  # fmt: skip
        """Request data; returns the grant, if there is one, and nothing of when it is used.

        L1 and L2 are decided by rule, higher levels reviewed by the owner within hours.
        """
        number = self.number("request")
        owner = dataset.id.partition("/")[0]
        self.terms[number] = Terms(department.name, owner, dataset.id, dataset.level)
        self.add(time, "access", "requested", [number, department.name, dataset.id], sender)
        draw = self.random.random()
        if outcome is None:
            outcome = "DENY" if draw < 0.05 else "REVIEW" if dataset.level > 2 else "APPROVE"
        self.add(time, "access", "decided", [number, outcome, "level", dataset.level], sender)
        if outcome == "DENY":
            self.add(time, "access", "denied", [number, "purpose"], sender)
            return None
        if outcome == "REVIEW":
            time += self.random.uniform(0.2, 5.0) * HOUR_MS
            reviewer = f"{owner}/{self.random.choice(self.departments[owner].operators)}"
            word = "refused" if draw > 0.92 else "approved"
            self.add(time, "access", "reviewed", [number, owner, word, []], reviewer)
            if word == "refused":
                self.add(time, "access", "denied", [number, "review"], reviewer)
                return None
            sender = reviewer
        self.add(time, "access", "granted", [number, owner, department.name, dataset.id], sender)
        return Grant(number, department.name, dataset, 0.2, kind)


def is_working(world: World, day: int) -> bool:
    return day % 7 < 5 and day != world.holiday


def live(world: World) -> None:
    """Let every department live through all days."""
    for department in world.departments.values():
        for grant in department.grants:
            owner = grant.owner
            world.terms[grant.number] = Terms(
                department.name, owner, grant.dataset.id, grant.dataset.level
            )
        world.numbers["request"] = max(
            [world.numbers.get("request", 0), *(grant.number for grant in department.grants)]
        )
    for day in range(DAYS):
        for department in world.departments.values():
            _live_day(world, department, day)
    for novelty in (_partner, _bulk, _overtime, _new_job, _retries):
        for _ in range(world.random.randint(2, 4)):
            department = world.random.choice(list(world.departments.values()))
            novelty(world, department, world.random.randrange(PAST_DAYS + 1, DAYS - 7))


def _live_day(world: World, department: Department, day: int) -> None:
    random = world.random
    working = is_working(world, day)
    busy = WEEKDAYS[day % 7] if working or day % 7 > 4 else 0.05
    if day - PAST_DAYS + 1 in MONTH_END and working:
        busy *= department.month_end
    busy *= random.lognormvariate(0, 0.3)
    tables = [grant for grant in department.grants if grant.kind == "table"]
    weights = list(accumulate(grant.weight for grant in tables))
    for _ in range(world.poisson(department.rate * busy)):
        grant = tables[bisect(weights, random.random() * weights[-1], hi=len(tables) - 1)]
        _work(world, department, grant, day)
    if working:
        for _ in range(world.poisson((0.4 + 0.02 * department.rate) * busy)):
            _request(world, department, day)
        if department.has_counter:
            _serve_counter(world, department, day, busy)
        for _ in range(world.poisson(0.5)):
            _register(world, department, day)
        if random.random() < 0.15:
            person = random.choice(department.operators)
            time = world.moment(department, day, world.office_minute(department))
            data = [world.number("order"), department.name, False, 0]
            world.add(time, "dispatch", "acknowledged", data, f"{department.name}/{person}")
    if department.has_job:
        _run_job(world, department, tables[0], day)


def _work(world: World, department: Department, grant: Grant, day: int) -> None:
    random = world.random
    person = random.choice(department.operators)
    sender = f"{department.name}/{person}"
    time = world.moment(department, day, world.office_minute(department))
    if random.random() < 0.02:  # works late for once
        time = world.moment(department, day, department.closes + random.expovariate(1 / 50))
    if random.random() < 0.015:
        world.fail(time - 30_000, random.choice(SLIPS), sender)
    world.deliver(grant, _rows(world, grant), time, sender)


def _rows(world: World, grant: Grant) -> int:
    return max(1, round(grant.dataset.rows * world.random.lognormvariate(0, 0.5)))


def _request(world: World, department: Department, day: int) -> None:
    """Mostly from a usual owner, now and then from any."""
    random = world.random
    owners = [owner for owner, _ in department.usual]
    if random.random() < 0.07:
        owners = [name for name in world.departments if name != department.name]
    dataset = random.choice(world.departments[random.choice(owners)].datasets)
    sender = f"{department.name}/{random.choice(department.operators)}"
    time = world.moment(department, day, world.office_minute(department))
    grant = world.ask(department, dataset, time, sender)
    if grant is None:
        return
    for _ in range(random.randint(1, 4)):
        later = min(DAYS - 1, day + 1 + int(random.expovariate(1 / 3)))
        if is_working(world, later):
            moment = world.moment(department, later, world.office_minute(department))
            world.deliver(grant, _rows(world, grant), moment, sender)


def _serve_counter(world: World, department: Department, day: int, busy: float) -> None:
    """Single questions while people wait at the counter."""
    random = world.random
    grant = next(g for g in department.grants if g.kind == "lookup")
    for _ in range(world.poisson(3 * busy)):
        time = world.moment(department, day, world.office_minute(department))
        sender = f"{department.name}/{random.choice(department.operators)}"
        pace = random.lognormvariate(1.2, 0.4) * busy
        world.look_up(grant, time, random.randint(10, 45), pace, 0.06, sender)


def _register(world: World, department: Department, day: int) -> None:
    random = world.random
    dataset = random.choice(department.datasets)
    sender = f"{department.name}/{random.choice(department.operators)}"
    time = world.moment(department, day, world.office_minute(department))
    version = world.number(dataset.id)
    world.add(time, "catalogue", "registered", [dataset.id, version, bytes(32)], sender)
    if random.random() < 0.02:
        world.add(time, "catalogue", "lowered", [dataset.id, version, [["a", 3, 2]]], sender)


def _run_job(world: World, department: Department, grant: Grant, day: int) -> None:
    """The nightly feed: one large delivery, every night at about the same minute."""
    minute = 60 + (len(department.name) * 17) % 150 + world.random.gauss(0, 4)
    rows = round(grant.dataset.rows * 5 * world.random.lognormvariate(0, 0.1)) + 1
    time = world.moment(department, day, minute)
    world.deliver(grant, rows, time, f"{department.name}/{JOB}")


# News that is right


def _partner(world: World, department: Department, day: int) -> None:
    """A new cooperation, reviewed and granted, used from then on."""
    random = world.random
    known = {department.name, *(owner for owner, _ in department.usual)}
    owner = random.choice([name for name in world.departments if name not in known])
    dataset = max(world.departments[owner].datasets, key=lambda d: (d.level, d.id))
    sender = f"{department.name}/{random.choice(department.operators)}"
    time = world.moment(department, day, world.office_minute(department))
    grant = world.ask(department, dataset, time, sender, "REVIEW")
    for later in range(day + 1, DAYS):
        if grant is not None and is_working(world, later):
            for _ in range(world.poisson(1.0)):
                moment = world.moment(department, later, world.office_minute(department))
                world.deliver(grant, _rows(world, grant), moment, sender)


def _bulk(world: World, department: Department, day: int) -> None:
    """One large delivery under a grant that was reviewed for it the day before."""
    random = world.random
    owner = department.usual[0][0]
    dataset = random.choice(world.departments[owner].datasets)
    sender = f"{department.name}/{random.choice(department.operators)}"
    time = world.moment(department, day, department.opens + 30)
    grant = world.ask(department, dataset, time, sender, "REVIEW")
    if grant is not None:
        moment = world.moment(department, day + 1, world.office_minute(department))
        rows = round(dataset.rows * random.uniform(15, 50)) + 1
        world.deliver(grant, rows, moment, sender)


def _overtime(world: World, department: Department, day: int) -> None:
    """Somebody works late for some evenings."""
    random = world.random
    sender = f"{department.name}/{random.choice(department.operators)}"
    for later in range(day, min(DAYS, day + random.randint(3, 5))):
        for _ in range(random.randint(2, 6)):
            minute = random.uniform(department.closes, 1_320)
            grant = random.choice([g for g in department.grants if g.kind == "table"])
            moment = world.moment(department, later, minute)
            world.deliver(grant, _rows(world, grant), moment, sender)


def _new_job(world: World, department: Department, day: int) -> None:
    """A nightly feed that did not exist before."""
    grant = next(g for g in department.grants if g.kind == "table")
    minute = world.random.uniform(30, 240)
    for later in range(day, DAYS):
        moment = world.moment(department, later, minute + world.random.gauss(0, 4))
        rows = round(grant.dataset.rows * 3) + 1
        world.deliver(grant, rows, moment, f"{department.name}/feed")


def _retries(world: World, department: Department, day: int) -> None:
    """A job that meets an expired grant and tries again until somebody looks."""
    time = world.moment(department, day, world.random.uniform(60, 900))
    for _ in range(world.random.randint(5, 12)):
        world.fail(time, Code.GRANT_EXPIRED, f"{department.name}/{JOB}")
        time += 5 * MINUTE_MS
