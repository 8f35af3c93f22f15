"""Masks that make numbers coarser, or move them.

Numbers are rounded down, never to the nearest: only so does a coarser step tell nothing that a
finer one does not, and of two masks one is the stricter.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from node.data.masks.base import Example, Mask, Params, matches, scatter, uniform
from node.data.types import TYPES

_DIGITS = 15
"""Digits before the point; longer numbers are hidden whole."""
TYPES_OF_NUMBERS = frozenset(t.name for t in TYPES.values() if t.kind in ("integer", "decimal"))


def floors(values: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """Return which values are numbers, and the whole number at or below each of those (int64)."""
    fits = pc.fill_null(matches(values, rf"-?[0-9]{{1,{_DIGITS}}}(?:\.[0-9]{{1,40}})?"), False)
    text = values.filter(fits)
    whole = pc.replace_substring_regex(text, r"\..*\z", "").cast(pa.int64())
    below = matches(text, r"-[0-9]+\.[0-9]*[1-9][0-9]*").to_numpy(zero_copy_only=False)
    return fits, whole.to_numpy(zero_copy_only=False) - below.astype(np.int64)


def _texts(numbers: np.ndarray) -> pa.Array:
    return pa.array(numbers, pa.int64()).cast(pa.string())


def _round(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    fits, numbers = floors(values)
    step = int(params["step"])
    return scatter(_texts(numbers // step * step), fits)


def _range(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    fits, numbers = floors(values)
    width = int(params["width"])
    low = numbers // width * width
    bounds = pc.binary_join_element_wise(_texts(low), _texts(low + width), ", ")
    return scatter(pc.binary_join_element_wise("[", bounds, ")", ""), fits)


def _offset(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    fits, numbers = floors(values)
    most = int(params["most"])
    moved = numbers + uniform(key, "offset", numbers, 2 * most + 1) - most
    return scatter(_texts(moved), fits)


MASKS = (
    Mask("round", "The multiple of `step` at or below the number.", _round,
         (Example({"step": 1000}, "86450.75", "86000"), Example({"step": 1000}, "-1", "-1000"),
          Example({"step": 1000}, "about 80", "***")), TYPES_OF_NUMBERS),
    Mask("range", "The interval of `width` that the number lies in, without its upper end.", _range,
         (Example({"width": 5000}, "86450.75", "[85000, 90000)"),), TYPES_OF_NUMBERS),
    Mask("offset", "A whole number at most `most` away; equal numbers move equally.", _offset,
         (Example({"most": 50}, "1200", "1172"),), TYPES_OF_NUMBERS),
)  # fmt: skip
