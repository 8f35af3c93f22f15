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
All chance of a side comes from a seed, so that going on after a cut tells nothing more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from hashlib import sha256

from node.data.privacy import group
from node.data.privacy.chance import Chance
from node.data.privacy.group import POINT_BYTES, GroupError
from node.data.privacy.noise import MICRO, laplace

MIN_ELEMENTS = 1_000
MAX_ELEMENTS = 1_000_000
_DELTA_BITS = 40
"""Noise is cut off where it would be passed with a chance of 2**-40."""


def middle(micro_epsilon: int) -> int:
    """Return half the number of dummies: how far noise may reach to either side."""
    return 1 + math.ceil(_DELTA_BITS * 0.7 * MICRO / micro_epsilon)


def most_points(micro_epsilon: int) -> int:
    """Return how many points a side may send."""
    return MAX_ELEMENTS + 2 * middle(micro_epsilon)


def digest_of(points: Sequence[bytes]) -> bytes:
    """What a side commits to before it sees the other's points."""
    return sha256(b"".join(points)).digest()


class Side:
    """One side of one run, with a power of its own, which its seed gives again."""

    def __init__(self, seed: bytes, session: bytes, micro_epsilon: int) -> None:
        self._session, self._micro = session, micro_epsilon
        self._chance = Chance(seed)
        self._power = group.random_scalar(self._chance.bytes)

    def ask(self, elements: Iterable[str]) -> list[bytes]:
        """Return the asker's blinded elements, with all dummies. Raises GroupError."""
        return self._blind(elements, 2 * middle(self._micro), 0)

    def hold(self, elements: Iterable[str]) -> list[bytes]:
        """Return the holder's blinded elements, with a random number of dummies among fillers.

        Once for each side, since the noise is drawn here. Raises GroupError.
        """
        most = 2 * middle(self._micro)
        drawn = middle(self._micro) + laplace(1, self._micro, self._chance.below)
        dummies = min(max(drawn, 0), most)
        return self._blind(elements, dummies, most - dummies)

    def _blind(self, elements: Iterable[str], dummies: int, fillers: int) -> list[bytes]:
        distinct = set(elements)
        if not MIN_ELEMENTS <= len(distinct) <= MAX_ELEMENTS:
            raise GroupError(
                f"a set must have {MIN_ELEMENTS} to {MAX_ELEMENTS} different elements, not "
                f"{len(distinct)}"
            )
        # A letter before each keeps them apart from elements of the same writing.
        named = [f"e{text}" for text in distinct] + [f"d{n}" for n in range(dummies)]
        named += [f"f{self._chance.bytes(16).hex()}" for _ in range(fillers)]
        points = (group.hash_to_point(name.encode(), self._session) for name in named)
        return sorted(group.multiply(point, self._power) for point in points)

    def again(self, points: Sequence[bytes]) -> list[bytes]:
        """Raise the other side's points to the own power too. Raises GroupError."""
        least = MIN_ELEMENTS + 2 * middle(self._micro)
        if not least <= len(points) <= most_points(self._micro):
            raise GroupError(f"the other side sent {len(points)} points, not at least {least}")
        made = sorted(group.multiply(point, self._power) for point in points)
        if len(set(made)) != len(made):
            raise GroupError("the other side sent a point twice")
        return made

    def count(self, own_twice: Sequence[bytes], others: Sequence[bytes], sent: int) -> int:
        """Return the noisy number of common elements; it may be below zero. Raises GroupError.

        `own_twice` is what came back for the `sent` own points, `others` the holder's.
        """
        known = set(own_twice)
        if len(known) != sent or not all(map(group.is_point, known)):
            raise GroupError("the other side did not send back as many points as it was given")
        return len(known.intersection(self.again(others))) - middle(self._micro)


def split(data: bytes) -> list[bytes]:
    """Return the points of a joined list. Raises GroupError."""
    if len(data) % POINT_BYTES:
        raise GroupError("a list of points ends within a point")
    return [data[at : at + POINT_BYTES] for at in range(0, len(data), POINT_BYTES)]
