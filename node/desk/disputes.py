"""Disputes: what a delivery's chunk proves, sealed for supervisors; what they find in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from consensus.crypto import sha256
from node.desk.found import fetcher, find
from node.desk.params import ParamError, number, text
from node.desk.sealing import seal
from node.exchange import dispute, disputing
from node.exchange.piece import MAX_WHY_BYTES, Piece, to_parts
from node.network import bytes_as_text

if TYPE_CHECKING:
    from node.desk import Desk, Method
    from node.exchange.dispute import Finding

PATIENCE_S = 5.0


def _look(desk: Desk, params: Mapping[str, Any]) -> Any:
    """What a supervisor would find in the chunk that was refused, or that a `row` came with."""
    _, piece, findings = _gathered(desk, params)
    return {"found": disputing.shown(findings), "row": piece.row, "says": piece.why,
            "proves": any(each.is_fault for each in findings)}  # fmt: skip


def _seal(desk: Desk, params: Mapping[str, Any]) -> Any:
    """Seal the evidence to supervisors: anchors, and arguments of the call that opens the dispute.

    What proves nothing by itself needs a `row` and a `text`. Raises ParamError, DisputeError.
    """
    delivery, piece, findings = _gathered(desk, params)
    if not any(each.is_fault for each in findings) and not (piece.row and piece.why):
        raise ParamError("this proves nothing against it; say which row is wrong, and what with it")
    data, judges = piece.encode(), disputing.judges(desk.chain.query, delivery)
    sealed = [seal(desk, part, judges) for part in to_parts(delivery["id"], data)]
    args = {
        "delivery": delivery["id"], "header": piece.signed.header,
        "signature": piece.signed.signature, "commitment": sha256(data),
        "envelopes": [envelope for envelope, _ in sealed],
    }  # fmt: skip
    return {
        "envelopes": [envelope.hex() for envelope, _ in sealed], "judges": judges,
        "anchors": [anchor for _, anchor in sealed], "args": bytes_as_text(args),
    }  # fmt: skip


def _gathered(desk: Desk, params: Mapping[str, Any]) -> tuple[Any, Piece, list[Finding]]:
    delivery = find(desk, params, "deliveries", "get", "delivery")
    row = number(params, "row", 0)
    why = text(params, "text", MAX_WHY_BYTES // 4) if params.get("text") else ""
    with fetcher(desk).locked(delivery["grant"], PATIENCE_S):
        copy = disputing.copy_of(desk.home, desk.master, delivery)
        piece = dispute.gather(copy, row, why)
    terms = dispute.Terms.load(desk.chain.chain_id, desk.chain.query, delivery["id"])
    return delivery, piece, dispute.examine(piece, terms)


def _evidence(desk: Desk, params: Mapping[str, Any]) -> Any:
    """What the evidence of a dispute proves; null if it is not sealed to this member.

    The values of the row that it points at are left out: the supervisor's command shows them.
    """
    delivery = find(desk, params, "deliveries", "get", "delivery")
    if delivery["dispute"] is None:
        raise ParamError(f"delivery {delivery['id']} is not disputed")
    piece = disputing.evidence_of(
        desk.chain.query, desk.member, desk.open_envelope, delivery["dispute"]
    )
    if piece is None:
        return None
    told = disputing.explain(desk.chain.chain_id, desk.chain.query, delivery["id"], piece)
    return {name: value for name, value in told.items() if name != "row"} | {"row": piece.row}


METHODS: dict[str, Method] = {
    "dispute.look": _look,
    "dispute.seal": _seal,
    "dispute.evidence": _evidence,
}
