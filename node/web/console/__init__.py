"""The console: pages for a member's own operators."""

from __future__ import annotations

from collections.abc import Callable

from starlette.middleware import Middleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from node.web import preferences, signing
from node.web.console import (
    alerts,
    asking,
    authorisations,
    cases,
    contracts,
    data,
    declaring,
    deliveries,
    dispatch,
    disputes,
    entry,
    evidence,
    exchange,
    governance,
    grants,
    groups,
    members,
    operators,
    ordering,
    parameters,
    permits,
    plans,
    polls,
    prepared,
    proposing,
    readers,
    reviewing,
    sanctions,
    seconds,
    situation,
    standards,
    supervision,
    trace,
)
from node.web.guard import Guard, Rates
from node.web.site import Site, application

AREAS = (*situation.AREAS, *data.AREAS, *exchange.AREAS, *supervision.AREAS, *dispatch.AREAS,
         *governance.AREAS, *evidence.AREAS)  # fmt: skip
_PARTS: tuple[Callable[[Site], list[BaseRoute]], ...] = (
    preferences.routes, entry.routes, situation.routes, exchange.routes, asking.routes,
    reviewing.routes, grants.routes, deliveries.routes, disputes.routes,
    authorisations.routes, prepared.routes,
    data.routes, alerts.routes, cases.routes, sanctions.routes,
    permits.routes, readers.routes, trace.routes, seconds.routes, dispatch.routes,
    ordering.routes, plans.routes, groups.routes, governance.routes, members.routes,
    operators.routes, parameters.routes, proposing.routes, contracts.routes,
    polls.routes,
    evidence.routes, signing.routes,
)  # fmt: skip
ROOMY = (
    cases.ROOMY | evidence.ROOMY | declaring.ROOMY | proposing.ROOMY | polls.ROOMY | standards.ROOMY
)
PER_S, BURST = 20.0, 200.0


def build(site: Site, hosts: frozenset[str]) -> ASGIApp:
    """The console of a site as an ASGI application; its areas are `AREAS`."""
    guard = Middleware(Guard, hosts=hosts, rates=Rates(PER_S, BURST), private=True, tls=site.secure,
                       roomy=ROOMY)  # fmt: skip
    return application(site, [route for part in _PARTS for route in part(site)], guard)
