"""Four kinds of misbehaviour, written after the watch's limits were frozen for the third time."""

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


def takeover(world: World, reports: health.Reports, department: Department, day: int) -> Plant:
    """A reviewer's key is used at night to approve what an accomplice has asked for by day."""
    random, times = world.random, list[float]()
    reviewer = person(world, department)
    others = [world.departments[n] for n in world.departments if n != department.name]
    friends = [d for d in others if department.name in dict(d.usual)]
    accomplice = random.choice(friends or others)
    sender = person(world, accomplice)
    for later in working_days(world, day, random.randint(2, 3)):
        for _ in range(random.randint(2, 4)):
            dataset = max(department.datasets, key=lambda d: (d.level, random.random()))
            asked = world.moment(accomplice, later, world.office_minute(accomplice))
            night = world.moment(department, later + 1, random.uniform(30, 270))
            number = world.number("request")
            world.add(asked, "access", "requested", [number, accomplice.name, dataset.id], sender)
            decided = [number, "REVIEW", "level", dataset.level]
            world.add(asked, "access", "decided", decided, sender)
            reviewed = [number, department.name, "approved", []]
            world.add(night, "access", "reviewed", reviewed, reviewer)
            granted = [number, department.name, accomplice.name, dataset.id]
            world.add(night, "access", "granted", granted, reviewer)
            times += [asked, night]
    return planted("takeover", times, department.name, accomplice.name)


def key_shopping(world: World, reports: health.Reports, department: Department, day: int) -> Plant:
    """An administrator gives duties to names that nobody knows, and takes them away again."""
    random, sender, times = world.random, person(world, department), list[float]()
    for later in working_days(world, day, random.randint(1, 3)):
        for _ in range(random.randint(2, 6)):
            name = f"temp-{world.number('temp')}"
            times.append(world.moment(department, later, world.office_minute(department)))
            data = [department.name, name, ["steward"]]
            world.add(times[-1], "operators", "granted", data, sender)
            times.append(times[-1] + random.uniform(10, 200) * MINUTE_MS)
            world.add(times[-1], "operators", "revoked", [department.name, name], sender)
    return planted("key-shopping", times, department.name)


def relay(world: World, reports: health.Reports, department: Department, day: int) -> Plant:
    """What was taken from one member is passed on to another, day by day, within hours."""
    random, times = world.random, list[float]()
    taker, grant = person(world, department), random.choice(tables(department))
    third = world.departments[
        random.choice([n for n in world.departments if n not in (department.name, grant.owner)])
    ]
    onward = world.ask(
        third, random.choice(department.datasets), world.moment(third, day - 1, third.opens + 60),
        person(world, third), "APPROVE",
    )  # fmt: skip
    assert onward is not None
    for later in working_days(world, day, random.randint(4, 7)):
        time = world.moment(department, later, department.opens + random.uniform(10, 120))
        rows = rows_of(random, grant.dataset)
        end = world.deliver(grant, rows, time, taker)
        passed = end + random.uniform(0.3, 4) * HOUR_MS
        world.deliver(onward, rows, passed, person(world, third))
        times += [time, passed]
    return planted("relay", times, department.name, third.name)


def lagging(world: World, reports: health.Reports, department: Department, day: int) -> Plant:
    """A validator's node follows the chain at a growing distance."""
    random, times = world.random, list[float]()
    begin = health.slot_of(day, random.uniform(0, 1_200))
    for place in range(random.randint(8, 40)):
        times.append(START + (begin + place + 1) * HEALTH_MS)
        behind = round((place + 1) * random.uniform(2, 20))
        health.change(reports, department.name, begin + place, lag=behind)
    return planted("lagging", times, department.name)


LATEST: dict[str, Planter] = {
    "takeover": takeover,
    "key-shopping": key_shopping,
    "relay": relay,
    "lagging": lagging,
}
