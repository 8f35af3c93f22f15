"""Where the pages show what an event is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from node.trace.entities import KINDS, entities_of

_PAGES = {
    "alert": "/supervision/alerts/{}",
    "case": "/supervision/cases/{}",
    "dataset": "/data/{}",
    "grant": "/exchange/grants/{}",
    "request": "/exchange/requests/{}",
    "standard": "/data/standards/{}",
    "tx": "/tx/{}",
    "violation": "/supervision/violations/{}",
}


def page_of(kind: str, identity: str) -> str:
    """The path of the page of something, which is its trace where it has none of its own."""
    known = _PAGES.get(kind)
    return known.format(quote(identity)) if known else trace_of(kind, identity)


def trace_of(kind: str, identity: str, **more: str) -> str:
    return "/trace?" + urlencode({"kind": kind, "id": identity, **more})


def links_of(events: Iterable[Sequence[Any]], members: Iterable[str]) -> list[tuple[str, str, str]]:
    """(kind, identity, path) of all that events (contract, name, data) are about."""
    names = frozenset(members)
    found = {mark for contract, name, data in events
             for mark in entities_of(contract, name, data, names)}  # fmt: skip
    marks = sorted((mark.split(":", 1) for mark in found),
                   key=lambda mark: (KINDS.index(mark[0]), mark[1]))  # fmt: skip
    return [(kind, identity, page_of(kind, identity)) for kind, identity in marks]
