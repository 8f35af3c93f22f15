"""What a request's conditions choose."""

from __future__ import annotations

import pytest

from node.data.commitment import Field
from node.exchange.filters import Filter
from node.exchange.terms import TermsError

FIELDS = [{"name": "city", "type": "text"}, {"name": "fee", "type": "amount"},
          {"name": "issued", "type": "date"}]  # fmt: skip


@pytest.mark.parametrize(
    ("index", "operator", "values", "value", "chosen"),
    [
        (0, "eq", ["Wuhan"], "Wuhan", True),
        (0, "ne", ["Wuhan"], "Xi'an", True),
        (0, "ne", ["Wuhan"], None, False),  # null satisfies nothing
        (0, "in", ["Wuhan", "Xi'an"], "Xi'an", True),
        (0, "in", ["Wuhan"], "wuhan", False),
        (0, "prefix", ["武"], "武汉", True),
        (0, "prefix", ["武"], "汉武", False),
        (1, "lt", ["10"], "9.50", True),  # as numbers; as text it would not be
        (1, "eq", ["1.5"], "1.50", True),
        (1, "in", ["1.5", "2"], "2.0", True),
        (1, "ge", ["10"], "about 20", False),
        (1, "ge", ["10"], "NaN", False),
        (1, "prefix", ["1."], "1.50", True),
        (2, "ge", ["2025-03-01"], "2025-10-01", True),
        (2, "gt", ["2025-03-01"], "2025-03-01", False),
        (2, "le", ["2025-03-01"], "2025-03-01", True),
    ],
)
def test_a_condition(
    index: int, operator: str, values: list[str], value: Field, chosen: bool
) -> None:
    row: list[Field] = ["Wuhan", "1", "2025-01-01"]
    row[index] = value
    found = Filter([[index, operator]], [values], FIELDS)
    assert found.indices == {index}
    assert found.chooses(row) is chosen


def test_all_conditions_must_hold() -> None:
    found = Filter([[0, "eq"], [1, "gt"]], [["Wuhan"], ["5"]], FIELDS)
    assert found.chooses(["Wuhan", "6", None])
    assert not found.chooses(["Wuhan", "5", None])
    assert not found.chooses(["Xi'an", "6", None])


def test_a_number_is_compared_with_numbers_only() -> None:
    for value in ("much", "NaN", "Infinity"):
        with pytest.raises(TermsError, match="fee compares it with no number"):
            Filter([[1, "lt"]], [[value]], FIELDS)
