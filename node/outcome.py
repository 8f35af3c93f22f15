"""What becomes of transactions and blocks, told to whoever listens to a core."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.envelope import Transaction
from node.ledger import Entry


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a transaction is not taken: a stable code and a sentence."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class BlockFinal:
    """A block became final, with its receipts; told to listeners in order of height."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class TransactionDropped:
    """A waiting transaction will never be final."""

    transaction: Transaction
    refusal: Refusal


Outcome = BlockFinal | TransactionDropped
