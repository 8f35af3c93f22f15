"""Job: tell which delivered values are what a grant's masks make of the registered ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from node.data.masks import mask_array, read_use
from node.data.masks.base import derive
from node.data.watermark.freedom import agrees


def run(args: dict[str, Any], incoming: Iterator[Any]) -> Iterator[list[Any]]:
    """Frames in: [registered columns, delivered columns]; out, for each: ["agree", columns of
    true and false].

    `args`: names of the columns, masks as grants hold them, the grant's key, and whether a mark may
    have moved values within what its mask leaves open.
    """
    plan = [(name, read_use(use, name)) for name, use in
            zip(args["names"], args["masks"], strict=True)]  # fmt: skip
    for exact, delivered in incoming:
        found = []
        for (name, use), before, after in zip(plan, exact, delivered, strict=True):
            masked = mask_array(pa.array(before, pa.string()), use,
                                derive(args["key"], f"field {name}"))  # fmt: skip
            given = pa.array(after, pa.string())
            if args["marked"]:
                same = agrees(use, masked, given)
            else:
                same = pc.or_(pc.fill_null(pc.equal(masked, given), False),
                              pc.and_(pc.is_null(masked), pc.is_null(given)))  # fmt: skip
            found.append(same.to_pylist())
        yield ["agree", found]
