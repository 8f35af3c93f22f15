"""Data: the catalogue of all members, and what its other pages are."""

from __future__ import annotations

from starlette.responses import Response
from starlette.routing import BaseRoute

from node.web.catalogue import FACETS, Catalogue, search
from node.web.console import datasets, declaring, opening, sources, standards
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
        *standards.routes(site),
        *datasets.routes(site, catalogue),
    ]


def _search(visit: Visit, catalogue: Catalogue) -> Response:
    return visit.page("catalogue.html", **search(catalogue, visit.option, "/data", FACETS))
