"""Standards of all members; a steward publishes the own ones as documents."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.api import STEWARD
from node.data import standard as standards
from node.errors import MunimentError
from node.web.console.documents import map_of_document, with_line
from node.web.console.fields import MAX_FILE_BYTES, FormError
from node.web.console.governance import shown
from node.web.console.rows import all_rows
from node.web.signing import propose
from node.web.site import Site, Visit, page

_STANDARDS = "/data/standards"
_PUBLISH = "/data/publish-standard"
ROOMY = {_PUBLISH: MAX_FILE_BYTES + (1 << 20)}
"""Larger bodies that the guard lets through, so that a file too large is refused by its size."""


def routes(site: Site) -> list[BaseRoute]:
    return [
        page(site, _STANDARDS, _list),
        page(site, _PUBLISH, _begin, duties=(STEWARD,)),
        page(site, _PUBLISH, _publish, methods=("POST",), duties=(STEWARD,), files=1),
        page(site, _STANDARDS + "/{owner}/{name}", _show),
    ]


def _list(visit: Visit) -> Response:
    return visit.page("standards.html", rows=all_rows(visit, "standards", "list", {}),
                      may=STEWARD in visit.duties)  # fmt: skip


def _show(visit: Visit) -> Response:
    identity = f"{visit.param('owner')}/{visit.param('name')}"[:200]
    missing = visit.say("There is no standard of this name.")
    found = visit.find("standards", "get", {"id": identity}, missing)
    is_own = STEWARD in visit.duties and found["owner"] == visit.site.member
    return visit.page("standard.html", found=found, body=found["standard"], may=is_own)


# Publishing


def _begin(visit: Visit) -> Response:
    return _form(visit, {"document": _draft(visit)})


def _form(visit: Visit, given: Mapping[str, str], problem: str = "") -> Response:
    return visit.page("publish_standard.html", 400 if problem else 200, given=given,
                      problem=problem, starters=list(standards.starters()))  # fmt: skip


def _draft(visit: Visit) -> str:
    """What the form begins with: the next version of `next`, or the starter `start`."""
    starters, identity = standards.starters(), visit.option("next")
    if identity.startswith(f"{visit.site.member}/"):
        found = visit.find("standards", "get", {"id": identity},
                           visit.say("There is no standard of this name."))  # fmt: skip
        body = {**found["standard"], "version": found["latest"] + 1}
    elif (name := visit.option("start")) in starters:
        body = {**starters[name], "id": f"{visit.site.member}/{name}"}
    else:
        return ""
    return json.dumps(body, indent=2, ensure_ascii=False)


def _publish(visit: Visit) -> Response:
    try:
        return _propose(visit)
    except MunimentError as error:
        return _form(visit, visit.form, visit.told(error))


def _propose(visit: Visit) -> Response:
    """Let a person sign a standard, with what changes. Raises MunimentError."""
    say, document = visit.say, map_of_document(visit)
    try:
        body: Any = standards.checked(document, say("What was given"))
    except standards.StandardError as error:
        said = error.message.removeprefix(f"{say('What was given')}: ")
        raise FormError(with_line(visit, visit.told(error), said)) from error
    identity, version = body["id"], body["version"]
    if not identity.startswith(f"{visit.site.member}/"):
        raise FormError(say("The id begins with the name of this member: %s/") % visit.site.member)
    known = visit.query("standards", "get", {"id": identity})
    if version != (known["latest"] if known else 0) + 1:
        raise FormError(say("Its next version is %s.") % ((known["latest"] if known else 0) + 1))
    words = [(say("Standard"), identity), (say("Version"), str(version)),
             (say("Title"), body["title"])]  # fmt: skip
    if known is None:
        words += [(each["name"], f"{each['type']} · L{each['level']}") for each in body["fields"]]
    else:
        changes = standards.diff(known["standard"], body)
        if not changes:
            raise FormError(say("Nothing is to be changed."))
        effects = {"breaking": say("data of the old version may not follow it"),
                   "grade": say("who may see it changes"),
                   "compatible": say("compatible")}  # fmt: skip
        words += [
            (f"{each.field} {say(each.what)}",
             f"{shown(each.old)} → {shown(each.new)} · {effects[each.effect]}")
            for each in changes
        ]  # fmt: skip
    return propose(visit, say("Publish the standard %s") % identity, words,
                   [("standards", "publish", body)], _STANDARDS,
                   then=f"{_STANDARDS}/{identity}")  # fmt: skip
