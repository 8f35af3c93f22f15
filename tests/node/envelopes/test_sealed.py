"""Envelopes: what parties read, what nobody else does, and that no byte can be changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.codec import DecodeError
from consensus.crypto import Signer, sha256
from node.envelopes.content import Content, ContentError
from node.envelopes.sealed import Envelope, EnvelopeError, id_of, open_sealed, seal

SEEDS = {name: sha256(f"seed of {name}".encode()) for name in ("audit", "land", "tax")}
KEYS = {name: Signer(seed).public_key for name, seed in SEEDS.items()}
FIELDS = {"number": "007", "buyer": "华为", "note": None}


def sealed(content: Content, *names: str) -> Envelope:
    parties = {name: KEYS[name] for name in names}
    return seal(content.encode(), content.commitment, "land", parties)


@pytest.fixture
def content() -> Content:
    return Content.create("invoice", FIELDS)


def test_each_party_reads_the_record_and_nobody_else(content: Content) -> None:
    envelope = Envelope.decode(sealed(content, "tax", "land").encode())
    assert envelope.parties == ["land", "tax"]
    for name in ("land", "tax"):
        assert Content.decode(open_sealed(envelope, name, SEEDS[name])) == content
    with pytest.raises(EnvelopeError, match="not sealed to audit"):
        open_sealed(envelope, "audit", SEEDS["audit"])
    with pytest.raises(EnvelopeError, match="and this home's is"):
        open_sealed(envelope, "tax", SEEDS["audit"])


def test_bytes_do_not_show_the_record_and_differ_each_time(content: Content) -> None:
    first, second = sealed(content, "tax").encode(), sealed(content, "tax").encode()
    assert id_of(first) != id_of(second)
    for text in ("007", "buyer", "华为", "invoice"):
        assert text.encode() not in first


def test_any_changed_byte_is_refused(content: Content) -> None:
    data = sealed(content, "tax").encode()
    for place in range(len(data)):
        changed = data[:place] + bytes((data[place] ^ 1,)) + data[place + 1 :]
        with pytest.raises((DecodeError, EnvelopeError)):
            # Sender and commitment are authenticated with every ciphertext.
            open_sealed(Envelope.decode(changed), "tax", SEEDS["tax"])


def test_a_wrapped_key_of_another_envelope_opens_nothing(content: Content) -> None:
    first, second = sealed(content, "tax"), sealed(content, "tax")
    with pytest.raises(EnvelopeError, match="damaged"):
        open_sealed(replace(first, slots=second.slots), "tax", SEEDS["tax"])


def test_a_key_that_is_none_is_refused(content: Content) -> None:
    for key in (bytes(32), b"\x01" + bytes(31)):
        with pytest.raises(EnvelopeError, match="sealing key of tax"):
            seal(content.encode(), bytes(32), "land", {"tax": key})


def test_the_commitment_is_of_the_record_alone(content: Content) -> None:
    assert sealed(content, "tax").commitment == sealed(content, "audit", "land").commitment
    assert Content.create("invoice", FIELDS).commitment != content.commitment
    for changed in (
        replace(content, kind="bill"),
        replace(content, values=("7", "华为", None)),
        replace(content, values=("007", "华为", "")),
        replace(content, names=("number", "seller", "note")),
    ):
        assert changed.commitment != content.commitment


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "there must be fields"),
        ({"amount": 7}, "field amount: must be text or null; write numbers as text"),
        ({"a": "x" * 200_000}, "cannot be sealed"),
        ({f"f{i}": "" for i in range(257)}, "cannot be sealed"),
    ],
)
def test_what_is_no_record_is_refused(fields: dict[str, object], problem: str) -> None:
    with pytest.raises(ContentError, match=problem):
        Content.create("invoice", fields)
