"""Contact groups: members that are addressed together, and how to reach their people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.system.dispatch import DUTIES
from node.cli.sealing import RECIPIENTS_EACH
from node.web.console.dispatch import members_of
from node.web.console.fields import FormError, name_of_form, or_again, recipients_of, text_of
from node.web.console.letters import read, seal_to_all
from node.web.signing import CallArguments, propose
from node.web.site import Site, Visit, page

_GROUPS = "/dispatch/groups"


def routes(site: Site) -> list[BaseRoute]:
    return [
        page(site, _GROUPS, _list),
        page(site, _GROUPS, or_again(_propose, _page), methods=("POST",), duties=DUTIES),
        page(site, _GROUPS + "/end", _end, methods=("POST",), duties=DUTIES),
    ]


def _list(visit: Visit) -> Response:
    return _page(visit, {"group": ""})


def _page(visit: Visit, given: Mapping[str, str], problem: str = "") -> Response:
    rows = [
        (name, names, read(visit, [envelope] if envelope else []))
        for name, names, envelope in visit.query("dispatch", "groups", {"owner": visit.site.member})
    ]
    choices = [(r["name"], r["tier"]) for r in members_of(visit) if r["status"] == "active"]
    return visit.page("groups.html", 400 if problem else 200, rows=rows, given=given,
                      problem=problem, choices=choices)  # fmt: skip


def _propose(visit: Visit) -> Response:
    """Raises MunimentError."""
    name, text, say = name_of_form(visit, "group"), text_of(visit), visit.say
    active = [r["name"] for r in members_of(visit) if r["status"] == "active"]
    to = recipients_of(visit, active)
    sealed: list[str] = []
    anchors: list[CallArguments] = []
    words = [(say("Contact group"), name), (say("Members"), ", ".join(to))]
    if text and len(to) > RECIPIENTS_EACH:
        raise FormError(say("Contacts are sealed to %s members at most.") % RECIPIENTS_EACH)
    if text:
        sealed, anchors = seal_to_all(visit, "contacts", text, to)
        words.append((say("Contacts, sealed to %s") % ", ".join(to), text))
    envelope = bytes.fromhex(sealed[0]) if sealed else None
    args = {"group": name, "members": to, "envelope": envelope}
    return propose(visit, say("Set the contact group %s") % name, words,
                   [*anchors, ("dispatch", "set_group", args)], _GROUPS, sealed)  # fmt: skip


def _end(visit: Visit) -> Response:
    name = name_of_form(visit, "group")
    args: dict[str, Any] = {"group": name, "members": [], "envelope": None}
    words = [(visit.say("Contact group"), name)]
    return propose(visit, visit.say("End the contact group %s") % name, words,
                   [("dispatch", "set_group", args)], _GROUPS)  # fmt: skip
