"""A subject's own area: hand letters in to the registrar, and read what it answers.

Nobody logs in. A letter is signed by the subject's key on the subject's own computer, and the code
that opens its answer never leaves that computer before it is entered here.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from node.exchange import letter
from node.exchange.consent import AuthoriseError
from node.exchange.letter import MAX_LETTER_BYTES
from node.publish.box import Box, BoxError
from node.web.portal.context import Portal
from node.web.site import Area, Site, Visit, page

AREAS = (Area("/mine", "My data"),)


def routes(site: Site, portal: Portal) -> list[BaseRoute]:
    return [
        page(site, "/mine", _show, public=True),
        page(site, "/mine/letter", portal.bound(_take), methods=("POST",), public=True, files=1),
        page(site, "/mine/answer", _answer, methods=("POST",), public=True),
    ]


def _show(visit: Visit, status: int = 200, **said: Any) -> Response:
    is_open = Box(visit.site.home.letters).is_open
    values = {"done": "", "wrong": "", **said}
    registrars = [] if is_open else _registrars(visit)
    return visit.page("portal/mine.html", status, is_open=is_open, registrars=registrars, **values)


def _registrars(visit: Visit) -> list[str]:
    """Members with that role, to whose portals people go instead."""
    members = visit.query("members", "list", {})
    return [each["name"] for each in members if "registrar" in each["roles"]]


def _take(visit: Visit, portal: Portal) -> Response:
    given = visit.files.get("letter")
    if given is None or len(given.data) > MAX_LETTER_BYTES:
        return _show(visit, 400, wrong=visit.say("Choose the file of a letter."))
    folder, data = visit.site.home.letters, given.data
    try:
        done = portal.take(visit, lambda: letter.hand_in(folder, data))
    except AuthoriseError:
        return _show(visit, 400, wrong=visit.say("This file is no letter."))
    except BoxError as error:
        return _show(visit, error.status, wrong=visit.told(error))
    if done is None:
        return _show(visit, 429, wrong=visit.say("That is much at once; please wait some minutes."))
    return _show(visit, done=done)


def _answer(visit: Visit) -> Response:
    try:
        found = letter.read_answer(visit.site.home.letters, visit.form.get("code", "")[:200])
    except AuthoriseError:
        return _show(visit, 400, wrong=visit.say("This is no code of a letter."))
    if found is None:
        wrong = visit.say("There is no answer to this letter yet, or no longer.")
        return _show(visit, 404, wrong=wrong)
    answer = visit.page("portal/answer.html", told=found)
    answer.headers["cache-control"] = "no-store"
    return answer
