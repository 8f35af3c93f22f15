"""A chain that stands still cannot be told so by a transaction: each node tells its own people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STALE_MS = 30_000
"""An idle chain makes a block in each idle interval; so much later without one, it stands still."""


def stands_still(idle_ms: int, age_ms: int) -> bool:
    """Whether blocks are overdue, the last one having become final here `age_ms` ago."""
    return age_ms > idle_ms + STALE_MS


def sentence(status: Mapping[str, Any]) -> str | None:
    """Say why nothing becomes final and what to do, from a node's status; None while it does."""
    if not status["standing_still"]:
        return None
    waiting = status["mempool"]["count"]
    since = (
        f"Nothing has become final for {status['age_ms'] // 1_000} s, {waiting} transactions wait"
    )
    if status["state"] == "no quorum":
        return f"{since}: too few validators are connected (muniment peers)."
    return f"{since}: see the logs of the validators whose turns are skipped (muniment peers)."
