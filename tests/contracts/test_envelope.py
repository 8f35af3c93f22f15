"""Transactions: one encoding, two hashes, total decoding."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consensus.codec import MAX_INT, MIN_INT, DecodeError, decode, encode
from consensus.crypto import Kind, Signer, sha256
from consensus.validators import Parameters
from contracts.envelope import Call, Transaction

PARAMETERS = Parameters()
CHAIN = sha256(b"chain")
SIGNER = Signer(sha256(b"seed"))
KEYS = st.text(st.characters(codec="ascii"), max_size=23)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(MIN_INT, MAX_INT) | st.binary() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
NAMES = st.text("abcz", min_size=1, max_size=8)
CALLS = st.lists(
    st.builds(Call, NAMES, NAMES, st.dictionaries(KEYS, VALUES, max_size=4)),
    min_size=1,
    max_size=4,
)


def create(*calls: Call, **changes: Any) -> Transaction:
    fields = {"nonce": bytes(16), "valid_until": 5, "timestamp": 7, "sender": "land"} | changes
    return Transaction.create(SIGNER, CHAIN, calls=calls, **fields)


def read(raw: bytes) -> Transaction:
    return Transaction.decode(raw, PARAMETERS, CHAIN)


@given(CALLS, st.integers(0, 1 << 40), st.binary(min_size=16, max_size=16))
def test_round_trip(calls: list[Call], number: int, nonce: bytes) -> None:
    made = create(*calls, valid_until=number, timestamp=number, nonce=nonce)
    again = read(made.raw)
    assert again == made
    assert again.calls == tuple(calls) == again.without_calls().calls
    assert again.call_count == len(calls)
    assert again.is_signed(CHAIN)
    assert not again.is_signed(sha256(b"another chain"))


def test_hashes_are_of_the_signed_part_and_of_all_bytes() -> None:
    made = create(Call("c", "m", {"a": 1}))
    signed = encode(["land", SIGNER.public_key, bytes(16), 5, 7, [["c", "m", {"a": 1}]]])
    assert made.raw == encode([decode(signed), made.signature])
    assert made.txid == sha256(Kind.TRANSACTION.to_bytes(1, "big") + CHAIN + signed)
    assert made.wid == sha256(made.raw)


def test_another_signature_changes_wid_and_not_txid() -> None:
    made = create(Call("c", "m", {}))
    other = read(made.raw[:-64] + bytes(64))
    assert other.txid == made.txid
    assert other.wid != made.wid
    assert not other.is_signed(CHAIN)


def test_arguments_are_held_in_canonical_order_whoever_made_them() -> None:
    made = create(Call("c", "m", {"bb": {"z": 1, "a": 2}, "a": 1}))
    assert list(made.calls[0].args) == ["a", "bb"]
    assert list(made.calls[0].args["bb"]) == ["a", "z"]  # type: ignore[arg-type]


@given(st.binary(max_size=400))
@example(b"")
@example(b"\x82")
@example(bytes(66))
def test_arbitrary_bytes_decode_or_raise_decode_error(data: bytes) -> None:
    with pytest.raises(DecodeError):
        read(data)


@given(st.data())
def test_a_flipped_byte_never_passes_for_the_same_transaction(data: st.DataObject) -> None:
    raw = bytearray(create(Call("catalogue", "register", {"rows": 5, "title": "x"})).raw)
    index = data.draw(st.integers(0, len(raw) - 1))
    raw[index] ^= data.draw(st.integers(1, 255))
    try:
        found = read(bytes(raw))
    except DecodeError:
        return
    assert not found.is_signed(CHAIN)


@given(VALUES)
def test_any_other_value_is_refused(value: Any) -> None:
    with pytest.raises(DecodeError):
        read(encode(value))


GOOD: list[Any] = ["land", bytes(32), bytes(16), 5, 7, [["c", "m", {}]]]


@pytest.mark.parametrize(
    ("place", "value", "named"),
    [
        (0, "", "sender"),
        (0, "x" * 66, "sender"),
        (1, bytes(31), "key"),
        (2, bytes(15), "nonce"),
        (3, -1, "valid_until"),
        (4, "now", "timestamp"),
        (5, [], "calls"),
        (5, [["c", "m", {}]] * 101, "calls"),
        (5, [["c", "m"]], "call"),
        (5, [["", "m", {}]], "contract"),
        (5, [["c", 1, {}]], "method"),
        (5, [["c", "m", []]], "args"),
    ],
)
def test_refusal_names_the_field(place: int, value: Any, named: str) -> None:
    signed = [*GOOD[:place], value, *GOOD[place + 1 :]]
    with pytest.raises(DecodeError, match=named):
        read(encode([signed, bytes(64)]))


@pytest.mark.parametrize(
    "value", [[GOOD, bytes(63)], [GOOD], [GOOD[:5], bytes(64)], [GOOD, bytes(64), 1]]
)
def test_shape_is_exact(value: Any) -> None:
    with pytest.raises(DecodeError):
        read(encode(value))


def test_size_is_bounded() -> None:
    made = create(Call("c", "m", {"data": bytes(PARAMETERS.max_transaction_bytes)}))
    with pytest.raises(DecodeError, match="at most"):
        read(made.raw)
