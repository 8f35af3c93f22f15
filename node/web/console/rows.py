"""Lists that the ledger hands out in parts: gone through whole, and shown page by page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from node.web.forms import page_of
from node.web.site import Visit

MOST = 1_000
"""Rows of a list that are gone through at most."""
SHOWN = 50


def all_rows(
    visit: Visit, contract: str, method: str, args: dict[str, Any], *, by: str = "id",
    cursor: str = "after", most: int = MOST,
) -> list[Any]:  # fmt: skip
    """Rows of a question that is asked by number or name, from the first on; `most` at most."""
    rows: list[Any] = []
    while len(rows) < most and (part := visit.query(contract, method, args)):
        rows += part
        args = {**args, cursor: part[-1][by]}
    return rows[:most]


def latest_rows(visit: Visit, contract: str) -> list[Any]:
    """The latest rows of a contract, the newest first; MOST at most."""
    return all_rows(visit, contract, "list", {}, cursor="before")


def pages_of(rows: Sequence[Any], visit: Visit, **options: str) -> dict[str, Any]:
    """What a list's template needs: the rows of the page asked for, and links to the others."""
    number, last = page_of(visit.option("page"), len(rows), SHOWN)

    def link(page: int) -> str:
        return "?" + urlencode({**options, "page": page})

    return {"rows": rows[(number - 1) * SHOWN : number * SHOWN], "total": len(rows),
            "number": number, "last": last, "link": link}  # fmt: skip
