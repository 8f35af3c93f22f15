"""A signed export: receipts that an operator hands to an auditor, under the operator's own key.

Each receipt proves itself; the signature says who chose them, when, and under which title. That the
key is the operator's is proved by the ledger's state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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
from consensus.crypto import Kind, Signer, sha256
from consensus.crypto import verify as is_signed
from consensus.genesis import Genesis
from contracts.system import operators
from node import receipt, state_proof
from node.errors import MunimentError
from node.render import name_of, render

FORMAT = "muniment-export-1"
MAX_FILE_BYTES = 64 << 20
MAX_RECEIPTS = 500
MAX_TITLE = 200


class ExportError(MunimentError):
    """A file that is not what its signer exported."""

    code = "export"


@dataclass(frozen=True, slots=True)
class Content:
    """What is signed: by whom (MEMBER, operator), when (ms UTC), its title, what it holds."""

    member: str
    operator: str
    time: int
    title: str
    receipts: tuple[bytes, ...]

    def encode(self) -> bytes:
        receipts: Value = list(self.receipts)
        return encode([FORMAT, self.member, self.operator, self.time, self.title, receipts])

    @classmethod
    def decode(cls, data: bytes) -> Content:
        """Raises DecodeError."""
        row = expect_list(decode(data, max_bytes=MAX_FILE_BYTES), "content", 6)
        if row[0] != FORMAT:
            raise DecodeError("the content is of another format")
        rows = expect_list(row[5], "receipts", max_length=MAX_RECEIPTS)
        return cls(
            expect_text(row[1], "member", 64), expect_text(row[2], "operator", 64),
            expect_int(row[3], "time", 0), expect_text(row[4], "title", MAX_TITLE * 4),
            tuple(expect_bytes(each, "receipt", max_length=MAX_FILE_BYTES) for each in rows),
        )  # fmt: skip

    @property
    def digest(self) -> bytes:
        return sha256(self.encode())


@dataclass(frozen=True, slots=True)
class Report:
    """What was proved: the content, what each receipt shows, and at which height the key stood."""

    content: Content
    receipts: tuple[receipt.Report, ...]
    key: bytes
    height: int


def key_of(member: str, operator: str) -> bytes:
    """Where the ledger's state holds an operator's record."""
    return f"{operators.NAME}/operator/{member}/{operator}".encode()


def sign(content: Content, signer: Signer, chain_id: bytes, operator_proof: bytes) -> bytes:
    """Return the file. `operator_proof` proves what the ledger's state holds at `key_of`."""
    data = content.encode()
    return encode([FORMAT, data, signer.sign(Kind.STATEMENT, chain_id, data), operator_proof])


def is_one(data: bytes) -> bool:
    """Whether a file claims to be an export."""
    return FORMAT.encode() in data[:32]


def verify(data: bytes, genesis: Genesis) -> Report:
    """Check a file against the genesis alone. Raises ExportError, or what a proof raises."""
    try:
        row = expect_list(decode(data, max_bytes=MAX_FILE_BYTES), "export", 4)
        if row[0] != FORMAT:
            raise ExportError("the file is of another format")
        signed = expect_bytes(row[1], "content", max_length=MAX_FILE_BYTES)
        signature = expect_bytes(row[2], "signature")
        content = Content.decode(signed)
        state = state_proof.verify(expect_bytes(row[3], "operator's proof"), genesis)
        record: Any = None if state.value is None else decode(state.value)
    except DecodeError as error:
        raise ExportError(f"the file does not decode: {error}") from error
    who = f"{content.member}/{content.operator}"
    if state.key != key_of(content.member, content.operator):
        raise ExportError(f"the proof is not of the key of {who}")
    if not isinstance(record, dict) or record["status"] != operators.ACTIVE:
        raise ExportError(f"{who} was no operator at height {state.height}")
    if not is_signed(record["key"], Kind.STATEMENT, genesis.chain_id, signed, signature):
        raise ExportError(f"not signed with the key of {who}, or changed since")
    reports = tuple(receipt.verify(each, genesis) for each in content.receipts)
    if len({each.receipt.txid for each in reports}) != len(reports):
        raise ExportError("a receipt stands in the file twice")
    return Report(content, reports, record["key"], state.height)


def explain(report: Report) -> dict[str, Any]:
    """Return what a person reads."""
    content = report.content
    return {
        "export": content.title,
        "signed by": f"{content.member}/{content.operator}",
        "signed at": content.time,
        "key": report.key.hex(),
        "key proved at": f"height {report.height}",
        "receipts": len(report.receipts),
        "history": lines(report.receipts),
    }


def lines(reports: Sequence[receipt.Report]) -> list[dict[str, Any]]:
    """A line for each transaction: where, when, by whom, what, how it ended."""
    return [
        {
            "block": each.height,
            "time": each.timestamp,
            "by": each.transaction.sender,
            "txid": each.receipt.txid.hex(),
            "what": ", ".join(f"{c.contract}.{c.method}" for c in each.transaction.calls),
            "result": _result(each),
        }
        for each in reports
    ]


def _result(report: receipt.Report) -> str:
    code = report.receipt.code
    return "ok" if code == 0 else f"{name_of(code)}: {render(code, report.receipt.details)}"
