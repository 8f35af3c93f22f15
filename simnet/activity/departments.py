"""Who the departments are: hours, operators, datasets, usual counterparts, how much they do."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

COUNT = 30
VALIDATORS = 12
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
OFFSET = 480
"""Minutes from UTC to the time that the alliance's offices keep."""
WESTERN_OFFSET = 360
NAMES = (
    "agriculture", "audit", "aviation", "customs", "culture", "data-centre", "education", "energy",
    "environment", "finance", "fire", "fisheries", "forestry", "health", "housing", "industry",
    "justice", "labour", "land", "meteorology", "planning", "police", "ports", "railways",
    "social", "sports", "statistics", "tax", "transport", "water",
)  # fmt: skip
PERSONS = ("chen", "gao", "he", "li", "lin", "luo", "ma", "sun", "wang", "wu", "xu", "yang", "zhao")
JOB = "etl"
"""The operator that runs a department's nightly jobs."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """`rows` is what a usual delivery of it holds."""

    id: str
    level: int
    rows: float


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant; `weight` is how often it is used beside the recipient's others."""

    number: int
    recipient: str
    dataset: Dataset
    weight: float
    kind: str = "table"

    @property
    def owner(self) -> str:
        return self.dataset.id.partition("/")[0]


@dataclass(slots=True)
class Department:
    """A member. `opens` and `closes` are minutes of its day, `rate` deliveries on a working day.

    `month_end` multiplies what it does on the last three working days of a month.
    """

    name: str
    offset: int
    opens: int
    closes: int
    rate: float
    month_end: float
    operators: list[str]
    datasets: list[Dataset]
    is_validator: bool
    has_job: bool
    has_counter: bool
    usual: list[tuple[str, float]] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)


def draw(random: Random) -> dict[str, Department]:
    """Return the departments by name; rates are heavy-tailed, counterparts few."""
    names = list(NAMES)
    voters = set(random.sample(names, VALIDATORS))
    made = {name: _draw_one(random, name, name in voters) for name in names}
    for department in made.values():
        others = [name for name in names if name != department.name]
        chosen = random.sample(others, random.randint(2, 6))
        department.usual = [(owner, 1 / (place + 1)) for place, owner in enumerate(chosen)]
    number = 0
    for department in made.values():
        for owner, weight in department.usual:
            datasets = made[owner].datasets
            for dataset in random.sample(datasets, min(len(datasets), random.randint(1, 3))):
                number += 1
                share = weight * random.uniform(0.3, 1.0) * (0.4 if dataset.level > 2 else 1.0)
                department.grants.append(Grant(number, department.name, dataset, share))
        if department.has_counter:
            number += 1
            dataset = random.choice(made[department.usual[0][0]].datasets)
            department.grants.append(Grant(number, department.name, dataset, 0.0, "lookup"))
    return made


def _draw_one(random: Random, name: str, is_validator: bool) -> Department:
    opens = random.choice((480, 510, 540))
    return Department(
        name,
        OFFSET if random.random() < 0.8 else WESTERN_OFFSET,
        opens,
        opens + random.choice((510, 540, 570)),
        min(90.0, 5.0 * random.paretovariate(1.2)),
        random.choice((1.0, 1.2, 1.5, 2.5)),
        random.sample(PERSONS, random.randint(2, 5)),
        [_draw_dataset(random, name, place) for place in range(random.randint(3, 8))],
        is_validator,
        has_job=random.random() < 0.4,
        has_counter=random.random() < 0.4,
    )


def _draw_dataset(random: Random, owner: str, place: int) -> Dataset:
    level = random.choices((1, 2, 3, 4), (30, 40, 22, 8))[0]
    return Dataset(f"{owner}/set-{place + 1}", level, min(2e5, random.lognormvariate(6.5, 1.4)))
