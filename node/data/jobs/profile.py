"""Job: what the columns of a sample look like, for a first draft of a standard."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from node.data.jobs.read import open_source
from node.data.kernels.classify import Classifier
from node.data.kernels.standardise import bring, tidy
from node.data.readers.batches import ReadError
from node.data.texts import model_of
from node.data.types import BY_ENTITY, Kind

SAMPLE_ROWS = 20_000
MAX_CODES = 24
MAX_CODE_CHARACTERS = 40
_GUESSES: tuple[Kind, ...] = ("date", "datetime", "integer", "decimal", "boolean")


def run(args: dict[str, Any], incoming: Iterator[Any]) -> Iterator[list[Any]]:
    """Frames: ["finding", column, entity, level, count, why] for what is sensitive, then

    ["column", name, semantic type, codes or null, nulls, rows] for each column.
    """
    opened = open_source(args["source"], None, None, {})
    assert opened is not None  # only a conditional request can be unchanged
    names, chunks, _ = opened
    batches: list[pa.RecordBatch] = []
    rows = 0
    for chunk in chunks:
        batches.append(chunk.batch)
        rows += chunk.batch.num_rows
        if rows >= SAMPLE_ROWS:
            break
    if not rows:
        raise ReadError("the sample holds no record")
    sample = pa.Table.from_batches(batches).combine_chunks()
    columns = [tidy(sample.column(name).chunk(0)) for name in names]
    classifier = Classifier(names, date.max, model_of(args))
    classifier.add(pa.record_batch(columns, names=names))
    for found in classifier.findings():
        if found.field:
            yield ["finding", found.field, found.entity, found.level, found.count, found.why]
    for name, column in zip(names, columns, strict=True):
        kind = guess_kind(column)
        known = BY_ENTITY.get(classifier.main(name))
        title = kind if known is None else known.name
        yield ["column", name, title, _codes(column, kind), column.null_count, rows]


def guess_kind(column: pa.Array) -> Kind:
    """The first kind that every value has; numbers with leading zeros are codes, so text."""
    if column.null_count == len(column):
        return "text"
    for kind in _GUESSES:
        if kind == "boolean" and pc.all(pc.match_substring_regex(column, r"^[01]$")).as_py():
            continue
        if kind in ("integer", "decimal") and not _is_counted(column):
            continue
        if kind == "date" and pc.any(pc.match_substring_regex(column, r"^\d{8}$")).as_py():
            continue
        if bring(kind, column).null_count == column.null_count:
            return kind
    return "text"


def _is_counted(column: pa.Array) -> bool:
    """Whether numbers are written as quantities are: no leading zeros, no 16 digits and more."""
    return not pc.any(pc.match_substring_regex(column, r"^[+-]?(0\d|\d{16})")).as_py()


def _codes(column: pa.Array, kind: str) -> list[str] | None:
    """The values of a text column that repeats few short ones."""
    values = pc.unique(column.drop_null())
    if kind != "text" or not 1 < len(values) <= MAX_CODES or len(column) < 20 * len(values):
        return None
    found = sorted(str(value) for value in values.to_pylist())
    return found if max(map(len, found)) <= MAX_CODE_CHARACTERS else None
