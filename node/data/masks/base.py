"""What every mask is: a pure function from a text column to a text column of the same length."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from contracts.masks import SPECS, Setting, Spec
from node.errors import MunimentError

HIDDEN = "***"
"""Stands for what is not shown; always the same, so that it does not tell a length."""
KEY_BYTES = 32
Params = Mapping[str, Setting]
Kernel = Callable[[pa.Array, Params, bytes], pa.Array]
"""Takes text, parameters and the field's key. What it leaves null is hidden whole."""
ANY: frozenset[str] = frozenset()
_NESTED = r"\A\s*[\[{]"
"""How JSON arrays and objects begin: no place in one tells what stands there."""


class MaskError(MunimentError):
    """A mask that is not known here, does not fit its field, or a column that is not there."""

    code = "mask"


@dataclass(frozen=True, slots=True)
class Example:
    """What a mask makes of a value; under the key of 32 zero bytes where it needs one."""

    params: dict[str, Setting]
    value: str
    result: str | None


@dataclass(frozen=True, slots=True)
class Mask:
    """A mask of the registry. `types` are the semantic types that it is made for; none is any."""

    id: str
    says: str
    kernel: Kernel
    examples: tuple[Example, ...]
    types: frozenset[str] = ANY
    null_is_hidden: bool = False
    """Whether even the absence of a value is hidden."""
    is_opaque: bool = False
    """Whether it shows nothing of a value; any other mask hides lists and maps whole."""

    @property
    def spec(self) -> Spec:
        return SPECS[self.id]

    def apply(self, values: pa.Array, params: Params, key: bytes) -> pa.Array:
        """Return a text column as long as `values`. Null stays null unless that is hidden too."""
        values = values.cast(pa.string())
        made = self.kernel(values, params, key)
        if self.null_is_hidden:
            return made
        if not self.is_opaque:
            made = pc.if_else(pc.match_substring_regex(values, _NESTED), None, made)
        return pc.if_else(pc.is_null(values), None, pc.fill_null(made, HIDDEN))


def shaped(values: pa.Array, pattern: str, replacement: str) -> pa.Array:
    """Rewrite values that match `pattern` (RE2) as a whole; null for all others."""
    pattern = rf"(?s)\A(?:{pattern})\z"
    rewritten = pc.replace_substring_regex(values, pattern, replacement)
    return pc.if_else(pc.match_substring_regex(values, pattern), rewritten, None)


def matches(values: pa.Array, pattern: str) -> pa.Array:
    """Return whether each value matches as a whole; null where it is null."""
    return pc.match_substring_regex(values, rf"(?s)\A(?:{pattern})\z")


def each(values: pa.Array, function: Callable[[str], str | None]) -> pa.Array:
    """Apply a function of one text to every distinct value."""
    coded = values.dictionary_encode()
    made = pa.array([function(value) for value in coded.dictionary.to_pylist()], pa.string())
    return made.take(coded.indices)


def derive(key: bytes, purpose: str) -> bytes:
    """Return a key for one purpose (HMAC-SHA-256 as in HKDF-Expand, RFC 5869, one block)."""
    return hmac.digest(key, purpose.encode() + b"\x01", sha256)


def uniform(key: bytes, purpose: str, numbers: np.ndarray, bound: int) -> np.ndarray:
    """Return for each int64 number another below `bound`, keyed and always the same.

    AES-256 as a pseudo-random function on single blocks; the bias is below bound / 2**64.
    """
    blocks = np.zeros((len(numbers), 2), dtype=">i8")
    blocks[:, 1] = numbers
    encryptor = Cipher(algorithms.AES(derive(key, purpose)), modes.ECB()).encryptor()
    made = np.frombuffer(encryptor.update(blocks.tobytes()), dtype=">u8").reshape(-1, 2)[:, 0]
    return (made % np.uint64(bound)).astype(np.int64)


def scatter(made: pa.Array, where: pa.Array) -> pa.Array:
    """Put `made` back to where a filter by `where` took its rows from; null elsewhere."""
    chosen = np.asarray(pc.fill_null(where, False).to_numpy(zero_copy_only=False), dtype=bool)
    places = np.cumsum(chosen) - 1
    return made.take(pa.array(places, pa.int64(), mask=~chosen))
