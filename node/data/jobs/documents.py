"""Job: what a document holds, and the sharing level that goes with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unicodedata import normalize

from node.data import texts
from node.data.kernels.classify import level_of_entity
from node.data.readers.documents import text_of
from node.data.recognise import AnalyzerEngine
from node.data.rules import pack

HIGHEST = texts.LEVELS[-1]


def run(args: dict[str, Any], incoming: Iterator[Any]) -> Iterator[list[Any]]:
    """Frames: ["finding", "", entity, level, count, why] each, then ["level", level, features]."""
    text = normalize("NFKC", text_of(Path(args["path"]), args["suffix"]))  # full-width digits
    counts = Counter(found.entity_type for found in AnalyzerEngine().analyze(text))
    for entity, count in sorted(counts.items()):
        yield ["finding", "", entity, level_of_entity(entity), count, f"{count} times in the text"]
    level = grade(counts)
    if level < HIGHEST:  # what it tells can only raise that
        told, sure = texts.model_of(args).level(text)
        if told > 1:
            why = f"reads like it ({sure:.2f} sure)"
            yield ["finding", "", texts.ENTITIES[told], told, 1, why]
        level = max(level, told)
    yield ["level", level, texts.pack(text)]


def grade(counts: Counter[str]) -> int:
    """The highest level of what is found, raised by how much of it there is."""
    level = max((level_of_entity(entity) for entity in counts), default=1)
    for rule in pack()["documents"]:
        at_least = sum(
            n for entity, n in counts.items() if level_of_entity(entity) >= rule["level"]
        )
        if at_least >= rule["findings"]:
            level = max(level, rule["to"])
    return level
