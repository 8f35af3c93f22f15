"""What is watched: one thing that happened, on the chain or seen at a node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

NODE = "/node"
"""Stands for the contract of what was seen at a node; no contract's name has a slash."""
LEDGER, FAILED = "/ledger", "failed"
"""Contract and name of a transaction that failed; its data is [code]."""
HEALTH, FAULT = "health", "fault"
"""A report of a node, and one that tells of refused messages or differing roots at once."""
HEALTH_MS = 1_800_000
"""Time that one report of a node's health covers."""


class Item(NamedTuple):
    """Something that happened in the block at `height`, at `time` (ms UTC).

    `contract`, `name` and `data` are those of a contract's event; `sender` is MEMBER/OPERATOR,
    MEMBER alone where its own key signed, and empty for what the chain did by schedule.
    """

    height: int
    time: int
    contract: str
    name: str
    data: Any
    sender: str


def items_of(block: Mapping[str, Any]) -> Iterator[Item]:
    """Yield what happened in a block, as `events.range` tells of it."""
    height, time = block["height"], block["time"]
    for _, sender, code, _, events in block["rows"]:
        if code:
            yield Item(height, time, LEDGER, FAILED, [code], sender)
        for contract, name, data in events:
            yield Item(height, time, contract, name, data, sender)


class Health(NamedTuple):
    """What was seen of a member's node since the last report; the data of `node.health`.

    `missed` of its `turns` to lead brought no block; `absent` of `blocks` were certified without
    its vote. `lag` is how many heights it was behind at most, `drift_ms` how far its blocks' time
    was from the clock here; `downs` counts lost connections, `invalid` messages that were refused,
    `mismatched` roots that differ from the chain's.
    """

    member: str
    turns: int = 0
    missed: int = 0
    blocks: int = 0
    absent: int = 0
    lag: int = 0
    drift_ms: int = 0
    downs: int = 0
    invalid: int = 0
    mismatched: int = 0


class Terms(NamedTuple):
    """What a request or grant is about; `level` is 0 until it is decided."""

    recipient: str
    owner: str
    dataset: str
    level: int
