"""Putting a delivery's mark into masked columns.

Half of all parts of the tree (`freedom.py`) are green under a delivery's key, drawn by a
pseudo-random function of the part alone; marked values lie in green parts at every level. So a copy
can be tested in any order, with any rows and columns missing. (The green list is that of
Kirchenbauer et al., "A Watermark for Large Language Models", 2023.)

A mark tells nothing of the hidden value: rounded values choose by their row, blurred ones by the
blurred value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.masks import Use
from node.data.masks import Plan
from node.data.masks.base import scatter, uniform
from node.data.watermark import freedom
from node.data.watermark.freedom import Tree

_CHOICES = 1 << 31


def green(key: bytes, column: str, level: int, axis: int, nodes: np.ndarray) -> np.ndarray:
    """Return whether each part of a tree is green under a delivery's key."""
    found: np.ndarray = uniform(key, f"green {level} {axis} {column}", nodes, 2) == 1
    return found


@dataclass(frozen=True, slots=True)
class Capacity:
    """How many values of a column carry the mark, of how many rows."""

    column: str
    marked: int
    rows: int


def marked_columns(plan: Plan) -> list[tuple[str, Use, Tree]]:
    """Return the columns of a plan that can be marked; if there are none nothing is traceable."""
    trees = ((column, use, freedom.freedom(use)) for column, use in plan)
    return [(column, use, tree) for column, use, tree in trees if tree is not None]


def mark_batch(
    batch: pa.RecordBatch, exact: pa.RecordBatch, plan: Plan, key: bytes, first_row: int
) -> tuple[pa.RecordBatch, list[Capacity]]:
    """Return a masked batch with the mark of a delivery, and how much of it each column took.

    `exact` has the columns before masking, for the bounds of blurred values; `first_row` is the
    batch's place in the delivery, so that a resumed one is marked alike.
    """
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    capacity = []
    for column, use, tree in marked_columns(plan):
        before = exact.column(exact.schema.get_field_index(column))
        columns[column], count = _mark(columns[column], before, column, use, tree, key, first_row)
        capacity.append(Capacity(column, count, batch.num_rows))
    return pa.record_batch(list(columns.values()), names=list(columns)), capacity


def _mark(
    values: pa.Array, before: pa.Array, column: str, use: Use, tree: Tree, key: bytes, row: int
) -> tuple[pa.Array, int]:
    cells = freedom.read(use, values)
    kept = np.ones(len(cells.axes), dtype=bool)
    rows = row + np.flatnonzero(cells.fits.to_numpy(zero_copy_only=False))
    axes = cells.axes.copy()
    blurred = _bound(use)
    for axis in range(axes.shape[1]):
        choose = axes[:, axis] if blurred else rows
        axes[:, axis] = _descend(key, column, tree, axes, axis, choose)
    if blurred:
        true = freedom.read(use, before.filter(cells.fits)).axes
        kept = _keeps_promise(cells.axes, true, tree, blurred)
        axes[~kept] = cells.axes[~kept]
    made = scatter(freedom.write(use, axes), cells.fits)
    return pc.coalesce(made, values), int(kept.sum())


def _descend(
    key: bytes, column: str, tree: Tree, axes: np.ndarray, axis: int, choose: np.ndarray
) -> np.ndarray:
    """Choose a green part at each level, and return the lowest number of the last."""
    place = axes.copy()
    place[:, axis] = axes[:, axis] // tree.size * tree.size
    for level, (step, branches) in enumerate(zip(tree.steps, tree.branches, strict=True)):
        tried = np.repeat(place, branches, axis=0)
        tried[:, axis] += np.tile(np.arange(branches) * step, len(place))
        nodes = freedom.nodes(tree, level, tried, axis)
        is_green = green(key, column, level, axis, nodes).reshape(-1, branches)
        lot = uniform(key, f"choose {level} {axis} {column}", choose, _CHOICES)
        place[:, axis] += _pick(is_green, lot) * step
    found: np.ndarray = place[:, axis]
    return found


def _pick(is_green: np.ndarray, lot: np.ndarray) -> np.ndarray:
    """Pick one of the green branches of each row by lot; any branch where none is green."""
    allowed = np.where(is_green.any(axis=1, keepdims=True), is_green, True)
    wanted = lot % allowed.sum(axis=1)
    found: np.ndarray = (np.cumsum(allowed, axis=1) == (wanted + 1)[:, None]).argmax(axis=1)
    return found


def _bound(use: Use) -> int:
    """How far a blurred value may be from the true one; 0 for masks that do not blur."""
    return int(use.params.get("most") or use.params.get("days") or 0)


def _keeps_promise(masked: np.ndarray, true: np.ndarray, tree: Tree, most: int) -> np.ndarray:
    """Whether any value of a masked value's interval is as near to the true one as promised."""
    start = masked // tree.size * tree.size
    near = (start >= true - most) & (start + tree.size - 1 <= true + most)
    found: np.ndarray = np.all(near, axis=1)
    return found
