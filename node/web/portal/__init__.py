"""The portal: what a network shows to everybody, open data and nothing else."""

from __future__ import annotations

from starlette.middleware import Middleware
from starlette.types import ASGIApp

from node.publish.shelf import OPEN
from node.web import preferences
from node.web.catalogue import Catalogue
from node.web.guard import Guard
from node.web.portal import api, feeds, pages, subjects, uploads
from node.web.portal.context import Limits, Portal
from node.web.portal.published import Published
from node.web.site import Site, application

AREAS = (*pages.AREAS[:2], *subjects.AREAS, *pages.AREAS[2:])


def build(site: Site, hosts: frozenset[str], limits: Limits | None = None) -> ASGIApp:
    """The portal of a site as an ASGI application; its areas are `AREAS`."""
    catalogue = Catalogue(site.link, site.live, OPEN)
    limits = limits or Limits()
    shared = Portal(catalogue, Published(site.home, site.link), limits)
    guard = Middleware(
        Guard, hosts=hosts, rates=limits.asks, private=False, tls=site.secure,
        roomy=uploads.ROOMY,
    )  # fmt: skip
    routes = [
        *preferences.routes(site),
        *pages.routes(site, shared),
        *api.routes(site, shared),
        *subjects.routes(site, shared),
        *uploads.Uploads(site, limits.tokens).routes(),
        *feeds.routes(site, shared),
    ]
    return application(site, routes, guard)
