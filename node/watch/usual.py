"""What is usual: a mean and spread that follow a stream, and stand on what others do at first.

Counts are taken as square roots, in which a Poisson count's spread is a half whatever its mean;
sizes as logarithms. A row is [mean, variance, weight].
"""

from __future__ import annotations

import math
from typing import Any

MEMORY = 20
"""Windows after which old values have lost most of their weight."""
TRUST = 4.0
"""How many windows what others do is worth, for the mean and for the spread."""
CLIP = 3.0
"""Spreads beyond which a value teaches no more: an attack must not become usual at once."""
NOTHING: list[float] = [0.0, 0.0, 0.0]


def scaled(value: float, *, is_size: bool) -> float:
    return math.log1p(value) if is_size else math.sqrt(max(0.0, value))


def unscaled(value: float, *, is_size: bool) -> float:
    return math.expm1(value) if is_size else max(0.0, value) ** 2


def expected(row: list[float], pool: list[float], *, is_size: bool) -> tuple[float, float]:
    """Return mean and spread of a row on the scale, leaning on those of the pool."""
    mean, variance, weight = row
    trust = TRUST if pool[2] else 0.0
    share = weight + trust
    middle = (weight * mean + trust * pool[0]) / share if share else 0.0
    floor = 0.25 if is_size else 0.25 + 0.03 * middle * middle
    prior = max(floor, pool[1]) if is_size else floor
    spread = (weight * variance + TRUST * prior) / (weight + TRUST)
    return middle, math.sqrt(max(spread, 0.5 * floor))


def learn(row: list[float] | None, value: float, limit: float | None = None) -> list[float]:
    """Return the row after a value on the scale, which is clipped at `limit`."""
    mean, variance, weight = row or NOTHING
    if limit is not None:
        value = min(value, limit)
    weight = min(weight + 1.0, MEMORY)
    change = value - mean
    mean += change / weight
    variance += (change * (value - mean) - variance) / weight
    return [mean, variance, weight]


def plain(row: Any) -> list[float]:
    return row if row is not None else NOTHING
