"""Every codec: round trips, and arbitrary bytes give a value or DecodeError."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cbor2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consensus.block import Block, Header
from consensus.codec import DecodeError, decode, encode
from consensus.crypto import Kind, Signer, verify
from consensus.genesis import Card, Genesis
from consensus.journal import JournalError, encode_batch, scan
from consensus.messages import Certificate, decode_message
from consensus.validators import Parameters, ValidatorSet
from contracts.envelope import Transaction
from contracts.receipts import Receipt
from node.snapshot import Manifest
from p2p import wire

_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.binary(max_size=40)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text("abcXYZ09_", max_size=23), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(_VALUES)
def test_values_round_trip(value: object) -> None:
    assert decode(encode(value)) == value


@given(st.binary(max_size=200))
@example(b"\x9b\x00\x00\x00\x00\xff\xff\xff\xff")
@example(b"\x81" * 100_000)
@example(b"\xf9\x00\x00")
@example(b"\x18\x01")
@example(b"\x5f\x41\x00\xff")
@example(b"\xa2\x61b\x01\x61a\x02")
@example(b"\xa2\x61a\x01\x61a\x02")
@example(b"\xc2\x41\x01")
@example(b"\xf7")
def test_arbitrary_bytes_decode_canonically_or_not_at_all(data: bytes) -> None:
    try:
        value = decode(data)
    except DecodeError:
        return
    assert encode(value) == data


@given(_VALUES)
def test_other_encodings_of_a_value_are_refused(value: object) -> None:
    for wrapped in (cbor2.dumps(1.5), cbor2.dumps(cbor2.CBORTag(99, 1)), encode(value) + b"\x00"):
        with pytest.raises(DecodeError):
            decode(wrapped)


_DECODERS: list[Callable[[bytes], object]] = [
    Block.decode,
    Genesis.decode,
    decode_message,
    lambda data: Header.from_value(decode(data)),
    lambda data: Certificate.from_value(decode(data)),
    lambda data: Card.from_value(decode(data)),
    lambda data: ValidatorSet.from_value(decode(data)),
    lambda data: Receipt.from_value(decode(data)),
    lambda data: Transaction.decode(data, Parameters(), bytes(32)),
    wire.Status.decode,
    wire.decode_hashes,
    wire.decode_transactions,
    wire.FullBlock.decode,
    wire.Blocks.decode,
    wire.BlockRequest.decode,
    wire.RangeRequest.decode,
    wire.Range.decode,
    wire.StepsRequest.decode,
    wire.Steps.decode,
    wire.SnapshotRequest.decode,
    wire.SnapshotOffer.decode,
    wire.ChunkRequest.decode,
    wire.Chunks.decode,
    Manifest.decode,
]


@pytest.mark.parametrize("decoder", _DECODERS)
@given(data=st.binary(max_size=120) | _VALUES.map(encode))
def test_decoders_are_total(decoder: Callable[[bytes], object], data: bytes) -> None:
    try:
        decoder(data)
    except DecodeError:
        return


@given(st.lists(st.binary(max_size=9_000), max_size=5), st.data())
def test_journal_survives_one_bad_copy_and_a_torn_end(
    payloads: list[bytes], data: st.DataObject
) -> None:
    content = b"".join(encode_batch(i, payload) for i, payload in enumerate(payloads))
    assert scan(content).payloads == tuple(payloads)
    cut = content[: data.draw(st.integers(0, len(content)))]
    found = scan(cut)
    assert found.payloads == tuple(payloads[: len(found.payloads)])
    if payloads:
        position = data.draw(st.integers(0, len(content) - 1))
        flipped = bytearray(content)
        flipped[position] ^= 0xFF
        repaired = scan(bytes(flipped))
        assert repaired.payloads == tuple(payloads)
        for offset, fix in repaired.repairs:
            flipped[offset : offset + len(fix)] = fix
        assert bytes(flipped) == content


def test_damage_in_the_middle_of_a_journal_is_not_passed_over() -> None:
    first, second = encode_batch(0, b"a"), encode_batch(1, b"b")
    with pytest.raises(JournalError):
        scan(bytes(len(first)) + second)


def test_ed25519_edge_cases_follow_libsodium() -> None:
    cases = json.loads((Path(__file__).parent / "ed25519-edge-cases.json").read_text())
    # Of the twelve only 3 (mixed order A and R) and 4, which fails cofactorless, are arguable;
    # libsodium accepts number 3 alone: it refuses small order and non-canonical encodings.
    from nacl.bindings import crypto_sign_open
    from nacl.exceptions import CryptoError

    accepted = []
    for number, case in enumerate(cases):
        signature, message, key = (
            bytes.fromhex(case[name]) for name in ("signature", "message", "pub_key")
        )
        try:
            crypto_sign_open(signature + message, key)
            accepted.append(number)
        except CryptoError:
            continue
    assert accepted == [3]


@given(st.binary(max_size=100), st.binary(max_size=100), st.binary(max_size=100))
def test_verify_is_total(key: bytes, data: bytes, signature: bytes) -> None:
    assert not verify(key, Kind.NOTARIZE, bytes(32), data, signature)


def test_a_signature_is_bound_to_kind_and_chain() -> None:
    signer = Signer(bytes(32))
    signature = signer.sign(Kind.FINALIZE, bytes(32), b"x")
    assert verify(signer.public_key, Kind.FINALIZE, bytes(32), b"x", signature)
    assert not verify(signer.public_key, Kind.NOTARIZE, bytes(32), b"x", signature)
    assert not verify(signer.public_key, Kind.FINALIZE, b"\1" * 32, b"x", signature)
