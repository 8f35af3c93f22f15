"""From what a person wants to a signed transaction: shown in full, then signed, then followed.

A handler calls `propose`; the person sees the calls exactly as they would be signed, and only the
press of the button signs them, with the session's key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from consensus.codec import encode
from consensus.crypto import sha256
from node.errors import MunimentError
from node.network import bytes_as_text
from node.transactions import sign_calls
from node.web.site import Site, Visit, page

CallArguments = tuple[str, str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Proposal:
    """Calls that wait for a person's signature: (contract, method, arguments) each."""

    title: str
    words: tuple[tuple[str, str], ...]
    calls: tuple[CallArguments, ...]
    back: str

    @property
    def digest(self) -> str:
        """SHA-256 of the calls as the ledger encodes them."""
        return sha256(encode([list(call) for call in self.calls])).hex()


def propose(
    visit: Visit, title: str, words: Sequence[tuple[str, str]], calls: Sequence[CallArguments],
    back: str,
) -> Response:  # fmt: skip
    """Show what would be signed. `words` say it for people; `back` is where one comes from."""
    if visit.session is None:
        raise MunimentError("nobody is logged in")
    proposal = Proposal(title, tuple(words), tuple(calls), back)
    return visit.see(f"/sign/{visit.session.propose(proposal)}")


def _show(visit: Visit) -> Response:
    proposal = _find(visit)
    if proposal is None:
        return visit.problem(visit.say("This was signed, or waited too long."), 404)
    shown = [(contract, method, bytes_as_text(args)) for contract, method, args in proposal.calls]
    return visit.page("sign.html", proposal=proposal, calls=shown)


def _sign(visit: Visit) -> Response:
    proposal = _find(visit)
    if proposal is None or visit.session is None:
        return visit.problem(visit.say("This was signed, or waited too long."), 404)
    del visit.session.proposals[visit.param("name")]
    if visit.form.get("decision") != "sign":
        return visit.see(proposal.back)
    sender = f"{visit.site.member}/{visit.session.operator}"
    with visit.site.link.client() as client:
        made = sign_calls(client, visit.site.genesis.chain_id, visit.session.signer, sender,
                          proposal.calls)  # fmt: skip
        client.call("tx.submit", tx=made.raw.hex())
        client.call("tx.wait", txid=made.txid.hex(), timeout_ms=5_000)
    return visit.see(f"/tx/{made.txid.hex()}")


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
