"""What stands before every page: hosts, rates, sizes, and the headers of every answer.

The policy of content (CSP level 3, W3C) lets a page use this origin's files and nothing else: no
script or style within a page, no frame around it, no form to elsewhere.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from node.errors import trace_of
from node.web.problems import plain

MAX_BODY_BYTES = 256 * 1024
MAX_CLIENTS = 10_000
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}

log = structlog.get_logger("web")


@dataclass
class Rates:
    """Token buckets by client: `burst` at once, `per_s` from then on."""

    per_s: float
    burst: float
    _left: dict[str, tuple[float, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def allows(self, client: str) -> bool:
        """Whether a client may do one more; if so, it is counted."""
        return self._change(client, -1)

    def give_back(self, client: str) -> None:
        """Count one less."""
        self._change(client, 1)

    def _change(self, client: str, by: int) -> bool:
        now = time.monotonic()
        with self._lock:
            left, seen = self._left.pop(client, (self.burst, now))
            left = min(self.burst, left + (now - seen) * self.per_s)
            allowed = left + by >= 0
            # The last used stand at the end.
            self._left[client] = (min(self.burst, left + by) if allowed else left, now)
            while len(self._left) > MAX_CLIENTS:
                del self._left[next(iter(self._left))]
        return allowed


class _TooLong(Exception):
    """More of a body came than is taken."""


class Guard:
    """ASGI middleware. `hosts` are the names that a browser may ask for (against DNS rebinding).

    `roomy` are beginnings of paths below which larger bodies are taken, with their bytes.
    """

    def __init__(
        self, app: ASGIApp, hosts: Collection[str], rates: Rates, *, private: bool, tls: bool,
        roomy: Mapping[str, int] | None = None,
    ) -> None:  # fmt: skip
        self._app = app
        self._roomy = roomy or {}
        self._hosts = hosts
        self._rates = rates
        self._private = private
        self._tls = tls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        is_static = scope["path"].startswith("/static/")

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    answer.setdefault(name, value)
                if self._private and not is_static:
                    answer["cache-control"] = "no-store"
                if self._tls:
                    answer.setdefault("strict-transport-security", "max-age=31536000")
            await send(message)

        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await refusal(scope, receive, send_guarded)
            return
        got, began, most = 0, False, self._most(scope["path"])

        async def receive_bounded() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            if got > most:
                raise _TooLong
            return message

        async def send_noted(message: Message) -> None:
            nonlocal began
            began = True
            await send_guarded(message)

        try:
            await self._app(scope, receive_bounded, send_noted)
        except _TooLong:
            if not began:
                await _too_long(scope["path"], most)(scope, receive, send_guarded)
        except Exception as error:
            incident, trace = secrets.token_hex(4), trace_of(error)
            log.error("incident", incident=incident, path=scope["path"][:200], trace=trace)
            if not began:
                await _incident(scope["path"], incident)(scope, receive, send_guarded)

    def _most(self, path: str) -> int:
        found = [most for start, most in self._roomy.items() if path.startswith(start)]
        return max(found, default=MAX_BODY_BYTES)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        path, host = scope["path"], headers.get("host", "").lower()
        if _name_of(host) not in self._hosts:
            return plain(path, 421, "this name is not served here")
        client = scope["client"][0] if scope.get("client") else ""
        if not self._rates.allows(client):
            return plain(path, 429, "too many requests; wait a moment", {"retry-after": "2"})
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdecimal() and len(length) < 20):
            return plain(path, 400, "content-length is no number")
        if int(length) > self._most(path):
            return _too_long(path, self._most(path))
        return None


def _too_long(path: str, most: int) -> Response:
    amount = f"{most >> 20} MiB" if most >= 1 << 20 else f"{most} bytes"
    return plain(path, 413, f"more than {amount} are not taken")


def _incident(path: str, number: str) -> Response:
    """Starlette answers outside of this middleware, without its headers; hence here."""
    text = (
        f"Something went wrong here. The log of this console says what, as incident {number}.\n"
        f"此处出错，详情见本控制台日志，事件编号 {number}。"
    )
    return plain(path, 500, text)


def _name_of(host: str) -> str:
    """The host without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
