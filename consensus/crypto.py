"""SHA-256 and Ed25519 (RFC 8032) under libsodium's acceptance rule.

Libraries disagree on which odd signatures are valid ("Taming the many EdDSAs", Chalkias and
others, 2020). A ledger needs one rule on every path, so libsodium alone verifies: it refuses
small-order keys and points and non-canonical encodings.
"""

from __future__ import annotations

import hashlib
from enum import IntEnum

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import CryptoError

HASH_BYTES = 32
PUBLIC_KEY_BYTES = 32
SEED_BYTES = 32
SIGNATURE_BYTES = 64
NO_CHAIN = bytes(HASH_BYTES)
"""Stands for the chain id in what is signed before a chain exists (cards, genesis)."""


class Kind(IntEnum):
    """First byte of everything signed: a signature of one kind is never valid as another."""

    NOTARIZE = 1
    NULLIFY = 2
    FINALIZE = 3
    TRANSACTION = 4
    POSSESSION = 5
    GENESIS = 6
    VIEW_REPORT = 7
    STATEMENT = 16
    DELIVERY = 17
    QUESTION = 18


def sha256(data: bytes) -> bytes:
    """Return the SHA-256 digest (FIPS 180-4), 32 bytes."""
    return hashlib.sha256(data).digest()


class Signer:
    """An Ed25519 key pair from its 32-byte seed. Signing is deterministic (RFC 8032)."""

    __slots__ = ("_secret", "public_key")

    def __init__(self, seed: bytes) -> None:
        self.public_key, self._secret = crypto_sign_seed_keypair(seed)

    def sign(self, kind: Kind, chain_id: bytes, data: bytes) -> bytes:
        """Return the 64-byte signature of `data` as `kind` on `chain_id`."""
        return crypto_sign(_signed(kind, chain_id, data), self._secret)[:SIGNATURE_BYTES]


def verify(public_key: bytes, kind: Kind, chain_id: bytes, data: bytes, signature: bytes) -> bool:
    """Tell whether `signature` is valid; total over byte strings of any length."""
    if len(public_key) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        crypto_sign_open(signature + _signed(kind, chain_id, data), public_key)
    except CryptoError:
        return False
    return True


def _signed(kind: Kind, chain_id: bytes, data: bytes) -> bytes:
    return kind.to_bytes(1, "big") + chain_id + data
