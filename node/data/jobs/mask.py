"""Job: mask columns under a grant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from node.data.masks import mask_batch, read_use


def run(args: dict[str, Any], incoming: Iterator[Any]) -> Iterator[list[Any]]:
    """Frames in: columns, each a list of text or null; out, for each: ["columns", columns].

    `args`: names of the columns, masks as grants hold them, and the grant's key.
    """
    names = args["names"]
    plan = [(name, read_use(use, name)) for name, use in zip(names, args["masks"], strict=True)]
    for columns in incoming:
        arrays = [pa.array(column, pa.string()) for column in columns]
        made = mask_batch(pa.record_batch(arrays, names=names), plan, args["key"])
        yield ["columns", [column.to_pylist() for column in made.columns]]
