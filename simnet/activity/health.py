"""What is seen of the departments' nodes: a report for each every half hour."""

from __future__ import annotations

from node.watch.item import HEALTH, HEALTH_MS, NODE, Health
from simnet.activity.base import DAYS, PAST_DAYS, START, World
from simnet.activity.departments import DAY_MS, VALIDATORS

BLOCKS = 900
"""Blocks in half an hour."""
Reports = dict[tuple[str, int], Health]
"""Reports by member and number of the half hour."""


def live(world: World) -> Reports:
    """Draw every report, with restarts for a release and one outage of a line."""
    random, reports = world.random, Reports()
    count = DAYS * DAY_MS // HEALTH_MS
    for name, department in world.departments.items():
        absent = random.betavariate(8, 24)
        missed = random.lognormvariate(-7.0, 0.7)
        offset = random.gauss(0, 40)
        for slot in range(count):
            turns = BLOCKS // VALIDATORS if department.is_validator else 0
            lost = world.poisson(turns * missed)
            out = round(random.gauss(absent, 0.02) * BLOCKS) if turns else 0
            reports[name, slot] = Health(
                name,
                turns,
                lost,
                BLOCKS if turns else 0,
                min(BLOCKS, max(0, out)),
                world.poisson(1.0),
                round(offset + random.gauss(0, 8)),
                int(random.random() < 0.004),
            )
    _release(world, reports)
    _outage(world, reports)
    return reports


def change(reports: Reports, name: str, slot: int, **more: int) -> None:
    """Add to what a report says."""
    found = reports.get((name, slot))
    if found is None:
        return
    values = {key: getattr(found, key) + value for key, value in more.items()}
    values["absent"] = min(found.blocks, values.get("absent", found.absent))
    values["missed"] = min(found.turns, values.get("missed", found.missed))
    reports[name, slot] = found._replace(**values)


def slot_of(day: int, minute: float) -> int:
    """The half hour of a minute (UTC) of a day."""
    return int((day * DAY_MS + minute * 60_000) // HEALTH_MS)


def tell(world: World, reports: Reports) -> None:
    """Turn the reports into items, each at the end of its half hour."""
    for (_, slot), report in sorted(reports.items()):
        world.add(START + (slot + 1) * HEALTH_MS, NODE, HEALTH, list(report), "")


def _release(world: World, reports: Reports) -> None:
    """One evening every node is restarted with a new release, one after the other."""
    day = world.random.randrange(PAST_DAYS + 2, DAYS - 2)
    for place, name in enumerate(world.departments):
        change(reports, name, slot_of(day, 660 + 4 * place), downs=1, missed=1, absent=40, lag=60)


def _outage(world: World, reports: Reports) -> None:
    """A line is down for forty minutes."""
    name = world.random.choice(list(world.departments))
    slot = slot_of(world.random.randrange(PAST_DAYS + 1, DAYS - 1), 200)
    change(reports, name, slot, downs=1, missed=50, absent=700, lag=900)
    change(reports, name, slot + 1, missed=20, absent=250, lag=300)
