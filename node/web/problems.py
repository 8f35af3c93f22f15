"""What goes wrong, told to programs: problem documents (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import PlainTextResponse, Response

API = "/api/"
"""Whatever is asked for below this is answered for programs."""
MEDIA_TYPE = "application/problem+json"


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """One sentence as a problem document; its title is the status's name."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status,
            "detail": detail}  # fmt: skip
    everywhere = {"access-control-allow-origin": "*", **(headers or {})}
    text = json.dumps(body, ensure_ascii=False)
    return Response(text, status, everywhere, MEDIA_TYPE)


def plain(
    path: str, status: int, detail: str, headers: Mapping[str, str] | None = None
) -> Response:
    """One sentence as whoever asks for `path` reads it."""
    if path.startswith(API):
        return problem(status, detail, headers)
    return PlainTextResponse(f"{detail}\n", status, dict(headers or {}))
