"""Chance that a seed repeats: a run that is cut off goes on with the same points and noise.

HMAC-SHA-512 under the seed over a counter, as a pseudo-random function: who lacks the seed cannot
tell it from chance, and drawing again from it gives nothing new.
"""

from __future__ import annotations

import hmac
from hashlib import sha512


class Chance:
    """A stream of bytes and numbers that depends on its seed alone."""

    def __init__(self, seed: bytes) -> None:
        self._seed, self._count, self._left = seed, 0, b""

    def bytes(self, size: int) -> bytes:
        while len(self._left) < size:
            self._left += hmac.digest(self._seed, self._count.to_bytes(8, "big"), sha512)
            self._count += 1
        taken, self._left = self._left[:size], self._left[size:]
        return taken

    def below(self, limit: int) -> int:
        """Return a uniform whole number from 0 to below `limit`."""
        bits = (limit - 1).bit_length()
        size = -(-bits // 8)
        while True:
            number = int.from_bytes(self.bytes(size), "big") >> (8 * size - bits)
            if number < limit:
                return number
