"""A delivery whose mark may be in a copy: its key, and what was marked. Needs no heavy library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from hmac import digest

from consensus.codec import Value, expect_bytes, expect_int, expect_list, expect_text
from contracts.masks import Use, parse

KEY_BYTES = 32
MAX_COLUMNS = 1_024
Plan = Sequence[tuple[str, Use]]


def mark_key(master: bytes, chain_id: bytes, delivery: int) -> bytes:
    """Return the key of a delivery's mark, from the 32-byte key of the owner's vault."""
    return digest(master, f"muniment mark {chain_id.hex()} {delivery}".encode() + b"\x01", "sha256")


def mark_id(key: bytes) -> bytes:
    """Return what stands on the chain for a mark: it binds the key and tells nothing of it."""
    return sha256(b"muniment mark" + key).digest()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A delivery whose mark is looked for."""

    delivery: int
    key: bytes
    plan: Plan

    def to_value(self) -> Value:
        return [self.delivery, self.key, [[column, use.to_value()] for column, use in self.plan]]

    @classmethod
    def of(cls, value: Value) -> Candidate:
        """Read what `to_value` made. Raises DecodeError."""
        row = expect_list(value, "candidate", 3)
        plan = []
        for each in expect_list(row[2], "plan", max_length=MAX_COLUMNS):
            column, use = expect_list(each, "column", 2)
            plan.append((expect_text(column, "column", 1_024), parse(use, "mask")))
        key = expect_bytes(row[1], "key", KEY_BYTES)
        return cls(expect_int(row[0], "delivery"), key, tuple(plan))
