"""Earlier cases that a case resembles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from node.data.chain import Query

MOST = 10
MAX_PAGES = 10
_WEIGHTS = {"kind": 4, "member": 3, "dataset": 2, "severity": 1}


def similar(query: Query, found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return earlier cases that share most with `found`, MOST at most; ties go to the later one."""
    known = {each["id"]: each for each in _all(query, "of_kind", {"kind": found["kind"]})}
    if found["member"] is not None:
        about = _all(query, "about", {"member": found["member"]})
        known |= {each["id"]: each for each in about}
    scores = Counter(
        {
            number: sum(w for name, w in _WEIGHTS.items() if each[name] == found[name] is not None)
            for number, each in known.items()
            if number < found["id"]
        }
    )
    order = sorted(scores, key=lambda number: (-scores[number], -number))
    return [known[number] for number in order[:MOST]]


def _all(query: Query, method: str, args: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield cases by their numbers, the first MAX_PAGES pages of them."""
    for _ in range(MAX_PAGES):
        rows = query("cases", method, args)
        if not rows:
            return
        yield from rows
        args = {**args, "after": rows[-1]["id"]}
