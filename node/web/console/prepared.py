"""All that one person has prepared and a second one confirms: erasures, downgrades, ..."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.api import ACTING, ADMIN
from node.web.console.seconds import all_waiting, find_waiting
from node.web.signing import propose
from node.web.site import Site, Visit, page

_PATH = "/exchange/prepared"


def routes(site: Site) -> list[BaseRoute]:
    drop = _PATH + "/{number:int}/drop"
    return [
        page(site, _PATH, _list),
        page(site, drop, _drop, methods=("POST",), duties=(ADMIN, *ACTING)),
    ]


def _list(visit: Visit) -> Response:
    return visit.page("prepared.html", rows=all_waiting(visit), own=visit.operator, path=_PATH,
                      may_drop=not visit.duties.isdisjoint((ADMIN, *ACTING)))  # fmt: skip


def _drop(visit: Visit) -> Response:
    found = find_waiting(visit, int(visit.param("number")))
    words = [(visit.say("Call"), f"{found['contract']}.{found['method']}")]
    title = visit.say("Drop what %s has prepared") % (found["by"] or visit.site.member)

    def check(later: Visit) -> None:
        find_waiting(later, found["id"])

    return propose(visit, title, words, [("operators", "drop", {"request": found["id"]})], _PATH,
                   check=check)  # fmt: skip
