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
