"""Masks under a key that the recipient never holds: equal values stay equal, no more is told."""

from __future__ import annotations

from base64 import b32encode
from hashlib import sha256

import pyarrow as pa
import pyarrow.compute as pc

from node.data.masks.base import Example, Mask, Params, derive, each

PSEUDONYM_BYTES = 10


class _Hmac:
    """HMAC-SHA-256 (RFC 2104) with the two padded blocks hashed once for a whole column."""

    def __init__(self, key: bytes) -> None:
        block = key.ljust(64, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in block))

    def digest(self, text: str) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text.encode())
        outer.update(inner.digest())
        return outer.digest()


def _hmac(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    digest, size = _Hmac(derive(key, "hmac")).digest, int(params["bytes"])
    return each(values, lambda text: digest(text)[:size].hex())


def _pseudonym(values: pa.Array, params: Params, key: bytes) -> pa.Array:
    digest = _Hmac(derive(key, "pseudonym")).digest

    def name(text: str) -> str:
        return "p-" + b32encode(digest(text)[:PSEUDONYM_BYTES]).decode("ascii").lower()

    alike = pc.utf8_lower(pc.utf8_trim_whitespace(pc.utf8_normalize(values, "NFKC")))
    return each(alike, name)


MASKS = (
    Mask("hmac", "The first `bytes` bytes of HMAC-SHA-256 of the exact text, in hexadecimal.",
         _hmac,
         (Example({"bytes": 8}, "11010519491231002X", "5b7fc1a9e2789133"),), is_opaque=True),
    Mask("pseudonym", "A name that stands for the value within the grant and says nothing outside "
         "of it; writings that differ by case, width or outer spaces get one name.", _pseudonym,
         (Example({}, "Zhang San", "p-hffumppaxsn3lygh"),
          Example({}, " ZHANG SAN", "p-hffumppaxsn3lygh")), is_opaque=True),
)  # fmt: skip
