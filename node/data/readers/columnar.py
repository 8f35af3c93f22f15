"""Parquet and Excel: typed cells become the text that a person would write."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from node.data.notes import note
from node.data.readers.batches import (
    BATCH_ROWS,
    ROW,
    Chunk,
    ReadError,
    Record,
    check_columns,
)

MAX_UNPACKED_BYTES = 512 << 20
MAX_PARTS = 1_000


def read_parquet(path: Path, skip: int) -> tuple[list[str], Iterator[Chunk]]:
    """Return the columns and chunks from record `skip` on."""
    try:
        file = pq.ParquetFile(path)
        names = check_columns(list(file.schema_arrow.names), str(path))
    except (pa.ArrowException, OSError) as error:
        raise ReadError(f"{path} is not Parquet: it is damaged, cut short or encrypted") from error

    def chunks() -> Iterator[Chunk]:
        done = 0
        try:
            for batch in file.iter_batches(BATCH_ROWS, use_threads=False):
                start, done = done, done + batch.num_rows
                if done <= skip:
                    continue
                if start < skip:
                    batch, start = batch.slice(skip - start), skip
                numbers = pa.array(range(start + 1, done + 1), pa.int64())
                columns = [_as_text(column) for column in batch.columns]
                made = pa.record_batch([numbers, *columns], names=[ROW, *names])
                yield Chunk(made, (), done)
        except (pa.ArrowException, OSError) as error:
            raise ReadError(f"{path} is damaged after record {done}") from error

    return names, chunks()


def _as_text(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _as_text(column.cast(kind.value_type))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return column.cast(pa.string())
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return column.cast(pa.string())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pa.array([None if v is None else v.hex() for v in column.to_pylist()], pa.string())
    if pa.types.is_date(kind):
        return pc.strftime(column.cast(pa.timestamp("s")), format="%Y-%m-%d")
    return pa.array([text_of(value) for value in column.to_pylist()], pa.string())


def text_of(value: Any) -> str | None:
    """Return a typed value as text: ISO 8601 for times, no exponent, whole numbers without `.0`."""
    match value:
        case None:
            return None
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            if value != value or value in (float("inf"), float("-inf")):
                return None
            return str(int(value)) if value.is_integer() else format(Decimal(repr(value)), "f")
        case Decimal():
            return format(value, "f")
        case datetime():
            if value.time() == time() and value.tzinfo is None:
                return value.date().isoformat()
            return value.isoformat()
        case date() | time():
            return value.isoformat()
        case bytes() | memoryview():
            return bytes(value).hex()
        case dict() | list():
            return json.dumps(value, ensure_ascii=False, default=text_of)
        case _:
            return str(value)


def read_excel(path: Path, sheet: str) -> tuple[list[str], Iterator[Record]]:
    """Return the columns of the first row and the records below it, of the sheet or the first."""
    from openpyxl import load_workbook

    check_archive(path)
    try:
        book = load_workbook(path, read_only=True, data_only=True, keep_links=False)
        if sheet and sheet not in book.sheetnames:
            known = ", ".join(book.sheetnames[:20])
            raise ReadError(f"{path} has no sheet {sheet!r}; it has {known}")
        page = book[sheet or book.sheetnames[0]]
        page.reset_dimensions()
        rows = page.iter_rows(values_only=True)
        head = [text_of(cell) or "" for cell in next(rows, ())]
    except ReadError:
        raise
    except Exception as error:
        raise ReadError(f"{path} is not an Excel workbook, or is damaged") from error
    while head and not head[-1]:
        head.pop()
    names = check_columns(head, str(path))

    def records() -> Iterator[Record]:
        number = 1
        try:
            for cells in rows:
                number += 1
                values = [text_of(cell) or None for cell in cells]
                values += [None] * (len(names) - len(values))
                if not any(values):
                    continue
                if any(values[len(names) :]):
                    yield number, note("beyond", len(names))
                else:
                    yield number, values[: len(names)]
        except Exception as error:
            raise ReadError(f"{path} is damaged after row {number}") from error

    return names, records()


def check_archive(path: Path) -> None:
    """Refuse a zip file that unpacks to more than any honest one. Raises ReadError."""
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise ReadError(f"{path} is not a zip archive, or is cut short") from error
    if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED_BYTES:
        raise ReadError(
            f"{path} unpacks to more than {MAX_UNPACKED_BYTES >> 20} MiB or {MAX_PARTS} parts"
        )
