"""What subjects consent to: what they sign, how it is committed, and how it travels to the owner.

Pure functions and values; docs/subjects.md has the formats and the reasons.
"""

from __future__ import annotations

import base64
import hmac
import unicodedata
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from consensus import merkle
from consensus.codec import (
    DecodeError,
    Value,
    encode,
    expect_bytes,
    expect_list,
    expect_text,
)
from consensus.crypto import (
    HASH_BYTES,
    PUBLIC_KEY_BYTES,
    SEED_BYTES,
    SIGNATURE_BYTES,
    Kind,
    Signer,
    verify,
)
from contracts.starlark.host import statement
from contracts.system.subjects import NAME
from contracts.system.subjects.batches import MIN_COUNT, text_of, withdrawal_of
from node.envelopes.content import Content
from node.errors import MunimentError

FORMAT = 1
KEY_BYTES = 32
SALT_BYTES = 16
PART_ENTRIES = 1_000
"""Authorisations in one envelope; 180 bytes each, and an envelope's content has 192 KiB."""
MAX_IDENTITY_BYTES = 256
ENTRIES_KIND, STATES_KIND = "authorisations", "authorisation-states"


class AuthoriseError(MunimentError):
    """An authorisation or batch that does not hold; the message says why."""

    code = "authorise"


@dataclass(frozen=True, slots=True)
class Scope:
    """A batch as it was opened on chain; `until` in ms UTC, `field` a place in the standard."""

    chain_id: bytes
    batch: int
    registrar: str
    dataset: str
    recipient: str
    purpose: str
    field: int
    until: int

    @classmethod
    def of(cls, chain_id: bytes, row: dict[str, Any]) -> Scope:
        """Take what `subjects.batch` answers."""
        names = ("id", "registrar", "dataset", "recipient", "purpose", "field", "until")
        return cls(chain_id, *(row[name] for name in names))

    @property
    def owner(self) -> str:
        return self.dataset.partition("/")[0]

    def text(self, reference: bytes) -> str:
        """What a subject signs to authorise."""
        return text_of(self._row(), reference)

    def withdrawal(self, reference: bytes) -> str:
        """What a subject signs to withdraw."""
        return withdrawal_of(self._row(), reference)

    def question(self, reference: bytes) -> str:
        """What a subject signs to ask who had the record."""
        return (
            f"Batch {self.batch} of {self.registrar}: who asked for, had and was refused the "
            f"record in {self.dataset} with the reference {reference.hex()}?"
        )

    def _row(self) -> dict[str, Any]:
        return {
            "id": self.batch, "registrar": self.registrar, "dataset": self.dataset,
            "recipient": self.recipient, "purpose": self.purpose, "until": self.until,
        }  # fmt: skip


# The subject's side


def normalise(identity: str) -> str:
    """Return an identity as it is compared: NFKC, without white space and hyphens, in capitals."""
    kept = (c for c in unicodedata.normalize("NFKC", identity) if not c.isspace() and c != "-")
    return "".join(kept).upper()


def read_identity(value: Value) -> str:
    """Return an identity that was handed in. Raises DecodeError."""
    found = expect_text(value, "identity", MAX_IDENTITY_BYTES)
    if not normalise(found):
        raise DecodeError("identity must hold letters or digits")
    return found


def refer(key: bytes, identity: str) -> bytes:
    """Return what stands for an identity in the batch whose key is `key`, 32 bytes."""
    data = b"muniment subject 1" + normalise(identity).encode()
    return hmac.digest(key, data, "sha256")


def signer_for(seed: bytes, scope: Scope, reference: bytes) -> Signer:
    """Return the key that signs this one authorisation, derived from a subject's `seed`.

    HKDF-SHA256 (RFC 5869): keys of two authorisations have nothing in common for whoever lacks the
    seed, and the holder can make each of them again to withdraw.
    """
    info = encode(["muniment authorisation 1", scope.chain_id, scope.batch, reference])
    return Signer(HKDF(SHA256(), SEED_BYTES, salt=None, info=info).derive(seed))


