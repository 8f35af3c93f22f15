"""Four further kinds of misbehaviour, written after the watch's first limits were frozen."""

from __future__ import annotations

from node.watch.item import HEALTH_MS
from simnet.activity import health
from simnet.activity.base import START, World
from simnet.activity.departments import HOUR_MS, JOB, MINUTE_MS, VALIDATORS, Department
from simnet.activity.plants import (
    Plant,
    Planter,
    person,
    planted,
    rows_of,
    tables,
    working_days,
)


def hoarding(world: World, reports: health.Reports, department: Department, day: int) -> Plant:
    """Grants are collected from usual owners, and none is used."""
    random, sender, times = world.random, person(world, department), list[float]()
    datasets = [d for owner, _ in department.usual for d in world.departments[owner].datasets]
    for later in working_days(world, day, random.randint(2, 4)):
        for dataset in random.sample(datasets, min(len(datasets), random.randint(3, 8))):
            times.append(world.moment(department, later, world.office_minute(department)))
            world.ask(department, dataset, times[-1], sender)
    return planted("hoarding", times, department.name)


def dormant_key(world: World, reports: health.Reports, department: Department, day: int) -> Plant:
    """A key that nobody used, or only a nightly job, is in other hands in office hours."""
    random, times = world.random, list[float]()
    sender = f"{department.name}/{JOB if department.has_job else 'deputy'}"
    for later in working_days(world, day, random.randint(2, 3)):
        for _ in range(random.randint(3, 8)):
            grant = random.choice(tables(department))
            times.append(world.moment(department, later, world.office_minute(department)))
            rows = rows_of(random, grant.dataset, random.uniform(1, 3))
            world.deliver(grant, rows, times[-1], sender)
    return planted("dormant-key", times, department.name)


def downgrade(world: World, reports: health.Reports, department: Department, day: int) -> Plant:
    """An owner lowers its labels, and a partner takes by rule what needed a review."""
    random, sender, times = world.random, person(world, department), list[float]()
    others = [n for n in world.departments if n != department.name]
    partner = world.departments[random.choice(others)]
    taker = person(world, partner)
    for later in working_days(world, day, random.randint(2, 4)):
        dataset = max(department.datasets, key=lambda d: (d.level, random.random()))
        time = world.moment(department, later, world.office_minute(department))
        version = world.number(dataset.id)
        world.add(time, "catalogue", "registered", [dataset.id, version, bytes(32)], sender)
        world.add(time, "catalogue", "lowered", [dataset.id, version, [["a", 3, 2]]], sender)
        asked = time + random.uniform(0.2, 3) * HOUR_MS
        grant = world.ask(partner, dataset, asked, taker, "APPROVE")
        times += [time, asked]
        if grant is not None:
            times.append(asked + random.uniform(5, 50) * MINUTE_MS)
            world.deliver(grant, rows_of(random, dataset), times[-1], taker)
    return planted("downgrade", times, department.name, partner.name)


def stalling(world: World, reports: health.Reports, department: Department, day: int) -> Plant:
    """A validator lets a share of its turns pass, and votes in time."""
    random, times = world.random, list[float]()
    begin = health.slot_of(day, random.uniform(0, 1_200))
    share = random.uniform(0.05, 0.5)
    for slot in range(begin, begin + random.randint(4, 24)):
        times.append(START + (slot + 1) * HEALTH_MS)
        lost = world.poisson(share * health.BLOCKS / VALIDATORS)
        health.change(reports, department.name, slot, missed=lost)
    return planted("stalling", times, department.name)


FURTHER: dict[str, Planter] = {
    "hoarding": hoarding,
    "dormant-key": dormant_key,
    "downgrade": downgrade,
    "stalling": stalling,
}
