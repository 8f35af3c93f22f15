"""The envelope: a record encrypted once, its key wrapped for each party.

Suite: an ephemeral X25519 key (RFC 7748) and each party's sealing key in Montgomery form give, by
HKDF-SHA256 (RFC 5869), a key that wraps the content's key with AES-256-GCM; all but the ciphertexts
is authenticated with each. Every derived key encrypts once, so nonces are zero. AES-GCM does not
commit to its key; the commitment inside the envelope, checked on opening, does.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nacl.bindings import (
    crypto_sign_ed25519_pk_to_curve25519,
    crypto_sign_ed25519_sk_to_curve25519,
    crypto_sign_seed_keypair,
)

from consensus.codec import (
    DecodeError,
    Value,
    decode,
    encode,
    expect_bytes,
    expect_int,
    expect_list,
    expect_text,
)
from consensus.crypto import HASH_BYTES, PUBLIC_KEY_BYTES, sha256
from consensus.genesis import expect_name
from contracts.system.envelopes import MAX_PARTIES
from node.errors import MunimentError

FORMAT = 1
SUITE = "x25519-hkdf-sha256-aes256gcm-1"
KEY_BYTES = 32
TAG_BYTES = 16
MAX_ENVELOPE_BYTES = 256 << 10
_NONCE = bytes(12)


class EnvelopeError(MunimentError):
    """An envelope that cannot be sealed or opened; the message says why."""

    code = "envelope"


@dataclass(frozen=True, slots=True)
class Slot:
    """A party, the Ed25519 sealing key it had, and the content's key wrapped for it, 48 bytes."""

    name: str
    key: bytes
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A sealed record. `slots` are sorted by name; `body` is the encrypted content."""

    sender: str
    commitment: bytes
    ephemeral: bytes
    slots: tuple[Slot, ...]
    body: bytes

    @property
    def parties(self) -> list[str]:
        return [slot.name for slot in self.slots]

    def header(self) -> bytes:
        """All but the ciphertexts, as each of them authenticates it."""
        parties: Value = [[slot.name, slot.key] for slot in self.slots]
        return encode([FORMAT, SUITE, self.sender, self.commitment, self.ephemeral,
                       parties])  # fmt: skip

    def encode(self) -> bytes:
        slots: Value = [[slot.name, slot.key, slot.wrapped] for slot in self.slots]
        return encode([FORMAT, SUITE, self.sender, self.commitment, self.ephemeral,
                       slots, self.body])  # fmt: skip

    @classmethod
    def decode(cls, data: bytes) -> Envelope:
        """Raises DecodeError."""
        row = expect_list(decode(data, max_bytes=MAX_ENVELOPE_BYTES), "envelope", 7)
        expect_int(row[0], "envelope format", FORMAT, FORMAT)
        if expect_text(row[1], "suite", 64) != SUITE:
            raise DecodeError("envelope of an unknown suite")
        slots: list[Slot] = []
        for item in expect_list(row[5], "parties", max_length=MAX_PARTIES):
            name, key, wrapped = expect_list(item, "party", 3)
            slots.append(
                Slot(
                    expect_name(name, "party"),
                    expect_bytes(key, "sealing key", PUBLIC_KEY_BYTES),
                    expect_bytes(wrapped, "wrapped key", KEY_BYTES + TAG_BYTES),
                )
            )
        found = cls(
            expect_name(row[2], "sender"),
            expect_bytes(row[3], "commitment", HASH_BYTES),
            expect_bytes(row[4], "ephemeral key", KEY_BYTES),
            tuple(slots),
            expect_bytes(row[6], "body"),
        )
        if not slots or found.parties != sorted(set(found.parties)):
            raise DecodeError("an envelope's parties must be distinct and sorted by name")
        return found


def id_of(data: bytes) -> bytes:
    """Return the id of an encoded envelope, 32 bytes."""
    return sha256(data)


def seal(content: bytes, commitment: bytes, sender: str, parties: Mapping[str, bytes]) -> Envelope:
    """Seal `content` to members, given by name with their sealing keys. Raises EnvelopeError."""
    ephemeral = X25519PrivateKey.generate()
    content_key = os.urandom(KEY_BYTES)
    envelope = Envelope(
        sender,
        commitment,
        ephemeral.public_key().public_bytes_raw(),
        tuple(Slot(name, parties[name], b"") for name in sorted(parties)),
        b"",
    )
    header = envelope.header()
    slots: list[Slot] = []
    for slot in envelope.slots:
        try:
            public = crypto_sign_ed25519_pk_to_curve25519(slot.key)
            shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(public))
        except Exception as error:
            raise EnvelopeError(f"the sealing key of {slot.name} is no valid key") from error
        wrapped = AESGCM(_wrapping_key(shared, slot)).encrypt(_NONCE, content_key, header)
        slots.append(replace(slot, wrapped=wrapped))
    body = AESGCM(content_key).encrypt(_NONCE, content, header)
    made = replace(envelope, slots=tuple(slots), body=body)
    if len(made.encode()) > MAX_ENVELOPE_BYTES:
        raise EnvelopeError(f"an envelope has at most {MAX_ENVELOPE_BYTES} bytes")
    return made


def open_sealed(envelope: Envelope, name: str, seed: bytes) -> bytes:
    """Return the content for the party `name`, whose sealing key has `seed`.

    The caller checks the content against the commitment. Raises EnvelopeError.
    """
    public, secret = crypto_sign_seed_keypair(seed)
    slot = next((slot for slot in envelope.slots if slot.name == name), None)
    if slot is None:
        raise EnvelopeError(f"the envelope is not sealed to {name}")
    if slot.key != public:
        raise EnvelopeError(
            f"the envelope is sealed to the key {slot.key.hex()[:16]} of {name}, "
            f"and this home's is {public.hex()[:16]}"
        )
    private = X25519PrivateKey.from_private_bytes(crypto_sign_ed25519_sk_to_curve25519(secret))
    header = envelope.header()
    try:
        shared = private.exchange(X25519PublicKey.from_public_bytes(envelope.ephemeral))
        key = AESGCM(_wrapping_key(shared, slot)).decrypt(_NONCE, slot.wrapped, header)
        return AESGCM(key).decrypt(_NONCE, envelope.body, header)
    except (InvalidTag, ValueError) as error:
        raise EnvelopeError("the envelope is damaged, or was not sealed with its key") from error


def _wrapping_key(shared: bytes, slot: Slot) -> bytes:
    info = encode([SUITE, slot.name, slot.key])
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(shared)
