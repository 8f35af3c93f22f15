"""How well and how fast sensitive data is found: `python -m bench.detect`.

Options name files to measure on beside the made-up population: `--sentences` a JSON list of
labelled sentences (Presidio's format), `--table` any table with the columns that are personal.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa

from bench.columns import Column, Columns
from bench.letters import letters
from bench.population import Labelled, Population
from node.data import texts
from node.data.jobs.documents import HIGHEST, look_at
from node.data.jobs.read import open_source
from node.data.kernels.classify import Classifier, Finding
from node.data.recognise import AnalyzerEngine

CHECKED = ("CN_RESIDENT_ID", "CN_CREDIT_CODE", "CREDIT_CARD")
TODAY = date(2026, 11, 24)
SEED = 20_260_101
_ALIKE = {"LOCATION": "ADDRESS"}
Table = dict[str, tuple[float, float, float, int]]


def score(
    cases: Iterable[Labelled],
    same: Callable[[tuple[int, int], tuple[int, int]], bool] = tuple.__eq__,
) -> Table:
    """Return precision, recall, F1 and number of each entity; spans count if they are `same`."""
    engine = AnalyzerEngine()
    right: Counter[str] = Counter()
    hit: Counter[str] = Counter()
    found: Counter[str] = Counter()
    there: Counter[str] = Counter()
    for case in cases:
        spans = [((r.start, r.end), _ALIKE.get(r.entity_type, r.entity_type))
                 for r in engine.analyze(case.text)]  # fmt: skip
        wanted = [((start, end), kind) for start, end, kind in case.spans]
        for span, kind in spans:
            found[kind] += 1
            right[kind] += any(kind == k and same(span, s) for s, k in wanted)
        for span, kind in wanted:
            there[kind] += 1
            hit[kind] += any(kind == k and same(span, s) for s, k in spans)
    return _table(right, hit, found, there)


def _table(
    right: Counter[str], hit: Counter[str], found: Counter[str], there: Counter[str]
) -> Table:
    table = {}
    for kind in sorted(found | there):
        precision = right[kind] / found[kind] if found[kind] else 0.0
        recall = hit[kind] / there[kind] if there[kind] else 0.0
        both = precision + recall
        f1 = 2 * precision * recall / both if both else 0.0
        table[kind] = (precision, recall, f1, there[kind])
    return table


def score_columns(columns: Iterable[Column]) -> tuple[Table, float, float]:
    """Return the table of what columns are, and the shares put at their level and below it."""
    right: Counter[str] = Counter()
    found: Counter[str] = Counter()
    there: Counter[str] = Counter()
    exact = below = count = 0
    for column in columns:
        classifier = Classifier([column.name], TODAY)
        values = pa.array(column.values, pa.string())
        classifier.add(pa.record_batch([values], names=[column.name]))
        findings = classifier.findings()
        entity = findings[0].entity if findings else ""
        level = max((each.level for each in findings), default=1)
        found[entity] += 1
        there[column.entity] += 1
        right[entity] += entity == column.entity
        exact, below, count = (
            exact + (level == column.level),
            below + (level < column.level),
            count + 1,
        )
    table = _table(right, right, found, there)
    table["no entity"] = table.pop("")
    return table, exact / count, below / count


def overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def labelled(path: Path) -> list[Labelled]:
    """Read labelled sentences; kinds of places count as addresses."""
    return [
        Labelled(row["full_text"], tuple(
            (s["start_position"], s["end_position"],
             _ALIKE.get(s["entity_type"], s["entity_type"])) for s in row["spans"]
        ))
        for row in json.loads(path.read_text(encoding="utf-8"))
    ]  # fmt: skip


def document_accuracy(cases: Iterable[tuple[str, int]]) -> tuple[float, float]:
    """Return the shares of documents that are put at their level, and below it."""
    wanted = list(cases)
    seen = look_at([text for text, _ in wanted], texts.shipped())
    found = [(each.level, level) for each, (_, level) in zip(seen, wanted, strict=True)]
    right = sum(a == b for a, b in found)
    return right / len(found), sum(a < b for a, b in found) / len(found)


def documents(seed: int, count: int) -> list[tuple[str, int]]:
    population = Population(seed)
    return [population.document() for _ in range(count)]


def findings_of(path: Path) -> list[Finding]:
    """Return what is found in a table's columns."""
    opened = open_source({"kind": "file", "path": str(path)}, None, None, {})
    assert opened is not None
    names, chunks, _ = opened
    classifier = Classifier(names, TODAY)
    for chunk in chunks:
        classifier.add(chunk.batch)
    return classifier.findings()


