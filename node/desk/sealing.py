"""What travels sealed: made for a call to be signed, opened, forgotten where nobody signs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from node.cli.sealing import seal_to
from node.desk.params import MAX_TEXT, hexadecimal, text, texts
from node.envelopes.content import Content
from node.envelopes.store import EnvelopeStore
from node.network import bytes_as_text
from node.rpc.client import Client

if TYPE_CHECKING:
    from node.desk import Desk, Method

UNSIGNED_MS = 7 * 86_400_000
"""How long an envelope waits for somebody to sign its anchor: much longer than a session, and than
a signed transaction is valid."""


def seal(desk: Desk, content: Content, to: Sequence[str]) -> tuple[bytes, Any]:
    """Seal a record to members; returns its id, and the arguments that anchor it, for JSON.

    It is a draft until the ledger knows it; see `node.cli.sealing.seal_to`.
    """
    envelope, (_, _, args) = seal_to(desk.home, content, to)
    EnvelopeStore(desk.home.envelopes).mark_draft(envelope)
    return envelope, bytes_as_text(args)


def sweep(desk: Desk) -> list[bytes]:
    """Forget drafts that nobody has signed, as of a closed page; returns their ids.

    The time is that of the latest block: a node that is behind may not know an anchor yet.
    Raises MunimentError.
    """
    store = EnvelopeStore(desk.home.envelopes)
    drafts, gone = store.drafts(), []
    if not drafts:
        return []
    with Client(desk.home.socket) as client:
        now_ms = client.call("block.get", height="latest", most=0)["timestamp"]
    for envelope, sealed_ms in drafts:
        if desk.chain.query("envelopes", "get", {"id": envelope}) is not None:
            store.settle_draft(envelope)
        elif now_ms - sealed_ms > UNSIGNED_MS:
            store.discard(envelope)
            gone.append(envelope)
    return gone


def _seal(desk: Desk, params: Mapping[str, Any]) -> Any:
    """Seal `text` as a record of `kind` to the members `to`."""
    words, kind = text(params, "text", MAX_TEXT), text(params, "kind")
    envelope, anchor = seal(desk, Content.create(kind, {"text": words}), texts(params, "to"))
    return {"envelope": envelope.hex(), "anchor": anchor}


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
