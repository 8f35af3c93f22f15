"""Logging in and out."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import BaseRoute

from node.web.guard import Rates
from node.web.preferences import own_path
from node.web.sessions import BusyError, LoginError
from node.web.site import COOKIE, Site, Visit, page

TRIES_PER_S, TRIES = 1 / 10, 10.0
"""Wrong passphrases that an address may give."""


def routes(site: Site) -> list[BaseRoute]:
    tries = Rates(TRIES_PER_S, TRIES)

    def show(visit: Visit) -> Response:
        if visit.session is not None:
            return visit.see("/")
        return visit.page("login.html", to=visit.option("to", "/"), operator="", problem="")

    def enter(visit: Visit) -> Response:
        operator, to = visit.form.get("operator", "")[:64].strip(), visit.form.get("to", "/")
        client = visit.request.client.host if visit.request.client else ""

        def again(problem: str, status: int) -> Response:
            return visit.page("login.html", status, to=to, operator=operator, problem=problem)

        if not tries.allows(client):
            return again(visit.say("Too many tries; wait a minute."), 429)
        if site.sessions is None:
            raise LoginError("nobody logs in here")
        try:
            session = site.sessions.enter(operator, visit.form.get("passphrase", "")[:1_000])
        except BusyError:
            tries.give_back(client)
            return again(visit.say("Too many people log in at once; try again."), 503)
        except LoginError:
            return again(visit.say("No active operator has this name and passphrase."), 403)
        tries.give_back(client)
        answer = visit.see(own_path(to))
        answer.set_cookie(
            COOKIE, session.token, httponly=True, samesite="strict", secure=site.secure
        )
        return answer

    def leave(visit: Visit) -> Response:
        if site.sessions is not None and visit.session is not None:
            site.sessions.leave(visit.session.token)
        answer = visit.see("/login")
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=site.secure)
        return answer

    return [
        page(site, "/login", show, public=True),
        page(site, "/login", enter, methods=("POST",), public=True),
        page(site, "/logout", leave, methods=("POST",)),
    ]
