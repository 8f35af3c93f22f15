"""From a copy to the delivery that it was made from.

The parts of the trees that occur in a copy do not depend on any key: they are counted once, then
every candidate's key is tried on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from contracts.masks import Use
from node.data.masks.base import derive
from node.data.watermark import evidence, freedom
from node.data.watermark.candidate import Candidate
from node.data.watermark.evidence import Evidence
from node.data.watermark.mark import green, marked_columns


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a copy says about one candidate. `parts` is 0 where nothing of it could be tested."""

    delivery: int
    found: bool
    p_value: float
    bound: float
    parts: int


Counts = dict[int, int]
Key = tuple[str, Use, int, int]
"""Column, mask, level, axis."""


class Copy:
    """Counts what occurs in a copy, batch by batch. `names` maps columns to those of the copy."""

    def __init__(self, candidates: Sequence[Candidate], names: Mapping[str, str]) -> None:
        self._candidates, self._names = candidates, names
        self._trees = {
            (column, use): tree
            for candidate in candidates
            for column, use, tree in marked_columns(candidate.plan)
        }
        self._counts: dict[Key, Counts] = {}

    @property
    def columns(self) -> list[str]:
        """The columns that some candidate marked."""
        return list(dict.fromkeys(column for column, _ in self._trees))

    def add(self, batch: pa.RecordBatch) -> None:
        """Count a batch of text columns."""
        for (column, use), tree in self._trees.items():
            place = batch.schema.get_field_index(self._names.get(column, column))
            if place < 0:
                continue
            axes = freedom.read(use, batch.column(place)).axes
            for axis in range(axes.shape[1]):
                for level in range(len(tree.steps)):
                    found = np.unique(freedom.nodes(tree, level, axes, axis), return_counts=True)
                    counts = self._counts.setdefault((column, use, level, axis), {})
                    for node, count in zip(*(each.tolist() for each in found), strict=True):
                        counts[node] = counts.get(node, 0) + count

    def p_values(self, keys: Iterable[bytes]) -> Iterator[float]:
        """Yield the p-value that the first candidate would have under other keys."""
        parts = {key: _arrays(counts) for key, counts in self._counts.items()}
        first = self._candidates[0]
        for key in keys:
            yield weigh(Candidate(first.delivery, key, first.plan), parts).p_value

    def verdicts(self) -> list[Verdict]:
        """Try every candidate, the likeliest first."""
        parts = {key: _arrays(counts) for key, counts in self._counts.items()}
        return rank([(each.delivery, weigh(each, parts)) for each in self._candidates])


def rank(found: Sequence[tuple[int, Evidence]]) -> list[Verdict]:
    """Decide on all candidates of one copy together, the likeliest first."""
    made = [
        Verdict(number, each.is_convincing(len(found)), each.p_value, each.bound, each.nodes)
        for number, each in found
    ]
    return sorted(made, key=lambda verdict: (verdict.bound, verdict.p_value))


def _arrays(counts: Counts) -> tuple[np.ndarray, np.ndarray]:
    """Parts and their weights: the root of how often they occur, so that no one value decides."""
    size = len(counts)
    nodes = np.fromiter(counts.keys(), dtype=np.int64, count=size)
    return nodes, np.sqrt(np.fromiter(counts.values(), dtype=np.float64, count=size))


def weigh(candidate: Candidate, parts: Mapping[Key, tuple[np.ndarray, np.ndarray]]) -> Evidence:
    """Return what the parts of a copy say about a candidate's key."""
    tests: list[Evidence] = []
    for column, use, tree in marked_columns(candidate.plan):
        for level, branch in enumerate(tree.branches):
            for axis in range(2 if use.id == "coordinates" else 1):
                found = parts.get((column, use, level, axis))
                if found is not None and len(found[0]) >= evidence.MIN_NODES and branch > 1:
                    is_green = green(candidate.key, column, level, axis, found[0])
                    lot = _lot(candidate.key, f"{column} {level} {axis}")
                    tests.append(evidence.test(is_green, found[1], lot))
    return evidence.combine(tests)


def _lot(key: bytes, what: str) -> float:
    return int.from_bytes(derive(key, f"lot {what}")[:7], "big") / (1 << 56)


def count(candidates: Sequence[Candidate], batches: Iterable[pa.RecordBatch]) -> Copy:
    """Return a copy whose columns have kept their names."""
    copy = Copy(candidates, {})
    for batch in batches:
        copy.add(batch)
    return copy
