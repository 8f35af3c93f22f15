"""Marks stay within what masks leave open, and say nothing else."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.masks import Use, use
from node.data.masks import mask_array, mask_batch
from node.data.masks.base import HIDDEN
from node.data.watermark.candidate import mark_key
from node.data.watermark.freedom import agrees, freedom, tree_of
from node.data.watermark.mark import mark_batch, marked_columns

KEY = bytes(range(32))
OPEN = [
    use("round", step=1_000), use("round", step=60), use("round", step=7),
    use("offset", most=200), use("offset", most=16), use("date-shift", days=60),
    use("coordinates", grid=100), use("coordinates", grid=7),
]  # fmt: skip
FORMS = [r"-?[0-9]{1,6}(\.[0-9]{1,2})?", r"(19|20)[0-9]{2}-0[1-9]-[12][0-9]",
         r"-?[0-9]{1,2}\.[0-9]{1,6},-?1?[0-9]{1,2}\.[0-9]{1,6}", r"[a-z]{0,4}"]  # fmt: skip
columns = st.lists(
    st.one_of(st.none(), *(st.from_regex(form, fullmatch=True) for form in FORMS)), max_size=20
)


def marked(
    column: list[str | None], how: Use, first_row: int = 0, key: bytes = KEY
) -> tuple[pa.Array, pa.Array, int]:
    """The masked column, the marked one, and how many values carry the mark."""
    exact = pa.record_batch({"a": pa.array(column, pa.string())})
    masked = mask_batch(exact, [("a", how)], bytes(32))
    made, (capacity,) = mark_batch(masked, exact, [("a", how)], key, first_row)
    return masked.column(0), made.column(0), capacity.marked


@settings(max_examples=25, deadline=None)
@given(columns)
def test_a_mark_keeps_the_promise_of_the_mask(column: list[str | None]) -> None:
    for how in OPEN:
        masked, made, count = marked(column, how)
        assert pc.all(agrees(how, masked, made)).as_py() in (True, None), (how, column)
        if how.id in ("round", "coordinates"):
            # Whoever applies the mask to the marked value has the masked one.
            assert mask_array(made, how, KEY).equals(masked), how
        for value, before, after in zip(column, masked.to_pylist(), made.to_pylist(), strict=True):
            if before in (None, HIDDEN):
                assert after == before
            elif how.id == "offset":
                assert value is not None
                assert abs(int(after) - int(np.floor(float(value)))) <= how.params["most"]
            elif how.id == "date-shift":
                moved = np.datetime64(after) - np.datetime64(value)
                assert abs(moved.astype(int)) <= how.params["days"]
        assert count <= sum(each not in (None, HIDDEN) for each in masked.to_pylist())


@settings(max_examples=12, deadline=None)
@given(columns, st.integers(0, 20))
def test_a_delivery_that_goes_on_is_marked_as_if_it_had_not_stopped(
    column: list[str | None], cut: int
) -> None:
    for how in OPEN:
        whole = marked(column, how)[1].to_pylist()
        parts = [marked(column[:cut], how)[1], marked(column[cut:], how, len(column[:cut]))[1]]
        assert [value for part in parts for value in part.to_pylist()] == whole


def test_equal_blurred_values_stay_equal_and_rounded_ones_need_not() -> None:
    assert len(set(marked(["1234"] * 50, use("offset", most=200))[1].to_pylist())) == 1
    assert len(set(marked(["1234"] * 50, use("round", step=1_000))[1].to_pylist())) > 5


def test_marks_differ_by_key_and_follow_from_the_vault() -> None:
    keys = [mark_key(bytes(32), b"\1" * 32, delivery) for delivery in (1, 2)]
    column: list[str | None] = [str(n * 1_237) for n in range(100)]
    one, two = (marked(column, use("round", step=1_000), key=key)[1] for key in keys)
    assert not one.equals(two)
    assert keys[0] == mark_key(bytes(32), b"\1" * 32, 1)


@pytest.mark.parametrize(
    "how",
    [use("redact"), use("name"), use("pseudonym"), use("token"), use("date-year"),
     use("range", width=10), use("round", step=1), use("date-shift", days=3)],
    ids=str,
)  # fmt: skip
def test_what_has_one_text_only_carries_no_mark(how: Use) -> None:
    assert freedom(how) is None
    assert marked_columns([("a", how)]) == []
    column = pa.array(["2026-01-02", "17", None])
    assert agrees(how, column, column).to_pylist() == [True, True, True]
    assert agrees(how, column, pa.array(["2026-01-03", "17", "x"])).to_pylist() == [
        False, True, False]  # fmt: skip


def test_another_interval_does_not_agree() -> None:
    masked = pa.array(["86000", "86000", "86000", "***", None])
    received = pa.array(["86999", "87000", "85999", "1", "86000"])
    assert agrees(use("round", step=1_000), masked, received).to_pylist() == [
        True, False, False, False, False]  # fmt: skip


@pytest.mark.parametrize("size", [1, 2, 7, 60, 100, 1_000, 17, 10**9, 34])
def test_a_tree_splits_evenly(size: int) -> None:
    tree = tree_of(size)
    product = 1
    for branch in tree.branches:
        product *= branch
    assert product * (tree.steps[-1] if tree.steps else size) == size
    assert len(tree.steps) <= 4


def test_near_the_end_of_a_blur_values_carry_no_mark() -> None:
    column: list[str | None] = [str(n * 37) for n in range(4_000)]
    _, made, count = marked(column, use("offset", most=200))
    moved = [
        int(after) - int(before or 0)
        for before, after in zip(column, made.to_pylist(), strict=True)
    ]
    assert max(map(abs, moved)) <= 200
    assert 3_000 < count < 4_000
