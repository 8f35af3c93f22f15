"""Exact samples of discrete noise, with whole numbers only.

Floating-point noise betrays the number that it is added to (Mironov, CCS 2012). These samplers are
algorithms 1 and 2 of Canonne, Kamath and Steinke, "The Discrete Gaussian for Differential Privacy",
NeurIPS 2020: rejection from fair dice, so that probabilities are exactly what they are said to be.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

MICRO = 10**6
Below = Callable[[int], int]
"""Returns a uniform whole number from 0 to below its argument; `secrets.randbelow` in earnest."""


def laplace(sensitivity: int, micro_epsilon: int, below: Below) -> int:
    """Return x with probability proportional to exp(-|x| * epsilon / sensitivity).

    Added to a whole number that one subject changes by at most `sensitivity`, it makes the sum
    epsilon-differentially private.
    """
    scale = Fraction(sensitivity * MICRO, micro_epsilon)
    s, t = scale.numerator, scale.denominator
    while True:
        part = below(s)
        if not _happens(part, s, below):
            continue
        whole = 0
        while _happens(1, 1, below):
            whole += 1
        size = (part + s * whole) // t
        is_negative = below(2) == 1
        if size or not is_negative:  # else zero would come twice as often
            return -size if is_negative else size


def _happens(numerator: int, denominator: int, below: Below) -> bool:
    """Return true with probability exp(-numerator / denominator), which is at most 1."""
    count = 1
    while below(denominator * count) < numerator:
        count += 1
    return count % 2 == 1


def error_bound(sensitivity: int, micro_epsilon: int) -> int:
    """Return the distance that the noise exceeds in at most one of twenty answers, rounded up."""
    # P(|X| >= d) <= exp(-(d - 1) / scale), and exp(-3) < 1/20.
    return 1 + -(-3 * sensitivity * MICRO // micro_epsilon)
