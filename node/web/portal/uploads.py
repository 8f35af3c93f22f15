"""Files from outsiders whom a steward has given a token: into the inbox, sealed as they arrive.

By programs as a stream, as large as the inbox takes; by a form in a page, up to MAX_FORM_BYTES.
"""

from __future__ import annotations

import json
import re
from functools import partial

import anyio
import anyio.to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node.data.inbox import MAX_UPLOAD_BYTES, SUFFIXES, Arrival, Intake, IntakeError
from node.web.guard import Rates
from node.web.portal.context import address_of
from node.web.portal.openapi import FILE_NAME
from node.web.problems import problem
from node.web.site import Site, Visit, page

PLACE, FORM = "/api/v1/uploads/", "/hand-in"
MAX_FORM_BYTES = 8 << 20
ROOMY = {PLACE: MAX_UPLOAD_BYTES + 1, FORM: MAX_FORM_BYTES}
"""What bodies are taken here, for the guard. One byte more, so that the inbox itself refuses."""
AT_ONCE = 8
SILENCE_S, WHOLE_S = 30.0, 900.0


class Uploads:
    """The door of one site's inbox."""

    def __init__(self, site: Site, tries: Rates) -> None:
        self._site, self._intake = site, Intake(site.home)
        self._places = anyio.CapacityLimiter(AT_ONCE)
        self._tries = tries

    def routes(self) -> list[BaseRoute]:
        return [
            Route(f"{PLACE}{{file}}", self._stream, methods=["PUT"]),
            page(self._site, FORM, lambda visit: self._page(visit), public=True),
            page(self._site, FORM, self._form, methods=("POST",), public=True, files=1),
        ]

    # As a stream

    async def _stream(self, request: Request) -> Response:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            self._places.acquire_nowait()
        except anyio.WouldBlock:
            return problem(503, "many files are coming in; try again in a moment")
        try:
            if scheme.lower() != "bearer":
                raise IntakeError(401, "send the header Authorization: Bearer TOKEN")
            name = request.path_params["file"]
            if not re.fullmatch(FILE_NAME, name):
                raise IntakeError(400, "a name has letters, digits, ( ) . - _ and a known ending")
            begin = partial(self._begin, address_of(request), token, name)
            arrival = await anyio.to_thread.run_sync(begin)
            return await self._take(request, arrival)
        except IntakeError as error:
            headers = {"www-authenticate": "Bearer"} if error.status == 401 else {}
            return problem(error.status, error.message, headers)
        finally:
            self._places.release()

    async def _take(self, request: Request, arrival: Arrival) -> Response:
        chunks = request.stream()
        try:
            with arrival, anyio.fail_after(WHOLE_S):
                while True:
                    with anyio.fail_after(SILENCE_S):
                        data = await anext(chunks, None)
                    if data is None:
                        break
                    await anyio.to_thread.run_sync(arrival.add, data)
                digest = await anyio.to_thread.run_sync(arrival.complete)
        except (TimeoutError, ClientDisconnect):
            return problem(408, "the file took too long, or ended early")
        body = json.dumps({"id": arrival.id, "sha256": digest, "bytes": arrival.size})
        return Response(body, 201, media_type="application/json")

    def _begin(self, address: str, token: str, name: str) -> Arrival:
        """Raises IntakeError. Wrong tokens are counted, right ones are not."""
        if not self._tries.allows(address):
            raise IntakeError(429, "too many wrong tokens; wait a minute")
        sender = self._intake.sender_of(token.strip())
        self._tries.give_back(address)
        return self._intake.begin(sender, name)

    # By a form

    def _page(self, visit: Visit, done: str = "", said: str = "", status: int = 200) -> Response:
        return visit.page("portal/hand_in.html", status, done=done, said=said,
                          most=MAX_FORM_BYTES, endings=", ".join(SUFFIXES))  # fmt: skip

    def _form(self, visit: Visit) -> Response:
        given = visit.files.get("file")
        if given is None or not given.data:
            return self._page(visit, said=visit.say("Choose a file."), status=400)
        try:
            token = visit.form.get("token", "")
            arrival = self._begin(address_of(visit.request), token, given.name)
            with arrival:
                arrival.add(given.data)
                arrival.complete()
        except IntakeError as error:
            return self._page(visit, said=visit.told(error), status=error.status)
        return self._page(visit, done=arrival.id)
