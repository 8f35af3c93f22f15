"""From what a node sees of the others to reports on their health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from node.watch.item import FAULT, HEALTH, HEALTH_MS, NODE, Health, Item

MAX_GAP = 10_000
"""More views than this between two finalizations are a fault of the network, not of leaders."""
KEPT_DIGESTS = 512
CUT_OFF = "cut off"
"""How a connection's fault begins that this node ended because of what it was sent."""


@dataclass(slots=True)
class _Seen:
    """What was seen of one member since the last report."""

    turns: int = 0
    missed: int = 0
    blocks: int = 0
    absent: int = 0
    lag: int = 0
    downs: int = 0
    drifts: list[int] = field(default_factory=list)

    def report(self, member: str) -> Health:
        drift = sorted(self.drifts)[len(self.drifts) // 2] if self.drifts else 0
        return Health(
            member, self.turns, self.missed, self.blocks, self.absent, self.lag, drift, self.downs
        )


class Observer:
    """Counts what the blocks and the list of peers show; `own` is the member that looks."""

    def __init__(self, own: str) -> None:
        self._own = own
        self._seen: dict[str, _Seen] = {}
        self._began: int | None = None
        self._validators: tuple[int, Sequence[str]] = (-1, ())
        self._view: tuple[int, int] | None = None
        self._proposers: list[str] = []
        self._digests: dict[int, str] = {}
        self._peers: dict[str, tuple[bool, str]] = {}
        self._differing: dict[str, int] = {}

    def set_validators(self, epoch: int, names: Sequence[str]) -> None:
        """Tell who validates, in order of their turns, before the first block of an epoch."""
        self._validators = epoch, names
        self._view, self._proposers = None, []

    def knows(self, epoch: int) -> bool:
        return self._validators[0] == epoch

    def see_block(self, block: Mapping[str, Any], now_ms: int | None) -> list[Item]:
        """Take a block's activity; `now_ms` is the clock here if it became final just now.

        Returns the reports that are due.
        """
        self._digests[block["height"]] = block["digest"]
        self._digests.pop(block["height"] - KEPT_DIGESTS, None)
        if now_ms is not None:
            self._of(block["proposer"]).drifts.append(block["time"] - now_ms)
        self._proposers.append(block["proposer"])
        if block["view"] is not None:
            self._see_finalization(block["epoch"], block["view"], block["signers"])
        return self._due(block["height"], block["time"])

    def _see_finalization(self, epoch: int, view: int, signers: Sequence[str]) -> None:
        """Every view since the last finalization was somebody's turn; blocks tell who used it."""
        known, names = self._validators
        if known != epoch or not names:
            return
        if self._view is not None and self._view[0] == epoch:
            waiting = iter(self._proposers)
            proposer = next(waiting, None)
            for turn in range(max(self._view[1] + 1, view - MAX_GAP), view + 1):
                leader = names[turn % len(names)]
                seen = self._of(leader)
                seen.turns += 1
                if leader == proposer:
                    proposer = next(waiting, None)
                else:
                    seen.missed += 1
        self._view, self._proposers = (epoch, view), []
        for name in names:
            seen = self._of(name)
            seen.blocks += 1
            seen.absent += name not in signers

    def see_peers(self, peers: Sequence[Mapping[str, Any]], height: int, time: int) -> list[Item]:
        """Take the list of peers at this node's height; returns what must be told at once."""
        faults = []
        for row in peers:
            name, is_up, fault = row["name"], row["connected"], row["last_fault"]
            seen, before = self._of(name), self._peers.get(name)
            self._peers[name] = is_up, fault
            if before is not None and before[0] and not is_up:
                seen.downs += 1
            if is_up and row["height"] is not None:
                seen.lag = max(seen.lag, height - row["height"])
            health = Health(name)
            if before is not None and fault != before[1] and fault.startswith(CUT_OFF):
                health = health._replace(invalid=1)
            if self._is_differing(row):
                health = health._replace(mismatched=1)
            if health != Health(name):
                faults.append(Item(height, time, NODE, FAULT, list(health), ""))
        return faults

    def _is_differing(self, row: Mapping[str, Any]) -> bool:
        """Whether a peer calls another block final than this node at the same height, once."""
        ours = self._digests.get(row["height"])
        if ours is None or ours == row["tip"] or self._differing.get(row["name"]) == row["height"]:
            return False
        self._differing[row["name"]] = row["height"]
        return True

    def _of(self, name: str) -> _Seen:
        return self._seen.setdefault(name, _Seen())

    def _due(self, height: int, time: int) -> list[Item]:
        if self._began is None:
            self._began = time
        if time - self._began < HEALTH_MS:
            return []
        reports = [seen.report(name) for name, seen in sorted(self._seen.items())]
        self._seen, self._began = {}, time
        return [
            Item(height, time, NODE, HEALTH, list(report), "")
            for report in reports
            if report.member != self._own
        ]
