"""What some departments and nodes do wrong: each kind is a function that plants one instance.

Strengths are drawn, so that some instances are weak; where members act, they act in the ways open
to everybody, among all the right things that they go on doing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from contracts.codes import Code
from node.watch.item import HEALTH_MS
from simnet.activity import health
from simnet.activity.base import DAYS, PAST_DAYS, SLIPS, START, World, is_working
from simnet.activity.departments import DAY_MS, HOUR_MS, MINUTE_MS, Dataset, Department, Grant

PROBES = (Code.NEEDS_DUTY, Code.NOT_OWNER, Code.NOT_PARTY, Code.NOT_REVIEWER, Code.NEEDS_ROLE)
"""How calls fail that somebody may not make."""


@dataclass(frozen=True, slots=True)
class Plant:
    """One instance: who is behind it, from the first act to the last (ms UTC)."""

    kind: str
    members: tuple[str, ...]
    begin: int
    end: int


Planter = Callable[[World, health.Reports, Department, int], Plant]
"""Plants one instance with a department, from a day on."""


def planted(kind: str, times: list[float], *members: str) -> Plant:
    return Plant(kind, members, int(min(times)), int(max(times)))


def person(world: World, department: Department) -> str:
    return f"{department.name}/{world.random.choice(department.operators)}"


def working_days(world: World, day: int, count: int) -> list[int]:
    return [d for d in range(day, DAYS) if is_working(world, d)][:count]


def rows_of(random: Random, dataset: Dataset, times: float = 1.0) -> int:
    return max(1, round(dataset.rows * times * random.lognormvariate(0, 0.3)))


def tables(department: Department, level: int = 1) -> list[Grant]:
    return [g for g in department.grants if g.kind == "table" and g.dataset.level >= level]


def _sensitive_grant(world: World, department: Department) -> Grant:
    """A grant of the department at L3 or above; where it has none it is given one."""
    found = tables(department, 3)
    if found:
        return world.random.choice(found)
    usual = [d for owner, _ in department.usual for d in world.departments[owner].datasets]
    dataset = max(usual, key=lambda d: (d.level, d.id))
    time = START + DAY_MS
    grant = None
    while grant is None:
        grant = world.ask(department, dataset, time, person(world, department), "REVIEW")
    return grant


def frequent_sensitive(
    world: World, reports: health.Reports, department: Department, day: int
) -> Plant:
    """Somebody asks for sensitive data again and again, within hours, for some days."""
    random, sender, times = world.random, person(world, department), list[float]()
    grants = [_sensitive_grant(world, department) for _ in range(3)]
    per_day = random.uniform(0.5, 1.2) * department.rate + random.randint(5, 12)
    for later in working_days(world, day, random.randint(2, 3)):
        for _ in range(world.poisson(per_day)):
            grant = random.choice(grants)
            times.append(world.moment(department, later, world.office_minute(department)))
            world.deliver(grant, rows_of(random, grant.dataset, 0.6), times[-1], sender)
    return planted("frequent-sensitive", times, department.name)


def off_hours(world: World, reports: health.Reports, department: Department, day: int) -> Plant:
    """Somebody takes the usual things at night."""
    random, sender, times = world.random, person(world, department), list[float]()
    for later in range(day, min(DAYS, day + random.randint(2, 4))):
        for _ in range(random.randint(3, 10)):
            grant = random.choice(tables(department))
            times.append(world.moment(department, later, random.uniform(20, 290)))
            world.deliver(grant, rows_of(random, grant.dataset), times[-1], sender)
    return planted("off-hours", times, department.name)


def bulk(world: World, reports: health.Reports, department: Department, day: int) -> Plant:
    """A few deliveries of many times what is usual, under a grant that stands."""
    random, sender, times = world.random, person(world, department), list[float]()
    [later] = working_days(world, day, 1)
    grant = random.choice(tables(department))
    for _ in range(random.randint(1, 3)):
        times.append(world.moment(department, later, world.office_minute(department)))
        world.deliver(
            grant, rows_of(random, grant.dataset, random.uniform(10, 40)), times[-1], sender
        )
    return planted("bulk", times, department.name)


def first_contact(world: World, reports: health.Reports, department: Department, day: int) -> Plant:
    """Sensitive data of owners that the department never had to do with, and taken at once."""
    random, sender, times = world.random, person(world, department), list[float]()
    known = {department.name, *(owner for owner, _ in department.usual)}
    owners = [name for name in world.departments if name not in known]
    for owner in random.sample(owners, random.randint(2, 4)):
        dataset = max(world.departments[owner].datasets, key=lambda d: (d.level, d.id))
        later = random.choice(working_days(world, day, 2))
        times.append(world.moment(department, later, world.office_minute(department)))
        grant = world.ask(department, dataset, times[-1], sender)
        if grant is not None:
            times.append(times[-1] + random.uniform(6, 20) * HOUR_MS)
            rows = rows_of(random, dataset, random.uniform(1, 4))
            world.deliver(grant, rows, times[-1], sender)
    return planted("first-contact", times, department.name)


def failed_burst(world: World, reports: health.Reports, department: Department, day: int) -> Plant:
    """A tool is let loose: calls of all sorts that fail, within an hour or so."""
    random, sender = world.random, person(world, department)
    begin = world.moment(department, day, world.office_minute(department))
    length = random.uniform(20, 90) * MINUTE_MS
    times = [begin + random.random() * length for _ in range(random.randint(12, 50))]
    for time in times:
        world.fail(time, random.choice((*SLIPS, *PROBES, Code.NOT_FOUND)), sender)
    return planted("failed-burst", times, department.name)


def probing(world: World, reports: health.Reports, department: Department, day: int) -> Plant:
    """Somebody tries, a few times a day, what they may not do."""
    random, sender, times = world.random, person(world, department), list[float]()
    for later in working_days(world, day, random.randint(1, 3)):
        for _ in range(random.randint(3, 9)):
            times.append(world.moment(department, later, world.office_minute(department)))
            world.fail(times[-1], random.choice(PROBES), sender)
    return planted("probing", times, department.name)


def split(world: World, reports: health.Reports, department: Department, day: int) -> Plant:
    """What would need a review is asked for in pieces that need none."""
    random, sender, times = world.random, person(world, department), list[float]()
    owner = random.choice(department.usual)[0]
    dataset = random.choice(world.departments[owner].datasets)
    for later in working_days(world, day, random.randint(1, 4)):
        for _ in range(random.randint(2, 5)):
            times.append(world.moment(department, later, world.office_minute(department)))
            grant = world.ask(department, dataset, times[-1], sender, "APPROVE")
            if grant is not None:
                times.append(times[-1] + random.uniform(5, 50) * MINUTE_MS)
                world.deliver(grant, rows_of(random, dataset), times[-1], sender)
    return planted("split", times, department.name)


def circular(world: World, reports: health.Reports, department: Department, day: int) -> Plant:
    """The same rows go round between members, so that each has a grant and none is the source."""
    random, times = world.random, list[float]()
    others = random.sample([n for n in world.departments if n != department.name], 2)
    ring = [department, *(world.departments[name] for name in others)]
    rows = round(random.lognormvariate(7, 0.8)) + 20
    grants = []
    for place, giver in enumerate(ring):
        taker = ring[(place + 1) % len(ring)]
        known = [g for g in tables(taker) if g.owner == giver.name]
        if known:
            grants.append(random.choice(known))
        else:
            asked = world.moment(taker, day - 1, taker.opens + random.uniform(20, 200))
            dataset = random.choice(giver.datasets)
            made = world.ask(taker, dataset, asked, person(world, taker), "APPROVE")
            if made is not None:
                grants.append(made)
    for later in working_days(world, day, random.randint(2, 4)):
        time = world.moment(department, later, department.opens + random.uniform(10, 120))
        for grant in grants:
            taker = world.departments[grant.recipient]
            times.append(time)
            moved = round(rows * random.uniform(0.96, 1.0))
            time = world.deliver(grant, moved, time, person(world, taker))
            time += random.uniform(10, 110) * MINUTE_MS
    return planted("circular", times, *(member.name for member in ring))


def enumeration(world: World, reports: health.Reports, department: Department, day: int) -> Plant:
    """Keys are tried at a counter one after the other; most are nobody's."""
    random, sender, times = world.random, person(world, department), list[float]()
    counters = [g for g in department.grants if g.kind == "lookup"]
    if counters:
        grant = counters[0]
    else:
        owner = department.usual[0][0]
        dataset = random.choice(world.departments[owner].datasets)
        time = START + DAY_MS
        found = world.ask(department, dataset, time, sender, "APPROVE", "lookup")
        assert found is not None
        grant = found
    [later] = working_days(world, day, 1)
    for _ in range(random.randint(1, 3)):
        times.append(world.moment(department, later, world.office_minute(department)))
        minutes, pace = random.randint(15, 60), random.uniform(6, 30)
        world.look_up(grant, times[-1], minutes, pace, random.uniform(0.4, 0.9), sender)
        times.append(times[-1] + minutes * MINUTE_MS)
    return planted("enumeration", times, department.name)


