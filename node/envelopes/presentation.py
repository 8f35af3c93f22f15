"""A licence shown to somebody: chosen fields, proved to be the issuer's, by the holder's hand.

The holder needs the record with its salts and the licence's key, and no node. Whoever it is shown
to gives a nonce, so that a copy serves nobody else and never again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
from consensus.crypto import HASH_BYTES, SIGNATURE_BYTES, Kind, Signer, sha256, verify
from contracts.starlark.host import statement
from node.data.commitment import Field
from node.data.disclosure import disclose, read_disclosed
from node.envelopes.content import (
    MAX_CONTENT_BYTES,
    MAX_KIND_BYTES,
    Content,
    commit,
    read_names,
)
from node.errors import MunimentError

FORMAT = 1
CONTRACT = "e-licence"
NONCE_BYTES = 16
MAX_TO_BYTES = 64
MAX_LICENCE_BYTES = 128


class PresentationError(MunimentError):
    """What is shown does not prove what it claims; the message says why."""

    code = "presentation"


@dataclass(frozen=True, slots=True)
class Presentation:
    """A decoded presentation: `record` is the record's hash, `fields` are those shown."""

    chain_id: bytes
    licence: str
    kind: str
    names: tuple[str, ...]
    record: bytes
    fields: tuple[tuple[str, Field], ...]
    to: str
    nonce: bytes
    until_ms: int
    text: str
    signature: bytes

    @classmethod
    def decode(cls, data: bytes) -> Presentation:
        """Raises DecodeError."""
        row = expect_list(decode(data, max_bytes=2 * MAX_CONTENT_BYTES), "presentation", 10)
        expect_int(row[0], "presentation format", FORMAT, FORMAT)
        names = read_names(row[4])
        record, fields = read_disclosed(row[5], names)
        licence = expect_text(row[2], "licence", MAX_LICENCE_BYTES)
        to = expect_text(row[6], "to", MAX_TO_BYTES)
        nonce = expect_bytes(row[7], "nonce", NONCE_BYTES)
        until_ms = expect_int(row[8], "until")
        return cls(
            expect_bytes(row[1], "chain id", HASH_BYTES),
            licence,
            expect_text(row[3], "kind", MAX_KIND_BYTES),
            names,
            record,
            fields,
            to,
            nonce,
            until_ms,
            _text(licence, row[5], to, nonce, until_ms),
            expect_bytes(row[9], "signature", SIGNATURE_BYTES),
        )

    def check(
        self, chain_id: bytes, holder: bytes, commitment: bytes, to: str, nonce: bytes, now_ms: int
    ) -> None:
        """Check against what the chain says of the licence. Raises PresentationError."""
        if self.chain_id != chain_id:
            raise PresentationError("the licence is of another network")
        if commit(self.kind, self.names, self.record) != commitment:
            raise PresentationError("the fields shown are not those that the issuer has sealed")
        signed = statement(CONTRACT, self.text)
        if not verify(holder, Kind.STATEMENT, chain_id, signed, self.signature):
            raise PresentationError("it is not signed with the key of the licence's holder")
        if self.to != to:
            raise PresentationError(f"it was made for {self.to}, not for {to}")
        if self.nonce != nonce:
            raise PresentationError("it answers another nonce; it may be a copy")
        if now_ms > self.until_ms:
            raise PresentationError("its time is over; ask the holder for a new one")


def present(
    content: Content,
    chain_id: bytes,
    licence: str,
    fields: Sequence[str],
    to: str,
    nonce: bytes,
    until_ms: int,
    signer: Signer,
) -> bytes:
    """Return a presentation of `fields` alone. Raises PresentationError."""
    unknown = [name for name in fields if name not in content.names]
    if unknown:
        known = ", ".join(content.names)
        raise PresentationError(f"there is no field {unknown[0]!r}; the fields are {known}")
    rows = disclose(content.seed, content.names, content.values, fields)
    text = _text(licence, rows, to, nonce, until_ms)
    signature = signer.sign(Kind.STATEMENT, chain_id, statement(CONTRACT, text))
    names: Value = list(content.names)
    data = encode([FORMAT, chain_id, licence, content.kind, names, rows, to, nonce, until_ms,
                   signature])  # fmt: skip
    try:
        Presentation.decode(data)
    except DecodeError as error:
        raise PresentationError(f"it cannot be shown so: {error}") from error
    return data


def _text(licence: str, rows: Value, to: str, nonce: bytes, until_ms: int) -> str:
    shown = sha256(encode(rows)).hex()
    return f"show {shown} of licence {licence} to {to} until {until_ms}, nonce {nonce.hex()}"
