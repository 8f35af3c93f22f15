"""Plain detectors to compare the watch with: fixed thresholds, z-scores, half-space trees.

They count the same features by day, and are as strict as brings them to one false alert a day on
the months that the watch's own limits were found on.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from node.watch.alert import Alert, Reason
from node.watch.calendar import DAY_MS, Calendar
from node.watch.features import Features, Sighting
from node.watch.item import NODE, Health
from node.watch.memory import Memory
from node.watch.watch import AGAIN_MS
from simnet.activity.month import Month

Seen = tuple[int, str, str, float]
"""Time, member, feature, amount."""
QUANTILE = 0.995
LEAST_SPREAD = 1.0


def seen(month: Month) -> Iterator[Seen]:
    """Every sighting of a month, and what the reports on nodes count."""
    features = Features(Memory(), Calendar(), month.terms.get)
    for item in month.items:
        if item.contract == NODE:
            health = Health(*item.data)
            for name in ("missed", "absent", "lag", "downs"):
                yield item.time, health.member, name, getattr(health, name)
            continue
        for found in features.see(item):
            if isinstance(found, Sighting):
                yield item.time, found.member, found.feature, found.amount


Usual = Callable[[str, Sequence[float]], tuple[float, float]]
"""Mean and spread of a feature, by its values on a member's days before."""


def by_day(rows: Sequence[Seen], usual: Usual, strict: float) -> Iterator[Alert]:
    """Alert where a day's value, as it grows, is `strict` spreads above the mean."""
    calendar = Calendar()
    days: dict[tuple[str, str], list[Any]] = {}
    told: dict[tuple[str, str], int] = {}
    first = calendar.day(rows[0][0])
    for time, member, feature, amount in rows:
        key, day = (member, feature), calendar.day(time)
        row = days.get(key)
        if row is None:
            row = days[key] = [day, 0.0, [0.0] * (day - first), 0.0, 1.0]
            row[3:] = usual(feature, row[2])
        if row[0] < day:
            row[2] += [row[1], *[0.0] * (day - row[0] - 1)]
            row[0], row[1] = day, 0.0
            row[3:] = usual(feature, row[2])
        row[1] += amount
        far = (row[1] - row[3]) / row[4]
        if far >= strict and time - told.get(key, -AGAIN_MS) >= AGAIN_MS:
            told[key] = time
            reason = Reason(feature, row[1], row[3], far)
            yield Alert(feature, member, "", 2, 0, time, far, (reason,))


def fixed(months: Iterable[Sequence[Seen]]) -> Usual:
    """One threshold for each feature, the same for all: a high quantile of the member-days."""
    values: dict[str, dict[tuple[int, str, int], float]] = defaultdict(lambda: defaultdict(float))
    members = set()
    for number, rows in enumerate(months):
        for time, member, feature, amount in rows:
            values[feature][number, member, time // DAY_MS] += amount
            members.add((number, member, time // DAY_MS))
    limits = {}
    for feature, found in values.items():
        filled = sorted(chain(found.values(), [0.0] * (len(members) - len(found))))
        limits[feature] = max(1.0, filled[int(QUANTILE * len(filled))])
    return lambda feature, before: (0.0, limits.get(feature, 1.0))


def z_score(feature: str, before: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation of the member's days so far; a week is needed."""
    count = len(before)
    if count < 7:
        return math.inf, 1.0
    mean = sum(before) / count
    variance = sum((past - mean) ** 2 for past in before) / count
    return mean, max(LEAST_SPREAD, math.sqrt(variance))


def trees(rows: Sequence[Seen], strict: float) -> Iterator[Alert]:
    """Half-space trees (Tan, Ting, Liu 2011) of the package river, on each member's whole day."""
    from river import anomaly, compose, preprocessing

    model = compose.Pipeline(
        preprocessing.MinMaxScaler(), anomaly.HalfSpaceTrees(25, 8, 250, seed=1)
    )
    days: dict[tuple[int, str], dict[str, float]] = defaultdict(dict)
    calendar, names = Calendar(), {row[2] for row in rows}
    for time, member, feature, amount in rows:
        day = days[calendar.day(time), member]
        day[feature] = day.get(feature, 0.0) + amount
    for (day_number, member), found in sorted(days.items()):
        vector = {name: _softened(found.get(name, 0.0)) for name in names}
        far = model.score_one(vector)
        model.learn_one(vector)
        if far >= strict:
            time = (day_number + 1) * DAY_MS - calendar.offset * 60_000
            yield Alert("trees", member, "", 2, 0, time, far, (Reason("trees", far, 0, far),))


def _softened(amount: float) -> float:
    """The logarithm of one more; sums of logarithms may be below zero."""
    return math.copysign(math.log1p(abs(amount)), amount)
