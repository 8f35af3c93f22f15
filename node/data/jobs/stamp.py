"""Job: put a delivery's mark into images and PDF files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from node.data.watermark.image import mark_image
from node.data.watermark.pdf import mark_pdf


def run(args: dict[str, Any], incoming: Iterator[Any]) -> Iterator[list[Any]]:
    """Frames in: the bytes of a file. Frames out, for each: ["file", bytes, traceable].

    `args`: kind ("image" or "pdf"), key, label (one line of ASCII).
    """
    key, label = args["key"], args["label"]
    for data in incoming:
        if args["kind"] == "pdf":
            yield ["file", mark_pdf(data, key, label), True]
        else:
            yield ["file", *mark_image(data, key, label)]
