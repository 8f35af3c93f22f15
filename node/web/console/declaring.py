"""Own sources declared, changed and ended by a steward; files of a steward's own handed in."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.api import STEWARD
from node.data.inbox import Intake, Sender
from node.errors import MunimentError
from node.web.console.fields import MAX_FILE_BYTES, FormError, file_of
from node.web.console.sources import SOURCES, list_page, source_page
from node.web.site import Site, Visit, page

_HAND_IN = "/data/hand-in"
ROOMY = {_HAND_IN + "/": MAX_FILE_BYTES + (1 << 20)}
"""Larger bodies that the guard lets through."""
_FIELDS = ("kind", "standard", "title", "key", "place", "more", "secret")


def routes(site: Site) -> list[BaseRoute]:
    source, steward = SOURCES + "/{name}", (STEWARD,)
    return [
        page(site, SOURCES, _declare, methods=("POST",), duties=steward),
        page(site, source + "/declaration", _change, methods=("POST",), duties=steward),
        page(site, source + "/end", _end, methods=("POST",), duties=steward),
        page(site, _HAND_IN + "/{name}", _hand_in, methods=("POST",), duties=steward, files=1),
    ]


def _form(visit: Visit) -> dict[str, Any]:
    return {name: visit.form.get(name, "").replace("\r\n", "\n") for name in _FIELDS}


def _given(visit: Visit) -> dict[str, Any]:
    """What the form shows again; a secret is typed anew."""
    return {**visit.form, "secret": ""}


def _declare(visit: Visit) -> Response:
    name = visit.form.get("name", "").strip()
    try:
        if not name:
            raise FormError(visit.say("This form is not complete."))
        visit.desk("source.declare", source=name, who=visit.operator, **_form(visit))
    except MunimentError as error:
        return list_page(visit, _given(visit), visit.told(error))
    return visit.see(f"{SOURCES}/{name}")


def _change(visit: Visit) -> Response:
    name, seen = visit.param("name"), visit.form.get("seen", "")
    try:
        visit.desk("source.declare", source=name, who=visit.operator, seen=seen, **_form(visit))
    except MunimentError as error:
        return source_page(visit, _given(visit), visit.told(error))
    return visit.see(f"{SOURCES}/{name}")


def _end(visit: Visit) -> Response:
    if "sure" not in visit.form:
        return visit.problem(visit.say("Say that you are sure: it cannot be undone."))
    visit.desk("source.end", source=visit.param("name"), who=visit.operator)
    return visit.see(SOURCES)


def _hand_in(visit: Visit) -> Response:
    """Seal a file as outsiders' are sealed; a steward's own needs nobody's word to be taken."""
    name = visit.param("name")
    try:
        data = file_of(visit, "file")
        if not data:
            raise FormError(visit.say("Choose a file."))
        visit.desk("upload.open", source=name)
        sender = Sender(visit.operator, name, 0, "")
        with Intake(visit.site.home).begin(sender, visit.files["file"].name) as arrival:
            arrival.add(data)
            arrival.complete()
        visit.desk("upload.decide", upload=arrival.id, take=True, who=visit.operator)
    except MunimentError as error:
        return source_page(visit, {}, visit.told(error))
    return visit.see(f"{SOURCES}/{name}")
