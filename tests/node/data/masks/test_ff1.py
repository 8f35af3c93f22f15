"""FF1 against the samples that NIST publishes with SP 800-38G, and the tables below its domain."""

from __future__ import annotations

import numpy as np
import pytest

from node.data.masks import ff1

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_AES128 = "2B7E151628AED2A6ABF7158809CF4F3C"
_AES192 = "2B7E151628AED2A6ABF7158809CF4F3CEF4359D8D580AA4F"
_AES256 = "2B7E151628AED2A6ABF7158809CF4F3CEF4359D8D580AA4F7F036D6F04FC6A94"
_TENS, _MIXED = "39383736353433323130", "3737373770717273373737"


@pytest.mark.parametrize(
    ("key", "radix", "tweak", "plain", "wanted"),
    [
        (_AES128, 10, "", "0123456789", "2433477484"),
        (_AES128, 10, _TENS, "0123456789", "6124200773"),
        (_AES128, 36, _MIXED, "0123456789abcdefghi", "a9tv40mll9kdu509eum"),
        (_AES192, 10, "", "0123456789", "2830668132"),
        (_AES192, 10, _TENS, "0123456789", "2496655549"),
        (_AES192, 36, _MIXED, "0123456789abcdefghi", "xbj3kv35jrawxv32ysr"),
        (_AES256, 10, "", "0123456789", "6657667009"),
        (_AES256, 10, _TENS, "0123456789", "1001623463"),
        (_AES256, 36, _MIXED, "0123456789abcdefghi", "xs8a0azh2avyalyzuwd"),
    ],
)
def test_samples_of_nist(key: str, radix: int, tweak: str, plain: str, wanted: str) -> None:
    rows = np.array([[_DIGITS.index(char) for char in plain]] * 3, dtype=np.uint8)
    made = ff1.encrypt(bytes.fromhex(key), radix, rows, bytes.fromhex(tweak))
    assert ["".join(_DIGITS[n] for n in row) for row in made] == [wanted] * 3


@pytest.mark.parametrize("size", range(18, 25))
def test_narrow_and_wide_arithmetic_agree(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to nine digits a half fit machine words; the same steps with Python's numbers agree."""
    rows = np.random.default_rng(size).integers(0, 10, (50, size), dtype=np.uint8)
    made = ff1.encrypt(bytes(32), 10, rows)
    monkeypatch.setattr(ff1, "_SMALL", 1)
    assert (ff1.encrypt(bytes(32), 10, rows) == made).all()


@pytest.mark.parametrize(("radix", "size"), [(10, 1), (10, 4), (36, 3), (62, 2)])
def test_below_the_domain_every_string_has_one_other(radix: int, size: int) -> None:
    count = radix**size
    rows = np.array([[n // radix**p % radix for p in range(size)] for n in range(count)], np.uint8)
    made = ff1.permute(b"k" * 32, radix, rows)
    assert len({row.tobytes() for row in made}) == count
    assert (ff1.permute(b"l" * 32, radix, rows) != made).any()


def test_tokens_are_one_to_one() -> None:
    rows = np.array([[int(c) for c in f"{n:06}"] for n in range(20_000)], dtype=np.uint8)
    made = ff1.permute(bytes(32), 10, rows)
    assert len({row.tobytes() for row in made}) == len(rows)
