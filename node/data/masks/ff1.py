"""Permutations of short strings of numerals: FF1 (NIST SP 800-38G) and random tables.

FF1 is specified for domains of at least 10**6 strings (revision 1 of the standard); below that the
whole domain is shuffled under the key. Everything works on many strings of one length at a time.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

MIN_DOMAIN = 10**6
MAX_NUMERALS = 64
_ROUNDS = 10
_BLOCK = 16
_SMALL = 1 << 32
"""Below this modulus a Horner step over 32-bit words stays within 64 bits."""


def permute(key: bytes, radix: int, numerals: np.ndarray) -> np.ndarray:
    """Return strings of numerals, one in each row, in place of others of the same length."""
    _, size = numerals.shape
    if radix**size >= MIN_DOMAIN:
        return encrypt(key, radix, numerals)
    table = _table(key, radix, size)
    return _to_numerals(table[_to_numbers(numerals, radix)], radix, size)


@lru_cache(maxsize=8)
def _table(key: bytes, radix: int, size: int) -> np.ndarray:
    """Shuffle all strings: sort them by 64 bits each of an AES-CTR stream."""
    nonce = bytes((radix, size)).ljust(_BLOCK, b"\0")
    stream = (
        Cipher(algorithms.AES(key), modes.CTR(nonce)).encryptor().update(bytes(8 * radix**size))
    )
    return np.argsort(np.frombuffer(stream, dtype=">u8"), kind="stable").astype(np.uint64)


def encrypt(key: bytes, radix: int, numerals: np.ndarray, tweak: bytes = b"") -> np.ndarray:
    """FF1.Encrypt of SP 800-38G, algorithm 7, over the rows of `numerals` (count, n)."""
    count, n = numerals.shape
    u = n // 2
    v = n - u
    width = ((radix**v - 1).bit_length() + 7) // 8
    taken = 4 * -(-width // 4) + 4
    first = (
        b"\x01\x02\x01" + radix.to_bytes(3, "big") + bytes((_ROUNDS, u % 256))
        + n.to_bytes(4, "big") + len(tweak).to_bytes(4, "big")
    )  # fmt: skip
    cipher = _Cipher(key)
    start = np.frombuffer(cipher.blocks(first), dtype=np.uint8)
    padding = -(len(tweak) + width + 1) % _BLOCK
    fixed = np.frombuffer(tweak + bytes(padding), dtype=np.uint8)
    a, b = _to_numbers(numerals[:, :u], radix), _to_numbers(numerals[:, u:], radix)
    if radix**v >= _SMALL:
        a, b = a.astype(object), b.astype(object)
    q = np.empty((count, len(fixed) + 1 + width), dtype=np.uint8)
    q[:, : len(fixed)] = fixed
    for step in range(_ROUNDS):
        q[:, len(fixed)] = step
        q[:, len(fixed) + 1 :] = _to_bytes(b, width)
        mixed = cipher.mac(start, q)
        modulus = radix ** (v if step % 2 else u)
        c = (a + _residues(cipher.stretch(mixed, taken), modulus)) % modulus
        a, b = b, c
    return np.hstack((_to_numerals(a, radix, u), _to_numerals(b, radix, v)))


class _Cipher:
    """AES on many blocks at once."""

    def __init__(self, key: bytes) -> None:
        self.blocks = Cipher(algorithms.AES(key), modes.ECB()).encryptor().update

    def mac(self, start: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """CBC-MAC of each row after the block that all have in common."""
        state = np.broadcast_to(start, (len(rows), _BLOCK))
        for at in range(0, rows.shape[1], _BLOCK):
            state = self._encrypt(state ^ rows[:, at : at + _BLOCK])
        return state

    def stretch(self, state: np.ndarray, size: int) -> np.ndarray:
        """The first `size` bytes of R || E(R ^ 1) || E(R ^ 2) ..."""
        parts = [state]
        for number in range(1, -(-size // _BLOCK)):
            counter = np.frombuffer(number.to_bytes(_BLOCK, "big"), dtype=np.uint8)
            parts.append(self._encrypt(state ^ counter))
        return np.hstack(parts)[:, :size]

    def _encrypt(self, blocks: np.ndarray) -> np.ndarray:
        made = self.blocks(np.ascontiguousarray(blocks).tobytes())
        return np.frombuffer(made, dtype=np.uint8).reshape(-1, _BLOCK)


def _to_numbers(numerals: np.ndarray, radix: int) -> np.ndarray:
    """Read rows of numerals as numbers; Python's own where 64 bits do not hold them."""
    kind = np.uint64 if radix ** numerals.shape[1] < _SMALL**2 else object
    found = np.zeros(len(numerals), dtype=kind)
    base = np.uint64(radix) if kind is np.uint64 else radix
    for column in numerals.T:
        found = found * base + column.astype(kind)
    return found


def _to_numerals(numbers: np.ndarray, radix: int, size: int) -> np.ndarray:
    made = np.empty((len(numbers), size), dtype=np.uint8)
    base = np.uint64(radix) if numbers.dtype == np.uint64 else radix
    for place in range(size - 1, -1, -1):
        made[:, place] = (numbers % base).astype(np.uint8)
        numbers = numbers // base
    return made


def _to_bytes(numbers: np.ndarray, width: int) -> np.ndarray:
    """Big-endian bytes of each number, in rows."""
    if numbers.dtype == object:
        data = b"".join(int(number).to_bytes(width, "big") for number in numbers)
        return np.frombuffer(data, dtype=np.uint8).reshape(-1, width)
    return numbers.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 8 - width :]


def _residues(rows: np.ndarray, modulus: int) -> np.ndarray:
    """Rows of bytes as big-endian numbers, modulo `modulus`."""
    if modulus >= _SMALL:
        return np.array([int.from_bytes(row, "big") % modulus for row in rows], dtype=object)
    words = np.ascontiguousarray(rows).view(">u4").astype(np.uint64)
    found = np.zeros(len(rows), dtype=np.uint64)
    for word in words.T:
        found = ((found << np.uint64(32)) + word) % np.uint64(modulus)
    return found
