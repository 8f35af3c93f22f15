"""Masks that show parts of a text by place or by a character, or nothing of it."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from node.data.masks.base import HIDDEN, Example, Mask, Params, shaped


def _redact(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    return _same(values, HIDDEN)


def _null(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    return pa.nulls(len(values), pa.string())


def _fixed(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    return _same(values, str(params["text"]))


def _same(values: pa.Array, text: str) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.string()), len(values))


def _long_enough(values: pa.Array, made: pa.Array, length: int) -> pa.Array:
    return pc.if_else(pc.greater_equal(pc.utf8_length(values), length), made, None)


def _joined(*parts: pa.Array | str) -> pa.Array:
    return pc.binary_join_element_wise(*parts, "")


def _keep_first(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    made = _joined(pc.utf8_slice_codeunits(values, 0, params["count"]), HIDDEN)
    return _long_enough(values, made, int(params["length"]))


def _keep_last(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    made = _joined(HIDDEN, pc.utf8_slice_codeunits(values, -int(params["count"])))
    return _long_enough(values, made, int(params["length"]))


def _keep_ends(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    first = pc.utf8_slice_codeunits(values, 0, params["first"])
    last = pc.utf8_slice_codeunits(values, -int(params["last"]))
    return _long_enough(values, _joined(first, HIDDEN, last), int(params["length"]))


def _truncate(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    made = pc.utf8_slice_codeunits(values, 0, params["count"])
    return _long_enough(values, made, int(params["length"]))


def _keep_middle(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    shown = pc.utf8_slice_codeunits(values, int(params["from"]) - 1, params["to"])
    return _long_enough(values, _joined(HIDDEN, shown, HIDDEN), int(params["length"]))


def _mask_first(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    return _joined(HIDDEN, pc.utf8_slice_codeunits(values, params["count"], 1 << 30))


def _mask_last(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    return _joined(pc.utf8_slice_codeunits(values, 0, -int(params["count"])), HIDDEN)


def _mask_middle(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    before = pc.utf8_slice_codeunits(values, 0, int(params["from"]) - 1)
    after = pc.utf8_slice_codeunits(values, params["to"], 1 << 30)
    return _long_enough(values, _joined(before, HIDDEN, after), int(params["to"]))


def _mask_before(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    mark = re.escape(str(params["mark"]))
    return shaped(values, rf".+({mark}.*?)", rf"{HIDDEN}\1")


def _mask_after(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    mark = re.escape(str(params["mark"]))
    return shaped(values, rf"(.*?{mark}).+", rf"\1{HIDDEN}")


def _mask_between(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    opened, closed = (re.escape(str(params[name])) for name in ("open", "close"))
    return shaped(values, rf"(.*?{opened}).+({closed}.*?)", rf"\1{HIDDEN}\2")


MASKS = (
    Mask("redact", "Hides the value, and whether there is one.", _redact,
         (Example({}, "anything", "***"),), null_is_hidden=True),
    Mask("null", "Leaves nothing, as if there were no value.", _null,
         (Example({}, "anything", None),), null_is_hidden=True),
    Mask("fixed", "Puts one text in place of every value, also of an absent one.", _fixed,
         (Example({"text": "withheld"}, "anything", "withheld"),), null_is_hidden=True),
    Mask("keep-first", "Shows the first `count` characters.", _keep_first,
         (Example({"count": 3}, "ABC-12345", "ABC***"), Example({"count": 3}, "ABC-1", "***"))),
    Mask("keep-last", "Shows the last `count` characters.", _keep_last,
         (Example({"count": 4}, "320481007712", "***7712"),
          Example({"count": 4}, "7712", "***"))),
    Mask("keep-ends", "Shows `first` and `last` characters.", _keep_ends,
         (Example({"first": 2, "last": 2}, "A-40071-X", "A-***-X"),)),
    Mask("truncate", "Shows the first `count` characters and no sign that more followed.",
         _truncate, (Example({"count": 4}, "2304-881-07", "2304"),)),
    Mask("keep-middle", "Shows characters `from` to `to`, counted from 1.", _keep_middle,
         (Example({"from": 3, "to": 4}, "AB12CDEF", "***12***"),)),
    Mask("mask-first", "Hides the first `count` characters.", _mask_first,
         (Example({"count": 4}, "1234-567", "***-567"), Example({"count": 4}, "123", "***"))),
    Mask("mask-last", "Hides the last `count` characters.", _mask_last,
         (Example({"count": 4}, "4471-2205", "4471-***"), Example({"count": 4}, "123", "***"))),
    Mask("mask-middle", "Hides characters `from` to `to`, counted from 1.", _mask_middle,
         (Example({"from": 3, "to": 6}, "AB1234CD", "AB***CD"),
          Example({"from": 3, "to": 6}, "AB123", "***"))),
    Mask("mask-before", "Hides what stands before the last `mark`.", _mask_before,
         (Example({"mark": "/"}, "case/17/2026", "***/2026"),
          Example({"mark": "/"}, "case 17", "***"))),
    Mask("mask-after", "Hides what stands after the first `mark`.", _mask_after,
         (Example({"mark": "/"}, "case/17/2026", "case/***"),)),
    Mask("mask-between", "Hides what stands between the first `open` and the last `close`.",
         _mask_between,
         (Example({"open": "(", "close": ")"}, "Room 4 (east wing) f1", "Room 4 (***) f1"),)),
)  # fmt: skip
