"""Job: mask columns under a grant, and put a delivery's mark into them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from node.data.masks import mask_batch, read_use
from node.data.masks.anonymity import classes_of
from node.data.watermark.mark import mark_batch


def run(args: dict[str, Any], incoming: Iterator[Any]) -> Iterator[list[Any]]:
    """Frames in: columns, each a list of text or null; out, for each: ["columns", columns,
    how many values of each marked column carry the mark, classes].

    `args`: names of the columns; for each the mask as grants hold it, or null; the grant's key; the
    key of the delivery's mark, or null; names of the columns that make classes, or null: then
    `classes` has a digest for each row, of its values before they were marked.
    """
    names, mark, alike = args["names"], args["mark"], args["classes"]
    plan = [
        (name, read_use(use, name))
        for name, use in zip(names, args["masks"], strict=True)
        if use is not None
    ]
    row = 0
    for columns in incoming:
        arrays = [pa.array(column, pa.string()) for column in columns]
        exact = pa.record_batch(arrays, names=names)
        made = mask_batch(exact, plan, args["key"])
        classes = None if alike is None else b"".join(classes_of(made, alike))
        counts = []
        if mark is not None:
            made, capacity = mark_batch(made, exact, plan, mark, row)
            counts = [[each.column, each.marked] for each in capacity]
        row += exact.num_rows
        yield ["columns", [column.to_pylist() for column in made.columns], counts, classes]
