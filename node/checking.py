"""What a file proves, whichever kind of proof it is: each step that was checked, and the facts.

Checking needs the network's genesis and nothing else.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consensus.codec import DecodeError, decode
from consensus.genesis import Genesis
from node import receipt, state_proof
from node.data import disclosure
from node.errors import MunimentError
from node.exchange import evidence
from node.network import to_json
from node.publish import proof
from node.render import name_of, render
from node.trace import case_file, export

FINAL = "enough validators have signed the block, or a later one that builds on it"
SINCE_GENESIS = "those validators follow from the genesis: each change was signed by those before"
IN_BLOCK = "the transaction stands in the block, which commits to all of its transactions"
SIGNED = "the transaction is signed with the key that it names"
RESULT = "the result is the one that the next block commits to"
HELD = "the block commits to a state that holds exactly this"
RECORD_HASH = "fields that are shown and digests of those that are hidden give the record's hash"
RECORD_PATH = "the record's path through the tree leads to the commitment that was registered"
DELIVERED = "delivery, grant, request, registration and rules stand in the ledger's state"
CLOSED = "the delivery was closed by the transaction whose receipt is here"
CASE = "the case and its violations stand in the ledger's state as they are shown"
WHOLE = "every step of the case is here with its receipt, and none is left out"
OPERATOR = "the ledger's state holds this key as the operator's"
EXPORT = "the export is signed with that key, and unchanged since"
EACH = "each receipt was checked by itself: final, signed, with its result"
STANDARD = "the standard is the one that was registered"
ALL_RECORDS = "all records together give the registered commitment: none is changed or missing"
STEPS = (FINAL, SINCE_GENESIS, IN_BLOCK, SIGNED, RESULT, HELD, RECORD_HASH, RECORD_PATH, DELIVERED,
         CLOSED, CASE, WHOLE, OPERATOR, EXPORT, EACH, STANDARD, ALL_RECORDS)  # fmt: skip
RECEIPT, STATE, RECORD, DELIVERY, CASES, EXPORTED, OPEN = (
    "receipt of a transaction", "proof of the state", "proof of a record",
    "evidence of a delivery", "file of a case", "signed export", "proof of open data",
)  # fmt: skip
KINDS = (RECEIPT, STATE, RECORD, DELIVERY, CASES, EXPORTED, OPEN)
FACTS = (
    "by", "calls", "result", "txid", "block", "time", "final since", "signed by", "epoch",
    "network", "key", "holds", "dataset", "version", "records", "hidden", "field", "value",
    "case", "kind", "about", "opened by", "status", "came to", "steps", "state at", "what",
    "data", "member", "rule", "gravity", "measure", "finder", "imposer", "decider", "request",
    "purpose", "commitment", "decided by", "policy", "masks", "rule pack", "watermark", "mode",
    "delivery", "rows", "output digest", "closed by", "export", "signed at", "key proved at",
    "receipts", "title", "level", "owner", "erased", "height", "timestamp", "finalized_height",
    "validators", "fault_model", "signers", "chain_id",
)  # fmt: skip
"""Names of facts, for pages that translate them."""
_RECEIPT_STEPS = (SINCE_GENESIS, FINAL, IN_BLOCK, SIGNED, RESULT)
_STATE_STEPS = (SINCE_GENESIS, FINAL, HELD)


class CheckError(MunimentError):
    """A file that is no proof of any kind."""

    code = "check"


@dataclass(frozen=True, slots=True)
class Checked:
    """What a file proved: its kind, the steps that were checked, facts by name, and lines of them.

    Times are ms UTC under `time` and `signed at`.
    """

    kind: str
    steps: tuple[str, ...]
    facts: Mapping[str, Any]
    lines: tuple[Mapping[str, Any], ...] = ()


def check(data: bytes, genesis: Genesis, beside: tuple[str, bytes] | None = None) -> Checked:
    """Check a file. `beside`: name and content of the data that a proof of open data is of.

    Raises CheckError, or what the kind of proof raises, with a sentence.
    """
    steps: tuple[str, ...]
    if data.startswith(proof.MAGIC):
        return _open(data, genesis, beside)
    if case_file.is_one(data):
        case = case_file.explain(case_file.verify(data, genesis))
        return _told(CASES, (*_STATE_STEPS, CASE, EACH, WHOLE), case)
    if evidence.is_one(data):
        steps = (*_RECEIPT_STEPS, HELD, DELIVERED, CLOSED)
        return _told(DELIVERY, steps, evidence.explain(evidence.verify(data, genesis)))
    if export.is_one(data):
        steps = (*_STATE_STEPS, OPERATOR, EXPORT, EACH)
        return _told(EXPORTED, steps, export.explain(export.verify(data, genesis)))
    match _parts(data):
        case 11:
            return Checked(RECEIPT, _RECEIPT_STEPS, _transaction(receipt.verify(data, genesis)))
        case 7:
            return Checked(STATE, _STATE_STEPS, _state(state_proof.verify(data, genesis)))
        case 9:
            return _record(disclosure.verify(data, genesis))
    raise CheckError("the file is no receipt, proof, evidence, case or export of this platform")


def _parts(data: bytes) -> int:
    """How many parts a file has; those without a name of their own differ in it."""
    try:
        found = decode(data, max_bytes=max(len(data), 1))
    except DecodeError:
        return 0
    return len(found) if isinstance(found, list) else 0


def _told(kind: str, steps: tuple[str, ...], told: dict[str, Any]) -> Checked:
    """What is in lists becomes lines, the rest facts."""
    facts = {name: value for name, value in told.items() if not isinstance(value, list)}
    lines = [row for value in told.values() if isinstance(value, list) for row in value]
    return Checked(kind, steps, facts, tuple(lines))


def _transaction(report: receipt.Report) -> dict[str, Any]:
    found, code = report.transaction, report.receipt.code
    calls = ", ".join(f"{call.contract}.{call.method}" for call in found.calls)
    result = render(code, report.receipt.details)
    return {
        "by": found.sender, "calls": calls, "result": f"{name_of(code)}: {result}",
        "txid": found.txid.hex(), "block": report.height, "time": report.timestamp,
        **_finality(report),
    }  # fmt: skip


def _finality(report: receipt.Report | state_proof.StateReport) -> dict[str, Any]:
    return {
        "final since": report.finalized_height,
        "signed by": f"{', '.join(report.signers)} ({len(report.signers)} / {report.validators})",
        "epoch": report.epoch, "network": f"{report.network} {report.chain_id.hex()[:16]}",
    }  # fmt: skip


def _state(report: state_proof.StateReport) -> dict[str, Any]:
    try:
        value = None if report.value is None else to_json(decode(report.value))
    except DecodeError:
        value = (report.value or b"").hex()
    return {
        "key": report.key.decode("ascii", "backslashreplace"),
        "holds": "nothing" if report.value is None else value,
        "block": report.height, "time": report.timestamp, **_finality(report),
    }  # fmt: skip


def _record(found: disclosure.Disclosed) -> Checked:
    fields = [{"field": name, "value": "∅" if value is None else value}
              for name, value in found.fields]  # fmt: skip
    facts = {
        "dataset": found.dataset, "version": found.version, "records": found.rows,
        "hidden": found.hidden, **_transaction(found.report),
    }  # fmt: skip
    steps = (*_RECEIPT_STEPS, RECORD_HASH, RECORD_PATH)
    return Checked(RECORD, steps, facts, tuple(fields))


def _open(data: bytes, genesis: Genesis, beside: tuple[str, bytes] | None) -> Checked:
    """Open data is no secret, so it may stand in a file while it is checked."""
    if beside is None:
        raise CheckError("this is a proof of open data: give the file that it is of too")
    suffix = Path(beside[0]).suffix.lower()
    with tempfile.TemporaryDirectory(prefix="muniment-") as folder:
        place = Path(folder) / f"records{suffix if suffix in ('.csv', '.json', '.parquet') else ''}"
        place.write_bytes(beside[1])
        of = place.with_name("records.proof")
        of.write_bytes(data)
        try:
            told = proof.explain(proof.verify(of, place, genesis))
        except MunimentError as error:
            raise CheckError(error.message.replace(str(place), "the data")) from error
    steps = (*_STATE_STEPS, STANDARD, ALL_RECORDS)
    return _told(OPEN, steps, {k: ", ".join(v) if isinstance(v, list) else v
                               for k, v in told.items()})  # fmt: skip
