"""What a final block holds for those who watch and trace: what happened, by whom, and who signed.

A row [txid, sender, code, calls, events] stands for each transaction, and before them, with a txid
of zeros and no sender, for the work that was due in the block; events are [contract, name, data].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from consensus.block import Header
from consensus.messages import Certificate
from consensus.validators import ValidatorSet
from contracts.envelope import Transaction
from contracts.receipts import Receipt
from node.network import to_json

MAX_BLOCKS, MAX_ROWS = 1_000, 400
"""Blocks looked at, and rows told of, in one answer of `events.range`, so that it takes ms."""


def describe(
    header: Header,
    transactions: Sequence[Transaction],
    receipts: Sequence[Receipt],
    certificate: Certificate | None,
    validators: ValidatorSet | None,
) -> dict[str, Any]:
    """Return a block's activity.

    `view` and `signers` are those of its finalization, null where a later one made it final.
    """
    signers = view = None
    if certificate is not None and validators is not None:
        view = certificate.statement.view
        signers = [validators.validators[index].name for index in certificate.signers]
    work = len(receipts) - len(transactions)
    rows: list[list[Any]] = []
    for place, receipt in enumerate(receipts):
        sender, calls = "", list[str]()
        if place >= work:
            sender = transactions[place - work].sender
            calls = [f"{call.contract}.{call.method}" for call in transactions[place - work].calls]
        events = [[e.contract, e.name, to_json(e.data)] for e in receipt.events]
        rows.append([receipt.txid.hex(), sender, receipt.code, calls, events])
    return {
        "height": header.height,
        "digest": header.digest.hex(),
        "time": header.timestamp,
        "epoch": header.epoch,
        "proposer": header.proposer,
        "view": view,
        "signers": signers,
        "rows": rows,
    }


def size_of(block: Mapping[str, Any]) -> int:
    """How many rows a block's activity counts for."""
    return 1 + sum(1 + len(events) for *_, events in block["rows"])
