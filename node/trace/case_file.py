"""One file that tells a whole case and proves each step of it offline.

It holds the receipt of every transaction of the case and of its violations, and proofs of what the
ledger's state says of them. The state counts a case's steps, so none can be left out; violations
are proved as they stand. Receipts of other transactions, such as a request that was refused under
the sanction, may go with it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from consensus.codec import DecodeError, Value, decode, encode, expect_bytes, expect_list
from consensus.genesis import Genesis
from contracts import checks
from contracts.receipts import Event
from contracts.system import cases, sanctions
from node import receipt, state_proof
from node.errors import MunimentError
from node.network import to_json
from node.render import name_of, render

FORMAT = "muniment-case-1"
MAX_FILE_BYTES = 64 << 20
MAX_PIECES = cases.MAX_STEPS + 1_000
_CASE, _VIOLATION = b"cases/case/", b"sanctions/violation/"


class CaseFileError(MunimentError):
    """A file that does not prove what it claims."""

    code = "case-file"


@dataclass(frozen=True, slots=True)
class Report:
    """What was proved: the case and its violations as they stand, and what happened, in order."""

    case: dict[str, Any]
    violations: tuple[dict[str, Any], ...]
    receipts: tuple[receipt.Report, ...]
    heights: tuple[int, int]


def keys_of(case: int, violations: Sequence[int]) -> list[bytes]:
    """Return the keys of the ledger's state that the file of a case rests on."""
    number = checks.number_key
    return [_CASE + number(case), *(_VIOLATION + number(each) for each in violations)]


def build(proofs: Sequence[bytes], receipts: Sequence[bytes]) -> bytes:
    """Return a file; `proofs` are of `keys_of`."""
    return encode([FORMAT, list(proofs), list(receipts)])


def is_one(data: bytes) -> bool:
    """Whether a file claims to be of a case."""
    return FORMAT.encode() in data[:32]


def verify(data: bytes, genesis: Genesis) -> Report:
    """Check a file against the genesis alone. Raises CaseFileError, or what a proof raises."""
    try:
        row = expect_list(decode(data, max_bytes=MAX_FILE_BYTES), "case file", 3)
        proofs, receipts = (
            [expect_bytes(each, "proof") for each in expect_list(part, "proofs", None, MAX_PIECES)]
            for part in row[1:]
        )
    except DecodeError as error:
        raise CaseFileError(f"the file does not decode: {error}") from error
    if row[0] != FORMAT or not proofs:
        raise CaseFileError("the file is of another format")
    states = [state_proof.verify(each, genesis) for each in proofs]
    told = sorted(
        (receipt.verify(each, genesis) for each in receipts),
        key=lambda report: (report.height, report.receipt.index),
    )
    if len({each.receipt.txid for each in told}) != len(told):
        raise CaseFileError("a receipt stands in the file twice")
    case, *violations = (_value(each) for each in states)
    if [each.key for each in states] != keys_of(case["id"], [each["id"] for each in violations]):
        raise CaseFileError("the proofs are not those of a case and its violations")
    _check_whole(case, violations, [e for report in told for e in report.receipt.events])
    heights = [each.height for each in states]
    return Report(case, tuple(violations), tuple(told), (min(heights), max(heights)))


def _value(state: state_proof.StateReport) -> dict[str, Any]:
    if state.value is None or not state.key.startswith((_CASE, _VIOLATION)):
        raise CaseFileError("the proofs are not those of a case and its violations")
    found: Any = decode(state.value)
    return dict(found)


def _check_whole(
    case: dict[str, Any], violations: Sequence[dict[str, Any]], events: Sequence[Event]
) -> None:
    """Raise CaseFileError unless all steps of the case are here, and all its violations."""
    steps = sum(concerns(event, case["id"], ()) for event in events)
    if steps != case["steps"]:
        raise CaseFileError(f"the file shows {steps} of the case's {case['steps']} steps")
    found = {event.data[0] for event in events if _finds(event, case["id"])}  # type: ignore[index]
    if found != {each["id"] for each in violations}:
        raise CaseFileError("the violations that were found in the case are not those proved")
    for each in violations:
        shown = {e.name for e in events if concerns(e, 0, (each["id"],))}
        if missing := _steps_of(each) - shown:
            raise CaseFileError(f"violation {each['id']} was {min(missing)}, which is not shown")


def _steps_of(violation: dict[str, Any]) -> set[str]:
    """What must have happened to a violation for it to stand as it does."""
    steps = {
        "found": True,
        "imposed": violation["measure"] is not None,
        "appealed": violation["appeal"] is not None,
        "decided": violation["decider"] is not None,
        "lifted": violation["status"] == sanctions.LIFTED,
        "dismissed": violation["status"] == sanctions.DISMISSED,
    }
    return {name for name, happened in steps.items() if happened}


def _finds(event: Event, case: int) -> bool:
    match event:
        case Event("sanctions", "found", [_, _, _, _, int(number)]):
            return number == case
    return False


def concerns(event: Event, case: int, violations: Collection[int]) -> bool:
    """Whether an event is a step of a case, or of one of these violations."""
    match event:
        case Event("cases", _, [int(number), *_]):
            return number == case
        case Event("sanctions", name, [int(number), *_]) if name != "ladder":
            return number in violations
    return False


# What is shown


def explain(report: Report) -> dict[str, Any]:
    """Return what a person reads, in the order of what happened."""
    case = report.case
    violations = {each["id"] for each in report.violations}
    return {
        "case": case["id"],
        "kind": case["kind"],
        "about": case["member"],
        "opened by": case["opener"],
        "status": case["status"],
        "came to": case["disposition"],
        "steps": f"all {case['steps']}",
        "state at": f"heights {report.heights[0]} to {report.heights[1]}",
        "violations": [_violation(each) for each in report.violations],
        "history": [
            line for each in report.receipts for line in _lines(each, case["id"], violations)
        ],
    }


def _violation(row: dict[str, Any]) -> dict[str, Any]:
    names = ("id", "member", "rule", "gravity", "measure", "status", "finder", "imposer", "decider")
    return {name: row[name] for name in names}


def _lines(report: receipt.Report, case: int, violations: Collection[int]) -> list[dict[str, Any]]:
    """What one transaction did; of one that failed, or has no part in it, all that it did."""
    row = {
        "block": report.height,
        "time": report.timestamp,
        "by": report.transaction.sender,
        "txid": report.receipt.txid.hex(),
    }
    events = report.receipt.events
    mine = [event for event in events if concerns(event, case, violations)] or list(events)
    if report.receipt.code:
        call = report.transaction.calls[-1]
        why = render(report.receipt.code, report.receipt.details)
        code = name_of(report.receipt.code)
        return [{**row, "what": f"{call.contract}.{call.method} failed: {code}", "data": [why]}]
    return [{**row, "what": f"{e.contract}.{e.name}", "data": _data(e.data)} for e in mine]


def _data(value: Value) -> Any:
    return to_json(value if isinstance(value, list) else [value])
