"""How surely a copy carries a key's mark: sums of random signs.

Under a key that has nothing to do with a copy, each part of the tree that occurs in it is green or
not with even chances, whatever the data. With weights w the sum S of signs then has mean 0 and
variance V = sum of w**2, and P(S >= t) <= 3.18 P(N >= t / sqrt(V)) for a standard normal N, for
every t and all weights (Bentkus and Dzindzalieta, "A tight Gaussian bound for weighted sums of
Rademacher random variables", Bernoulli 21, 2015). Decisions rest on this bound; the p-value that is
shown beside it is the normal one, smoothed by a keyed lot so that it is uniform for wrong keys.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BOUND = 3.18
THRESHOLD = 1e-6
"""Chance of naming any delivery for a copy that comes from none of those tested."""
MIN_NODES = 32
"""A test on fewer parts is left out: it could not convince anyway."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a copy says about one key: p-value, its rigorous bound, parts counted."""

    p_value: float
    bound: float
    nodes: int

    def is_convincing(self, tested: int) -> bool:
        """Whether the mark counts as found when `tested` deliveries were tried."""
        return self.bound <= THRESHOLD / tested


def test(green: np.ndarray, weights: np.ndarray, lot: float) -> Evidence:
    """Weigh one column and level; `lot` is a uniform number from 0 to 1 for smoothing."""
    total = float(np.where(green, weights, -weights).sum())
    variance = float((weights**2).sum())
    grain = float(weights.min())
    smooth = (total + (2 * lot - 1) * grain) / math.sqrt(variance + grain**2 / 3)
    bound = min(1.0, BOUND * upper(total / math.sqrt(variance)))
    return Evidence(upper(smooth), bound, len(weights))


def upper(z: float) -> float:
    """P(N >= z) of the standard normal."""
    return 0.5 * math.erfc(z / math.sqrt(2))


def combine(found: Sequence[Evidence]) -> Evidence:
    """Combine independent tests of one key: the best of m, paid for (Šidák 1967; Bonferroni)."""
    tests = [each for each in found if each.nodes >= MIN_NODES]
    if not tests:
        return Evidence(1.0, 1.0, 0)
    best = min(each.p_value for each in tests)
    p_value = -math.expm1(len(tests) * math.log1p(-best)) if best < 1 else 1.0
    bound = min(1.0, len(tests) * min(each.bound for each in tests))
    return Evidence(p_value, bound, sum(each.nodes for each in tests))
