"""Both ends of a dispute: what a recipient shows, and what a supervisor finds in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from consensus.codec import DecodeError
from contracts.system.deliveries.header import Header
from node.data.chain import Query
from node.envelopes.content import Content
from node.exchange import copies
from node.exchange.copies import Copy
from node.exchange.dispute import Finding, Terms, examine
from node.exchange.piece import DisputeError, Piece, from_parts
from node.home import Home


def copy_of(home: Home, master: bytes, delivery: Mapping[str, Any]) -> Copy:
    """What is here of a delivery. Raises DisputeError."""
    for copy in copies.load(home.copies, delivery["grant"], master):
        if copy.order.delivery == delivery["id"]:
            return copy
    raise DisputeError(
        f"nothing of delivery {delivery['id']} is here; see: muniment exchange copies"
    )


def judges(query: Query, delivery: Mapping[str, Any]) -> list[str]:
    """The active supervisors that the delivery does not concern. Raises DisputeError."""
    concerned = {delivery["recipient"], delivery["server"], delivery["owner"]}
    found = [
        row["name"] for row in query("members", "list", {})
        if "supervisor" in row["roles"] and row["status"] == "active"
        and row["name"] not in concerned
    ]  # fmt: skip
    if not found:
        raise DisputeError("the network has no supervisor but those that the delivery concerns")
    return found


def evidence_of(
    query: Query, member: str, unseal: Callable[[bytes], Content], about: Mapping[str, Any]
) -> Piece | None:
    """Open the envelopes of a dispute; None if they are not for this member."""
    envelopes = about["envelopes"]
    if not envelopes:
        return None
    anchored = query("envelopes", "get", {"id": bytes.fromhex(envelopes[0])})
    if member not in anchored["parties"]:
        return None
    parts = [unseal(bytes.fromhex(envelope)) for envelope in envelopes]
    return from_parts(parts, bytes.fromhex(about["commitment"]))


def explain(chain_id: bytes, query: Query, delivery: int, piece: Piece) -> dict[str, Any]:
    """What the evidence says and proves, for people. Raises DisputeError, WorkerError."""
    terms = Terms.load(chain_id, query, delivery)
    findings = examine(piece, terms)
    start = Header.decode(piece.before.header).rows if piece.before.header else 0
    header = Header.decode(piece.signed.header)
    return {
        "says": piece.why, "chunk": header.number, "rows with it": header.rows,
        "rows before it": start, "found": shown(findings),
        "after": _verdict(terms, findings), "row": _row(piece, terms, start),
    }  # fmt: skip


def shown(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    return [{"code": f.code, "says": f.says, "fault": f.is_fault} for f in findings]


def _verdict(terms: Terms, findings: Sequence[Finding]) -> str:
    if any(each.is_fault for each in findings):
        return f"{terms.server} has signed what it must not: the evidence stands against it"
    return f"the evidence does not stand against {terms.server}"


def _row(piece: Piece, terms: Terms, start: int) -> dict[str, Any] | None:
    """The values of the row that is pointed at, if the chunk, after `start` rows, can be read."""
    try:
        columns = terms.columns_of(piece.body)
    except DecodeError:
        return None
    at = piece.row - start - 1
    if not piece.row or not columns or not 0 <= at < len(columns[0]):
        return None
    names = [terms.columns[index] for index in terms.shape.delivered]
    return {name: column[at] for name, column in zip(names, columns, strict=True)}
