"""Job: what a document holds, and the sharing level that goes with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import normalize

from node.data import texts
from node.data.kernels.column import level_of_entity
from node.data.notes import note
from node.data.readers.documents import text_of
from node.data.recognise import AnalyzerEngine
from node.data.rules import pack

HIGHEST = texts.LEVELS[-1]


def run(args: dict[str, Any], incoming: Iterator[Any]) -> Iterator[list[Any]]:
    """Frames: ["finding", "", entity, level, count, why] each, then ["level", level, features]."""
    text = normalize("NFKC", text_of(Path(args["path"]), args["suffix"]))  # full-width digits
    (seen,) = look_at([text], texts.model_of(args))
    for entity, count in sorted(seen.counts.items()):
        yield ["finding", "", entity, level_of_entity(entity), count, note("times", count)]
    if seen.told > 1:
        why = note("reads-like", f"{seen.sure:.2f}")
        yield ["finding", "", texts.ENTITIES[seen.told], seen.told, 1, why]
    yield ["level", seen.level, texts.pack(text)]


@dataclass(frozen=True, slots=True)
class Seen:
    """A text's level, its findings, and what it reads like (1: nothing, or not asked)."""

    level: int
    counts: Counter[str]
    told: int
    sure: float


def look_at(documents: Sequence[str], model: texts.Model) -> Iterator[Seen]:
    """Yield what each text holds. The model is asked where it can raise the level, all at once."""
    engine = AnalyzerEngine()
    counts = [Counter(found.entity_type for found in engine.analyze(text)) for text in documents]
    levels = [grade(each) for each in counts]
    told = model.levels(t for t, n in zip(documents, levels, strict=True) if n < HIGHEST)
    for level, found in zip(levels, counts, strict=True):
        reads_like, sure = next(told) if level < HIGHEST else (1, 0.0)
        yield Seen(max(level, reads_like), found, reads_like, sure)


def grade(counts: Counter[str]) -> int:
    """The highest level of what is found, raised by how much of it there is."""
    if not counts:
        return 1
    level = max(map(level_of_entity, counts))
    for rule in pack()["documents"]:
        at_least = sum(
            n for entity, n in counts.items() if level_of_entity(entity) >= rule["level"]
        )
        if at_least >= rule["findings"]:
            level = max(level, rule["to"])
    return level
