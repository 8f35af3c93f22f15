"""Job: standardise, clean, measure and classify staged chunks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from node.data.jobs.read import from_bytes
from node.data.kernels import quality
from node.data.kernels.classify import Classifier
from node.data.kernels.standardise import FIELD, REASON, Field, Plan, standardise
from node.data.readers.batches import ROW, make_batch
from node.data.texts import model_of

FRAME_ROWS = 1_024


def run(args: dict[str, Any], incoming: Iterator[Any]) -> Iterator[list[Any]]:
    """Frames in: ["chunk", Arrow stream] or ["rows", columns, numbers, rows]; out, for each:

    ["rows", [[number, values...]...]], ["refused", [[number, field, reason, values]...]], and at
    the end ["report", counters]. `args`: fields, schema, fresh (field and first fresh day),
    backwards (newest records first), today, model (see `texts.model_of`).
    """
    plan = Plan(
        tuple(
            Field(name, kind, None if codes is None else tuple(codes), column, order)
            for name, kind, codes, column, order in args["fields"]
        ),
        args["schema"],
    )
    measure = quality.Measure(plan, *args["fresh"])
    names = [field.name for field in plan.fields]
    classifier = Classifier(names, date.fromisoformat(args["today"]), model_of(args))
    failed = ""
    for kind, *rest in incoming:
        batch = from_bytes(rest[0]) if kind == "chunk" else make_batch(*rest)
        if args["backwards"]:
            batch = batch.take(pa.array(range(batch.num_rows - 1, -1, -1)))
        made = standardise(batch, plan)
        fine = pc.is_null(made.column(REASON))
        accepted = made.filter(fine)
        measure.add(accepted, made.num_rows)
        try:
            classifier.add(accepted)
        except Exception as error:
            failed = type(error).__name__
        yield from _rows(accepted)
        yield from _refused(made.filter(pc.invert(fine)))
    yield ["report", measure.report()]
    if failed:
        # What could not be looked at is graded up, never down.
        yield ["finding", "", "UNKNOWN", 4, 0, f"classification failed: {failed}"]
    for found in classifier.findings():
        yield ["finding", found.field, found.entity, found.level, found.count, found.why]


def _rows(batch: pa.RecordBatch) -> Iterator[list[Any]]:
    columns = [column.to_pylist() for column in batch.columns[:-2]]
    rows = [list(row) for row in zip(*columns, strict=True)]
    for start in range(0, len(rows), FRAME_ROWS):
        yield ["rows", rows[start : start + FRAME_ROWS]]


def _refused(batch: pa.RecordBatch) -> Iterator[list[Any]]:
    if not batch.num_rows:
        return
    numbers, field, reason = (batch.column(name).to_pylist() for name in (ROW, FIELD, REASON))
    values = zip(*(column.to_pylist() for column in batch.columns[1:-2]), strict=True)
    rows = [list(row) for row in zip(numbers, field, reason, map(list, values), strict=True)]
    for start in range(0, len(rows), FRAME_ROWS):
        yield ["refused", rows[start : start + FRAME_ROWS]]
