"""Values that are JSON arrays or objects: each path within them is looked at like a column.

`[{"phone": "..."}, {"phone": "..."}]` in the field `terms` holds a column `terms[].phone`. What
cannot be read, is too deep or has too many paths grades the field up, never down.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from unicodedata import normalize

import pyarrow as pa

from node.data import english
from node.data.kernels.column import Column, Held, Lens, hint_of
from node.data.lexicon import is_person_name
from node.data.notes import at, note
from node.data.recognise import whole

SAMPLE_VALUES = 2_000
MAX_CHARACTERS = 8 << 20
"""Of all values of a field together that are read as JSON; the first counts whatever its size."""
MAX_DEPTH = 16
MAX_PATHS = 256
MAX_LEAVES = 500
"""Values looked at for each path."""
MAX_KEY = 60
MAX_UNREAD = 0.05
"""Share of a field's values that may look like arrays or objects and be none."""
_BEGINS = re.compile(r"""\s*(?:\[\s*["'\[{]|\{\s*(?:["'}]|\w+\s*:))""")
"""How arrays and objects begin, cut off or in another dialect too; notes in brackets do not."""
_DIGITS = re.compile(r"\d+")
Leaves = dict[str, list[str]]


class Field:
    """A field of a table: its values as a column, and a column for each path within them."""

    def __init__(self, name: str, lens: Lens) -> None:
        self.name, self._lens = name, lens
        self.whole = Column(name, lens)
        self._paths: dict[str, Column] = {}
        self._looked = self._unread = self._beyond = self._characters = 0

    def add(self, values: pa.Array) -> None:
        """Look at more values."""
        if self._looked < SAMPLE_VALUES:
            some = values.drop_null()[: SAMPLE_VALUES - self._looked].to_pylist()
            self._looked += len(some)
            leaves: Leaves = defaultdict(list)
            self.whole.sample([text for text in some if not self._unfold(text, leaves)])
            for path, found in leaves.items():
                column = self._paths[path]
                column.sample(found)
                column.analyse(pa.array(found, pa.string()))
        self.whole.analyse(values)

    def _unfold(self, text: str, leaves: Leaves) -> bool:
        """Whether the text is an array or object; what it holds is added to `leaves`."""
        if text.lstrip()[:1] not in ("[", "{"):
            return False
        if self._characters >= MAX_CHARACTERS:
            return True
        self._characters += len(text)
        content = _parse(text)
        if content is None:
            self._unread += _BEGINS.match(text) is not None
            return False
        self._beyond += not self._walk(content, self.name, 0, leaves)
        return True

    def _walk(self, content: Any, path: str, depth: int, leaves: Leaves) -> bool:
        """Take the leaves below `path`; False if some are too deep or have one path too many."""
        if isinstance(content, bool):
            content = str(content)
        if isinstance(content, str):
            inner = _parse(content) if content[:1] in ("[", "{") else None
            if inner is None:
                return self._take(content, path, path, leaves)
            content = inner  # JSON within a text of JSON
        if depth == MAX_DEPTH:
            return False
        good = True
        if isinstance(content, list):
            for each in content:
                good &= each is None or self._walk(each, f"{path}[]", depth + 1, leaves)
            return good
        for key, each in content:
            step = _step(key)
            if step != key:  # the key is data too
                good &= self._take(key, f"{path}.*", "", leaves)
            good &= each is None or self._walk(each, f"{path}.{step}", depth + 1, leaves)
        return good

    def _take(self, text: str, path: str, name: str, leaves: Leaves) -> bool:
        column = self._paths.get(path)
        if column is None:
            if len(self._paths) == MAX_PATHS:
                return False
            column = self._paths[path] = Column(_singular(name), self._lens)
        some = leaves[path]
        if len(some) + column.looked < MAX_LEAVES:
            text = (text if text.isascii() else normalize("NFKC", text)).strip()
            if text:
                some.append(text)
        return True

    def main(self) -> Held | None:
        """Return what the values as wholes are; arrays and objects are nothing as wholes."""
        is_nested = any(column.looked for column in self._paths.values())
        return None if is_nested and not self.whole.looked else self.whole.main()

    def findings(self) -> Iterator[Held]:
        """Yield what the field holds; the evidence names the path within its values."""
        within = [
            Held(held.entity, held.count, at(path, held.why))
            for path, column in self._paths.items()
            if column.looked
            for held in column.findings(column.main())
        ]
        known = {held.entity for held in within}
        yield from (held for held in self.whole.findings(self.main()) if held.entity not in known)
        yield from within
        unread = self._unread if self._unread > MAX_UNREAD * self._looked else 0
        if count := unread + self._beyond:
            yield Held("UNKNOWN", count, note("unreadable", count))


def _parse(text: str) -> Any:
    """Return arrays as lists, objects as tuples of pairs (a repeated key is not lost), numbers as

    they are written. None if it is not JSON.
    """
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None


_DECODER = json.JSONDecoder(
    object_pairs_hook=tuple, parse_int=str, parse_float=str, parse_constant=str
)


@lru_cache(maxsize=4_096)
def _step(key: str) -> str:
    """Return how evidence names a key: without numbers, and not at all if it names a person."""
    is_data = whole(key) is not None or is_person_name(key) or english.is_person(key)
    if not key.isprintable() or (is_data and not hint_of(key)):
        return "*"
    return _DIGITS.sub("#", key[:MAX_KEY])


@lru_cache(maxsize=4_096)
def _singular(path: str) -> str:
    """Lists are named in the plural: return a name that words for one of them are found in."""
    if hint_of(path):
        return path
    one = re.sub(r"(?:(?<=ss)es|(?<=[A-Za-z])s)\[\]", "[]", path)
    return one if hint_of(one) else path
