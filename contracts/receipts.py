"""Receipts: what became of each transaction, in integers and ASCII only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from consensus import merkle
from consensus.codec import (
    Value,
    decode,
    encode,
    expect_bytes,
    expect_int,
    expect_list,
    expect_text,
)
from consensus.crypto import HASH_BYTES

MAX_EVENTS = 1_024
MAX_CODE = 1 << 16


class Event(NamedTuple):
    """Something a contract announced: its name, the event's name, and data."""

    contract: str
    name: str
    data: Value


@dataclass(frozen=True)
class Receipt:
    """Outcome of a transaction; code 0 is success. `index` is the receipt's place in its block.

    Work done at the start of a block has a receipt of its own before the others, with a txid of
    zeros, if it announced anything.
    """

    txid: bytes
    index: int
    code: int
    details: Value
    events: tuple[Event, ...]

    @cached_property
    def encoded(self) -> bytes:
        return encode(self.to_value())

    def to_value(self) -> Value:
        events: Value = [[event.contract, event.name, event.data] for event in self.events]
        return [self.txid, self.index, self.code, self.details, events]

    @classmethod
    def from_value(cls, value: Value) -> Receipt:
        txid, index, code, details, events = expect_list(value, "receipt", 5)
        return cls(
            expect_bytes(txid, "txid", HASH_BYTES),
            expect_int(index, "index"),
            expect_int(code, "code", 0, MAX_CODE),
            details,
            tuple(_event(row) for row in expect_list(events, "events", max_length=MAX_EVENTS)),
        )

    @classmethod
    def decode(cls, data: bytes) -> Receipt:
        return cls.from_value(decode(data))


def _event(value: Value) -> Event:
    contract, name, data = expect_list(value, "event", 3)
    return Event(expect_text(contract, "contract", 64), expect_text(name, "event name", 64), data)


def of_transactions(receipts: Sequence[Receipt], count: int) -> Sequence[Receipt]:
    """Return the receipts of a block's `count` transactions, without that of scheduled work."""
    return receipts[len(receipts) - count :]


def receipts_root(receipts: Sequence[Receipt]) -> bytes:
    """Return the RFC 9162 root over the encoded receipts in order."""
    return merkle.root([receipt.encoded for receipt in receipts])
