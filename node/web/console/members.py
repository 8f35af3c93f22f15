"""The tree of members, a member with its keys and operators, and changes of it put to the vote."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from consensus.genesis import PURPOSES, ROLES, TIERS, Card
from node.network import card_of
from node.web.console.fields import FormError, or_again
from node.web.console.governance import DECIDE, put_forward, shown, voters_of
from node.web.site import MissingError, Site, Visit, page

_MEMBERS = "/governance/members"
MAX_CARD = 8_192
_ACTS = ("suspend", "reinstate", "expel")


def routes(site: Site) -> list[BaseRoute]:
    member = _MEMBERS + "/{name}"
    return [
        page(site, _MEMBERS, _tree),
        page(site, _MEMBERS, or_again(_admit, _page), methods=("POST",), duties=DECIDE),
        page(site, member, _show),
        page(site, member + "/{act}", _act, methods=("POST",), duties=DECIDE),
    ]


def tree_of(records: Sequence[Mapping[str, Any]]) -> list[tuple[int, Mapping[str, Any]]]:
    """Members with their depth in the tree, each below its parent; none is left out."""
    below: dict[str | None, list[Mapping[str, Any]]] = {}
    names = {record["name"] for record in records}
    for record in records:
        parent = record["parent"] if record["parent"] in names else None
        below.setdefault(parent, []).append(record)
    found: list[tuple[int, Mapping[str, Any]]] = []
    waiting = [(0, record) for record in reversed(below.get(None, []))]
    while waiting:
        depth, record = waiting.pop()
        found.append((depth, record))
        waiting += [(depth + 1, each) for each in reversed(below.get(record["name"], []))]
    return found


def _tree(visit: Visit) -> Response:
    return _page(visit, {})


def _page(visit: Visit, given: Mapping[str, str], problem: str = "") -> Response:
    records, epoch = visit.query("members", "list"), visit.call("validators.get")
    return visit.page(
        "members.html", 400 if problem else 200, tree=tree_of(records), epoch=epoch,
        validators={each["name"] for each in epoch["validators"]}, voters=voters_of(records),
        given=given, problem=problem, may=not visit.duties.isdisjoint(DECIDE), tiers=TIERS,
        roles=ROLES, names=[each["name"] for each in records],
    )  # fmt: skip


def _admit(visit: Visit) -> Response:
    """Raises MunimentError."""
    card = card_from(visit, visit.form.get("card", ""))
    wanted = {key: value for key, value in _wanted(visit).items() if value is not None}
    words = [(visit.say("Member"), card.name), (visit.say("Key"), card.member_key.hex()),
             *((key, shown(value)) for key, value in wanted.items())]  # fmt: skip
    return put_forward(visit, "admit", {"card": card.to_value(), **wanted}, words, _MEMBERS)


def card_from(visit: Visit, text: str) -> Card:
    """A member's card, which proves that the member holds its keys. Raises MunimentError."""
    try:
        found = json.loads(text[:MAX_CARD])
    except (ValueError, RecursionError) as error:
        raise FormError(visit.say("This is no card.")) from error
    return card_of(found, visit.say("What was given"))


def _find(visit: Visit) -> Any:
    """The member that the path names. Raises MissingError."""
    args = {"name": visit.param("name")}
    return visit.find("members", "get", args, visit.say("There is no such member."))


def _show(visit: Visit) -> Response:
    record = _find(visit)
    records, epoch = visit.query("members", "list"), visit.call("validators.get")
    return visit.page(
        "member.html", record=record, epoch=epoch, purposes=PURPOSES, tiers=TIERS, roles=ROLES,
        validates=any(each["name"] == record["name"] for each in epoch["validators"]),
        children=[each["name"] for each in records if each["parent"] == record["name"]],
        names=[each["name"] for each in records if each["name"] != record["name"]],
        operators=visit.query("operators", "list", {"member": record["name"]}),
        may=not visit.duties.isdisjoint(DECIDE),
    )  # fmt: skip


def _act(visit: Visit) -> Response:
    record, act = _find(visit), visit.param("act")
    if act not in (*_ACTS, "change"):
        raise MissingError(visit.say("There is no such member."))
    name, back = record["name"], f"{_MEMBERS}/{visit.param('name')}"
    words = [(visit.say("Member"), name)]
    if act in _ACTS:
        return put_forward(visit, act, {"member": name}, words, back)
    wanted = _wanted(visit)
    changed = {key: value for key, value in wanted.items() if value != record[key]}
    if not changed:
        raise FormError(visit.say("Nothing is to be changed."))
    words += [(key, f"{shown(record[key])} → {shown(value)}") for key, value in changed.items()]
    return put_forward(visit, "change", {"member": name, **changed}, words, back)


def _wanted(visit: Visit) -> dict[str, Any]:
    """The place and roles of the form."""
    form = visit.form
    roles: list[str] = [role for role in ROLES if f"role-{role}" in form]
    texts = {key: form.get(key, "")[:128].strip() or None
             for key in ("parent", "jurisdiction", "storage")}  # fmt: skip
    return {"tier": form.get("tier", ""), "roles": sorted(roles), **texts}
