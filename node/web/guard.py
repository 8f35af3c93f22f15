"""What stands before every page: hosts, rates, sizes, and the headers of every answer.

The policy of content (CSP level 3, W3C) lets a page use this origin's files and nothing else: no
script or style within a page, no frame around it, no form to elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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


@dataclass
class Rates:
    """Token buckets by client: `burst` at once, `per_s` from then on."""

    per_s: float
    burst: float
    _left: dict[str, tuple[float, float]] = field(default_factory=dict)

    def allows(self, client: str) -> bool:
        """Whether a client may do one more; if so, it is counted."""
        left = self.left(client)
        if left < 1:
            return False
        self._left.pop(client, None)  # the last used stand at the end
        self._left[client] = (left - 1, time.monotonic())
        while len(self._left) > MAX_CLIENTS:
            del self._left[next(iter(self._left))]
        return True

    def left(self, client: str) -> float:
        """How many a client may do at once now."""
        now = time.monotonic()
        left, seen = self._left.get(client, (self.burst, now))
        return min(self.burst, left + (now - seen) * self.per_s)


class _TooLong(Exception):
    """More of a body came than is taken."""


class Guard:
    """ASGI middleware. `hosts` are the names that a browser may ask for (against DNS rebinding)."""

    def __init__(
        self, app: ASGIApp, hosts: Collection[str], rates: Rates, *, private: bool, tls: bool
    ) -> None:
        self._app = app
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
        got, began = 0, False

        async def receive_bounded() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            if got > MAX_BODY_BYTES:
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
                await _too_long()(scope, receive, send_guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> PlainTextResponse | None:
        host = headers.get("host", "").lower()
        if _name_of(host) not in self._hosts:
            return PlainTextResponse("this name is not served here\n", 421)
        client = scope["client"][0] if scope.get("client") else ""
        if not self._rates.allows(client):
            text = "too many requests; wait a moment\n"
            return PlainTextResponse(text, 429, {"retry-after": "2"})
        if not headers.get("content-length", "0").isdecimal():
            return PlainTextResponse("content-length is no number\n", 400)
        if int(headers.get("content-length", "0")) > MAX_BODY_BYTES:
            return _too_long()
        return None


def _too_long() -> PlainTextResponse:
    return PlainTextResponse(f"more than {MAX_BODY_BYTES} bytes are not taken\n", 413)


def _name_of(host: str) -> str:
    """The host without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
