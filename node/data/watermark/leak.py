"""Tracing a file: read and tested in a worker, since nobody knows who made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from consensus.codec import Value
from node.data.masks.base import MaskError
from node.data.watermark.candidate import Candidate
from node.data.watermark.mark import marked_columns
from node.data.watermark.trace import Verdict
from node.data.worker import Worker, WorkerError

FILES = frozenset((".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".pdf"))
"""What carries a mark of its own; a delivery of such files has no columns."""


def trace_file(
    path: Path, candidates: Sequence[Candidate], names: Mapping[str, str]
) -> list[Verdict]:
    """Return a verdict on each candidate, the likeliest first; raises MaskError without any.

    `names` maps marked columns to those of the file where they are called otherwise.
    """
    is_table = path.suffix.lower() not in FILES
    marked = [e for e in candidates if bool(marked_columns(e.plan)) == is_table]
    if not marked:
        raise MaskError("no delivery that is tested carries a mark: there was nothing to mark")
    args: dict[str, Value] = {
        "path": str(path.resolve()),
        "candidates": [each.to_value() for each in marked],
        "names": [list(pair) for pair in names.items()],
    }
    verdicts = []
    with Worker("trace", args) as worker:
        for frame in worker.frames():
            match frame:
                case ["verdict", int(delivery), bool(found), str(p_value), str(bound), int(parts)]:
                    verdicts.append(Verdict(delivery, found, float(p_value), float(bound), parts))
                case _:
                    raise WorkerError("the worker for trace sent something else than verdicts")
    return verdicts
