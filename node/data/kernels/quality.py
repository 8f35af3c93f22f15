"""How good accepted records are, in five dimensions (ISO/IEC 25012): counted batch by batch."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from node.data.kernels.standardise import Plan

_ORDERED = (("valid_from", "valid_to"), ("issued", "valid_to"), ("start", "end"))


class Measure:
    """Adds up counters over batches; uniqueness is counted where duplicates are found."""

    def __init__(self, plan: Plan, fresh_field: str, fresh_since: str) -> None:
        self._plan = plan
        self._fresh = (fresh_field, fresh_since)
        self._counts = dict.fromkeys(
            ("read", "accepted", "cells", "filled", "dated", "fresh", "compared", "consistent"), 0
        )
        self._nulls = dict.fromkeys((field.name for field in plan.fields), 0)

    def add(self, batch: pa.RecordBatch, read: int) -> None:
        """Count a batch of accepted records, of `read` that were looked at."""
        counts, rows = self._counts, batch.num_rows
        counts["read"] += read
        counts["accepted"] += rows
        for field in self._plan.fields:
            nulls = batch.column(field.name).null_count
            self._nulls[field.name] += nulls
            counts["cells"] += rows
            counts["filled"] += rows - nulls
        name, since = self._fresh
        if name:
            counts["dated"] += rows - batch.column(name).null_count
            counts["fresh"] += _true(pc.greater_equal(batch.column(name), since))
        for fits in consistency(batch, self._plan):
            counts["compared"] += rows - fits.null_count
            counts["consistent"] += _true(fits)

    def report(self) -> dict[str, object]:
        """Return the counters; `nulls` lists [field, count] of each field."""
        return {**self._counts, "nulls": [list(pair) for pair in self._nulls.items()]}


def _true(mask: pa.Array) -> int:
    count: int = pc.sum(mask).as_py() or 0
    return count


def consistency(batch: pa.RecordBatch, plan: Plan) -> list[pa.Array]:
    """Return, for each rule that applies, whether records fit; null where a value is missing.

    An identity number agrees with date of birth and sex; a period does not end before it begins.
    """
    by_type = {field.type: field.name for field in plan.fields}
    names = {field.name for field in plan.fields if field.kind in ("date", "datetime")}
    found = [
        pc.less_equal(batch.column(first), batch.column(last))
        for first, last in _ORDERED
        if first in names and last in names
    ]
    if "resident-id" not in by_type:
        return found
    identity = batch.column(by_type["resident-id"])
    identity = pc.if_else(pc.equal(pc.utf8_length(identity), 18), identity, None)
    if "birth-date" in by_type:
        born = pc.replace_substring(batch.column(by_type["birth-date"]), "-", "")
        found.append(pc.equal(pc.utf8_slice_codeunits(identity, 6, 14), born))
    if "sex" in by_type:
        odd = pc.match_substring_regex(pc.utf8_slice_codeunits(identity, 16, 17), "[13579]")
        sex = batch.column(by_type["sex"])
        man = pc.if_else(pc.is_in(sex, pa.array(["男", "M", "male", "Male"])), True, None)
        man = pc.if_else(pc.is_in(sex, pa.array(["女", "F", "female", "Female"])), False, man)
        found.append(pc.equal(odd, man))
    return found
