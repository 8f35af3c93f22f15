"""Job: the records of a Parquet file of text, as they stand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from node.data.readers.batches import ReadError

BATCH = 2_000
FRAME_BYTES = 16 << 20


def run(args: dict[str, Any], incoming: Iterator[Any]) -> Iterator[list[Any]]:
    """Frames out: ["rows", [[text or null, ...], ...]]. `args`: path, columns."""
    path = Path(args["path"])
    try:
        file = pq.ParquetFile(path)
        schema = file.schema_arrow
        is_text = all(pa.types.is_string(kind) for kind in schema.types)
        if list(schema.names) != args["columns"] or not is_text:
            raise ReadError(f"{path} does not have the fields of the dataset's standard, as text")
        for batch in file.iter_batches(BATCH, use_threads=False):
            columns = [column.to_pylist() for column in batch.columns]
            yield from _frames([list(row) for row in zip(*columns, strict=True)])
    except (pa.ArrowException, OSError) as error:
        raise ReadError(f"{path} is not Parquet: it is damaged or cut short") from error


def _frames(rows: list[list[str | None]]) -> Iterator[list[Any]]:
    """Bounded frames, whatever the records hold."""
    some: list[list[str | None]] = []
    size = 0
    for row in rows:
        some.append(row)
        size += sum(4 * len(value or "") for value in row)
        if size > FRAME_BYTES:
            yield ["rows", some]
            some, size = [], 0
    if some:
        yield ["rows", some]