@dataclass(frozen=True, slots=True)
class Authorisation:
    """A leaf of a batch: whose record, and the key and signature that authorise its use."""

    reference: bytes
    key: bytes
    signature: bytes

    def is_valid(self, scope: Scope) -> bool:
        """Whether the key has signed the text of this very batch and reference."""
        signed = statement(NAME, scope.text(self.reference))
        return verify(self.key, Kind.STATEMENT, scope.chain_id, signed, self.signature)

    def to_value(self) -> Value:
        return [self.reference, self.key, self.signature]

    @classmethod
    def from_value(cls, value: Value) -> Authorisation:
        reference, key, signature = expect_list(value, "authorisation", 3)
        return cls(
            expect_bytes(reference, "reference", HASH_BYTES),
            expect_bytes(key, "key", PUBLIC_KEY_BYTES),
            expect_bytes(signature, "signature", SIGNATURE_BYTES),
        )

    @property
    def leaf(self) -> bytes:
        return merkle.leaf_hash(encode(self.to_value()))


def authorise(scope: Scope, key: bytes, seed: bytes, identity: str) -> Authorisation:
    """Sign for the record of `identity` with a fresh key."""
    return _sign(scope, key, seed, identity, scope.text)


def withdraw(scope: Scope, key: bytes, seed: bytes, identity: str) -> Authorisation:
    """Sign the withdrawal of what `authorise` has signed."""
    return _sign(scope, key, seed, identity, scope.withdrawal)


def inquire(scope: Scope, key: bytes, seed: bytes, identity: str) -> Authorisation:
    """Sign the question who had the record."""
    return _sign(scope, key, seed, identity, scope.question)


def _sign(
    scope: Scope, key: bytes, seed: bytes, identity: str, text: Callable[[bytes], str]
) -> Authorisation:
    reference = refer(key, identity)
    signer = signer_for(seed, scope, reference)
    signature = signer.sign(Kind.STATEMENT, scope.chain_id, statement(NAME, text(reference)))
    return Authorisation(reference, signer.public_key, signature)


# Trees


def count_of(entries: int) -> int:
    """Return how many places a batch of `entries` has: a power of two from MIN_COUNT on."""
    return max(MIN_COUNT, 1 << (entries - 1).bit_length())


def leaves_of(entries: Sequence[Authorisation], seed: bytes) -> list[bytes]:
    """Return the hashes of a batch's leaves: its entries, then random ones up to the count."""
    places = range(len(entries), count_of(len(entries)))
    padding = (merkle.leaf_hash(derived(seed, place)) for place in places)
    return [*(entry.leaf for entry in entries), *padding]


def states_of(count: int, seed: bytes, withdrawn: Set[int]) -> list[bytes]:
    """Return the hashes of the tree that says of each place whether it is withdrawn."""
    return [
        state_leaf(place, derived(seed, place)[:SALT_BYTES], place in withdrawn)
        for place in range(count)
    ]


def state_leaf(place: int, salt: bytes, is_withdrawn: bool) -> bytes:
    return merkle.leaf_hash(encode([place, salt, is_withdrawn]))


def derived(seed: bytes, place: int) -> bytes:
    return hmac.digest(seed, place.to_bytes(4, "big"), "sha256")


# What travels in envelopes


def entry_records(
    scope: Scope, key: bytes, seed: bytes, entries: Sequence[Authorisation]
) -> list[Content]:
    """Return a batch's authorisations as the records that are sealed to the owner."""
    starts = range(0, max(1, len(entries)), PART_ENTRIES)
    return [
        Content.create(
            ENTRIES_KIND,
            {
                "batch": str(scope.batch),
                "part": f"{number} of {len(starts)}",
                "key": key.hex(),
                "seed": seed.hex(),
                "entries": base64.b64encode(
                    encode([entry.to_value() for entry in entries[start : start + PART_ENTRIES]])
                ).decode("ascii"),
            },
        )
        for number, start in enumerate(starts, 1)
    ]


def state_record(scope: Scope, revision: int, seed: bytes, withdrawn: Iterable[int]) -> Content:
    """Return a batch's states as the record that is sealed to the owner."""
    places = base64.b64encode(encode(sorted(withdrawn))).decode("ascii")
    fields = {"batch": str(scope.batch), "revision": str(revision), "seed": seed.hex(),
              "withdrawn": places}  # fmt: skip
    return Content.create(STATES_KIND, fields)


def read_fields(content: Content, kind: str, batch: int) -> dict[str, str]:
    """Return the fields of a record of `kind` about a batch. Raises AuthoriseError."""
    found = {name: value or "" for name, value in zip(content.names, content.values, strict=True)}
    if content.kind != kind or found.get("batch") != str(batch):
        raise AuthoriseError(f"an envelope of batch {batch} holds another record")
    return found
