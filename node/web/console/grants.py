"""Grants with their quotas, their deliveries, and their end."""

from __future__ import annotations

import re
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from node.exchange.asking import fields_of
from node.render import name_of
from node.web.console.exchange import PAGE, before_of, masks_of, now_ms
from node.web.signing import propose
from node.web.site import Site, Visit, page

_REASON = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)


def routes(site: Site) -> list[BaseRoute]:
    grant = "/exchange/grants/{number:int}"
    return [
        page(site, "/exchange/grants", _list),
        page(site, grant, _show),
        page(site, grant + "/{act}", _act, methods=("POST",), duties=("approver",)),
    ]


def _list(visit: Visit) -> Response:
    requests = visit.query("access", "list", {"member": visit.site.member, **before_of(visit)})
    rows = [_find(visit, row["id"]) for row in requests if row["status"] == "granted"]
    more = requests[-1]["id"] if len(requests) == PAGE else None
    return visit.page("grants.html", rows=rows, more=more)


def _find(visit: Visit, number: int) -> Any:
    """A grant with the name of the code that says whether it may be used now, or None."""
    found = visit.query("access", "grant", {"grant": number})
    if found is None:
        return None
    usable = visit.query("access", "usable", {"grant": number, "time": now_ms()})
    return {**found, "usable": name_of(usable)}


def _show(visit: Visit) -> Response:
    found = _find(visit, int(visit.param("number")))
    if found is None:
        return visit.problem(visit.say("There is no such grant."), 404)
    names = [field["name"] for field in fields_of(visit.query, found["standard"])]
    asked = visit.query("access", "request", {"request": found["id"]})
    numbers = visit.query("deliveries", "of", {"grant": found["id"]})
    deliveries = [visit.query("deliveries", "get", {"delivery": each}) for each in numbers[:PAGE]]
    return visit.page("grant.html", grant=found, height=asked["height"],
                      masks=masks_of(found["fields"], names),
                      deliveries=[*zip(numbers, deliveries, strict=False)])  # fmt: skip


def _act(visit: Visit) -> Response:
    found = _find(visit, int(visit.param("number")))
    act, reason = visit.param("act"), visit.form.get("reason", "").strip()
    if found is None or act not in ("revoke", "resume"):
        return visit.problem(visit.say("There is no such grant."), 404)
    args: dict[str, Any] = {"grant": found["id"]}
    title = visit.say("Resume grant %s")
    if act == "revoke":
        if not _REASON.fullmatch(reason):
            return visit.problem(
                visit.say("A reason is one word such as misuse, in small letters.")
            )
        args["reason"], title = reason, visit.say("Revoke grant %s")
    words = [
        (visit.say("Dataset"), found["dataset"]),
        (visit.say("Recipient"), found["recipient"]),
        *([(visit.say("Reason"), reason)] if act == "revoke" else []),
    ]
    return propose(visit, title % found["id"], words, [("access", act, args)],
                   f"/exchange/grants/{found['id']}")  # fmt: skip
