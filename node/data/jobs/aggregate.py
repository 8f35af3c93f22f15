"""Job: one differentially private answer over records that are handed in."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from node.data.privacy.aggregate import Question, answer


def run(args: dict[str, Any], incoming: Iterator[Any]) -> Iterator[list[Any]]:
    """Frames in: lists of records. Frame out: ["answer", numbers, within].

    `args`: question (`Question.to_value`), columns.
    """
    question = Question.of(args["question"])
    columns: list[str] = args["columns"]
    batches = (
        pa.record_batch([pa.array(each, pa.string()) for each in zip(*rows, strict=True)], columns)
        for rows in incoming
    )
    found = answer(question, batches, secrets.randbelow)
    yield ["answer", list(found.numbers), found.within]
