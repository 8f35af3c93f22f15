"""What an event is about: entities such as dataset:tax/permits, grant:7, member:civil.

One table says which numbers in an event's data count what; members and datasets are known by their
text, wherever it stands.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

KINDS = (
    "dataset", "standard", "request", "grant", "delivery", "member", "batch", "case", "violation",
    "order", "alert", "proposal", "contract", "envelope", "intersection", "sum", "tx",
)  # fmt: skip
CHILDREN = {
    "standard": ("dataset",),
    "dataset": ("grant",),
    "grant": ("delivery", "intersection"),
    "batch": ("grant",),
    "case": ("violation",),
}
"""Whose lives belong to a trace too, by the kind of what is traced."""
_FIRST = {
    "access": "grant",
    "alerts": "alert",
    "cases": "case",
    "deliveries": "delivery",
    "dispatch": "order",
    "governance": "proposal",
    "intersections": "intersection",
    "sanctions": "violation",
    "subjects": "batch",
    "sums": "sum",
}
"""What the first item of an event's data numbers, by contract. A grant has its request's number."""
_ALSO = {
    ("budgets", "reserved"): {5: "grant"},
    ("budgets", "given"): {3: "grant"},
    ("intersections", "asked"): {6: "grant"},
    ("deliveries", "opened"): {1: "grant"},
    ("deliveries", "ended"): {1: "grant"},
    ("sanctions", "found"): {4: "case"},
}
_OF_GRANTS = {("deliveries", "erased"), ("deliveries", "overdue")}
"""Events of deliveries that number a grant first."""
MAX_DEPTH = 4


def entities_of(
    contract: str, name: str, data: Any, members: Collection[str], sender: str = ""
) -> set[str]:
    """Return what an event is about; `data` as the RPC gives it (bytes in hexadecimal)."""
    found = {f"member:{sender.partition('/')[0]}"} if sender else set()
    rows = data if isinstance(data, list) else [data]
    first = _FIRST.get(contract)
    if (contract, name) in _OF_GRANTS:
        first = "grant"
    if first is not None and rows and type(rows[0]) is int:
        found.add(f"{first}:{rows[0]}")
    for place, kind in _ALSO.get((contract, name), {}).items():
        if place < len(rows) and type(rows[place]) is int:
            found.add(f"{kind}:{rows[place]}")
    if contract == "contracts" and rows:
        found.add(f"contract:{rows[0]}")
    if contract == "envelopes" and rows:
        found.add(f"envelope:{rows[0]}")
    kind = "standard" if contract == "standards" else "dataset"
    for text in _texts(rows, MAX_DEPTH):
        if text in members:
            found.add(f"member:{text}")
        elif text.partition("/")[0] in members and text.count("/") == 1:
            found.add(f"{kind}:{text}")
    return found


def links_of(found: Collection[str]) -> list[tuple[str, str]]:
    """Return (parent, child) among entities of one event, by `CHILDREN`."""
    kinds = {entity: entity.partition(":")[0] for entity in found}
    return [
        (parent, child)
        for parent in found
        for child in found
        if kinds[child] in CHILDREN.get(kinds[parent], ())
    ]


def _texts(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth and isinstance(value, list):
        for item in value:
            yield from _texts(item, depth - 1)
    elif depth and isinstance(value, dict):
        for item in value.values():
            yield from _texts(item, depth - 1)
