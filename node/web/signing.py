"""From what a person wants to a signed transaction: shown in full, then signed, then followed.

A handler calls `propose`; the person sees the calls exactly as they would be signed, and only the
press of the button signs them, with the session's key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.responses import Response
from starlette.routing import BaseRoute

from consensus.codec import encode
from consensus.crypto import sha256
from node.errors import MunimentError
from node.network import bytes_as_text, bytes_from_text
from node.rpc.client import UNREACHABLE, NodeError
from node.transactions import sign_calls
from node.web.site import Site, Visit, page

MAYBE_TAKEN = (*UNREACHABLE, "replayed")
"""Codes after which a signed transaction may stand on the chain."""
CallArguments = tuple[str, str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Proposal:
    """Calls that wait for a person's signature: (contract, method, arguments) each.

    `sealed` are the envelopes that they anchor, forgotten if nothing comes of it; `back` is where
    one comes from, `then` where one goes on to afterwards. `check` is asked before it is signed,
    and raises MunimentError where somebody else was first.
    """

    title: str
    words: tuple[tuple[str, str], ...]
    calls: tuple[CallArguments, ...]
    back: str
    sealed: tuple[str, ...] = ()
    then: str = ""
    check: Callable[[Visit], None] | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of the calls as the ledger encodes them."""
        return sha256(encode([list(call) for call in self.calls])).hex()


def propose(
    visit: Visit, title: str, words: Sequence[tuple[str, str]], calls: Sequence[CallArguments],
    back: str, sealed: Sequence[str] = (), *, then: str = "",
    check: Callable[[Visit], None] | None = None,
) -> Response:  # fmt: skip
    """Show what would be signed. `words` say it for people; `back` is where one comes from.

    `sealed` are ids of envelopes from `seal`, whose anchors are among the calls; `then` is where
    one goes on to, `back` if it is left out; for `check` see `Proposal`.
    """
    if visit.session is None:
        raise MunimentError("nobody is logged in")
    proposal = Proposal(title, tuple(words), tuple(calls), back, tuple(sealed), then,
                        check)  # fmt: skip
    return visit.see(f"/sign/{visit.session.propose(proposal)}")


def seal(visit: Visit, kind: str, text: str, to: Sequence[str]) -> tuple[str, CallArguments]:
    """Let the desk seal a text to members; returns its id and the call that anchors it.

    Raises NodeError, DeskError.
    """
    return anchored(visit.desk("sealing.seal", kind=kind, text=text, to=list(to)))


def anchored(made: dict[str, Any]) -> tuple[str, CallArguments]:
    """An envelope as the desk gives it: its id, and the call that anchors it."""
    return made["envelope"], ("envelopes", "anchor", bytes_from_text(made["anchor"]))


def _show(visit: Visit) -> Response:
    proposal = _find(visit)
    if proposal is None:
        return visit.problem(visit.say("This was signed, or waited too long."), 404)
    shown = [(contract, method, bytes_as_text(args)) for contract, method, args in proposal.calls]
    return visit.page("sign.html", proposal=proposal, calls=shown)


def _sign(visit: Visit) -> Response:
    """Sign once. What the node refuses may be tried again; what it may have taken is followed."""
    session, name = visit.session, visit.param("name")
    proposal = session.take(name) if session else None
    if session is None or not isinstance(proposal, Proposal):
        return visit.problem(visit.say("This was signed, or waited too long."), 404)
    if visit.form.get("decision") != "sign":
        _discard(visit, proposal)
        return visit.see(proposal.back)
    if proposal.check is not None:
        try:
            proposal.check(visit)
        except MunimentError:
            _discard(visit, proposal)
            raise
    sender, link = f"{visit.site.member}/{session.operator}", visit.site.link
    made = None
    try:
        made = sign_calls(link, visit.site.genesis.chain_id, session.signer, sender,
                          proposal.calls)  # fmt: skip
        link.call("tx.submit", tx=made.raw.hex())
    except NodeError as error:
        if made is None or error.code not in MAYBE_TAKEN:
            session.proposals[name] = proposal
            raise
    with suppress(NodeError):  # its page asks again
        state = link.call("tx.wait", txid=made.txid.hex(), timeout_ms=5_000)
        if state["state"] == "final" and state["code"] != 0:
            _discard(visit, proposal)
    then = quote(proposal.then or proposal.back, safe="/")
    return visit.see(f"/tx/{made.txid.hex()}?to={then}")


def _discard(visit: Visit, proposal: Proposal) -> None:
    with suppress(MunimentError):  # a file too many does no harm
        for envelope in proposal.sealed:
            visit.desk("sealing.discard", envelope=envelope)


def _find(visit: Visit) -> Proposal | None:
    if visit.session is None:
        return None
    found = visit.session.proposals.get(visit.param("name"))
    return found if isinstance(found, Proposal) else None


def routes(site: Site) -> list[BaseRoute]:
    return [
        page(site, "/sign/{name}", _show),
        page(site, "/sign/{name}", _sign, methods=("POST",)),
    ]
