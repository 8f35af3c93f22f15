"""Tokens: every value of an alphabet becomes another of the same form, one to one."""

from __future__ import annotations

import string

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from node.data.masks import ff1
from node.data.masks.base import Example, Mask, Params, derive, matches, scatter

_ALPHABETS = {
    "digits": string.digits,
    "upper": string.digits + string.ascii_uppercase,
    "alnum": string.digits + string.ascii_uppercase + string.ascii_lowercase,
}
_CLASSES = {"digits": "0-9", "upper": "0-9A-Z", "alnum": "0-9A-Za-z"}
_MARKS = " ./-"


def _token(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    name = str(params["alphabet"])
    alphabet, letters = _ALPHABETS[name], _CLASSES[name]
    key = derive(key, f"token {name}")
    fits = matches(values, rf"[{letters}{_MARKS}]*[{letters}][{letters}{_MARKS}]*")
    fits = pc.and_(fits, pc.less_equal(pc.utf8_length(values), ff1.MAX_NUMERALS))
    fitting = values.filter(pc.fill_null(fits, False))
    plain = pc.replace_substring_regex(fitting, f"[{_MARKS}]+", "")
    made = _permuted(plain, alphabet, key)
    marked = pc.not_equal(plain, fitting)
    if pc.any(marked).as_py():
        pairs = zip(fitting.to_pylist(), made.to_pylist(), strict=True)
        made = pa.array([_remark(text, token) for text, token in pairs], pa.string())
    return scatter(made, fits)


def _permuted(plain: pa.Array, alphabet: str, key: bytes) -> pa.Array:
    """Permute texts, length by length."""
    to_numeral = np.zeros(128, dtype=np.uint8)
    codes = np.frombuffer(alphabet.encode("ascii"), dtype=np.uint8)
    to_numeral[codes] = np.arange(len(alphabet))
    lengths = pc.binary_length(plain).to_numpy(zero_copy_only=False)
    made = np.empty(len(plain), dtype=object)
    for length in np.unique(lengths):
        where = np.flatnonzero(lengths == length)
        text = "".join(plain.take(pa.array(where)).to_pylist()).encode("ascii")
        rows = to_numeral[np.frombuffer(text, dtype=np.uint8)].reshape(-1, length)
        tokens = np.ascontiguousarray(codes[ff1.permute(key, len(alphabet), rows)])
        made[where] = tokens.view(f"S{length}").ravel().astype(f"U{length}")
    return pa.array(made, pa.string())


def _remark(text: str, token: str) -> str:
    """Put the marks of `text` between the characters of its token."""
    letters = iter(token)
    return "".join(char if char in _MARKS else next(letters) for char in text)


MASKS = (
    Mask("token", "Another text of the same length, alphabet and marks, one to one within the "
         "grant: FF1 (NIST SP 800-38G), or a random table where there are fewer than 10^6.",
         _token,
         (Example({}, "6222 0209 0161 0334", "5643 0085 6511 0053"), Example({}, "12a4", "***"),
          Example({"alphabet": "upper"}, "B7-204X", "R2-1IRU"))),
)  # fmt: skip
