"""What a reviewer sees of masked values: no more than of the values themselves."""

from __future__ import annotations

import pytest

from contracts.masks import use
from node.data.preview import is_shown, readable


@pytest.mark.parametrize(("masked", "kept"), [
    ("138****5678", 7), ("***", 0), (None, 0), ("13812345678", 11), ("***5678", 4), ("9", 0),
])  # fmt: skip
def test_readable_characters_are_counted(masked: str | None, kept: int) -> None:
    assert readable("13812345678", masked) == (kept, 11)


def test_what_a_mask_keeps_is_shown_as_far_as_the_value_is() -> None:
    phone, first, steps = use("phone"), use("keep-first", count=1), use("range", width=50)
    assert is_shown("13812345678", "138****5678", 1, phone)
    assert not is_shown("13812345678", "138****5678", 2, phone)
    assert is_shown("13812345678", "***", 4, phone)
    assert is_shown("Beijing", "B***", 2, first)
    assert not is_shown("Beijing", "B***", 3, first)
    assert not is_shown("Bei", "B***", 2, first)  # of which a preview shows nothing
    assert is_shown("10", "0-49", 3, steps)
    assert is_shown(None, None, 3, steps)
    assert is_shown("12345678", "1a2b3c4d5e6f7081" * 4, 4, use("hmac"))
    assert not is_shown("1000", "1000-1000", 3, use("range", width=1))
    assert not is_shown("x" * 50_000, "x" * 49_999, 3, use("truncate", count=64))
