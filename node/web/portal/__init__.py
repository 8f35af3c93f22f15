"""The portal: what a network shows to everybody, open data and nothing else."""

from __future__ import annotations

from starlette.middleware import Middleware
from starlette.types import ASGIApp

from node.web import preferences
from node.web.catalogue import Catalogue
from node.web.guard import Guard, Rates
from node.web.portal import api, feeds, pages, uploads
from node.web.portal.context import Portal
from node.web.portal.published import Published
from node.web.site import Site, application

AREAS = pages.AREAS
OPEN = 1
PER_S, BURST = 10.0, 100.0


def build(site: Site, hosts: frozenset[str], rates: Rates | None = None) -> ASGIApp:
    """The portal of a site as an ASGI application; its areas are `AREAS`."""
    catalogue = Catalogue(site.link, OPEN)
    shared = Portal(catalogue, Published(site.home, site.link))
    guard = Middleware(
        Guard, hosts=hosts, rates=rates or Rates(PER_S, BURST), private=False, tls=site.secure,
        roomy=uploads.ROOMY,
    )  # fmt: skip
    routes = [
        *preferences.routes(site),
        *pages.routes(site, shared),
        *api.routes(site, shared),
        *uploads.Uploads(site).routes(),
        *feeds.routes(site, catalogue),
    ]
    return application(site, routes, guard)
