"""Proof of one record of a registered version, with only chosen fields disclosed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from consensus import merkle
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
from consensus.crypto import HASH_BYTES, sha256
from consensus.genesis import Genesis
from node import receipt
from node.data import commitment
from node.data.commitment import Field
from node.data.vault import Head, Record, column_names
from node.errors import MunimentError

FORMAT = 1
MAX_FILE_BYTES = 64 << 20


class DisclosureError(MunimentError):
    """A proof that cannot be made or does not prove what it claims."""

    code = "disclosure"


@dataclass(frozen=True, slots=True)
class Disclosed:
    """What a proof shows: the registration's report, the fields by name, how many are hidden."""

    report: receipt.Report
    dataset: str
    version: int
    rows: int
    fields: tuple[tuple[str, Field], ...]
    hidden: int


def disclose(
    seed: bytes, columns: Sequence[str], values: Sequence[Field], names: Sequence[str]
) -> Value:
    """Return, for each field of a record, salt and value if it is among `names`, else its leaf."""
    rows: list[Value] = []
    for index, (name, value) in enumerate(zip(columns, values, strict=True)):
        salt = commitment.salt_of(seed, index)
        if name in names:
            rows.append([salt, value])
        else:
            rows.append(commitment.leaf(salt, index, commitment.encode_field(value)))
    return rows


def read_disclosed(
    rows: Value, columns: Sequence[str]
) -> tuple[bytes, tuple[tuple[str, Field], ...]]:
    """Return the record's hash and the fields shown, of what `disclose` made. DecodeError."""
    leaves: list[bytes] = []
    fields: list[tuple[str, Field]] = []
    for index, item in enumerate(expect_list(rows, "fields", len(columns))):
        if isinstance(item, bytes):
            leaves.append(expect_bytes(item, "leaf", HASH_BYTES))
            continue
        salt, value = expect_list(item, "field", 2)
        if value is not None and not isinstance(value, str):
            raise DecodeError("a field must be text or null")
        fields.append((columns[index], value))
        salt = expect_bytes(salt, "salt", commitment.SALT_BYTES)
        leaves.append(commitment.leaf(salt, index, commitment.encode_field(value)))
    return commitment.record_of_leaves(leaves), tuple(fields)


def prove(
    head: Head, standard: bytes, record: Record, names: Sequence[str], registration: bytes
) -> bytes:
    """Return a proof file that discloses the columns `names`; `registration` is its receipt."""
    unknown = [name for name in names if name not in head.columns]
    if unknown:
        known = ", ".join(head.columns)
        raise DisclosureError(f"there is no column {unknown[0]!r}; the columns are {known}")
    rows = disclose(record.seed, head.columns, record.values, names)
    path: Value = list(record.path)
    return encode(
        [FORMAT, head.dataset, head.version, standard, head.rows, record.place, path, rows,
         registration]
    )  # fmt: skip


def verify(data: bytes, genesis: Genesis) -> Disclosed:
    """Check a proof file against the genesis alone. Raises DisclosureError or ReceiptError."""
    try:
        return _verify(data, genesis)
    except DecodeError as error:
        raise DisclosureError(f"the proof does not decode: {error}") from error


def _verify(data: bytes, genesis: Genesis) -> Disclosed:
    row = expect_list(decode(data, max_bytes=MAX_FILE_BYTES), "record proof", 9)
    expect_int(row[0], "proof format", FORMAT, FORMAT)
    dataset = expect_text(row[1], "dataset", 256)
    version = expect_int(row[2], "version", 1)
    standard = expect_bytes(row[3], "standard")
    body = decode(standard)
    columns = column_names(body) if isinstance(body, dict) else ()
    rows = expect_int(row[4], "rows", 1)
    place = expect_int(row[5], "place")
    path = [
        expect_bytes(item, "path", HASH_BYTES)
        for item in expect_list(row[6], "path", max_length=merkle.MAX_PROOF_HASHES)
    ]
    # The standard's digest is part of the commitment, so it says which field is which.
    record, fields = read_disclosed(row[7], columns)
    report = receipt.verify(expect_bytes(row[8], "receipt"), genesis)
    root = _root_from(record, place, rows, path)
    _check_registration(
        report, dataset, version,
        commitment.commitment(genesis.chain_id, dataset, version, sha256(standard), rows, root),
    )  # fmt: skip
    return Disclosed(report, dataset, version, rows, fields, len(columns) - len(fields))


def _root_from(record: bytes, place: int, rows: int, path: Sequence[bytes]) -> bytes:
    """Return the only root that `path` can prove `record` under."""
    found = merkle.root_of_path(merkle.leaf_hash(record), place, rows, path)
    if found is None:
        raise DisclosureError("the record's path does not fit its place in the dataset")
    return found


def _check_registration(
    report: receipt.Report, dataset: str, version: int, committed: bytes
) -> None:
    if report.receipt.code != 0:
        raise DisclosureError("the registration that the proof names has failed")
    for call in report.transaction.calls:
        args = call.args
        if (call.contract, call.method) != ("catalogue", "register"):
            continue
        if args.get("dataset") == dataset and args.get("version") == version:
            if args.get("commitment") == committed:
                return
            raise DisclosureError("the record does not belong to the registered commitment")
    raise DisclosureError(f"the receipt does not register {dataset} version {version}")
