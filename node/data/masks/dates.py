"""Masks that make dates coarser, or move them. Times of day never pass."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from node.data.masks.base import Example, Mask, Params, matches, scatter, shaped, uniform
from node.data.types import TYPES

_MONTH = r"(?:0[1-9]|1[0-2])"
_DAY = r"(?:0[1-9]|[12][0-9]|3[01])"
_TIME = r"(?:[T ][0-9:.+Z-]{1,40})?"
_MAX_AGE = 150
TYPES_OF_DATES = frozenset(t.name for t in TYPES.values() if t.kind in ("date", "datetime"))


def days(values: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """Return which values are dates of the calendar, and the days of those since 1970 (int64)."""
    shown = pc.fill_null(matches(values, rf"[0-9]{{4}}-{_MONTH}-{_DAY}{_TIME}"), False)
    text = pc.if_else(shown, pc.utf8_slice_codeunits(values, 0, 10), None)
    moment = pc.strptime(text, format="%Y-%m-%d", unit="s", error_is_null=True)
    fits = pc.fill_null(pc.equal(pc.strftime(moment, format="%Y-%m-%d"), text), False)
    found = moment.filter(fits).cast(pa.int64()).to_numpy(zero_copy_only=False)
    return fits, found // 86_400


def texts(numbers: np.ndarray) -> pa.Array:
    """Return days since 1970 as dates; null outside the years 1 to 9999."""
    made = numbers.astype("datetime64[D]")
    fits = (made >= np.datetime64("0001-01-01")) & (made <= np.datetime64("9999-12-31"))
    return pa.array(np.datetime_as_string(made), pa.string(), mask=~fits)


def _month(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    return shaped(values, rf"([0-9]{{4}}-{_MONTH})-{_DAY}{_TIME}", r"\1")


def _year(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    return shaped(values, rf"([0-9]{{4}})-{_MONTH}-{_DAY}{_TIME}", r"\1")


def _age_band(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    born = pc.cast(_year(values, params, key), pa.int64())
    age = pc.subtract(int(params["year"]), born)
    fits = pc.fill_null(pc.and_(pc.greater_equal(age, 0), pc.less_equal(age, _MAX_AGE)), False)
    width = int(params["width"])
    low = age.filter(fits).to_numpy(zero_copy_only=False) // width * width
    ends = (pa.array(each).cast(pa.string()) for each in (low, low + width - 1))
    return scatter(pc.binary_join_element_wise(*ends, "-"), fits)


def _shift(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    fits, numbers = days(values)
    most = int(params["days"])
    moved = numbers + uniform(key, "date-shift", numbers, 2 * most + 1) - most
    return scatter(texts(moved), fits)


MASKS = (
    Mask("date-month", "Year and month.", _month,
         (Example({}, "1949-12-31", "1949-12"), Example({}, "1949-12-31T08:15:00Z", "1949-12"),
          Example({}, "31.12.1949", "***")), TYPES_OF_DATES),
    Mask("date-year", "The year.", _year, (Example({}, "1949-12-31", "1949"),), TYPES_OF_DATES),
    Mask("age-band", "The band of `width` years of age that is reached in `year`.", _age_band,
         (Example({"year": 2026}, "1983-05-09", "40-49"),
          Example({"year": 2026, "width": 5}, "1983-05-09", "40-44"),
          Example({"year": 2026}, "2030-01-01", "***")), TYPES_OF_DATES),
    Mask("date-shift", "A date at most `days` away; equal dates move equally.", _shift,
         (Example({"days": 30}, "2026-03-14", "2026-02-16"), Example({}, "2026-02-30", "***")),
         TYPES_OF_DATES),
)  # fmt: skip
