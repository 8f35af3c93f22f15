"""One file that binds a delivery to its request, decision, masks and output; checked offline.

It holds the receipt of the transaction that closed the delivery, and proofs of what the ledger's
state says of delivery, grant, request, registration and rule pack. Every byte is covered by a proof
or by the strict encoding, so none can be altered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from consensus.codec import DecodeError, decode, encode, expect_bytes, expect_list
from consensus.genesis import Genesis
from contracts import checks
from contracts.system import access, catalogue, deliveries
from contracts.system.deliveries import store
from contracts.system.deliveries.header import Header
from node import receipt, state_proof
from node.errors import MunimentError
from node.exchange.reasons import basis_text

FORMAT = "muniment-delivery-1"
MAX_FILE_BYTES = 16 << 20
PACK = b"governance/pack/classification"


class EvidenceError(MunimentError):
    """A file that does not prove what it claims."""

    code = "evidence"


@dataclass(frozen=True, slots=True)
class Report:
    """What was proved: records of the ledger, the last header, the closing transaction."""

    delivery: dict[str, Any]
    grant: dict[str, Any]
    registration: dict[str, Any]
    pack: list[Any] | None
    header: Header
    closing: receipt.Report
    heights: tuple[int, int]


class _Proved:
    """A state that holds what was proved, and knows of nothing else."""

    def __init__(self, rows: dict[bytes, bytes | None]) -> None:
        self._rows = rows

    def get(self, key: bytes) -> bytes | None:
        if key not in self._rows:
            raise EvidenceError("the file lacks the proof of something that it rests on")
        return self._rows[key]

    def scan(
        self, prefix: bytes, after: bytes = b"", limit: int = 100
    ) -> list[tuple[bytes, bytes]]:
        raise EvidenceError("single keys are proved, not ranges")


def keys_of(delivery: int, grant: int, dataset: str, version: int) -> list[bytes]:
    """Return the keys of the ledger's state that evidence rests on."""
    number = checks.number_key
    head = b"catalogue/head/" + dataset.encode("ascii")
    place = b"catalogue/version/" + dataset.encode("ascii") + b"/" + number(version)
    return [
        b"deliveries/delivery/" + number(delivery), b"access/grant/" + number(grant),
        b"access/request/" + number(grant), head, place, PACK,
    ]  # fmt: skip


def build(proofs: Sequence[bytes], closing: bytes) -> bytes:
    """Return a file; `proofs` are of `keys_of`, `closing` is the closing receipt."""
    return encode([FORMAT, list(proofs), closing])


def is_one(data: bytes) -> bool:
    """Whether a file claims to be evidence of a delivery."""
    return FORMAT.encode() in data[:32]


def verify(data: bytes, genesis: Genesis) -> Report:
    """Check a file against the genesis alone. Raises EvidenceError, or what a proof raises."""
    try:
        row = expect_list(decode(data, max_bytes=MAX_FILE_BYTES), "evidence", 3)
        proofs = [expect_bytes(each, "proof") for each in expect_list(row[1], "proofs", 6)]
        closing = receipt.verify(expect_bytes(row[2], "receipt"), genesis)
    except DecodeError as error:
        raise EvidenceError(f"the file does not decode: {error}") from error
    if row[0] != FORMAT:
        raise EvidenceError("the file is of another format")
    found = [state_proof.verify(proof, genesis) for proof in proofs]
    state = _Proved({each.key: each.value for each in found})
    number = _number(closing)
    delivery = store.get(state, number)
    if delivery is None or delivery["status"] != deliveries.CLOSED:
        raise EvidenceError(f"delivery {number} was not closed")
    grant = access.get_grant(state, delivery["grant"])
    registration = catalogue.get(state, delivery["dataset"], delivery["version"])
    wanted = keys_of(number, delivery["grant"], delivery["dataset"], delivery["version"])
    if grant is None or registration is None or [each.key for each in found] != wanted:
        raise EvidenceError("the proofs are not those of one delivery")
    pack = state.get(PACK)
    header = Header.decode(delivery["header"])
    return Report(
        delivery, grant, registration, None if pack is None else expect_list(decode(pack), "pack"),
        header, closing, (min(e.height for e in found), max(e.height for e in found)),
    )  # fmt: skip


def _number(closing: receipt.Report) -> int:
    """Return which delivery the transaction has closed."""
    if closing.receipt.code == 0:
        for call in closing.transaction.calls:
            number = call.args.get("delivery")
            if (call.contract, call.method) == ("deliveries", "close") and type(number) is int:
                return number
    raise EvidenceError("the receipt is not that of a transaction that closed a delivery")


def explain(report: Report) -> dict[str, Any]:
    """Return what a person reads, in the order of what happened."""
    grant, delivery, pack = report.grant, report.delivery, report.pack
    masks = [
        f"field {index}: {mask[0]} v{mask[1]}"
        for index, mask in grant["fields"]
        if mask is not None
    ]
    return {
        "request": f"{grant['request']} of {grant['recipient']} to {grant['owner']}",
        "purpose": f"{grant['purpose']} on the basis of {basis_text(grant)}",
        "dataset": f"{delivery['dataset']} version {delivery['version']}",
        "commitment": report.registration["commitment"].hex(),
        "decided by": f"rule {grant['rule']}, level L{grant['level']}, {grant['class']}",
        "policy": grant["policy"].hex(),
        "masks": "; ".join(masks) or "none",
        "rule pack": "none in force" if pack is None else f"version {pack[0]}, {pack[1].hex()}",
        "watermark": _watermark(grant, delivery["audit"]),
        "mode": _mode(grant, delivery["audit"]),
        "delivery": f"{delivery['id']} by {delivery['server']}",
        "rows": f"{report.header.rows} of {report.header.position} gone through",
        "output digest": report.header.digest.hex(),
        "closed by": report.closing.transaction.txid.hex(),
        "state at": f"heights {report.heights[0]} to {report.heights[1]}",
    }


def _watermark(grant: dict[str, Any], audit: dict[str, Any] | None) -> str:
    """The id of the delivery's mark: who has its key can show that a copy carries it."""
    if not grant["watermark"]:
        return "none"
    if audit is None or audit["mark"] is None:
        return "none: no mask left room for one"
    return str(audit["mark"].hex())


def _mode(grant: dict[str, Any], audit: dict[str, Any] | None) -> str:
    if audit is None:
        return str(grant["mode"])
    outcome = audit["outcome"] or "not yet"
    by = f" by {audit['by']}" if audit["by"] else ""
    return f"audited: {outcome}{by}; root {audit['root'].hex()} over {audit['rows']} rows"
