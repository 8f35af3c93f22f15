"""The catalogue as a site shows it: active datasets up to a level, by words and facets."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from node.web.forms import number_of
from node.web.link import Link

FRESH_S = 5.0
OPEN_FACETS = ("owner", "theme", "standard")
FACETS = (*OPEN_FACETS, "level")
PAGE = 20
LOT = 500
"""Datasets that are asked for at once."""
Record = dict[str, Any]


class Catalogue:
    """Registrations as `catalogue.get` returns them, read again when they are FRESH_S old."""

    def __init__(self, link: Link, level: int) -> None:
        self._link = link
        self._level = level
        self._rows: dict[str, Record] = {}
        self._versions: dict[str, int] = {}
        self._read = float("-inf")
        self._lock = threading.Lock()

    def all(self) -> list[Record]:
        """Every dataset up to the catalogue's level, by its id. Raises NodeError."""
        with self._lock:
            self._refresh()
            return [self._rows[name] for name in sorted(self._rows)]

    def get(self, dataset: str) -> Record | None:
        with self._lock:
            self._refresh()
            return self._rows.get(dataset)

    def find(self, words: str, facets: Mapping[str, str]) -> list[Record]:
        """Datasets that hold every word in id, title, keywords or theme, and each facet's value."""
        wanted = words.lower().split()[:10]
        return [
            row
            for row in self.all()
            if all(facet_of(row, name) == value for name, value in facets.items() if value)
            and all(word in _text(row) for word in wanted)
        ]

    def _refresh(self) -> None:
        if time.monotonic() - self._read > FRESH_S:
            self._update()
            self._read = time.monotonic()

    def _update(self) -> None:
        """Ask only for what has another version than before."""
        heads = {name: version for name, version, status in self._heads() if status == "active"}
        for gone in self._versions.keys() - heads.keys():
            del self._versions[gone]
            self._rows.pop(gone, None)
        news = [name for name, version in heads.items() if self._versions.get(name) != version]
        for start in range(0, len(news), LOT):
            lot = news[start : start + LOT]
            rows = self._link.query_all([("catalogue", "get", {"dataset": name}) for name in lot])
            for name, row in zip(lot, rows, strict=True):
                self._versions[name] = heads[name]
                self._rows.pop(name, None)
                if row is not None and row["level"] <= self._level:
                    self._rows[name] = row

    def _heads(self) -> Iterator[Any]:
        args: dict[str, Any] = {"prefix": ""}
        while rows := self._link.query("catalogue", "list", args):
            yield from rows
            args["after"] = rows[-1][0]


def search(
    catalogue: Catalogue, option: Callable[[str], str], path: str, names: Sequence[str]
) -> dict[str, Any]:
    """What a page of results shows: `option` reads the query string, `path` is the page."""
    words, facets = option("q"), {name: option(name) for name in names}
    found = catalogue.find(words, facets)
    last = max(1, -(-len(found) // PAGE))
    number = min(number_of(option("page")) or 1, last)

    def link(**changes: object) -> str:
        """This search with some of its options changed."""
        options = {"q": words, **facets, **changes}
        return f"{path}?" + urlencode({name: value for name, value in options.items() if value})

    return {
        "words": words, "facets": facets, "counts": counts(found), "link": link,
        "rows": found[(number - 1) * PAGE : number * PAGE], "total": len(found),
        "number": number, "last": last,
    }  # fmt: skip


def facet_of(row: Record, name: str) -> str:
    value = row[name][0] if name == "standard" else row[name]
    return str(value or "")


def counts(rows: Sequence[Record]) -> dict[str, list[tuple[str, int]]]:
    """How often each facet has each value, the most frequent first."""
    return {
        name: [
            (value, count)
            for value, count in Counter(facet_of(row, name) for row in rows).most_common(12)
            if value
        ]
        for name in FACETS
    }


def _text(row: Record) -> str:
    parts = (row["dataset"], row["title"], *row["keywords"], row["theme"] or "")
    return " ".join(parts).lower()