def exfiltration(world: World, reports: health.Reports, department: Department, day: int) -> Plant:
    """A little more of something sensitive, day by day, for two weeks."""
    random, sender, times = world.random, person(world, department), list[float]()
    grant = _sensitive_grant(world, department)
    for later in working_days(world, min(day, DAYS - 16), random.randint(9, 12)):
        for _ in range(random.randint(1, 3)):
            times.append(world.moment(department, later, world.office_minute(department)))
            rows = rows_of(random, grant.dataset, random.uniform(1.0, 2.5))
            world.deliver(grant, rows, times[-1], sender)
    return planted("exfiltration", times, department.name)


def flapping(world: World, reports: health.Reports, department: Department, day: int) -> Plant:
    """A node goes away and comes back, again and again."""
    random, slots = world.random, list[int]()
    begin = health.slot_of(day, random.uniform(0, 1_200))
    for slot in range(begin, begin + random.randint(3, 12)):
        slots.append(slot)
        downs = random.randint(1, 6)
        health.change(
            reports, department.name, slot,
            downs=downs, missed=downs, absent=20 * downs, lag=10 * downs,
        )  # fmt: skip
    return _of_slots("flapping", slots, department)


def late_votes(world: World, reports: health.Reports, department: Department, day: int) -> Plant:
    """A validator's votes come too late for many certificates."""
    random, slots = world.random, list[int]()
    begin = health.slot_of(day, random.uniform(0, 1_200))
    share = random.uniform(0.15, 0.6)
    for slot in range(begin, begin + random.randint(8, 40)):
        slots.append(slot)
        health.change(reports, department.name, slot, absent=round(share * health.BLOCKS))
    return _of_slots("late-votes", slots, department)


def _of_slots(kind: str, slots: list[int], department: Department) -> Plant:
    times = [float(START + (slot + 1) * HEALTH_MS) for slot in slots]
    return planted(kind, times, department.name)


PLANTS: dict[str, Planter] = {
    "frequent-sensitive": frequent_sensitive,
    "off-hours": off_hours,
    "bulk": bulk,
    "first-contact": first_contact,
    "failed-burst": failed_burst,
    "probing": probing,
    "split": split,
    "circular": circular,
    "enumeration": enumeration,
    "exfiltration": exfiltration,
    "flapping": flapping,
    "late-votes": late_votes,
}
FIRST_DAY, LAST_DAY = PAST_DAYS + 3, DAYS - 6