def texts_below(seed: int) -> Iterator[tuple[str, list[str]]]:
    """Yield texts that are not of the highest level by identifiers: the classifier is asked."""
    made = documents(seed, 12_000)
    plain = [text for text, level in made if level == 1]
    english = [text for text, _ in letters(seed, 20_000) if text.isascii()]
    yield "Chinese notes", [text for text, level in made if level < HIGHEST]
    yield "Chinese pages", ["\n".join(plain[i : i + 60]) for i in range(0, len(plain), 60)]
    yield "English notes", english
    yield "English pages", ["\n".join(english[i : i + 180]) for i in range(0, len(english), 180)]


def text_speed(look: Callable[[list[str]], Iterable[object]], given: list[str]) -> float:
    """Return MB of text looked at in a second of processor time."""
    best = 1e9
    for _ in range(3):
        start = time.process_time()
        for _each in look(given):
            pass
        best = min(best, time.process_time() - start)
    return sum(len(text.encode()) for text in given) / 1e6 / best


def column_speed(seed: int, rows: int) -> float:
    """Return rows of ten columns classified in a second of processor time."""
    made = list(Population(seed).people(rows))
    names = list(made[0])
    columns = [pa.array([row[name] for row in made], pa.string()) for name in names]
    table = pa.table(columns, names=names)
    start = time.process_time()
    classifier = Classifier(names, TODAY)
    for batch in table.to_batches(4_096):
        classifier.add(batch)
    classifier.findings()
    return rows / (time.process_time() - start)


def identified(given: list[str]) -> Iterator[object]:
    return map(AnalyzerEngine().analyze, given)


def both(given: list[str]) -> Iterator[object]:
    return look_at(given, texts.shipped())


def show(title: str, table: Table) -> None:
    print(f"\n{title:<28} {'precision':>9} {'recall':>9} {'F1':>9} {'number':>7}")
    for kind, (precision, recall, both, number) in table.items():
        print(f"{kind:<28} {precision:>9.4f} {recall:>9.4f} {both:>9.4f} {number:>7}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sentences", type=Path)
    parser.add_argument("--table", type=Path, action="append", default=[])
    options = parser.parse_args()
    population = Population(SEED)
    show("made-up sentences, exact", score(population.sentence() for _ in range(5_000)))
    if options.sentences:
        show(f"{options.sentences.name}, overlap", score(labelled(options.sentences), overlap))
    print(f"\n{'documents':<40} {'at level':>9} {'below':>9}")
    for title, cases in (
        ("made-up documents (identifiers)", documents(SEED, 4_000)),
        ("made-up letters (what they tell)", list(letters(SEED, 4_000))),
    ):
        right, below = document_accuracy(cases)
        print(f"{title:<40} {right:>9.4f} {below:>9.4f}")
    for title, named in (("columns, by their values", False), ("columns, with names", True)):
        table, exact, below = score_columns(Columns(SEED + 1).draw(60, named=named))
        show(title, table)
        print(f"at their level {exact:.4f}, below {below:.4f}")
    for path in options.table:
        print(f"\n{path.name}")
        for each in findings_of(path):
            print(f"  {each.field:<32} {each.entity:<20} L{each.level}  {each.why}")
    print(f"\n{'MB/s':<16} {'bytes each':>10} {'identifiers':>12} {'told':>6} {'both':>6}")
    for title, given in texts_below(SEED):
        size = sum(len(text.encode()) for text in given) // len(given)
        speeds = [text_speed(look, given) for look in (identified, texts.shipped().levels, both)]
        print(f"{title:<16} {size:>10,} {speeds[0]:>12.1f} {speeds[1]:>6.1f} {speeds[2]:>6.1f}")
    print(f"columns: {column_speed(SEED, 100_000):,.0f} rows/s of ten columns")


if __name__ == "__main__":
    main()
