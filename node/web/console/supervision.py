"""What the pages of supervision share: who supervises, whole lists, the index of the chain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from contracts.api import APPROVER, AUDITOR
from contracts.system.cases import SUPERVISOR
from node.trace.index import Index
from node.web.site import Area, Visit

AREAS = (Area("/supervision", "Supervision"),)
ROOT = "/supervision"
LOOKING = (APPROVER, AUDITOR)
"""Duties that look into alerts and cases; approvers alone decide."""
MOST = 1_000
"""Rows of a list that are gone through at most."""
SHOWN = 50


def all_rows(visit: Visit, contract: str, method: str, args: dict[str, Any]) -> list[Any]:
    """Rows of a question that is asked by number, from the first on; MOST at most."""
    rows: list[Any] = []
    while len(rows) < MOST and (part := visit.query(contract, method, args)):
        rows += part
        args = {**args, "after": part[-1]["id"]}
    return rows[:MOST]


def latest_rows(visit: Visit, contract: str) -> list[Any]:
    """The latest rows of a contract, the newest first; MOST at most."""
    rows: list[Any] = []
    args: dict[str, Any] = {}
    while len(rows) < MOST and (part := visit.query(contract, "list", args)):
        rows += part
        args = {"before": part[-1]["id"]}
    return rows[:MOST]


def page_of(visit: Visit, rows: list[Any]) -> tuple[list[Any], int, int]:
    """The rows of the page that the query string names, its number, and the last page's."""
    last = max(1, -(-len(rows) // SHOWN))
    page = min(number_of(visit.option("page")) or 1, last)
    return rows[(page - 1) * SHOWN : page * SHOWN], page, last


def number_of(text: str) -> int | None:
    """A whole number above 0, or None."""
    text = text.strip()
    is_number = text.isascii() and text.isdecimal() and len(text) <= 12
    return int(text) or None if is_number else None


def members_of(visit: Visit) -> dict[str, Any]:
    """Active members by name."""
    found = visit.query("members", "list")
    return {row["name"]: row for row in found if row["status"] == "active"}


def supervisors_of(members: dict[str, Any]) -> list[str]:
    return [name for name, row in members.items() if SUPERVISOR in row["roles"]]


@contextmanager
def reading(visit: Visit) -> Iterator[Index]:
    """The index of the chain as the site keeps it; reading does not wait for what fills it."""
    site = visit.site
    with closing(Index(site.home.trace, site.genesis.chain_id.hex())) as index:
        yield index
