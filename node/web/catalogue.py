"""The catalogue as a site shows it: active datasets up to a level, by words and facets."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from node.web.forms import page_of
from node.web.link import Link
from node.web.live import Live

FRESH_S = 5.0
OPEN_FACETS = ("owner", "theme", "standard")
FACETS = (*OPEN_FACETS, "level")
PAGE = 20
LOT = 500
"""Datasets that are asked for at once."""
Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """A registration, and what is searched and counted of it."""

    row: Record
    text: str
    facets: tuple[str, ...]


class Catalogue:
    """Registrations as `catalogue.get` returns them.

    They are read again when the contract has announced something since, at most every FRESH_S.
    """

    def __init__(self, link: Link, live: Live, level: int) -> None:
        self._link, self._live = link, live
        self._level = level
        self._entries: dict[str, Entry] = {}
        self._sorted: list[Entry] = []
        self._versions: dict[str, int] = {}
        self._seen, self._read = -1, float("-inf")
        self._lock = threading.Lock()

    def all(self) -> list[Record]:
        """Every dataset up to the catalogue's level, by its id. Raises NodeError."""
        return [entry.row for entry in self._fresh()]

    def get(self, dataset: str) -> Record | None:
        self._fresh()
        entry = self._entries.get(dataset)
        return None if entry is None else entry.row

    def made_of(self, dataset: str) -> list[str]:
        """Datasets that say they are derived from this one."""
        return [
            row["dataset"]
            for row in self.all()
            if row["derived_from"]
            and any(each["dataset"] == dataset for each in row["derived_from"])
        ]

    def find(self, words: str, facets: Mapping[str, str]) -> list[Entry]:
        """Datasets that hold every word in id, title, keywords or theme, and each facet's value."""
        found = self._fresh()
        for place, name in enumerate(FACETS):
            if wanted := facets.get(name):
                found = [entry for entry in found if entry.facets[place] == wanted]
        for word in words.lower().split()[:10]:
            found = [entry for entry in found if word in entry.text]
        return found

    def _fresh(self) -> list[Entry]:
        with self._lock:
            latest, now = self._live.latest("catalogue"), time.monotonic()
            if latest != self._seen and now - self._read > FRESH_S:
                self._update()
                self._seen, self._read = latest, time.monotonic()
            return self._sorted

    def _update(self) -> None:
        """Ask only for what has another version than before."""
        heads = {name: version for name, version, status in self._heads() if status == "active"}
        for gone in self._versions.keys() - heads.keys():
            del self._versions[gone]
            self._entries.pop(gone, None)
        news = [name for name, version in heads.items() if self._versions.get(name) != version]
        for start in range(0, len(news), LOT):
            lot = news[start : start + LOT]
            rows = self._link.query_all([("catalogue", "get", {"dataset": name}) for name in lot])
            for name, row in zip(lot, rows, strict=True):
                self._versions[name] = heads[name]
                if row is not None and row["level"] <= self._level:
                    facets = tuple(_facet_of(row, facet) for facet in FACETS)
                    self._entries[name] = Entry(row, _text(row), facets)  # never missing meanwhile
                else:
                    self._entries.pop(name, None)
        self._sorted = [self._entries[name] for name in sorted(self._entries)]

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
    number, last = page_of(option("page"), len(found), PAGE)

    def link(**changes: object) -> str:
        """This search with some of its options changed."""
        options = {"q": words, **facets, **changes}
        return f"{path}?" + urlencode({name: value for name, value in options.items() if value})

    return {
        "words": words, "facets": facets, "counts": counts(found), "link": link,
        "rows": [entry.row for entry in found[(number - 1) * PAGE : number * PAGE]],
        "total": len(found), "number": number, "last": last,
    }  # fmt: skip


def counts(found: Sequence[Entry]) -> dict[str, list[tuple[str, int]]]:
    """How often each facet has each value, the most frequent first."""
    told = (Counter(entry.facets[place] for entry in found) for place in range(len(FACETS)))
    return {
        name: [(value, count) for value, count in counter.most_common(12) if value]
        for name, counter in zip(FACETS, told, strict=True)
    }


def _facet_of(row: Record, name: str) -> str:
    value = row[name][0] if name == "standard" else row[name]
    return str(value or "")


def _text(row: Record) -> str:
    parts = (row["dataset"], row["title"], *row["keywords"], row["theme"] or "")
    return " ".join(parts).lower()
