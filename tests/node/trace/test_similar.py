"""Earlier cases that a case resembles, those that share most first."""

from __future__ import annotations

from typing import Any

from node.trace.similar import MOST, similar


def case(number: int, **given: Any) -> dict[str, Any]:
    return {"id": number, "kind": "leak", "member": "city", "dataset": None, "severity": 2, **given}


def test_cases_that_share_most_come_first() -> None:
    known = [
        case(1, severity=4),
        case(2),
        case(3, kind="breach"),
        case(4, member="land"),
        case(5, dataset="city/a"),
        case(9),
    ]

    def query(contract: str, method: str, args: dict[str, Any]) -> Any:
        (name, value), *_ = args.items()
        rows = [row for row in known if row[name] == value and row["id"] > args.get("after", 0)]
        return rows[:2]  # a page

    assert [row["id"] for row in similar(query, case(7, dataset="city/a"))] == [5, 2, 1, 4, 3]
    assert [row["id"] for row in similar(query, case(3, member=None))] == [2, 1]
    assert MOST == 10
