"""Language and theme, which a visitor keeps in cookies."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import BaseRoute

from node.web.language import NAMES
from node.web.site import LANGUAGE_COOKIE, THEME_COOKIE, THEMES, Site, Visit, page

YEAR_S = 365 * 24 * 3_600


def own_path(text: str) -> str:
    """A path of this site, or its first page."""
    is_own = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if is_own else "/"


def routes(site: Site) -> list[BaseRoute]:
    def prefer(visit: Visit) -> Response:
        answer = visit.see(own_path(visit.form.get("to", "/")))
        chosen = {LANGUAGE_COOKIE: (visit.form.get("language"), tuple(NAMES)),
                  THEME_COOKIE: (visit.form.get("theme"), THEMES)}  # fmt: skip
        for cookie, (value, allowed) in chosen.items():
            if value in allowed:
                answer.set_cookie(cookie, value, max_age=YEAR_S, samesite="lax", httponly=True,
                                  secure=site.secure)  # fmt: skip
        return answer

    return [page(site, "/preferences", prefer, methods=("POST",), public=True)]
