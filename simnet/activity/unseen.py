"""Four kinds of misbehaviour, written after the watch's limits were frozen for the fourth time."""

from __future__ import annotations

from node.watch.item import HEALTH_MS
from simnet.activity import health
from simnet.activity.base import START, World
from simnet.activity.departments import DAY_MS, HOUR_MS, MINUTE_MS, Dataset, Department, Grant
from simnet.activity.plants import (
    Plant,
    Planter,
    person,
    planted,
    rows_of,
    tables,
    working_days,
)


def harvest(world: World, reports: health.Reports, department: Department, day: int) -> Plant:
    """Records are drawn one by one at a counter, with keys that are somebody's."""
    random, sender, times = world.random, person(world, department), list[float]()
    grant = _counter(world, department, sender)
    for later in working_days(world, day, random.randint(2, 4)):
        for _ in range(random.randint(1, 3)):
            begin = world.moment(department, later, world.office_minute(department))
            minutes, pace = random.randint(30, 120), random.uniform(3, 10)
            world.look_up(grant, begin, minutes, pace, random.uniform(0, 0.06), sender)
            times += [begin, begin + (minutes + 1) * MINUTE_MS]
    return planted("harvest", times, department.name)


def _counter(world: World, department: Department, sender: str) -> Grant:
    """The department's grant to look up; where it has none it is given one in the past."""
    for grant in department.grants:
        if grant.kind == "lookup":
            return grant
    dataset = world.random.choice(world.departments[department.usual[0][0]].datasets)
    made = world.ask(department, dataset, START + DAY_MS, sender, "APPROVE", "lookup")
    assert made is not None
    return made


def leaving(world: World, reports: health.Reports, department: Department, day: int) -> Plant:
    """Somebody who is about to leave takes along something of all that may be had."""
    random, sender, times = world.random, person(world, department), list[float]()
    for later in working_days(world, day, random.randint(1, 3)):
        grants = tables(department)
        for grant in random.sample(grants, max(1, round(random.uniform(0.6, 1) * len(grants)))):
            times.append(world.moment(department, later, world.office_minute(department)))
            rows = rows_of(random, grant.dataset, random.uniform(1, 3))
            world.deliver(grant, rows, times[-1], sender)
    return planted("leaving", times, department.name)


def straw_man(world: World, reports: health.Reports, department: Department, day: int) -> Plant:
    """What a member is refused, another asks for, and hands on under a name of its own."""
    random, sender, times = world.random, person(world, department), list[float]()
    others = [name for name in world.departments if name != department.name]
    friend, owner = (world.departments[name] for name in random.sample(others, 2))
    helper = person(world, friend)
    wanted = sorted(owner.datasets, key=lambda d: -d.level)[:3]
    for later in working_days(world, day, random.randint(2, 4)):
        dataset = random.choice(wanted)
        time = world.moment(department, later, department.opens + random.uniform(0, 200))
        world.ask(department, dataset, time, sender, "DENY")
        times.append(time)
        time += random.uniform(0.2, 3) * HOUR_MS
        taken = world.ask(friend, dataset, time, helper, "APPROVE")
        copy = Dataset(f"{friend.name}/extract-{world.number('extract')}", 2, dataset.rows)
        rows = rows_of(random, dataset)
        assert taken is not None
        time = world.deliver(taken, rows, time + random.uniform(5, 60) * MINUTE_MS, helper)
        time += random.uniform(5, 60) * MINUTE_MS
        world.add(time, "catalogue", "registered", [copy.id, 1, bytes(32)], helper)
        time += random.uniform(5, 60) * MINUTE_MS
        passed = world.ask(department, copy, time, sender, "APPROVE")
        assert passed is not None
        times.append(time + random.uniform(5, 60) * MINUTE_MS)
        world.deliver(passed, rows, times[-1], sender)
    return planted("straw-man", times, department.name, friend.name)


def ailing(world: World, reports: health.Reports, department: Department, day: int) -> Plant:
    """A validator's machine slows down little by little: it votes less, and falls behind."""
    random, times = world.random, list[float]()
    begin, length = health.slot_of(day, random.uniform(0, 1_200)), random.randint(24, 96)
    worst = random.uniform(0.05, 0.4)
    for place in range(length):
        times.append(START + (begin + place + 1) * HEALTH_MS)
        share = worst * (place + 1) / length
        health.change(
            reports, department.name, begin + place,
            absent=round(share * health.BLOCKS), lag=world.poisson(20 * share),
        )  # fmt: skip
    return planted("ailing", times, department.name)


UNSEEN: dict[str, Planter] = {
    "harvest": harvest,
    "leaving": leaving,
    "straw-man": straw_man,
    "ailing": ailing,
}
