"""The portal's pages: catalogue, datasets, and how to check what they say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from contracts import checks
from node.web.catalogue import OPEN_FACETS, Catalogue, search
from node.web.site import Area, Site, Visit, page

AREAS = (
    Area("/", "Catalogue"),
    Area("/check", "Check a proof"),
    Area("/developers", "For programs"),
)
MAX_VERSIONS = 100


def routes(site: Site, catalogue: Catalogue) -> list[BaseRoute]:
    def bound(handler: Callable[[Visit, Catalogue], Response]) -> Callable[[Visit], Response]:
        return lambda visit: handler(visit, catalogue)

    return [
        page(site, "/", bound(_search), public=True),
        page(site, "/datasets/{owner}/{name}", bound(_dataset), public=True),
        page(site, "/datasets/{owner}/{name}/{version:int}/proof", bound(_proof), public=True),
        page(site, "/check", lambda visit: visit.page("portal/check.html"), public=True),
        page(site, "/developers", lambda visit: visit.page("portal/developers.html"), public=True),
        page(site, "/genesis.json", _genesis, public=True),
    ]


def _search(visit: Visit, catalogue: Catalogue) -> Response:
    return visit.page("portal/catalogue.html", **search(catalogue, visit.option, "/", OPEN_FACETS))


def _dataset(visit: Visit, catalogue: Catalogue) -> Response:
    row = _find(visit, catalogue)
    if row is None:
        return visit.problem(visit.say("There is no open dataset of this name."), 404)
    identity, number, _ = row["standard"]
    standard = visit.query("standards", "get", {"id": identity, "version": number})
    versions = visit.query("catalogue", "versions", {"dataset": row["dataset"]})[:MAX_VERSIONS]
    stars = visit.query("feedback", "sum", {"dataset": row["dataset"]})
    return visit.page(
        "portal/dataset.html", row=row, fields=standard["standard"]["fields"] if standard else [],
        versions=versions, stars=stars, votes=sum(stars),
    )  # fmt: skip


def _proof(visit: Visit, catalogue: Catalogue) -> Response:
    """What the state holds of a version, with its proof, for `muniment verify-state`."""
    row = _find(visit, catalogue)
    version = _number(visit.param("version"))
    if row is None or not 1 <= version <= row["latest"]:
        return visit.problem(visit.say("There is no open dataset of this name."), 404)
    key = b"catalogue/version/" + row["dataset"].encode() + b"/" + checks.number_key(version)
    data = bytes.fromhex(visit.call("state.prove", key=key.hex())["proof"])
    name = f"{row['dataset'].replace('/', '.')}-{version}.state"
    return Response(data, media_type="application/octet-stream",
                    headers={"content-disposition": f'attachment; filename="{name}"'})  # fmt: skip


def _genesis(visit: Visit) -> Response:
    return Response(visit.site.home.genesis.read_bytes(), media_type="application/json")


def _find(visit: Visit, catalogue: Catalogue) -> dict[str, Any] | None:
    return catalogue.get(f"{visit.param('owner')}/{visit.param('name')}"[:200])


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
