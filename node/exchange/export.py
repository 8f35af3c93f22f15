"""Writes a copy's rows as a file: CSV, JSON lines or Parquet, wholly or not at all."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from node.data.access import AccessLog
from node.data.chain import Chain
from node.exchange import copies, expiry
from node.exchange.copies import Copy, CopyError
from node.home import Home

BATCH = 10_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which copy under a grant is written (None: the latest complete one), how, and for whom."""

    grant: int
    delivery: int | None
    syntax: str
    who: str


def export(
    home: Home, chain: Chain, master: bytes, wanted: Wanted, path: Path, now_ms: int
) -> dict[str, Any]:
    """Write what was delivered to a file, after noting that in the access log.

    Raises CopyError: the grant is over, or nothing complete is here.
    """
    grant = wanted.grant
    if expiry.is_over(chain, grant, now_ms, with_retention=False):
        raise CopyError(f"grant {grant} is over; what was delivered under it must be erased")
    found = [
        copy for copy in copies.load(home.copies, grant, master)
        if copy.is_complete and wanted.delivery in (None, copy.order.delivery)
    ]  # fmt: skip
    if not found:
        raise CopyError(f"nothing complete is here; fetch it with: muniment fetch {grant}")
    order = found[-1].order
    AccessLog(home.vault, master).note(
        wanted.who, order.dataset, order.version, (1, found[-1].last.rows),
        f"export under grant {grant}", order.delivery,
    )  # fmt: skip
    count = write(found[-1], path, wanted.syntax)
    return {"file": str(path), "rows": count, "delivery": order.delivery}


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
