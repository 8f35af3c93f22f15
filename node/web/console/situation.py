"""How things stand, live."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anyio.to_thread
import trio
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from node.web import charts
from node.web.live import SPAN_S
from node.web.sessions import Session
from node.web.site import COOKIE, Area, Site, Visit, language_of, page

AREAS = (Area("/", "Situation"),)
MAX_STREAMS, MAX_STREAMS_EACH = 64, 4
"""Pages kept up to date at once: in all, and for one session."""


def routes(site: Site) -> list[BaseRoute]:
    frames = _Frames()

    async def stream(request: Request) -> Response:
        """Server-sent events (WHATWG HTML, 9.2): the page's inner part whenever it changed."""
        session = await anyio.to_thread.run_sync(_find, site, request.cookies.get(COOKIE, ""))
        if session is None:
            return Response(status_code=403)
        if session.streams >= MAX_STREAMS_EACH or frames.streams >= MAX_STREAMS:
            return Response(status_code=429)
        visit = Visit(site, request, language_of(request), session)
        return _Stream(visit, session, frames)

    return [page(site, "/", _show), Route("/live", stream)]


def _show(visit: Visit) -> Response:
    return visit.page("situation.html", **_values(visit))


def _find(site: Site, token: str) -> Session | None:
    """A session as a page asks that nobody needs to look at."""
    return site.sessions.find(token, by_person=False) if site.sessions else None


class _Frames:
    """What is sent, made once for each language and report: it shows nothing of the reader."""

    def __init__(self) -> None:
        self.streams = 0
        self._lock = trio.Lock()
        self._made: dict[str, tuple[int, str]] = {}

    async def get(self, visit: Visit) -> str:
        code = visit.language.code
        async with self._lock:
            number, text = self._made.get(code, (-1, ""))
            if number < visit.site.live.number:
                number = visit.site.live.number
                text = await anyio.to_thread.run_sync(_frame, visit)
                self._made[code] = number, text
        return text


def _frame(visit: Visit) -> str:
    """{banner, situation}, as HTML, and what changed last of each contract."""
    changed = dict(visit.site.live.changed)
    parts = {"banner": visit.text("banner.html"),
             "situation": visit.text("situation_live.html", **_values(visit))}  # fmt: skip
    return f"data: {json.dumps({'parts': parts, 'changed': changed})}\n\n"


class _Stream(StreamingResponse):
    """A stream that counts as long as it is open, and ends when its session does."""

    def __init__(self, visit: Visit, session: Session, frames: _Frames) -> None:
        super().__init__(self._events(), media_type="text/event-stream",
                         headers={"x-accel-buffering": "no"})  # fmt: skip
        self._visit, self._session, self._frames = visit, session, frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for counted in (self._session, self._frames):
            counted.streams += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            for counted in (self._session, self._frames):
                counted.streams -= 1

    async def _events(self) -> AsyncIterator[str]:
        site, number = self._visit.site, 0
        while True:
            await site.live.wait(number)
            number = site.live.number
            if await anyio.to_thread.run_sync(_find, site, self._session.token) is None:
                return
            yield await self._frames.get(self._visit)


def _values(visit: Visit) -> dict[str, Any]:
    live, lang, say = visit.site.live, visit.language, visit.say
    rates, ages = live.throughput(), live.ages()
    back = say("%d minutes ago") % (SPAN_S // 60)
    known = [age for age in ages if age is not None]
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
            say("at most %s ms") % lang.number(round(max(known))) if known else "",
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
