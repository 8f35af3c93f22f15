"""k-anonymity over a whole result, and what a report on diversity counts."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.codec import DecodeError, decode, encode
from node.data.masks import MaskError
from node.data.masks.anonymity import MAX_DIVERSITY, Classes, Diversity, Release

COLUMNS = ("place", "year")
rows = st.lists(
    st.tuples(st.sampled_from(["a", "b", "1:a", "", None]), st.sampled_from(["1", "", None])),
    max_size=60,
)


def batches(table: list[tuple[str | None, str | None]], size: int) -> list[pa.RecordBatch]:
    return [
        pa.record_batch(
            [pa.array(column, pa.string()) for column in zip(*table[at : at + size], strict=True)],
            names=COLUMNS,
        )
        for at in range(0, len(table), size)
    ]


@given(rows, st.integers(1, 6), st.integers(1, 20))
def test_only_classes_of_k_rows_stay(
    table: list[tuple[str | None, str | None]], k: int, size: int
) -> None:
    classes = Classes(COLUMNS)
    for batch in batches(table, size):
        classes.add(batch)
    release = Release.of(decode(encode(classes.freeze(k).to_value())))
    kept = [
        tuple(row.values()) for b in batches(table, size) for row in release.keep(b).to_pylist()
    ]
    counts = Counter(table)
    assert kept == [row for row in table if counts[row] >= k]
    assert (release.rows, release.suppressed) == (len(kept), len(table) - len(kept))


def test_what_was_not_counted_does_not_stay() -> None:
    classes = Classes(COLUMNS)
    classes.add(batches([("a", "1")] * 5, 5)[0])
    release = classes.freeze(2)
    (late,) = batches([("b", "1")] * 5, 5)
    assert release.keep(late).num_rows == 0


def test_diversity_counts_classes_in_which_all_are_alike() -> None:
    classes = Classes(["place"], ["illness", "income"])
    place = ["a"] * 3 + ["b"] * 3 + ["c"]
    illness = ["flu", "flu", "flu", "flu", "cold", None, "flu"]
    income = [str(n) for n in range(7)]
    classes.add(pa.record_batch({"place": place, "illness": illness, "income": income}))
    assert classes.diversity(2) == [Diversity("illness", 1, 1), Diversity("income", 3, 0)]


def test_counting_values_of_a_class_is_bounded() -> None:
    classes = Classes(["place"], ["income"])
    many = [str(n) for n in range(500)]
    classes.add(pa.record_batch({"place": ["a"] * 500, "income": many}))
    assert classes.diversity(2) == [Diversity("income", MAX_DIVERSITY, 0)]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(MaskError, match="no column 'year'"):
        Classes(COLUMNS).add(pa.record_batch({"place": ["a"]}))


def test_a_damaged_release_is_refused() -> None:
    with pytest.raises(DecodeError):
        Release.of([2, ["place"], "text", 0, 0])
