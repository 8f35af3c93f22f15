"""Writes a copy's rows as a file: CSV, JSON lines or Parquet, wholly or not at all."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from node.exchange.copies import Copy, CopyError

BATCH = 10_000


def write(copy: Copy, path: Path, syntax: str) -> int:
    """Write the rows to `path`; returns how many. Null is empty in CSV, null elsewhere."""
    fresh = path.with_name(f".{path.name}.new")
    try:
        count = WRITERS[syntax](copy, fresh)
        fresh.chmod(0o600)
        fresh.replace(path)
    except OSError as error:
        raise CopyError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        fresh.unlink(missing_ok=True)
    return count


def _write_csv(copy: Copy, path: Path) -> int:
    count = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(copy.order.names)
        for count, row in enumerate(copy.rows(), 1):  # noqa: B007
            writer.writerow(["" if value is None else value for value in row])
    return count


def _write_jsonl(copy: Copy, path: Path) -> int:
    count, names = 0, copy.order.names
    with path.open("w", encoding="utf-8") as file:
        for count, row in enumerate(copy.rows(), 1):  # noqa: B007
            fields = dict(zip(names, row, strict=True))
            file.write(json.dumps(fields, ensure_ascii=False) + "\n")
    return count


def _write_parquet(copy: Copy, path: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.string()) for name in copy.order.names])
    count, rows = 0, copy.rows()
    with pq.ParquetWriter(path, schema) as writer:
        while some := list(islice(rows, BATCH)):
            columns = [pa.array(column, pa.string()) for column in zip(*some, strict=True)]
            writer.write_batch(pa.record_batch(columns, schema=schema))
            count += len(some)
    return count


WRITERS: dict[str, Callable[[Copy, Path], int]] = {
    "csv": _write_csv,
    "jsonl": _write_jsonl,
    "parquet": _write_parquet,
}
