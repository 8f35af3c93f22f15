"""What a mask leaves open, as a tree of nested intervals of whole numbers.

A mask that makes a value coarser (`round`, `coordinates`) or blurs it (`offset`, `date-shift`)
promises an interval, and any number within it keeps the promise. The interval is split into
branches, each of these again, a few levels deep; a path of branches is what a mark can choose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.masks import Use
from node.data.masks import dates, numbers, places

MAX_LEVELS = 4
_BRANCHES = (10, 8, 9, 7, 5, 6, 4, 3, 2, 11, 13)
_BLURRED = 8
"""Blurred values are moved by at most this part of what they were blurred by."""
_WIDE = 10**7
"""More than there are cells on one axis of coordinates."""


@dataclass(frozen=True, slots=True)
class Tree:
    """Intervals of `size` numbers, split level by level; `steps` are the sizes of the parts."""

    size: int
    steps: tuple[int, ...]

    @property
    def branches(self) -> tuple[int, ...]:
        """Into how many parts each level splits."""
        return tuple(a // b for a, b in zip((self.size, *self.steps), self.steps, strict=False))


def tree_of(size: int) -> Tree:
    """Split `size` numbers into parts of parts, as evenly as its divisors allow."""
    steps: list[int] = []
    left = size
    while len(steps) < MAX_LEVELS:
        branch = next((b for b in _BRANCHES if left % b == 0), 0)
        if not branch:
            break
        left //= branch
        steps.append(left)
    return Tree(size, tuple(steps))


def freedom(use: Use) -> Tree | None:
    """Return what a mask leaves open; None where every value has one text only."""
    params = use.params
    match use.id:
        case "round":
            size = int(params["step"])
        case "coordinates":
            size = int(params["grid"])
        case "offset":
            size = _blurred(int(params["most"]))
        case "date-shift":
            size = _blurred(int(params["days"]))
        case _:
            return None
    tree = tree_of(size)
    return tree if tree.steps else None


def _blurred(most: int) -> int:
    """The size of intervals within which a blurred value may move: a round part of the blur."""
    size = max(1, most // _BLURRED)
    scale = int(10 ** (len(str(size)) - 1))
    return size // scale * scale


@dataclass(frozen=True, slots=True)
class Cells:
    """The values of a column that are of a mask's form, as whole numbers.

    `fits` says which rows these are; `axes` has a column for each number of a value (int64).
    """

    fits: pa.Array
    axes: np.ndarray


def read(use: Use, values: pa.Array) -> Cells:
    """Read what a mask has written, or what became of it in a copy."""
    values = values.cast(pa.string())
    match use.id:
        case "coordinates":
            fits, corners = places.cells(values, 1)
            return Cells(fits, corners)
        case "date-shift":
            fits, days = dates.days(values)
            return Cells(fits, days.reshape(-1, 1))
        case _:
            plain = pc.replace_substring_regex(values, r",([0-9]{3})", r"\1")
            fits, found = numbers.floors(plain)
            return Cells(fits, found.reshape(-1, 1))


def write(use: Use, axes: np.ndarray) -> pa.Array:
    """Write numbers as a mask writes them."""
    match use.id:
        case "coordinates":
            rows = (f"{a / 1_000:.3f},{b / 1_000:.3f}" for a, b in axes.tolist())
            return pa.array(rows, pa.string())
        case "date-shift":
            return dates.texts(axes[:, 0])
        case _:
            return pa.array(axes[:, 0], pa.int64()).cast(pa.string())


def nodes(tree: Tree, level: int, axes: np.ndarray, axis: int) -> np.ndarray:
    """Return the part of the tree that each value lies in at a level, as one number.

    Where values have two numbers, the interval of the other one belongs to it.
    """
    found = axes[:, axis] // tree.steps[level]
    for other in range(axes.shape[1]):
        if other != axis:
            found = found * _WIDE + axes[:, other] // tree.size + _WIDE // 2
    return found


def agrees(use: Use, masked: pa.Array, marked: pa.Array) -> pa.Array:
    """Return which marked values are the masked ones but for the mark; for who checks masks.

    A value that a mask hides, or of a mask that leaves nothing open, must be the very same.
    """
    same = pc.fill_null(pc.equal(masked, marked), False)
    same = pc.or_(same, pc.and_(pc.is_null(masked), pc.is_null(marked)))
    tree = freedom(use)
    if tree is None:
        return same
    before, after = read(use, masked), read(use, marked)
    both = pc.and_(before.fits, after.fits).to_numpy(zero_copy_only=False)
    found = same.to_numpy(zero_copy_only=False).copy()
    ours, theirs = (
        cells.axes[both[cells.fits.to_numpy(zero_copy_only=False)]] for cells in (before, after)
    )
    found[both] |= (ours // tree.size == theirs // tree.size).all(axis=1)
    return pa.array(found)
