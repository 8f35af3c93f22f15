"""Finds values that came plain although a mask was agreed, without knowing the values themselves.

What most masks make they leave as it is, or hide whole, when it is masked once more; a plain value
they change. Hashes and pseudonyms have a form. Of the others nothing can be told from the outside.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from contracts.masks import Use
from node.data.commitment import Field
from node.exchange.linked import Opened
from node.exchange.source import Masker, Masks

HIDDEN = "***"
UNTOLD = frozenset(
    ("keep-middle", "mask-first", "mask-last", "mask-middle", "token", "offset", "date-shift")
)
"""Masks that change again what they have made, or whose results look like plain values."""


def _form(use: Use) -> re.Pattern[str] | None:
    if use.id == "hmac":
        return re.compile(rf"[0-9a-f]{{{2 * int(use.params['bytes'])}}}")
    return re.compile(r"p-[a-z2-7]{16}") if use.id == "pseudonym" else None


class PlainFinder:
    """Looks at columns under one grant's masks; `stop` it in the end. For one thread at a time."""

    def __init__(self, masks: Masks) -> None:
        self._masks = masks
        self._again = [
            place for place, (_, use) in enumerate(masks)
            if use.id not in UNTOLD and _form(use) is None
        ]  # fmt: skip
        uses = [(number, masks[place][1]) for number, place in enumerate(self._again)]
        names = [str(number) for number, _ in uses]
        self._masker = Masker(tuple(uses), names, bytes(32)) if uses else None

    def stop(self) -> None:
        if self._masker is not None:
            self._masker.stop()

    def find(self, columns: Sequence[Sequence[Field]]) -> list[tuple[int, list[int]]]:
        """Return each field of which rows, from 0, hold what its mask cannot have made.

        `columns` are those of the masked fields. Raises WorkerError.
        """
        again = self._mask([columns[place] for place in self._again])
        made = dict(zip(self._again, again, strict=True))
        found = []
        for place, ((index, use), column) in enumerate(zip(self._masks, columns, strict=True)):
            form, after = _form(use), made.get(place, column)
            rows = [
                row for row, (value, masked) in enumerate(zip(column, after, strict=True))
                if HIDDEN not in (value, masked) and value is not None and masked is not None
                and (masked != value or not (form is None or form.fullmatch(value)))
            ]  # fmt: skip
            if rows:
                found.append((index, rows))
        return found

    def _mask(self, columns: Sequence[Sequence[Field]]) -> Sequence[Sequence[Field]]:
        if self._masker is None or not columns[0]:
            return columns
        rows = (Opened(0, b"", values) for values in zip(*columns, strict=True))
        return self._masker.apply(list(rows))
