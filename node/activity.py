"""What a final block holds for those who watch: every event with its sender, and what failed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from consensus.block import Header
from consensus.messages import Certificate
from consensus.validators import ValidatorSet
from contracts.envelope import Transaction
from contracts.receipts import Receipt
from node.network import to_json
from node.watch.item import FAILED, LEDGER

MAX_BLOCKS, LARGE = 100, 50
"""Blocks in one answer; a block counts once more for each LARGE transactions in it."""


def describe(
    header: Header,
    transactions: Sequence[Transaction],
    receipts: Sequence[Receipt],
    certificate: Certificate | None,
    validators: ValidatorSet | None,
) -> dict[str, Any]:
    """Return a block's activity: items are [contract, name, data, sender], in order.

    `view` and `signers` are those of its finalization, null where a later one made it final.
    """
    signers = view = None
    if certificate is not None and validators is not None:
        view = certificate.statement.view
        signers = [validators.validators[index].name for index in certificate.signers]
    senders = [""] * (len(receipts) - len(transactions)) + [t.sender for t in transactions]
    items: list[list[Any]] = []
    for receipt, sender in zip(receipts, senders, strict=True):
        if receipt.code:
            items.append([LEDGER, FAILED, [receipt.code], sender])
        for event in receipt.events:
            items.append([event.contract, event.name, to_json(event.data), sender])
    return {
        "height": header.height,
        "digest": header.digest.hex(),
        "time": header.timestamp,
        "epoch": header.epoch,
        "proposer": header.proposer,
        "view": view,
        "signers": signers,
        "items": items,
    }
