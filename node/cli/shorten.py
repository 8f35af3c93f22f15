"""Long values in a table: the part of them that tells something."""

from __future__ import annotations

MAX_SHOWN = 60
CONTEXT = 12
CUT = "…"


def shorten(text: str, most: int = MAX_SHOWN) -> str:
    """Return a text of one line and at most `most` characters, cut in the middle."""
    text = " ".join(text.split())
    half = (most - 1) // 2
    return text if len(text) <= most else f"{text[:half]}{CUT}{text[-half:]}"


def shorten_both(old: str, new: str) -> tuple[str, str]:
    """Return both texts, of long ones the part in which they differ, with a little around it."""
    if max(len(old), len(new)) <= MAX_SHOWN:
        return shorten(old), shorten(new)
    first = _common(old, new)
    last = _common(old[first:][::-1], new[first:][::-1])
    return _part(old, first, last), _part(new, first, last)


def _common(one: str, other: str) -> int:
    """How many characters both begin with."""
    places = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in places if a != b), min(len(one), len(other)))


def _part(text: str, first: int, last: int) -> str:
    """The text without its `first` and `last` characters, but for CONTEXT of them."""
    begin, end = max(0, first - CONTEXT), min(len(text), len(text) - last + CONTEXT)
    return f"{CUT * (begin > 0)}{shorten(text[begin:end])}{CUT * (end < len(text))}"
