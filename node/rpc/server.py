"""The local RPC server: JSON-RPC 2.0, one object a line, on a Unix socket only its owner may open.

Everything is bounded: sessions, line length, requests in flight, bytes that wait for a slow
reader. A wrong line gets an error answer; the session and the node live on.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import structlog
import trio

from node.errors import MunimentError, trace_of
from node.rpc.unix import serve_unix

MAX_LINE_BYTES = 8 << 20
MAX_SESSIONS = 64
DRAIN_S = 1.0
MAX_IN_FLIGHT = 4_096
MAX_WAITING_BYTES = 32 << 20

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND = -32700, -32600, -32601
INVALID_PARAMS, INTERNAL_ERROR, APPLICATION_ERROR = -32602, -32603, -32000

log = structlog.get_logger("rpc")


class RpcError(Exception):
    """An error answer: JSON-RPC code, one sentence, and a stable name for machines."""

    def __init__(self, code: int, message: str, name: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.name = name


class Session:
    """One connected client: its requests under way and what waits to be written to it."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._more = trio.Event()
        self.in_flight = 0
        self.topics: set[str] = set()
        self.is_closed = False

    def send(self, message: Mapping[str, Any]) -> None:
        """Queue a message; a reader that is too slow for it loses the session."""
        data = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        self._bytes += len(data)
        if self._bytes > MAX_WAITING_BYTES:
            self.is_closed = True
        else:
            self._waiting.append(data)
        self._more.set()

    async def write(self) -> None:
        """Write what is queued until the session closes."""
        while not self.is_closed:
            if not self._waiting:
                await self._more.wait()
            self._more = trio.Event()
            data, self._waiting, self._bytes = b"".join(self._waiting), [], 0
            await self._stream.send_all(data)


Handler = Callable[[dict[str, Any], Session], Awaitable[Any]]


class Server:
    """Serves `methods`; `publish` tells subscribers what happens."""

    def __init__(self, path: Path, methods: Mapping[str, Handler]) -> None:
        self._path = path
        self._methods = methods
        self._sessions: set[Session] = set()

    def publish(self, topic: str, data: Any) -> None:
        """Send a notification to every session that subscribed to `topic`."""
        for session in self._sessions:
            if topic in session.topics:
                message = {"jsonrpc": "2.0", "method": topic, "params": data}
                session.send(message)

    def has_subscribers(self, topic: str) -> bool:
        return any(topic in session.topics for session in self._sessions)

    async def run(self, *, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled. The caller holds the home's lock: an old socket is stale."""
        await serve_unix(self._path, MAX_SESSIONS, self._serve, task_status=task_status)

    async def _serve(self, connection: trio.socket.SocketType) -> None:
        stream = trio.SocketStream(connection)
        session = Session(stream)
        self._sessions.add(session)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write, session, nursery.cancel_scope)
                await self._read(stream, session, nursery)
                nursery.cancel_scope.cancel()
        finally:
            self._sessions.discard(session)
            await trio.aclose_forcefully(stream)

    async def _write(self, session: Session, scope: trio.CancelScope) -> None:
        try:
            await session.write()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            log.debug("a client went away")
        scope.cancel()

    async def _read(
        self, stream: trio.SocketStream, session: Session, nursery: trio.Nursery
    ) -> None:
        buffer = bytearray()
        while True:
            try:
                data = await stream.receive_some(65_536)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return
            if not data:
                return
            buffer += data
            *lines, rest = buffer.split(b"\n")
            buffer = rest
            for line in lines:
                if line.strip():
                    await self._take(bytes(line), session, nursery)
            if len(buffer) > MAX_LINE_BYTES:
                session.send(_error(None, INVALID_REQUEST, "the line is too long", "too-long"))
                await _drain(stream)
                return

    async def _take(self, line: bytes, session: Session, nursery: trio.Nursery) -> None:
        """Start one request; methods that need no waiting are answered in order."""
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            session.send(_error(None, PARSE_ERROR, "the line is not JSON", "parse"))
            return
        if not isinstance(request, dict) or request.get("jsonrpc") != "2.0":
            message = "a request is an object with jsonrpc, method, params and id"
            session.send(_error(None, INVALID_REQUEST, message, "invalid-request"))
            return
        identity = request.get("id")
        method, params = request.get("method"), request.get("params", {})
        if not isinstance(identity, str | int | None) or not isinstance(method, str):
            message = "method must be text and id text or a number"
            session.send(_error(None, INVALID_REQUEST, message, "invalid-request"))
            return
        handler = self._methods.get(method)
        if handler is None:
            message = f"there is no method {method[:64]!r}"
            session.send(_error(identity, METHOD_NOT_FOUND, message, "method"))
        elif not isinstance(params, dict):
            session.send(_error(identity, INVALID_PARAMS, "params must be an object", "params"))
        elif session.in_flight >= MAX_IN_FLIGHT:
            message = f"more than {MAX_IN_FLIGHT} requests are under way on this connection"
            session.send(_error(identity, APPLICATION_ERROR, message, "busy"))
        else:
            session.in_flight += 1
            nursery.start_soon(self._answer, handler, params, identity, session)

    async def _answer(
        self, handler: Handler, params: dict[str, Any], identity: str | int | None, session: Session
    ) -> None:
        try:
            result = await handler(params, session)
            answer: dict[str, Any] = {"jsonrpc": "2.0", "id": identity, "result": result}
        except RpcError as error:
            answer = _error(identity, error.code, error.message, error.name)
        except MunimentError as error:
            answer = _error(identity, APPLICATION_ERROR, error.message, error.code)
        except Exception as error:
            incident = secrets.token_hex(4)
            log.error("a request failed", incident=incident, trace=trace_of(error))
            message = f"internal error; see {incident} in the node's log"
            answer = _error(identity, INTERNAL_ERROR, message, "internal")
        finally:
            session.in_flight -= 1
        if identity is not None:
            session.send(answer)


async def _drain(stream: trio.SocketStream) -> None:
    """Hear a client out for a moment: closing on what it still says would lose its answer."""
    with trio.move_on_after(DRAIN_S):
        try:
            while await stream.receive_some(65_536):
                continue
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return


def _error(identity: str | int | None, code: int, message: str, name: str) -> dict[str, Any]:
    error = {"code": code, "message": message, "data": {"code": name}}
    return {"jsonrpc": "2.0", "id": identity, "error": error}
