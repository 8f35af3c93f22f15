"""How well and how fast sensitive data is found: `python -m bench.detect`."""

from __future__ import annotations

import time
from collections import Counter

from bench.population import Labelled, Population
from node.data.kernels.classify import level_of_entity
from node.data.recognise import AnalyzerEngine, RecognizerResult

CHECKED = ("CN_RESIDENT_ID", "CN_CREDIT_CODE", "CREDIT_CARD")


def score(cases: list[Labelled]) -> dict[str, tuple[float, float, float, int]]:
    """Return precision, recall, F1 and number of each entity. Spans count if they are exact."""
    engine = AnalyzerEngine()
    right: Counter[str] = Counter()
    found: Counter[str] = Counter()
    there: Counter[str] = Counter()
    for case in cases:
        spans = {(r.start, r.end, r.entity_type) for r in engine.analyze(case.text)}
        wanted = set(case.spans)
        right.update(kind for _, _, kind in spans & wanted)
        found.update(kind for _, _, kind in spans)
        there.update(kind for _, _, kind in wanted)
    table = {}
    for kind in sorted(found | there):
        precision = right[kind] / found[kind] if found[kind] else 0.0
        recall = right[kind] / there[kind] if there[kind] else 0.0
        both = precision + recall
        table[kind] = (
            precision,
            recall,
            2 * precision * recall / both if both else 0.0,
            there[kind],
        )
    return table


def level_of(results: list[RecognizerResult]) -> int:
    return max((level_of_entity(r.entity_type) for r in results), default=1)


def document_accuracy(population: Population, count: int) -> float:
    engine = AnalyzerEngine()
    cases = [population.document() for _ in range(count)]
    return sum(level_of(engine.analyze(text)) == level for text, level in cases) / count


def speed(population: Population, count: int) -> float:
    """Return MB of text analysed in a second of processor time."""
    texts = [population.document()[0] for _ in range(count)]
    engine = AnalyzerEngine()
    start = time.process_time()
    for text in texts:
        engine.analyze(text)
    return sum(len(t.encode()) for t in texts) / 1e6 / (time.process_time() - start)


def main() -> None:
    population = Population(20_260_101)
    table = score([population.sentence() for _ in range(5_000)])
    print(f"{'entity':<20} {'precision':>9} {'recall':>9} {'F1':>9} {'number':>7}")
    for kind, (precision, recall, both, number) in table.items():
        print(f"{kind:<20} {precision:>9.4f} {recall:>9.4f} {both:>9.4f} {number:>7}")
    print(f"level of documents right: {document_accuracy(population, 4_000):.4f}")
    print(f"text analysed: {speed(population, 20_000):.1f} MB/s")


if __name__ == "__main__":
    main()
