"""What stands in an envelope: a record, committed field by field.

The commitment depends on the record and its seed alone, not on who sealed it to whom, nor on the
chain: a body that is sealed anew to other parties keeps it, so that contracts see that it is the
same body, and one field of it can be shown without the others.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
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
from consensus.crypto import sha256
from node.data import commitment
from node.data.commitment import Field
from node.errors import MunimentError

FORMAT = 1
MAX_CONTENT_BYTES = 192 << 10
MAX_FIELDS = 256
MAX_NAME_BYTES = 128
MAX_KIND_BYTES = 32


class ContentError(MunimentError):
    """A record body that cannot be sealed; the message names the field."""

    code = "content"


@dataclass(frozen=True, slots=True)
class Content:
    """A record: its kind, fields by name in order, and the 32-byte seed of their salts."""

    kind: str
    names: tuple[str, ...]
    values: tuple[Field, ...]
    seed: bytes

    @classmethod
    def create(cls, kind: str, fields: Mapping[str, object]) -> Content:
        """Make a record with a fresh seed. Raises ContentError unless values are text or null."""
        for name, value in fields.items():
            if value is not None and type(value) is not str:
                raise ContentError(f"field {name}: must be text or null; write numbers as text")
        values = tuple(value for value in fields.values() if value is None or type(value) is str)
        made = cls(kind, tuple(fields), values, os.urandom(commitment.SEED_BYTES))
        try:
            return cls.decode(made.encode())
        except DecodeError as error:
            raise ContentError(f"the record cannot be sealed: {error}") from error

    @property
    def commitment(self) -> bytes:
        """Return the 32 bytes that stand on the chain."""
        return commit(self.kind, self.names, commitment.record(self.seed, self.values))

    def encode(self) -> bytes:
        names: Value = list(self.names)
        return encode([FORMAT, self.kind, names, list(self.values), self.seed])

    @classmethod
    def decode(cls, data: bytes) -> Content:
        row = expect_list(decode(data, max_bytes=MAX_CONTENT_BYTES), "content", 5)
        expect_int(row[0], "content format", FORMAT, FORMAT)
        kind = expect_text(row[1], "kind", MAX_KIND_BYTES)
        names = read_names(row[2])
        values: list[Field] = []
        for name, value in zip(names, expect_list(row[3], "values", len(names)), strict=True):
            if value is not None and not isinstance(value, str):
                raise DecodeError(f"field {name} must be text or null")
            values.append(value)
        seed = expect_bytes(row[4], "seed", commitment.SEED_BYTES)
        return cls(kind, names, tuple(values), seed)


def read_names(value: Value) -> tuple[str, ...]:
    """Return the names of fields: distinct, 1 to MAX_FIELDS. Raises DecodeError."""
    rows = expect_list(value, "names", max_length=MAX_FIELDS)
    names = tuple(expect_text(name, "field name", MAX_NAME_BYTES) for name in rows)
    if not names or len(set(names)) != len(names):
        raise DecodeError("there must be fields, with distinct names")
    return names


def commit(kind: str, names: tuple[str, ...], record: bytes) -> bytes:
    """Return the commitment to a record of `kind` whose hash is `record`."""
    listed: Value = list(names)
    return sha256(encode([FORMAT, kind, listed, record]))
