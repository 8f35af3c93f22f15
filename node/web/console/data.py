"""Data: the catalogue of all members, each dataset with its grades and history, standards."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts.api import ACTING
from node.web.catalogue import FACETS, Catalogue, search
from node.web.console import sources
from node.web.site import Area, Site, Visit, page

AREAS = (Area("/data", "Data"),)
ALL_LEVELS = 4
MAX_VERSIONS = 100


def routes(site: Site) -> list[BaseRoute]:
    catalogue = Catalogue(site.link, ALL_LEVELS)

    return [
        *sources.routes(site),
        page(site, "/data", lambda visit: _search(visit, catalogue)),
        page(site, "/data/standards", _standards),
        page(site, "/data/standards/{owner}/{name}", _standard),
        page(site, "/data/{owner}/{name}", lambda visit: _dataset(visit, catalogue)),
    ]


def _search(visit: Visit, catalogue: Catalogue) -> Response:
    return visit.page("catalogue.html", **search(catalogue, visit.option, "/data", FACETS))


def _dataset(visit: Visit, catalogue: Catalogue) -> Response:
    name = f"{visit.param('owner')}/{visit.param('name')}"[:200]
    row = catalogue.get(name)
    if row is None:
        return visit.problem(visit.say("There is no active dataset of this name."), 404)
    identity, number, _ = row["standard"]
    standard = visit.query("standards", "get", {"id": identity, "version": number})
    return visit.page(
        "dataset.html",
        row=row,
        fields=standard["standard"]["fields"] if standard else [],
        versions=visit.query("catalogue", "versions", {"dataset": name})[:MAX_VERSIONS],
        opinions=visit.query("feedback", "list", {"dataset": name}),
        children=[each["dataset"] for each in catalogue.all()
                  if any(source["dataset"] == name for source in each["derived_from"])],
        may_ask=row["owner"] != visit.site.member and bool(visit.duties & frozenset(ACTING)),
    )  # fmt: skip


def _standards(visit: Visit) -> Response:
    rows: list[Any] = []
    args: dict[str, Any] = {}
    while (part := visit.query("standards", "list", args)) and len(rows) < 1_000:
        rows += part
        args = {"after": part[-1]["id"]}
    return visit.page("standards.html", rows=rows)


def _standard(visit: Visit) -> Response:
    identity = f"{visit.param('owner')}/{visit.param('name')}"[:200]
    found = visit.query("standards", "get", {"id": identity})
    if found is None:
        return visit.problem(visit.say("There is no standard of this name."), 404)
    return visit.page("standard.html", found=found, body=found["standard"])
