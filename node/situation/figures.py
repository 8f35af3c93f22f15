"""Figures that follow from the chain's events, one after the other.

A pure fold: feed it entries in order, ask it at any time. Memory is bounded by what is open and by
the window.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from node.trace.index import Entry

HOUR_MS = 60 * 60 * 1_000
MINUTE_MS = 60_000
TOP = 5
_REQUEST_STATES = {
    "requested": "open", "amended": "open", "reviewed": "in review", "escalated": "escalated",
    "granted": "granted", "denied": "denied", "withdrawn": "withdrawn", "paused": "paused",
    "resumed": "granted", "revoked": "revoked", "ended": "ended",
}  # fmt: skip
_CASE_OVER = ("disposed", "closed")
_ALERT_OVER = ("disposed",)
MAX_GRANTS = 200_000


@dataclass
class Figures:
    """What stands open, and what happened of late. Times are ms UTC of blocks."""

    requests: dict[int, str] = field(default_factory=dict)
    levels: dict[int, int] = field(default_factory=dict)
    rows_by_level: Counter[int] = field(default_factory=Counter)
    cases: dict[int, int] = field(default_factory=dict)
    alerts: dict[int, int] = field(default_factory=dict)
    orders: dict[int, set[str]] = field(default_factory=dict)
    measures: dict[int, tuple[str, str, int]] = field(default_factory=dict)
    recent: deque[tuple[int, str, str, bool]] = field(default_factory=deque)
    now: int = 0

    def add(self, entry: Entry) -> None:
        """Take in the next entry."""
        self.now = max(self.now, entry.time)
        if entry.sender:
            member = entry.sender.partition("/")[0]
            self.recent.append((entry.time, entry.txid, member, entry.code != 0))
        while self.recent and self.recent[0][0] <= self.now - HOUR_MS:
            self.recent.popleft()
        if entry.code or not isinstance(entry.data, list) or not entry.data:
            return
        fold = _FOLDS.get(entry.contract)
        if fold is not None:
            fold(self, entry.name, entry.data)

    # Questions

    def requests_by_state(self) -> dict[str, int]:
        return dict(sorted(Counter(self.requests.values()).items()))

    def by_severity(self, open_: dict[int, int]) -> dict[int, int]:
        """How many of `cases` or `alerts` are open, by severity."""
        return dict(sorted(Counter(open_.values()).items()))

    def overdue_orders(self) -> dict[int, list[str]]:
        """Open orders with recipients about whom something was escalated."""
        return {number: sorted(names) for number, names in self.orders.items() if names}

    def measures_in_force(self, now: int) -> list[tuple[int, str, str]]:
        """[violation, member, measure] in force at `now`."""
        return [(n, member, measure) for n, (member, measure, until) in self.measures.items()
                if now < until]  # fmt: skip

    def transactions(self, now: int, span_ms: int = MINUTE_MS) -> tuple[int, int]:
        """(transactions, failed ones) in the last `span_ms`, an hour at most."""
        seen = {txid: failed for time, txid, _, failed in self.recent if time > now - span_ms}
        return len(seen), sum(seen.values())

    def talkers(self) -> list[tuple[str, int]]:
        """Members with most transactions in the last hour, TOP at most."""
        seen = {(txid, member) for _, txid, member, _ in self.recent}
        return Counter(member for _, member in seen).most_common(TOP)


def _access(figures: Figures, name: str, data: list[Any]) -> None:
    number = data[0]
    if name == "decided" and len(data) > 3:
        figures.levels[number] = data[3]
        while len(figures.levels) > MAX_GRANTS:
            del figures.levels[next(iter(figures.levels))]
    elif name in _REQUEST_STATES:
        figures.requests[number] = _REQUEST_STATES[name]
        while len(figures.requests) > MAX_GRANTS:
            del figures.requests[next(iter(figures.requests))]


def _deliveries(figures: Figures, name: str, data: list[Any]) -> None:
    if name == "ended" and len(data) > 3:
        figures.rows_by_level[figures.levels.get(data[1], 0)] += data[3]


def _cases(figures: Figures, name: str, data: list[Any]) -> None:
    if name in _CASE_OVER:
        figures.cases.pop(data[0], None)
    else:
        figures.cases[data[0]] = data[2]


def _alerts(figures: Figures, name: str, data: list[Any]) -> None:
    if name in _ALERT_OVER:
        figures.alerts.pop(data[0], None)
    elif name in ("raised", "worsened"):
        figures.alerts[data[0]] = data[4]


def _dispatch(figures: Figures, name: str, data: list[Any]) -> None:
    if name == "issued":
        figures.orders[data[0]] = set()
    elif name in ("closed", "cancelled"):
        figures.orders.pop(data[0], None)
    elif name == "escalated" and data[0] in figures.orders:
        figures.orders[data[0]] |= {member for member, _ in data[3]}
    elif name in ("acknowledged", "reported", "completed") and data[0] in figures.orders:
        figures.orders[data[0]].discard(data[1])


def _sanctions(figures: Figures, name: str, data: list[Any]) -> None:
    if name == "imposed":
        figures.measures[data[0]] = (data[1], data[2], data[3])
    elif name == "lifted" or (name == "decided" and data[2] == "granted"):
        figures.measures.pop(data[0], None)


_FOLDS = {
    "access": _access,
    "alerts": _alerts,
    "cases": _cases,
    "deliveries": _deliveries,
    "dispatch": _dispatch,
    "sanctions": _sanctions,
}
