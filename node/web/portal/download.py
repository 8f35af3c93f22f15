"""A file as an answer: with a strong ETag, conditional, and by one range of bytes (RFC 9110)."""

from __future__ import annotations

import base64
import re
from typing import BinaryIO

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from node.web.problems import plain

CHUNK_BYTES = 256 << 10
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)


def is_known(request: Request, tag: str) -> bool:
    """Whether who asks has this already (RFC 9110, 13.1.2)."""
    given = request.headers.get("if-none-match", "")
    return given == "*" or tag in (part.strip().removeprefix("W/") for part in given.split(","))


def download(
    request: Request, file: BinaryIO, size: int, digest: str, media_type: str, name: str
) -> Response:
    """Answer with an open file, which is closed afterwards. Several ranges get it whole."""
    tag = f'"{digest[:32]}"'
    headers = {
        "etag": tag, "accept-ranges": "bytes", "cache-control": "public, max-age=60",
        "content-disposition": f'attachment; filename="{name}"', "content-type": media_type,
        "access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin",
        "repr-digest": f"sha-256=:{_base64(digest)}:",
    }  # fmt: skip
    if is_known(request, tag):
        file.close()
        return Response(status_code=304, headers=headers)
    if request.headers.get("if-range", tag) != tag:
        wanted = None
    else:
        wanted = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if wanted is None or not _is_valid(wanted[1], wanted[2]):
        return _Part(file, 0, size, {**headers, "content-length": str(size)}, 200)
    first, last = _bounds(wanted[1], wanted[2], size)
    if not first <= last:
        file.close()
        more = {"content-range": f"bytes */{size}"}
        return plain(request.url.path, 416, f"the file has {size} bytes", more)
    headers |= {"content-range": f"bytes {first}-{last}/{size}",
                "content-length": str(last - first + 1)}  # fmt: skip
    return _Part(file, first, last - first + 1, headers, 206)


def _is_valid(first: str, last: str) -> bool:
    """What is none is to be ignored (RFC 9110, 14.1.1)."""
    return int(first) <= int(last) if first and last else bool(first or last)


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """First and last byte; there are none where the first is beyond the last."""
    if not first:
        return (max(0, size - int(last)), size - 1) if int(last) else (size, -1)
    end = min(int(last), size - 1) if last else size - 1
    return int(first), end


def _base64(digest: str) -> str:
    return base64.b64encode(bytes.fromhex(digest)).decode()


class _Part(Response):
    def __init__(
        self, file: BinaryIO, start: int, count: int, headers: dict[str, str], status: int
    ) -> None:
        self._file, self._start, self._count = file, start, count
        self.status_code, self.background = status, None
        self.body = b""
        self.init_headers(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._file:
            async with anyio.create_task_group() as group:
                group.start_soon(self._stop_when_gone, receive, group.cancel_scope)
                await self._send(0 if scope["method"] == "HEAD" else self._count, send)
                group.cancel_scope.cancel()

    async def _stop_when_gone(self, receive: Receive, scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()

    async def _send(self, left: int, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code,
                    "headers": self.raw_headers})  # fmt: skip
        self._file.seek(self._start)
        while left:
            data = await anyio.to_thread.run_sync(self._file.read, min(left, CHUNK_BYTES))
            if not data:
                raise OSError("a published file became shorter")
            left -= len(data)
            await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
