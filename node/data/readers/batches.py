"""What every reader yields: batches of text columns with each record's number in its source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from consensus.codec import Value
from node.data.notes import note
from node.errors import MunimentError

ROW = "#row"
"""The column that numbers records; no source's column can be called so."""
BATCH_ROWS = 4_096
BATCH_CHARACTERS = 4 << 20
MAX_COLUMNS = 1_024
MAX_NAME_CHARACTERS = 128
MAX_VALUE_CHARACTERS = 1 << 20
Row = list[str | None]
Record = tuple[int, Row | str]
"""A record's number, and its values or what is wrong with it."""


class ReadError(MunimentError):
    """A source that cannot be read on; the message names place and reason, never a value."""

    code = "read"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records in order, what is wrong with others, and where to read on from."""

    batch: pa.RecordBatch
    bad: tuple[tuple[int, str], ...]
    cursor: Value


def check_columns(names: list[str], source: str) -> list[str]:
    """Return stripped column names. Raises ReadError on unusable or repeated ones."""
    names = [name.strip() for name in names]
    if not 0 < len(names) <= MAX_COLUMNS:
        raise ReadError(f"{source} must have 1 to {MAX_COLUMNS} columns, not {len(names)}")
    for place, name in enumerate(names, 1):
        if not name or len(name) > MAX_NAME_CHARACTERS or not name.isprintable() or name == ROW:
            raise ReadError(f"{source}: column {place} has no usable name")
    for place, name in enumerate(names, 1):
        if names.index(name) != place - 1:
            raise ReadError(f"{source} names the column {name!r} twice")
    return names


def make_batch(columns: list[str], numbers: list[int], rows: list[Row]) -> pa.RecordBatch:
    """Return a batch of text columns behind the column of record numbers."""
    arrays = [pa.array(values, pa.string()) for values in zip(*rows, strict=True)] or [
        pa.array([], pa.string()) for _ in columns
    ]
    return pa.record_batch([pa.array(numbers, pa.int64()), *arrays], names=[ROW, *columns])


def gather(columns: list[str], records: Iterable[Record]) -> Iterator[Chunk]:
    """Gather records into chunks of bounded size; the cursor is the last record's number."""
    numbers: list[int] = []
    rows: list[Row] = []
    bad: list[tuple[int, str]] = []
    size = last = 0
    for number, values in records:
        last = number
        if isinstance(values, str):
            bad.append((number, values))
        else:
            long = [len(value) for value in values if value is not None]
            if max(long, default=0) > MAX_VALUE_CHARACTERS:
                bad.append((number, note("too-long", MAX_VALUE_CHARACTERS)))
            else:
                numbers.append(number)
                rows.append(values)
                size += sum(long)
        if len(rows) + len(bad) >= BATCH_ROWS or size >= BATCH_CHARACTERS:
            yield Chunk(make_batch(columns, numbers, rows), tuple(bad), last)
            numbers, rows, bad, size = [], [], [], 0
    if rows or bad:
        yield Chunk(make_batch(columns, numbers, rows), tuple(bad), last)
