"""Own sources declared, changed and ended by a steward; files of a steward's own handed in."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.api import STEWARD
from node.data.inbox import Intake, Sender
from node.web.console.fields import ROOM, FormError, file_of, or_again
from node.web.console.sources import SOURCES, list_page, source_page
from node.web.site import Site, Visit, page

_HAND_IN = "/data/hand-in"
ROOMY = {_HAND_IN + "/": ROOM}
_FIELDS = ("kind", "standard", "title", "key", "place", "more", "secret")


def routes(site: Site) -> list[BaseRoute]:
    source = SOURCES + "/{name}"
    posts = (
        (SOURCES, or_again(_declare, list_page), 0),
        (source + "/declaration", or_again(_change, source_page), 0),
        (source + "/end", _end, 0),
        (_HAND_IN + "/{name}", or_again(_hand_in, source_page), 1),
    )
    return [
        page(site, path, act, methods=("POST",), duties=(STEWARD,), files=files)
        for path, act, files in posts
    ]


def _form(visit: Visit) -> dict[str, Any]:
    return {name: visit.form.get(name, "").replace("\r\n", "\n") for name in _FIELDS}


def _declare(visit: Visit) -> Response:
    """Raises MunimentError."""
    name = visit.form.get("name", "").strip()
    if not name:
        raise FormError(visit.say("This form is not complete."))
    visit.desk("source.declare", source=name, who=visit.operator, **_form(visit))
    return visit.see(f"{SOURCES}/{name}")


def _change(visit: Visit) -> Response:
    """Raises MunimentError."""
    name, seen = visit.param("name"), visit.form.get("seen", "")
    visit.desk("source.declare", source=name, who=visit.operator, seen=seen, **_form(visit))
    return visit.see(f"{SOURCES}/{name}")


def _end(visit: Visit) -> Response:
    if "sure" not in visit.form:
        return visit.problem(visit.say("Say that you are sure: it cannot be undone."))
    visit.desk("source.end", source=visit.param("name"), who=visit.operator)
    return visit.see(SOURCES)


def _hand_in(visit: Visit) -> Response:
    """Take a file for the next run; a steward's own needs nobody's word for it.

    Raises MunimentError.
    """
    name = visit.param("name")
    upload = seal_file(visit, name)
    visit.desk("upload.decide", upload=upload, take=True, who=visit.operator)
    return visit.see(f"{SOURCES}/{name}")


def seal_file(visit: Visit, source: str) -> str:
    """Seal the form's file as outsiders' are sealed, for a source or for none; returns its id.

    Raises MunimentError.
    """
    data = file_of(visit, "file")
    if not data:
        raise FormError(visit.say("Choose a file."))
    visit.desk("upload.open", source=source)
    sender = Sender(visit.operator, source, 0, "")
    with Intake(visit.site.home).begin(sender, visit.files["file"].name) as arrival:
        arrival.add(data)
        arrival.complete()
    return arrival.id
