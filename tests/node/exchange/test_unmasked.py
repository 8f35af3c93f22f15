"""Plain values are found under every mask that allows it, and what masks make is never accused."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.masks import Use, parse
from node.data.masks import MASKS, mask_array
from node.data.masks.base import HIDDEN
from node.exchange import unmasked
from node.exchange.unmasked import UNTOLD, PlainFinder

VALUES = sorted({e.value for mask in MASKS.values() for e in mask.examples})
USES = [
    parse([mask.id, mask.spec.version, dict(example.params)], mask.id)
    for mask in MASKS.values()
    for example in mask.examples
]


@pytest.mark.parametrize("use", USES, ids=str)
@settings(max_examples=30)
@given(st.lists(st.one_of(st.text(max_size=24), st.sampled_from(VALUES), st.decimals().map(str))))
def test_masking_again_changes_nothing_that_a_mask_has_made(use: Use, values: list[str]) -> None:
    once = mask_array(pa.array(values, pa.string()), use, b"k" * 32)
    if unmasked._form(use) is not None:
        assert PlainFinder(((0, use),)).find([once.to_pylist()]) == []
    elif use.id not in UNTOLD:
        again = mask_array(once, use, bytes(32)).to_pylist()
        made = zip(once.to_pylist(), again, strict=True)
        assert all(b in (a, None, HIDDEN) for a, b in made)


def test_plain_values_are_found_with_their_rows() -> None:
    uses = [parse([name, 1, {}], name) for name in ("mobile", "hmac", "pseudonym")]
    masks = tuple(enumerate([parse(["offset", 1, {"most": 5}], "x"), *uses]))
    plain = ["13812345678", None, "***", "13887654321"]
    columns = [["5"] * 4, plain, plain, plain]
    finder = PlainFinder(masks)
    try:
        assert finder.find(columns) == [(field, [0, 3]) for field in (1, 2, 3)]
        key = b"k" * 32
        masked = [mask_array(pa.array(c, pa.string()), use, key).to_pylist()
                  for c, (_, use) in zip(columns, masks, strict=True)]  # fmt: skip
        assert finder.find(masked) == []
    finally:
        finder.stop()


def test_what_hides_a_value_is_the_same_for_masks_and_finder() -> None:
    assert unmasked.HIDDEN == HIDDEN
    assert MASKS.keys() >= UNTOLD
