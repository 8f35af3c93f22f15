"""Which events a member's people are told of, and in what words."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from node.trace.entities import entities_of
from node.trace.index import Entry, Index

_TOLD = {
    "access": {
        "requested", "denied", "granted", "withdrawn", "paused", "resumed", "revoked", "ended",
        "escalated",
    },
    "alerts": {"raised"},
    "cases": {"opened", "assigned", "commented", "disposed"},
    "deliveries": {"disputed", "settled", "overdue", "enumeration"},
    "dispatch": {"issued", "escalated", "completed", "cancelled"},
    "evidence": {"reported"},
    "operators": {"lapsed"},
    "permits": {"issued", "revoked"},
    "sanctions": {"found", "imposed", "appealed", "decided", "lifted"},
    "subjects": {"obliged", "told", "notice-overdue"},
}  # fmt: skip
_TO_ALL = {("governance", "proposed"), ("governance", "version-planned")}
_TO_SUPERVISORS = {"alerts", "cases", "evidence", "sanctions"}
_LOOK = {
    "access": "request show", "alerts": "alert show", "cases": "case show",
    "dispatch": "dispatch show", "governance": "gov show", "sanctions": "sanction show",
}  # fmt: skip


NODE = "node"
"""In the place of a contract where the own node has something to tell, which no block can hold."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told: names of contract and event, numbers, the transaction. `time` is ms UTC."""

    network: str
    member: str
    contract: str
    event: str
    number: int | None
    height: int
    time: int
    txid: str

    @property
    def subject(self) -> str:
        number = "" if self.number is None else f" {self.number}"
        return f"[{self.network}] {self.contract} {self.event}{number}"

    @property
    def text(self) -> str:
        """The body of a mail."""
        lines = [f"For {self.member}: {self.contract} {self.event}"]
        if self.contract == NODE:
            lines += [
                f"Nothing has become final since block {self.height}",
                "Look with: muniment status",
            ]
        else:
            lines += [f"Block {self.height}, transaction", self.txid]
        if self.number is not None and self.contract in _LOOK:
            lines.append(f"Look with: muniment {_LOOK[self.contract]} {self.number}")
        return "\n".join([*lines, ""])

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def standstill_of(status: Mapping[str, Any]) -> Notice | None:
    """Return what is told of a chain that stands still, from the own node's status, or None."""
    if not status["standing_still"]:
        return None
    network, member, height = status["network"], status["name"], status["height"]
    return Notice(
        network, member, NODE, "standing-still", None, height, status["finalized_at_ms"], ""
    )


def notice_of(
    entry: Entry,
    index: Index,
    network: str,
    member: str,
    members: Collection[str],
    is_supervisor: bool,
) -> Notice | None:
    """Return what `member` is told of an entry, or None. What it did itself it knows."""
    if entry.code or entry.sender.partition("/")[0] == member:
        return None
    place = (entry.contract, entry.name)
    if place not in _TO_ALL and entry.name not in _TOLD.get(entry.contract, ()):
        return None
    is_watched = is_supervisor and entry.contract in _TO_SUPERVISORS
    if place not in _TO_ALL and not is_watched and not _concerns(entry, index, member, members):
        return None
    data = entry.data if isinstance(entry.data, list) else []
    number = data[0] if data and type(data[0]) is int else None
    return Notice(
        network, member, entry.contract, entry.name, number, entry.height, entry.time, entry.txid
    )


def _concerns(entry: Entry, index: Index, member: str, members: Collection[str]) -> bool:
    """Whether the event names the member or its data, or the beginning of what it numbers does."""
    found = entities_of(entry.contract, entry.name, entry.data, members)
    for entity in [e for e in found if e.startswith(("grant:", "delivery:"))]:
        for first in index.trace(entity, limit=1):
            found |= entities_of(first.contract, first.name, first.data, members, first.sender)
    return any(
        entity == f"member:{member}" or entity.startswith(f"dataset:{member}/") for entity in found
    )
