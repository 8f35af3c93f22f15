"""Job: which of several deliveries a table, an image or a PDF was made from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from node.data.jobs.read import open_source
from node.data.masks.base import MaskError
from node.data.watermark.candidate import Candidate
from node.data.watermark.image import find_in_image
from node.data.watermark.leak import FILES
from node.data.watermark.pdf import find_in_pdf
from node.data.watermark.trace import Copy, Verdict, rank

MAX_FILE_BYTES = 256 << 20


def run(args: dict[str, Any], incoming: Iterator[Any]) -> Iterator[list[Any]]:
    """Frames: ["verdict", delivery, found, p-value, bound, parts], likeliest first.

    `args`: path, candidates, names (pairs of a marked column and its name in the file). Numbers
    that are no integers cross as text.
    """
    candidates = [Candidate.of(value) for value in args["candidates"]]
    path = Path(args["path"])
    suffix = path.suffix.lower()
    if suffix in FILES:
        find = find_in_pdf if suffix == ".pdf" else find_in_image
        data = _bytes_of(path)
        found = find(data, [each.key for each in candidates])
        verdicts = rank([(c.delivery, e) for c, e in zip(candidates, found, strict=True)])
    else:
        verdicts = _of_table(args, candidates)
    for each in verdicts:
        yield ["verdict", each.delivery, each.found, repr(each.p_value), repr(each.bound),
               each.parts]  # fmt: skip


def _bytes_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise MaskError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > MAX_FILE_BYTES:
        raise MaskError(f"{path} has more than {MAX_FILE_BYTES >> 20} MiB")
    return data


def _of_table(args: dict[str, Any], candidates: list[Candidate]) -> list[Verdict]:
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
    return copy.verdicts()
