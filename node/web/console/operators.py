"""The member's operators: their duties, granted by two persons, renewed and revoked by an admin."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.api import ADMIN, DUTIES
from contracts.system.operators import PAGE
from node.web.console.exchange import now_ms
from node.web.console.fields import FormError, day_end_of, or_again
from node.web.console.rows import all_rows
from node.web.console.seconds import prepare, waiting
from node.web.signing import propose
from node.web.site import Site, Visit, page

_OPERATORS = "/governance/operators"
MAX_CARD = 4_096
_TERMS = ("trained_until", "confidential_until")


def routes(site: Site) -> list[BaseRoute]:
    return [
        page(site, _OPERATORS, _list),
        page(site, _OPERATORS, or_again(_grant, _page), methods=("POST",), duties=(ADMIN,)),
        page(site, _OPERATORS + "/{name}/train", _train, methods=("POST",), duties=(ADMIN,)),
        page(site, _OPERATORS + "/{name}/revoke", _revoke, methods=("POST",), duties=(ADMIN,)),
    ]


def _list(visit: Visit) -> Response:
    return _page(visit, {})


def _page(visit: Visit, given: Mapping[str, str], problem: str = "") -> Response:
    member = visit.site.member
    rows = all_rows(visit, "operators", "list", {"member": member}, by="name")
    known = {row["name"] for row in rows if row["status"] == "active"}
    return visit.page(
        "operators.html", 400 if problem else 200, rows=rows, given=given, problem=problem,
        duties=DUTIES, waiting=waiting(visit, "operators"),
        made=[card for card in _made_here(visit) if card["operator"] not in known],
        may=ADMIN in visit.duties, now=now_ms(),
        days={row["name"]: {term: _day(row[term]) for term in _TERMS} for row in rows},
    )  # fmt: skip


def _made_here(visit: Visit) -> list[dict[str, str]]:
    """What `muniment operator new` wrote in this home, as far as it can be read."""
    found = []
    for path in sorted(visit.site.home.operators.glob("*.json"))[:PAGE]:
        try:
            card = _card(path.read_text("utf-8")[: MAX_CARD + 1])
        except (OSError, ValueError):
            continue
        found.append({"operator": card["operator"], "text": json.dumps(card)})
    return found


def _card(text: str) -> dict[str, str]:
    """A key with its proof, by `muniment operator new`. Raises ValueError."""
    found = json.loads(text) if len(text) <= MAX_CARD else None
    if not isinstance(found, dict) or not {"operator", "key", "proof"} <= found.keys():
        raise ValueError("no key of an operator")
    card = {name: str(found[name]) for name in ("operator", "key", "proof")}
    bytes.fromhex(card["key"])
    bytes.fromhex(card["proof"])
    return card


def _day(ms: int) -> str:
    """A day in UTC as forms have it, empty where there is none."""
    return datetime.fromtimestamp(ms / 1_000, UTC).date().isoformat() if ms else ""


def _terms(visit: Visit) -> dict[str, int]:
    """The ends of both terms, 0 without. Raises FormError."""
    return {name: day_end_of(visit, name) for name in _TERMS}


def _shown(visit: Visit, terms: Mapping[str, int]) -> list[tuple[str, str]]:
    return [
        (visit.say("Trained until"), _day(terms["trained_until"]) or "–"),
        (visit.say("Confidential until"), _day(terms["confidential_until"]) or "–"),
    ]


def _grant(visit: Visit) -> Response:
    """An operator signs, so that the ledger wants a second person: it is prepared.

    Raises MunimentError.
    """
    try:
        card = _card(visit.form.get("card", "").strip())
    except ValueError as error:
        told = visit.say("This is not what muniment operator new has written.")
        raise FormError(told) from error
    terms, duties = _terms(visit), [duty for duty in DUTIES if f"duty-{duty}" in visit.form]
    if not duties:
        raise FormError(visit.say("Choose one duty at least."))
    args = {"operator": card["operator"], "key": bytes.fromhex(card["key"]),
            "proof": bytes.fromhex(card["proof"]), "duties": duties, **terms}  # fmt: skip
    words = [
        (visit.say("Operator"), card["operator"]),
        (visit.say("Key"), card["key"]),
        (visit.say("Duties"), ", ".join(visit.say(duty) for duty in duties)),
        *_shown(visit, terms),
    ]
    return prepare(visit, visit.say("Grant duties to %s") % card["operator"], words,
                   ("operators", "grant", args), _OPERATORS)  # fmt: skip


def _find(visit: Visit) -> Any:
    """The operator that the path names. Raises MissingError."""
    args = {"member": visit.site.member, "operator": visit.param("name")}
    return visit.find("operators", "get", args, visit.say("There is no such operator."))


def _train(visit: Visit) -> Response:
    row = _find(visit)
    terms = _terms(visit)
    words = [(visit.say("Operator"), row["name"]), *_shown(visit, terms)]
    return propose(visit, visit.say("Renew the terms of %s") % row["name"], words,
                   [("operators", "train", {"operator": row["name"], **terms})],
                   _OPERATORS)  # fmt: skip


def _revoke(visit: Visit) -> Response:
    row = _find(visit)
    duties = ", ".join(visit.say(duty) for duty in row["duties"])
    words = [(visit.say("Operator"), row["name"]), (visit.say("Duties"), duties or "–")]
    return propose(visit, visit.say("Revoke the duties of %s") % row["name"], words,
                   [("operators", "revoke", {"operator": row["name"]})], _OPERATORS)  # fmt: skip
