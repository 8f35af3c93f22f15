"""Job: which of several deliveries a table was made from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from node.data.jobs.read import open_source
from node.data.masks.base import MaskError
from node.data.watermark.trace import Candidate, Copy


def run(args: dict[str, Any], incoming: Iterator[Any]) -> Iterator[list[Any]]:
    """Frames: ["verdict", delivery, found, p-value, bound, parts], likeliest first.

    `args`: path, candidates, names (pairs of a marked column and its name in the file). Numbers
    that are no integers cross as text.
    """
    candidates = [Candidate.of(value) for value in args["candidates"]]
    renamed = dict(args["names"])
    copy = Copy(candidates, renamed)
    opened = open_source({"kind": "file", "path": args["path"]}, None, None, {})
    assert opened is not None  # a file is never reported as unchanged
    names, chunks, _ = opened
    if not any(renamed.get(column, column) in names for column in copy.columns):
        raise MaskError(
            f"the file has none of the marked columns {', '.join(copy.columns)}; if one is called "
            "otherwise there, say: --column FILE-COLUMN=MARKED-COLUMN"
        )
    for chunk in chunks:
        copy.add(chunk.batch)
    for each in copy.verdicts():
        yield ["verdict", each.delivery, each.found, repr(each.p_value), repr(each.bound),
               each.parts]  # fmt: skip
