"""Logging in and out; language, theme."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import BaseRoute

from node.web.guard import Rates
from node.web.language import NAMES
from node.web.sessions import LoginError
from node.web.site import COOKIE, LANGUAGE_COOKIE, THEME_COOKIE, THEMES, Site, Visit, page

YEAR_S = 365 * 24 * 3_600
TRIES_PER_S, TRIES = 1 / 10, 10.0
"""Wrong passphrases that an address may give."""


def _destination(text: str) -> str:
    """A path of this site, or its first page."""
    is_own = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if is_own else "/"


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

        if tries.left(client) < 1:
            return again(visit.say("Too many tries; wait a minute."), 429)
        if site.sessions is None:
            raise LoginError("nobody logs in here")
        try:
            session = site.sessions.enter(operator, visit.form.get("passphrase", "")[:1_000])
        except LoginError:
            tries.allows(client)
            return again(visit.say("No active operator has this name and passphrase."), 403)
        answer = visit.see(_destination(to))
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

    def prefer(visit: Visit) -> Response:
        answer = visit.see(_destination(visit.form.get("to", "/")))
        chosen = {LANGUAGE_COOKIE: (visit.form.get("language"), tuple(NAMES)),
                  THEME_COOKIE: (visit.form.get("theme"), THEMES)}  # fmt: skip
        for cookie, (value, allowed) in chosen.items():
            if value in allowed:
                answer.set_cookie(cookie, value, max_age=YEAR_S, samesite="lax", httponly=True,
                                  secure=site.secure)  # fmt: skip
        return answer

    return [
        page(site, "/login", show, public=True),
        page(site, "/login", enter, methods=("POST",), public=True),
        page(site, "/logout", leave, methods=("POST",)),
        page(site, "/preferences", prefer, methods=("POST",), public=True),
    ]
