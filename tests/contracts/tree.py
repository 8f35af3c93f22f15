"""A chain whose members stand in three tiers, with envelopes, and with time that passes."""

from __future__ import annotations

from itertools import count
from typing import Any

from consensus.codec import encode
from contracts.codes import Code
from tests.contracts.conftest import Chain


class Tree(Chain):
    """land (central, supervisor) over tax (provincial) over city and town (local); sea is apart."""

    def __init__(self) -> None:
        super().__init__(("sea", "town"))
        self._numbers = count(1)
        self.change("land", tier="central", parent=None, roles=["supervisor", "validator"])
        self.change("tax", tier="provincial", parent="land")
        self.change("city", tier="local", parent="tax")
        self.change("town", tier="local", parent="tax")

    def change(self, name: str, **changes: Any) -> None:
        record = self.ask("members", "get", name=name)
        self.state.values[b"members/member/" + name.encode()] = encode(record | changes)

    def seal(self, sender: str, *to: str) -> bytes:
        """Anchor an envelope; its body is no matter of the contract."""
        envelope = next(self._numbers).to_bytes(32, "big")
        parties = sorted({sender, "land", *to})
        args = {"id": envelope, "commitment": bytes(32), "parties": parties}
        assert self.run(sender, "envelopes", "anchor", args).code == Code.OK
        return envelope

    def pass_time(self, ms: int) -> Any:
        """Let time pass, and execute a block; returns what it did by itself, or None."""
        self.late_ms += ms
        receipts = self.execute().receipts
        return receipts[0].events if receipts else None

    @property
    def now(self) -> int:
        return self.context().timestamp
