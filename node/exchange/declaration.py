"""What passes between registrar and subjects, as JSON files: forms, and what is signed on them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from consensus.codec import expect_bytes
from consensus.crypto import HASH_BYTES, PUBLIC_KEY_BYTES, SIGNATURE_BYTES, Kind, Signer, verify
from contracts.starlark.host import statement
from contracts.system.subjects import NAME
from node.exchange.consent import (
    KEY_BYTES,
    Authorisation,
    AuthoriseError,
    Scope,
    authorise,
    inquire,
    read_identity,
    refer,
    withdraw,
)

MAX_FILE_BYTES = 64 << 10
AUTHORISE, WITHDRAW, ASK = "authorise", "withdraw", "ask"


_KINDS = {
    AUTHORISE: (authorise, Scope.text),
    WITHDRAW: (withdraw, Scope.withdrawal),
    ASK: (inquire, Scope.question),
}
"""What signs each kind, and what text of a batch and reference."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a subject needs to sign for a batch: its scope and the key of its references."""

    scope: Scope
    key: bytes

    def to_json(self) -> str:
        scope = {**asdict(self.scope), "chain_id": self.scope.chain_id.hex()}
        return json.dumps({"form": 1, "key": self.key.hex(), "scope": scope}, indent=2) + "\n"

    @classmethod
    def load(cls, path: Path) -> Form:
        row = _load(path, "form")
        try:
            scope = row["scope"]
            texts = [scope[name] for name in ("registrar", "dataset", "recipient", "purpose")]
            numbers = [scope[name] for name in ("batch", "field", "until")]
            if not all(type(t) is str for t in texts) or not all(type(n) is int for n in numbers):
                raise ValueError
            made = Scope(**{**scope, "chain_id": bytes.fromhex(scope["chain_id"])})
            return cls(made, _hex(row["key"], KEY_BYTES))
        except (KeyError, TypeError, ValueError) as error:
            raise AuthoriseError(f"{path} is no form of a registrar") from error


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a subject, or a guardian for one, hands to the registrar. For its eyes only.

    `kind` is authorise, withdraw or ask, `identity` the subject's, `signer` that of who signed;
    `binding` is the signature of the signer's registered key that vouches for the fresh one.
    """

    kind: str
    batch: int
    identity: str
    signer: str
    entry: Authorisation
    binding: bytes

    def to_json(self) -> str:
        entry = {name: value.hex() for name, value in asdict(self.entry).items()}
        row = {"declaration": 1, "kind": self.kind, "batch": self.batch, "identity": self.identity,
               "signer": self.signer, **entry, "binding": self.binding.hex()}  # fmt: skip
        return json.dumps(row, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def load(cls, path: Path) -> Declaration:
        return cls.of(_load(path, "declaration"), str(path))

    @classmethod
    def of(cls, row: Any, source: str = "this") -> Declaration:
        """Take what `to_json` made; `source` is what an error calls it. Raises AuthoriseError."""
        try:
            if row["kind"] not in _KINDS or type(row["batch"]) is not int:
                raise ValueError
            entry = Authorisation(
                _hex(row["reference"], HASH_BYTES),
                _hex(row["key"], PUBLIC_KEY_BYTES),
                _hex(row["signature"], SIGNATURE_BYTES),
            )
            return cls(
                row["kind"], row["batch"], read_identity(row["identity"]),
                read_identity(row["signer"]), entry, _hex(row["binding"], SIGNATURE_BYTES),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise AuthoriseError(f"{source} is no declaration of a subject") from error

    def check(self, form: Form, registered: bytes | None) -> None:
        """Raise AuthoriseError unless it is signed for the form, by the signer's registered key."""
        scope, entry = form.scope, self.entry
        bound = statement(NAME, _binding(self.kind, scope, entry))
        if not verify(registered or b"", Kind.STATEMENT, scope.chain_id, bound, self.binding):
            raise AuthoriseError(f"not signed with the registered key of {self.signer}")
        if entry.reference != refer(form.key, self.identity):
            raise AuthoriseError("the reference is not that of the person")
        signed = statement(NAME, words(self.kind, scope, entry.reference))
        if not verify(entry.key, Kind.STATEMENT, scope.chain_id, signed, entry.signature):
            raise AuthoriseError("the signature is not that of the batch's text")


def words(kind: str, scope: Scope, reference: bytes) -> str:
    """The text that is signed."""
    _, text = _KINDS[kind]
    return text(scope, reference)


def declare(kind: str, form: Form, seed: bytes, identity: str, signer: str) -> Declaration:
    """Sign a declaration with the subject key `seed`, for oneself or as a guardian."""
    make, _ = _KINDS[kind]
    entry = make(form.scope, form.key, seed, identity)
    bound = statement(NAME, _binding(kind, form.scope, entry))
    binding = Signer(seed).sign(Kind.STATEMENT, form.scope.chain_id, bound)
    return Declaration(kind, form.scope.batch, identity, signer, entry, binding)


def _binding(kind: str, scope: Scope, entry: Authorisation) -> str:
    return f"The key {entry.key.hex()} is mine, to {kind} in batch {scope.batch}."


def _load(path: Path, kind: str) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise AuthoriseError(f"{path} is larger than {MAX_FILE_BYTES} bytes")
        row = json.loads(path.read_bytes())
    except OSError as error:
        raise AuthoriseError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise AuthoriseError(f"{path} is not JSON") from error
    if not isinstance(row, dict) or row.get(kind) != 1:
        raise AuthoriseError(f"{path} is no {kind} of this release")
    return row


def _hex(text: Any, length: int) -> bytes:
    return expect_bytes(bytes.fromhex(text), "value", length)
