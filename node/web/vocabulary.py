"""Words of the ledger that pages translate as they come; each stands in the catalogues too."""

from __future__ import annotations

WORDS: tuple[str, ...] = (
    # states of a node
    "in sync", "catching up", "recovering", "no quorum", "no source", "stalled",
    # duties
    "admin", "approver", "auditor", "dispatcher", "steward",
    # states of requests and grants
    "open", "in review", "escalated", "granted", "denied", "withdrawn", "paused", "revoked",
    "ended",
    # states of transactions
    "pending", "unknown", "expired",
)  # fmt: skip
