"""HTTPS for outsiders who hand in files: one route, one token each, everything bounded.

    PUT /uploads/NAME      Authorization: Bearer TOKEN      the file as the body

answers 201 with the upload's id and the SHA-256 of what arrived, or a status with one sentence. The
process holds no key of the member; see `node/data/inbox.py`.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote

import h11
import trio

from node.data.inbox import Arrival, Intake, IntakeError
from node.errors import MunimentError

MAX_CONNECTIONS = 64
MAX_HEADER_BYTES = 16 << 10
HEADER_S, BODY_S, SILENCE_S = 20.0, 900.0, 30.0
READ_BYTES = 64 << 10
_PLACE = "/uploads/"


def tls(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return a server's context: TLS 1.2 and later. Raises MunimentError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise MunimentError(f"{certificate} or {key} cannot be used: {error}") from error
    return context


async def serve(
    intake: Intake,
    context: ssl.SSLContext,
    place: tuple[str, int],
    say: Callable[[str], None],
    listening: Callable[[int], None],
) -> None:
    """Listen on host and port (0: any) until cancelled; tells the port that it got."""
    listeners = await trio.open_tcp_listeners(place[1], host=place[0])
    limiter = trio.CapacityLimiter(MAX_CONNECTIONS)

    async def handle(stream: trio.SocketStream) -> None:
        async with limiter:
            secure = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
            try:
                with trio.move_on_after(BODY_S):
                    await _Conversation(secure, intake, say).run()
            except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
                pass  # whoever goes away or speaks nonsense is left alone
            finally:
                await trio.aclose_forcefully(secure)

    listening(listeners[0].socket.getsockname()[1])
    await trio.serve_listeners(handle, listeners)


class _Conversation:
    """One connection, one request."""

    def __init__(
        self, stream: trio.SSLStream[trio.SocketStream], intake: Intake, say: Callable[[str], None]
    ) -> None:
        self._stream, self._intake, self._say = stream, intake, say
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEADER_BYTES)

    async def run(self) -> None:
        try:
            with trio.fail_after(HEADER_S):
                request = await self._next()
            if not isinstance(request, h11.Request):
                return
            upload, digest = await self._take(request)
            await self._answer(HTTPStatus.CREATED, {"id": upload, "sha256": digest})
            self._say(f"upload {upload} waits")
        except IntakeError as refusal:
            await self._answer(HTTPStatus(refusal.status), {"error": refusal.message})
        except (trio.TooSlowError, h11.RemoteProtocolError):
            if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                await self._answer(HTTPStatus.BAD_REQUEST, {"error": "the request is no HTTP"})

    async def _take(self, request: h11.Request) -> tuple[str, str]:
        """Let a file in. Raises IntakeError; what arrived until then is dropped."""
        target = request.target.decode("ascii", "replace")
        if not target.startswith(_PLACE):
            raise IntakeError(404, "there is nothing here; PUT /uploads/NAME")
        if request.method not in (b"PUT", b"POST"):
            raise IntakeError(405, "use PUT")
        headers = dict(request.headers)
        scheme, _, token = (
            headers.get(b"authorization", b"").decode("ascii", "replace").partition(" ")
        )
        if scheme.lower() != "bearer":
            raise IntakeError(401, "send the header Authorization: Bearer TOKEN")
        sender = self._intake.sender_of(token.strip())
        with self._intake.begin(sender, unquote(target.removeprefix(_PLACE))) as arrival:
            if b"100-continue" in headers.get(b"expect", b""):
                await self._stream.send_all(
                    self._http.send(h11.InformationalResponse(status_code=100, headers=[])) or b""
                )
            await self._receive(arrival)
            return arrival.id, arrival.complete()

    async def _receive(self, arrival: Arrival) -> None:
        while True:
            with trio.fail_after(SILENCE_S):
                event = await self._next()
            match event:
                case h11.Data():
                    arrival.add(bytes(event.data))
                case h11.EndOfMessage():
                    return
                case _:
                    raise IntakeError(400, "the file ended early")

    async def _next(self) -> h11.Event | type[h11.PAUSED]:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(bytes(await self._stream.receive_some(READ_BYTES)))
        return event  # type: ignore[return-value]

    async def _answer(self, status: HTTPStatus, body: dict[str, str]) -> None:
        data = json.dumps(body).encode() + b"\n"
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(data))),
                   ("Connection", "close")]  # fmt: skip
        for event in (
            h11.Response(status_code=status.value, headers=headers, reason=status.phrase.encode()),
            h11.Data(data=data),
            h11.EndOfMessage(),
        ):
            await self._stream.send_all(self._http.send(event) or b"")
        with trio.move_on_after(SILENCE_S):
            await self._stream.aclose()
