"""Four kinds of misbehaviour, written after the watch's limits were frozen for the second time."""

from __future__ import annotations

from node.watch.item import HEALTH_MS
from simnet.activity import health
from simnet.activity.base import START, World
from simnet.activity.departments import HOUR_MS, MINUTE_MS, Department
from simnet.activity.plants import (
    Plant,
    Planter,
    person,
    planted,
    rows_of,
    tables,
    working_days,
)


def collusion(world: World, reports: health.Reports, department: Department, day: int) -> Plant:
    """An owner's reviewer approves at once whatever one requester asks for, again and again."""
    random, sender, times = world.random, person(world, department), list[float]()
    owner = random.choice(department.usual)[0]
    reviewer = person(world, world.departments[owner])
    datasets = sorted(world.departments[owner].datasets, key=lambda d: -d.level)[:3]
    for later in working_days(world, day, random.randint(2, 4)):
        for _ in range(random.randint(2, 4)):
            dataset = random.choice(datasets)
            time = world.moment(department, later, world.office_minute(department))
            grant = world.ask(department, dataset, time, sender, "APPROVE")
            assert grant is not None
            world.add(
                time + 60_000, "access", "reviewed", [grant.number, owner, "approved", []], reviewer
            )
            times += [time, time + random.uniform(3, 60) * MINUTE_MS]
            rows = rows_of(random, dataset, random.uniform(1, 4))
            world.deliver(grant, rows, times[-1], sender)
    return planted("collusion", times, department.name, owner)


def laundering(world: World, reports: health.Reports, department: Department, day: int) -> Plant:
    """What was taken from others is registered as the department's own, version after version."""
    random, sender, times = world.random, person(world, department), list[float]()
    for later in working_days(world, day, random.randint(2, 4)):
        for _ in range(random.randint(2, 4)):
            grant = random.choice(tables(department))
            time = world.moment(department, later, world.office_minute(department))
            world.deliver(grant, rows_of(random, grant.dataset), time, sender)
            times += [time, time + random.uniform(0.3, 2) * HOUR_MS]
            dataset = f"{department.name}/copy-{world.number('copy')}"
            world.add(times[-1], "catalogue", "registered", [dataset, 1, bytes(32)], sender)
    return planted("laundering", times, department.name)


def hogging(world: World, reports: health.Reports, department: Department, day: int) -> Plant:
    """Deliveries are opened that take an owner's quota and lines, and left to lapse."""
    random, sender, times = world.random, person(world, department), list[float]()
    grant = random.choice(tables(department))
    for later in working_days(world, day, random.randint(1, 3)):
        for _ in range(random.randint(6, 20)):
            times.append(world.moment(department, later, world.office_minute(department)))
            number, rows = world.number("delivery"), rows_of(random, grant.dataset)
            opened = [number, grant.number, department.name, grant.owner, 1, rows]
            world.add(times[-1], "deliveries", "opened", opened, sender)
            lapsed = [number, grant.number, "lapsed", 0]
            world.add(times[-1] + HOUR_MS, "deliveries", "ended", lapsed, "")
    return planted("hogging", times, department.name)


def wrong_clock(world: World, reports: health.Reports, department: Department, day: int) -> Plant:
    """A validator's clock moves away, within what the others still accept."""
    random, times = world.random, list[float]()
    begin = health.slot_of(day, random.uniform(0, 1_200))
    step = random.choice((-1, 1)) * random.uniform(8, 60)
    for place in range(random.randint(12, 60)):
        slot = begin + place
        times.append(START + (slot + 1) * HEALTH_MS)
        health.change(reports, department.name, slot, drift_ms=round(step * (place + 1)))
    return planted("wrong-clock", times, department.name)


LATER: dict[str, Planter] = {
    "collusion": collusion,
    "laundering": laundering,
    "hogging": hogging,
    "wrong-clock": wrong_clock,
}
