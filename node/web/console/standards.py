"""Standards of all members; a steward publishes the own ones as documents."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.api import STEWARD
from node.data import standard as standards
from node.web.console.declaring import seal_file
from node.web.console.documents import map_of_document, with_line
from node.web.console.fields import ROOM, FormError, name_of_form, or_again
from node.web.console.governance import shown
from node.web.console.rows import all_rows
from node.web.signing import propose
from node.web.site import MissingError, Site, Visit, page

_STANDARDS = "/data/standards"
_PUBLISH = "/data/publish-standard"
_DRAFT = "/data/draft-standard"
ROOMY = {_DRAFT: ROOM}


def routes(site: Site) -> list[BaseRoute]:
    draft, publish = or_again(_make_draft, _form), or_again(_propose, _form)
    return [
        page(site, _STANDARDS, _list),
        page(site, _PUBLISH, _begin, duties=(STEWARD,)),
        page(site, _DRAFT, draft, methods=("POST",), duties=(STEWARD,), files=1),
        page(site, _PUBLISH, publish, methods=("POST",), duties=(STEWARD,), files=1),
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
    if not visit.option("draft"):
        return _form(visit, {"document": _start(visit)}, "", 200)
    job = visit.job(visit.option("draft"))
    if job["kind"] != "draft" or not job["about"].startswith(f"{visit.operator} "):
        raise MissingError(visit.say("There is no such draft of yours."))
    given = {"document": job["result"]["document"] if job["result"] else ""}
    return _form(visit, given, job["problem"], 200, is_waiting=job["state"] == "running")


def _form(
    visit: Visit, given: Mapping[str, str], problem: str, status: int = 400, *,
    is_waiting: bool = False,
) -> Response:  # fmt: skip
    return visit.page("publish_standard.html", status, given=given, problem=problem,
                      is_waiting=is_waiting, starters=list(standards.starters()))  # fmt: skip


def _make_draft(visit: Visit) -> Response:
    """Let the desk draft a standard from a table, which is destroyed afterwards.

    Raises MunimentError.
    """
    identity = f"{visit.site.member}/{name_of_form(visit, 'name')}"
    upload = seal_file(visit, "")
    job = visit.desk("standard.draft", id=identity, who=visit.operator, upload=upload)
    return visit.see(f"{_PUBLISH}?draft={job}")


def _start(visit: Visit) -> str:
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
