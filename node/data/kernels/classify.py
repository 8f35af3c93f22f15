"""What the columns of a table hold, each by itself and all together: counts, then findings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from node.data.kernels.column import MIN_NAMES, MIN_SHARE, Held, Lens
from node.data.kernels.nested import Field
from node.data.notes import note
from node.data.recognise import AnalyzerEngine
from node.data.rules import pack
from node.data.standard import RESTRICTED
from node.data.texts import Model, shipped


@dataclass(frozen=True, slots=True)
class Finding:
    """What a column holds: entity, level, how many of how many looked at, and why."""

    field: str
    entity: str
    level: int
    count: int
    why: str


class Classifier:
    """Counts over batches, then findings."""

    def __init__(self, names: list[str], today: date, model: Model | None = None) -> None:
        lens = Lens(today, model or shipped(), AnalyzerEngine())
        self._fields = [Field(name, lens) for name in names]

    def add(self, batch: pa.RecordBatch) -> None:
        """Look at a batch of text columns that are named as at the start."""
        for each in self._fields:
            each.add(batch.column(each.name))

    def main(self, name: str) -> str:
        """Return the entity that a column is as a whole, or nothing."""
        held = next(each for each in self._fields if each.name == name).main()
        return "" if held is None else held.entity

    def findings(self) -> list[Finding]:
        """Return findings of columns and, under an empty name, of their combination."""
        found = []
        for each in self._fields:
            for held in (*each.findings(), *self._repeated(each)):
                found.append(Finding(each.name, held.entity, held.level, held.count, held.why))
        entities = {each.entity for each in found}
        for rule in pack()["combinations"]:
            if entities.issuperset(rule["all"]):
                joined = "+".join(rule["all"])
                found.append(Finding("", joined, rule["level"], 1, note("combination")))
        return found

    def _repeated(self, field: Field) -> Iterator[Held]:
        """What a column that is nothing by itself repeats from another one that is something."""
        mine = field.whole.distinct
        if len(mine) < MIN_NAMES or field.main() is not None:
            return
        for other in self._fields:
            held = other.main()
            if held is not None and held.level >= RESTRICTED:
                count = len(mine & other.whole.distinct)
                if count >= MIN_SHARE * len(mine):
                    yield Held(held.entity, count, note("repeats", count, other.name))
