"""Custody: members keep data for others, and show when asked that they still have it."""

from __future__ import annotations

from contracts.api import Context, Contract
from contracts.system.custodians import NAME
from contracts.system.custody import agreements, challenges
from contracts.system.custody.challenges import is_delegate

__all__ = ["CONTRACT", "NAME", "is_delegate"]


def _on_due(ctx: Context, identity: bytes) -> None:
    """What is due is an agreement's end, an erasure after it, or an answer."""
    kind, number = identity[:-8], int.from_bytes(identity[-8:], "big")
    if kind == agreements.UNTIL_DUE:
        agreements.expire(ctx, number)
    elif kind == agreements.ERASE_DUE:
        agreements.tell_overdue(ctx, number)
    else:
        challenges.tell_silence(ctx, number)


CONTRACT = Contract(
    NAME,
    methods={**agreements.METHODS, **challenges.METHODS},
    queries={**agreements.QUERIES, **challenges.QUERIES},
    on_due=_on_due,
)
