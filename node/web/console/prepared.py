"""All that one person has prepared and a second one confirms: erasures, downgrades, ..."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.api import ACTING, ADMIN
from node.exchange.asking import AskingError
from node.web.signing import propose
from node.web.site import Site, Visit, page

_PATH = "/exchange/prepared"


def routes(site: Site) -> list[BaseRoute]:
    drop = _PATH + "/{number:int}/drop"
    return [
        page(site, _PATH, _list),
        page(site, drop, _drop, methods=("POST",), duties=(ADMIN, *ACTING)),
    ]


def _waiting(visit: Visit) -> Any:
    return visit.query("operators", "requests", {"member": visit.site.member})


def _list(visit: Visit) -> Response:
    return visit.page("prepared.html", rows=_waiting(visit), own=visit.operator, path=_PATH,
                      may_drop=not visit.duties.isdisjoint((ADMIN, *ACTING)))  # fmt: skip


def _drop(visit: Visit) -> Response:
    found = _find(visit, int(visit.param("number")))
    words = [(visit.say("Call"), f"{found['contract']}.{found['method']}")]
    title = visit.say("Drop what %s has prepared") % (found["by"] or visit.site.member)
    return propose(visit, title, words, [("operators", "drop", {"request": found["id"]})], _PATH,
                   check=lambda later: _check(later, found["id"]))  # fmt: skip


def _find(visit: Visit, number: int) -> Any:
    """Raises AskingError where another person was first, or time is up."""
    for row in _waiting(visit):
        if row["id"] == number:
            return row
    raise AskingError(visit.say("This does not wait any more: somebody has confirmed or dropped "
                                "it, or its time is up."))  # fmt: skip


def _check(visit: Visit, number: int) -> None:
    _find(visit, number)
