"""Facts about characters that depend on no edition of the Unicode tables."""

from __future__ import annotations

HIDDEN = frozenset(
    chr(point)
    for low, high in (
        (0x00, 0x1F),
        (0x7F, 0x9F),
        (0x061C, 0x061C),
        (0x200E, 0x200F),
        (0x2028, 0x202E),
        (0x2066, 0x2069),
        (0xD800, 0xDFFF),
    )
    for point in range(low, high + 1)
)
"""Controls, line and paragraph separators, direction marks, lone surrogates.

A fixed list, since `str.isprintable` follows the interpreter's edition of Unicode and members run
several.
"""


def utc(ms: int) -> str:
    """Return a time (ms UTC, from 1970 on) as `2027-01-31 09:05 UTC`; days by Hinnant's method."""
    minutes = ms // 60_000
    days, minute = divmod(minutes, 24 * 60)
    era, day_of_era = divmod(days + 719_468, 146_097)
    year_of_era = (
        day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096
    ) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted + 2) // 5 + 1
    month = shifted + 3 if shifted < 10 else shifted - 9
    year = year_of_era + 400 * era + (1 if month <= 2 else 0)
    return f"{year:04}-{month:02}-{day:02} {minute // 60:02}:{minute % 60:02} UTC"
