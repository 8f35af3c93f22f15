"""How surely copies are traced: `python -m bench.leaks`.

A made-up register is delivered to many recipients, each copy with its mark. Copies are then
shuffled, cut, rounded and merged, and traced among all deliveries; copies that were never delivered
are traced too, and must name nobody. Then p-values of one copy under wrong keys are compared with
the uniform distribution (Kolmogorov and Smirnov).
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import kstest

from contracts.masks import use
from node.data.masks import mask_batch
from node.data.watermark import trace
from node.data.watermark.candidate import Candidate
from node.data.watermark.freedom import read, write
from node.data.watermark.mark import mark_batch

PLAN = (
    ("name", use("name")),
    ("born", use("date-shift", days=60)),
    ("income", use("round", step=1_000)),
    ("fee", use("offset", most=200)),
    ("place", use("coordinates", grid=100)),
)
MARKED = tuple(column for column, _ in PLAN[1:])
Random = np.random.Generator
Sources = list[int]
Alter = Callable[["Deliveries", Sources, Random], pa.RecordBatch]
"""Takes deliveries and the sources of a copy, the first of which it is made from."""


class Deliveries:
    """One version delivered to many: `copies[i]` carries the mark of delivery i."""

    def __init__(self, seed: int, rows: int, recipients: int) -> None:
        random = np.random.default_rng(seed)
        self.exact = register(random, rows)
        self.masked = mask_batch(self.exact, PLAN, random.bytes(32))
        self.candidates = [
            Candidate(number, random.bytes(32), PLAN) for number in range(recipients)
        ]
        self.copies = [
            mark_batch(self.masked, self.exact, PLAN, each.key, 0)[0] for each in self.candidates
        ]


def register(random: np.random.Generator, rows: int) -> pa.RecordBatch:
    """Return made-up records: dates, incomes (log-normal), fees and places around ten cities."""
    days = random.integers(-20_000, 13_000, rows).astype("datetime64[D]")
    income = np.exp(random.normal(11, 0.7, rows)).round(2)
    cities = random.uniform((22, 100), (42, 122), (10, 2))
    places = cities[random.integers(0, 10, rows)] + random.normal(0, 0.3, (rows, 2))
    columns = {
        "name": [f"王{chr(0x4E00 + n % 900)}" for n in range(rows)],
        "born": np.datetime_as_string(days),
        "income": [f"{value:.2f}" for value in income],
        "fee": [str(value) for value in random.integers(0, 100_000, rows)],
        "place": [f"{a:.6f},{b:.6f}" for a, b in places],
    }
    return pa.record_batch({name: pa.array(list(v), pa.string()) for name, v in columns.items()})


def _rows(batch: pa.RecordBatch, random: np.random.Generator, count: int) -> pa.RecordBatch:
    return batch.take(pa.array(random.permutation(batch.num_rows)[:count]))


def shuffled(made: Deliveries, sources: Sources, random: Random) -> pa.RecordBatch:
    return _rows(made.copies[sources[0]], random, made.exact.num_rows)


def half(made: Deliveries, sources: Sources, random: Random) -> pa.RecordBatch:
    return _rows(made.copies[sources[0]], random, made.exact.num_rows // 2)


def one_column(made: Deliveries, sources: Sources, random: Random) -> pa.RecordBatch:
    column = MARKED[random.integers(len(MARKED))]
    return half(made, sources, random).select(["name", column])


def rounded(made: Deliveries, sources: Sources, random: Random) -> pa.RecordBatch:
    """Half the rows, one column of numbers or places, rounded to a tenth of its step."""
    column, size = (("income", 100), ("place", 10))[random.integers(2)]
    chosen = half(made, sources, random).select([column])
    how = dict(PLAN)[column]
    cells = read(how, chosen.column(0))
    nearest = (cells.axes + size // 2) // size * size
    return pa.record_batch({column: write(how, nearest)})


def merged(made: Deliveries, sources: Sources, random: Random) -> pa.RecordBatch:
    """Two recipients put their copies together: each row is one's or the other's."""
    mine = pa.array(random.random(made.exact.num_rows) < 0.5)
    both = zip(made.copies[sources[0]].columns, made.copies[sources[1]].columns, strict=True)
    columns = [pc.if_else(mine, one, two) for one, two in both]
    return _rows(pa.record_batch(columns, names=made.exact.schema.names), random, len(mine) // 2)


def small(made: Deliveries, sources: Sources, random: Random) -> pa.RecordBatch:
    """Two hundred rows of one column: less than what tracing is promised for."""
    return one_column(made, sources, random).slice(0, 200)


def undelivered(made: Deliveries, sources: Sources, random: Random) -> pa.RecordBatch:
    """The masked data without a mark, or with that of a delivery that is not a candidate."""
    if sources[0] % 2:
        return _rows(made.masked, random, made.exact.num_rows // 2)
    foreign, _ = mark_batch(made.masked, made.exact, PLAN, random.bytes(32), 0)
    return _rows(foreign, random, made.exact.num_rows // 2)


KINDS: dict[str, Alter] = {
    "shuffled": shuffled,
    "half the rows": half,
    "one marked column, half the rows": one_column,
    "rounded, one column, half the rows": rounded,
    "two recipients' rows merged": merged,
    "200 rows of one column": small,
    "never delivered": undelivered,
}


@dataclass(frozen=True, slots=True)
class Row:
    """How copies of one kind were traced."""

    kind: str
    found: int
    unknown: int
    wrong: int


def table(leaks: int, seed: int, rows: int = 10_000, recipients: int = 20) -> list[Row]:
    """Trace `leaks` copies of each kind in turn; a new register every hundred of them."""
    random = np.random.default_rng(seed)
    used = {"two recipients' rows merged": 2, "never delivered": 0}
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    kinds = list(KINDS.items())
    for leak in range(leaks):
        if leak % 100 == 0:
            made = Deliveries(seed + leak, rows, recipients)
        kind, alter = kinds[leak % len(kinds)]
        sources = random.permutation(recipients)[:2].tolist()
        copy = alter(made, sources, random)
        counts[kind][_outcome(made, copy, set(sources[: used.get(kind, 1)]))] += 1
    return [Row(kind, c["found"], c["unknown"], c["wrong"]) for kind, c in counts.items()]


def _outcome(made: Deliveries, copy: pa.RecordBatch, sources: set[int]) -> str:
    """Wrong if anyone is named who is no source, found if a source is named."""
    named = {v.delivery for v in trace.count(made.candidates, [copy]).verdicts() if v.found}
    return "wrong" if named - sources else "found" if named else "unknown"


def wrong_keys(keys: int, seed: int, rows: int = 2_000) -> tuple[float, float, dict[str, float]]:
    """Return the statistic of Kolmogorov and Smirnov, its p-value, and shares below small bounds.

    A marked copy is tested under `keys` keys that are not its own.
    """
    made = Deliveries(seed, rows, 1)
    (right,) = made.candidates
    copy = trace.count([right], [made.copies[0]])
    random = np.random.default_rng(seed)
    found = copy.p_values(random.bytes(32) for _ in range(keys))
    values = np.fromiter(found, dtype=np.float64, count=keys)
    result = kstest(values, "uniform")
    shares = {f"{level:g}": float((values < level).mean()) for level in (0.1, 0.01, 0.001)}
    return float(result.statistic), float(result.pvalue), shares


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.leaks", description=__doc__)
    parser.add_argument("--leaks", type=int, default=1_000, help="copies to trace")
    parser.add_argument("--keys", type=int, default=100_000, help="wrong keys to test")
    parser.add_argument("--seed", type=int, default=20_261_125)
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    begin = time.monotonic()
    rows = table(options.leaks, options.seed) if options.leaks else []
    traced = time.monotonic() - begin
    statistic, p_value, shares = (
        wrong_keys(options.keys, options.seed) if options.keys else (0.0, 1.0, {})
    )
    if options.json:
        data: dict[str, Any] = {row.kind: [row.found, row.unknown, row.wrong] for row in rows}
        print(json.dumps({**data, "D": statistic, "p": p_value, "below": shares}, indent=2))
        return
    print(f"{'copies':<38} {'found':>7} {'unknown':>8} {'wrong':>6}")
    for row in rows:
        print(f"{row.kind:<38} {row.found:>7} {row.unknown:>8} {row.wrong:>6}")
    print(f"{traced:.0f} s for {options.leaks} copies")
    print(f"\n{options.keys} wrong keys: D = {statistic:.5f}, p = {p_value:.3f}")
    for level, share in shares.items():
        print(f"  p-values below {level}: {share:.5f}")


if __name__ == "__main__":
    main()
