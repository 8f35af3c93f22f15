"""Receipts have one encoding, and their root covers all of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus import merkle
from consensus.codec import DecodeError
from contracts.receipts import MAX_CODE, Event, Receipt, receipts_root

TEXT = st.text("abc-", min_size=1, max_size=10)
DETAILS = st.none() | st.integers(0, 9) | TEXT | st.lists(st.integers(0, 9), max_size=3)
RECEIPTS = st.builds(
    Receipt,
    st.binary(min_size=32, max_size=32),
    st.integers(0, 1 << 20),
    st.integers(0, MAX_CODE),
    DETAILS,
    st.lists(st.builds(Event, TEXT, TEXT, DETAILS), max_size=3).map(tuple),
)


@given(RECEIPTS)
def test_round_trip(receipt: Receipt) -> None:
    assert Receipt.decode(receipt.encoded) == receipt


@given(st.binary(max_size=200))
def test_arbitrary_bytes_decode_or_raise_decode_error(data: bytes) -> None:
    with pytest.raises(DecodeError):
        Receipt.decode(data)


@given(st.lists(RECEIPTS, max_size=5))
def test_root_is_the_merkle_root_of_the_encodings(receipts: list[Receipt]) -> None:
    assert receipts_root(receipts) == merkle.root([receipt.encoded for receipt in receipts])


@given(RECEIPTS)
def test_root_covers_every_part(receipt: Receipt) -> None:
    root = receipts_root([receipt])
    for other in (
        replace(receipt, index=receipt.index + 1),
        replace(receipt, code=receipt.code ^ 1),
        replace(receipt, details="another"),
        replace(receipt, events=(*receipt.events, Event("c", "e", None))),
    ):
        assert receipts_root([other]) != root
