"""Earlier cases that a case resembles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

MOST = 10
_WEIGHTS = {"kind": 4, "member": 3, "dataset": 2, "severity": 1}


def similar(
    query: Callable[[str, str, dict[str, Any]], Any], found: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return earlier cases that share most with `found`, MOST at most; ties go to the later one.

    `query(contract, method, args)` asks the chain.
    """
    known: dict[int, dict[str, Any]] = {}
    for each in query("cases", "of_kind", {"kind": found["kind"]}):
        known[each["id"]] = each
    if found["member"] is not None:
        for each in query("cases", "about", {"member": found["member"]}):
            known[each["id"]] = each
    scores = Counter(
        {
            number: sum(w for name, w in _WEIGHTS.items() if each[name] == found[name] is not None)
            for number, each in known.items()
            if number < found["id"]
        }
    )
    order = sorted(scores, key=lambda number: (-scores[number], -number))
    return [known[number] for number in order[:MOST]]
