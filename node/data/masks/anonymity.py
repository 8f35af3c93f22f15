"""k-anonymity by suppression over a whole result (Samarati and Sweeney 1998), and l-diversity.

Rows that agree in all quasi-identifiers form a class. Classes of fewer than k rows are left out,
which only a pass over the whole result can tell: the first pass counts, then what stays is frozen,
and every later pass, also one resumed after a crash, leaves out the same rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from consensus.codec import (
    Value,
    expect_bytes,
    expect_int,
    expect_list,
    expect_text,
)
from node.data.masks.base import MaskError

MAX_DIVERSITY = 64
"""Distinct values of a class that are counted; a class with more counts as having these."""
DIGEST_BYTES = 16
_MAX_CLASSES = 1 << 24


@dataclass(frozen=True, slots=True)
class Diversity:
    """How varied a sensitive column is within classes: l is the fewest distinct values in one."""

    column: str
    l: int  # noqa: E741
    classes_below: int
    """Classes in which all values are alike, so that membership tells the value."""


@dataclass(frozen=True)
class Release:
    """What was decided for a whole result: which classes stay."""

    k: int
    columns: tuple[str, ...]
    classes: bytes
    """Digests of the classes that stay, sorted and joined."""
    rows: int
    suppressed: int

    @cached_property
    def _kept(self) -> pa.Array:
        size = DIGEST_BYTES
        parts = [self.classes[at : at + size] for at in range(0, len(self.classes), size)]
        return pa.array(parts, pa.binary(size))

    def keep(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the rows that stay. A class that was not counted does not."""
        classes, which = _classes(batch, self.columns)
        stays = pc.is_in(pa.array(classes, pa.binary(DIGEST_BYTES)), self._kept)
        return batch.filter(stays.take(which))

    def to_value(self) -> Value:
        return [self.k, list(self.columns), self.classes, self.rows, self.suppressed]

    @classmethod
    def of(cls, value: Value) -> Release:
        """Read what `to_value` made. Raises DecodeError."""
        row = expect_list(value, "release", 5)
        columns = expect_list(row[1], "columns", max_length=1_024)
        return cls(
            expect_int(row[0], "k", 1),
            tuple(expect_text(column, "column", 1_024) for column in columns),
            expect_bytes(row[2], "classes", max_length=_MAX_CLASSES * DIGEST_BYTES),
            expect_int(row[3], "rows"),
            expect_int(row[4], "suppressed"),
        )


class Classes:
    """Counts a result's classes over its batches, which hold masked values."""

    def __init__(self, columns: Sequence[str], sensitive: Sequence[str] = ()) -> None:
        self._columns, self._sensitive = tuple(columns), tuple(sensitive)
        self._rows: Counter[bytes] = Counter()
        self._values: dict[str, dict[bytes, set[str | None]]] = {name: {} for name in sensitive}

    def add(self, batch: pa.RecordBatch) -> None:
        """Count a batch. Raises MaskError where a column is missing."""
        classes, which = _classes(batch, self._columns)
        counts = pc.value_counts(which)
        for place, count in zip(counts.field(0).to_pylist(), counts.field(1).to_pylist(),
                                strict=True):  # fmt: skip
            self._rows[classes[place]] += count
        for name in self._sensitive:
            pairs = pa.table({"class": which, "value": _column(batch, name)})
            distinct = pairs.group_by(["class", "value"]).aggregate([])
            seen = self._values[name]
            for place, value in zip(*(c.to_pylist() for c in distinct.columns), strict=True):
                values = seen.setdefault(classes[place], set())
                if len(values) < MAX_DIVERSITY:
                    values.add(value)

    def freeze(self, k: int) -> Release:
        """Decide which classes stay: those of at least `k` rows."""
        kept = sorted(name for name, rows in self._rows.items() if rows >= k)
        rows = sum(self._rows[name] for name in kept)
        return Release(k, self._columns, b"".join(kept), rows, self._rows.total() - rows)

    def diversity(self, k: int) -> list[Diversity]:
        """Report on the sensitive columns of the classes that stay."""
        found = []
        for name in self._sensitive:
            sizes = [len(v) for each, v in self._values[name].items() if self._rows[each] >= k]
            alike = sum(size == 1 for size in sizes)
            found.append(Diversity(name, min(sizes, default=0), alike))
        return found


def classes_of(batch: pa.RecordBatch, columns: Sequence[str]) -> list[bytes]:
    """Return the digest of each row's class, 16 bytes."""
    classes, which = _classes(batch, columns)
    return [classes[place] for place in which.to_pylist()]


def _classes(batch: pa.RecordBatch, columns: Sequence[str]) -> tuple[list[bytes], pa.Array]:
    """Return digests of the classes of a batch, and each row's place among them."""
    joined: Any = pa.repeat("", batch.num_rows)
    for name in columns:
        # Lengths go before the values, so that no two rows of different values read alike.
        column = pc.fill_null(_column(batch, name), "")
        size = pc.if_else(pc.is_null(_column(batch, name)), "-",
                          pc.binary_length(column).cast(pa.string()))  # fmt: skip
        joined = pc.binary_join_element_wise(joined, size, ":", column, "")
    coded = joined.dictionary_encode()
    digests = [
        blake2b(text.encode(), digest_size=DIGEST_BYTES).digest()
        for text in coded.dictionary.to_pylist()
    ]
    return digests, coded.indices


def _column(batch: pa.RecordBatch, name: str) -> pa.Array:
    place = batch.schema.get_field_index(name)
    if place < 0:
        raise MaskError(f"there is no column {name!r} to count classes by")
    return batch.column(place)
