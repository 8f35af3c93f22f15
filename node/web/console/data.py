"""Data: the catalogue of all members, and standards."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import BaseRoute

from node.web.catalogue import FACETS, Catalogue, search
from node.web.console import datasets, declaring, opening, sources
from node.web.console.rows import all_rows
from node.web.site import Area, Site, Visit, page

AREAS = (Area("/data", "Data"),)
ALL_LEVELS = 4


def routes(site: Site) -> list[BaseRoute]:
    catalogue = Catalogue(site.link, site.live, ALL_LEVELS)

    return [
        *sources.routes(site),
        *declaring.routes(site),
        *opening.routes(site, catalogue),
        page(site, "/data", lambda visit: _search(visit, catalogue)),
        page(site, "/data/standards", _standards),
        page(site, "/data/standards/{owner}/{name}", _standard),
        *datasets.routes(site, catalogue),
    ]


def _search(visit: Visit, catalogue: Catalogue) -> Response:
    return visit.page("catalogue.html", **search(catalogue, visit.option, "/data", FACETS))


def _standards(visit: Visit) -> Response:
    return visit.page("standards.html", rows=all_rows(visit, "standards", "list", {}))


def _standard(visit: Visit) -> Response:
    identity = f"{visit.param('owner')}/{visit.param('name')}"[:200]
    missing = visit.say("There is no standard of this name.")
    found = visit.find("standards", "get", {"id": identity}, missing)
    return visit.page("standard.html", found=found, body=found["standard"])
