"""How much each peer may have this node look up and send: a small question has a large answer."""

from __future__ import annotations

RATE = 16 << 20
"""Bytes a second; catching up takes less than ten megabytes of it."""
MOST = 32 << 20
"""Bytes that may be asked for at once after a rest."""
EACH = 4 << 10
"""What a question costs beside its answer, in bytes."""


class Allowance:
    """One bucket for each peer, filled at `RATE`; the last answer may overdraw it."""

    def __init__(self) -> None:
        self._left: dict[bytes, tuple[int, int]] = {}

    def has_left(self, peer: bytes, now_ms: int) -> bool:
        return self._now(peer, now_ms) > 0

    def spend(self, peer: bytes, size: int, now_ms: int) -> None:
        """A question was answered with `size` bytes."""
        self._left[peer] = (self._now(peer, now_ms) - size - EACH, now_ms)

    def _now(self, peer: bytes, now_ms: int) -> int:
        left, at_ms = self._left.get(peer, (MOST, now_ms))
        return min(MOST, left + (now_ms - at_ms) * RATE // 1_000)
