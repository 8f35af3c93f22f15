"""A month from one seed: everything that happened, in order, and what of it was planted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from node.watch.item import Item, Terms
from simnet.activity import base, health
from simnet.activity.base import DAYS, PAST_DAYS, START, World
from simnet.activity.departments import DAY_MS, draw
from simnet.activity.further import FURTHER
from simnet.activity.later import LATER
from simnet.activity.latest import LATEST
from simnet.activity.plants import FIRST_DAY, LAST_DAY, PLANTS, Plant, Planter
from simnet.activity.unseen import UNSEEN

BEGIN = START + PAST_DAYS * DAY_MS
"""When the month begins (ms UTC); what is before is the past."""
END = START + DAYS * DAY_MS
KINDS: dict[str, Planter] = {**PLANTS, **FURTHER, **LATER, **LATEST, **UNSEEN}
NODES = frozenset(("flapping", "late-votes", "stalling", "wrong-clock", "lagging", "ailing"))
"""Kinds of validators' nodes."""


@dataclass(frozen=True, slots=True)
class Month:
    """`terms` tells what each grant is about, as the chain's state would."""

    items: tuple[Item, ...]
    terms: dict[int, Terms]
    plants: tuple[Plant, ...]


def make(seed: int, kinds: Iterable[str] = tuple(PLANTS)) -> Month:
    """Return a month with one instance of each of `kinds`, each with a department of its own.

    Drawn from the same seed, the right things are the same whatever is planted.
    """
    departments = draw(Random(seed))
    holiday = Random(f"{seed} holiday").randrange(PAST_DAYS, DAYS)
    world = World(Random(f"{seed} base"), departments, holiday=holiday)
    base.live(world)
    reports = health.live(world)
    world.random = random = Random(f"{seed} plants")
    kinds = list(kinds)
    nodes = [name for name, found in departments.items() if found.is_validator]
    free = random.sample(list(departments), len(departments))
    plants = []
    for kind in sorted(kinds, key=lambda kind: kind not in NODES):
        name = next(name for name in free if kind not in NODES or name in nodes)
        free.remove(name)
        day = random.randint(FIRST_DAY, LAST_DAY)
        plants.append(KINDS[kind](world, reports, departments[name], day))
    health.tell(world, reports)
    items = sorted((i for i in world.items if START <= i.time <= END), key=lambda i: i.time)
    return Month(tuple(items), world.terms, tuple(plants))
