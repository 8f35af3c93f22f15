"""How things stand, live."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from node.web import charts
from node.web.live import SPAN_S
from node.web.site import COOKIE, Area, Site, Visit, language_of, page

AREAS = (Area("/", "Situation"),)


def routes(site: Site) -> list[BaseRoute]:
    async def stream(request: Request) -> Response:
        """Server-sent events (WHATWG HTML, 9.2): the page's inner part whenever it changed."""
        found = None
        if site.sessions is not None:
            token = request.cookies.get(COOKIE, "")
            found = await anyio.to_thread.run_sync(site.sessions.find, token)
        if found is None:
            return Response(status_code=403)
        visit = Visit(site, request, language_of(request), *found)
        return StreamingResponse(
            _events(visit), media_type="text/event-stream", headers={"x-accel-buffering": "no"}
        )

    return [page(site, "/", _show), Route("/live", stream)]


def _show(visit: Visit) -> Response:
    return visit.page("situation.html", **_values(visit))


async def _events(visit: Visit) -> AsyncIterator[str]:
    """Each is {banner, situation}, as HTML; ends when the session does."""
    live, sessions = visit.site.live, visit.site.sessions
    number = 0
    while True:
        await live.wait(number)
        number = live.number
        try:
            if sessions is None or visit.session is None:
                return
            known = await anyio.to_thread.run_sync(sessions.find, visit.session.token)
            if known is None:
                return
        except Exception:  # the node is away: the banner says so, and the session may go on
            pass
        values = _values(visit)
        parts = {"banner": visit.text("banner.html"),
                 "situation": visit.text("situation_live.html", **values)}  # fmt: skip
        yield f"data: {json.dumps(parts)}\n\n"


def _values(visit: Visit) -> dict[str, Any]:
    live, lang, say = visit.site.live, visit.language, visit.say
    rates, ages = live.throughput(), live.ages()
    back = say("%d minutes ago") % (SPAN_S // 60)
    peers = live.report["peers"] if live.report else []
    top = live.report["node"]["height"] if live.report else 0
    return {
        "throughput": charts.bars(
            rates, say("Transactions a second over the last five minutes"), back, say("now"),
            say("at most %s/s") % lang.number(round(max(rates), 1)),
        ),
        "ages": charts.line(
            ages, say("Milliseconds until a block was final over the last five minutes"), back,
            say("now"),
            say("at most %s ms") % lang.number(round(max((a for a in ages if a), default=0))),
        ),
        "peers": charts.ring(
            [(p["name"], _behind(visit, p["height"], top), p["connected"]) for p in peers],
            visit.site.member, say("The nodes that this node is connected with"),
        ),
    }  # fmt: skip


def _behind(visit: Visit, height: int | None, top: int) -> str:
    if height is None:
        return "?"
    return "" if height + 2 >= top else visit.say("%s behind") % visit.language.number(top - height)
