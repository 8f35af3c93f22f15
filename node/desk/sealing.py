"""Texts that travel sealed: made for a call that an operator will sign, and opened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from node.cli.sealing import seal_text
from node.desk.params import MAX_TEXT, hexadecimal, text, texts
from node.envelopes.store import EnvelopeStore
from node.network import bytes_as_text

if TYPE_CHECKING:
    from node.desk import Desk, Method


def _seal(desk: Desk, params: Mapping[str, Any]) -> Any:
    """Seal `text` as a record of `kind` to the members `to`; see `node.cli.sealing.seal_to`."""
    words, kind = text(params, "text", MAX_TEXT), text(params, "kind")
    envelope, (_, _, args) = seal_text(desk.home, kind, words, texts(params, "to"))
    return {"envelope": envelope.hex(), "anchor": bytes_as_text(args)}


def _open(desk: Desk, params: Mapping[str, Any]) -> Any:
    """The fields of an envelope that is sealed to this member. Raises EnvelopeError."""
    content = desk.open_envelope(hexadecimal(params, "envelope"))
    return dict(zip(content.names, content.values, strict=True))


def _discard(desk: Desk, params: Mapping[str, Any]) -> Any:
    """Forget an envelope that was made but not anchored; one that the ledger knows stays."""
    envelope = hexadecimal(params, "envelope")
    if desk.chain.query("envelopes", "get", {"id": envelope}) is None:
        EnvelopeStore(desk.home.envelopes).discard(envelope)


METHODS: dict[str, Method] = {
    "sealing.seal": _seal,
    "sealing.open": _open,
    "sealing.discard": _discard,
}
