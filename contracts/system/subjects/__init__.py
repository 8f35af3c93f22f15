"""Subjects: persons and firms whose data it is authorise its use, withdraw, and are notified.

A registrar, neither the dataset's owner nor its recipient, knows the persons; the chain never does.
It holds batches of authorisations as two roots (`batches`), what recipients have to erase after a
withdrawal (`obligations`), and uses by law with the notice that is due for them (`uses`).
"""

from __future__ import annotations

from contracts.api import Context, Contract
from contracts.system.subjects import batches, obligations, uses
from contracts.system.subjects.batches import find_usable, get_batch, is_usable
from contracts.system.subjects.obligations import NAME, get_outstanding
from contracts.system.subjects.uses import find_use

__all__ = [
    "CONTRACT", "NAME", "find_usable", "find_use", "get_batch", "get_outstanding", "is_usable",
]  # fmt: skip


def _on_due(ctx: Context, identity: bytes) -> None:
    """What is due is the end of a batch, or the term of an obligation or a notice."""
    kind, number = identity[:-8], int.from_bytes(identity[-8:], "big")
    if kind == batches.BATCH_DUE:
        batches.forget(ctx, number)
    elif kind == uses.DUE:
        uses.tell_overdue(ctx, number)
    else:
        obligations.tell_overdue(ctx, number)


CONTRACT = Contract(
    NAME,
    methods={**batches.METHODS, **obligations.METHODS, **uses.METHODS},
    queries={**batches.QUERIES, **obligations.QUERIES, **uses.QUERIES},
    on_due=_on_due,
)
