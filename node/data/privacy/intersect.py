"""How many elements two sets have in common, with noise, and nothing else of either.

Each side raises hashed elements to a secret power (Meadows 1986; Huberman, Franklin and Hogg 1999):

    asker  -> holder   H(x)^a for all x, sorted
    holder -> asker    those to the power b, sorted; H(y)^b for all y, sorted
    asker              raises the latter to a, and counts what is in both lists

Sorting takes away which element is which. Noise: both know a list of dummies. The asker puts all of
them in; the holder puts in as many as a drawn number says, and fills up with points that match
nothing, so that the length of its list does not tell how many. The count is too large by a number
that only the holder knows; its middle is taken off.

Security: if both follow the protocol, the asker learns the noisy count and how many elements the
holder has, the holder how many the asker has, under the decisional Diffie-Hellman assumption and
with the hash as a random oracle. One element changes the count by one, so the count is
(epsilon, 2**-40)-differentially private. A side that lies about its elements is not found out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from node.data.privacy import group
from node.data.privacy.group import GroupError, RandomBytes
from node.data.privacy.noise import MICRO, Below, laplace

MIN_ELEMENTS = 1_000
MAX_ELEMENTS = 1_000_000
_DELTA_BITS = 40
"""Noise is cut off where it would be passed with a chance of 2**-40."""


def middle(micro_epsilon: int) -> int:
    """Return half the number of dummies: how far noise may reach to either side."""
    return 1 + math.ceil(_DELTA_BITS * 0.7 * MICRO / micro_epsilon)


class Side:
    """One side of one run, with a power of its own."""

    def __init__(self, elements: Iterable[str], session: bytes, random_bytes: RandomBytes) -> None:
        """Raises GroupError on sets that are too small to hide anyone, or too large."""
        self._elements = sorted(set(elements))
        if not MIN_ELEMENTS <= len(self._elements) <= MAX_ELEMENTS:
            raise GroupError(
                f"a set must have {MIN_ELEMENTS} to {MAX_ELEMENTS} different elements, not "
                f"{len(self._elements)}"
            )
        self._session, self._random_bytes = session, random_bytes
        self._power = group.random_scalar(random_bytes)

    def ask(self, micro_epsilon: int) -> list[bytes]:
        """Return the asker's blinded elements, with all dummies."""
        return self._blind(2 * middle(micro_epsilon), 0)

    def hold(self, micro_epsilon: int, below: Below) -> list[bytes]:
        """Return the holder's blinded elements, with a random number of dummies among fillers."""
        most = 2 * middle(micro_epsilon)
        drawn = middle(micro_epsilon) + laplace(1, micro_epsilon, below)
        dummies = min(max(drawn, 0), most)
        return self._blind(dummies, most - dummies)

    def _blind(self, dummies: int, fillers: int) -> list[bytes]:
        # A letter before each keeps them apart from elements of the same writing.
        named = [f"e{text}" for text in self._elements] + [f"d{n}" for n in range(dummies)]
        named += [f"f{self._random_bytes(16).hex()}" for _ in range(fillers)]
        points = (group.hash_to_point(name.encode(), self._session) for name in named)
        return sorted(group.multiply(point, self._power) for point in points)

    def again(self, points: Sequence[bytes]) -> list[bytes]:
        """Raise the other side's points to the own power too. Raises GroupError."""
        if not MIN_ELEMENTS <= len(points) <= 2 * MAX_ELEMENTS:
            raise GroupError(f"the other side sent {len(points)} points")
        made = sorted(group.multiply(point, self._power) for point in points)
        if len(set(made)) != len(made):
            raise GroupError("the other side sent a point twice")
        return made

    def count(
        self, own_twice: Sequence[bytes], others: Sequence[bytes], sent: int, micro_epsilon: int
    ) -> int:
        """Return the noisy number of common elements; it may be below zero. Raises GroupError.

        `own_twice` is what came back for the `sent` own points, `others` the holder's.
        """
        known = set(own_twice)
        if len(known) != sent or not all(map(group.is_point, known)):
            raise GroupError("the other side did not send back as many points as it was given")
        return len(known.intersection(self.again(others))) - middle(micro_epsilon)
