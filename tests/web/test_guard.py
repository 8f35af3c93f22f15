"""An error within a page: a number for the log, a plain sentence, and every header."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from node.web.guard import Guard, Rates


async def broken(request: Request) -> Response:
    raise RuntimeError(await request.body())


@pytest.mark.trio
async def test_an_incident_has_a_number_and_the_headers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    guard = Middleware(
        Guard, hosts=frozenset({"here"}), rates=Rates(0.0, 1.0), private=True, tls=False
    )
    app = Starlette(routes=[Route("/", broken, methods=["POST"])], middleware=[guard])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        answer = await client.post("/", content="passphrase=secret")
        assert answer.status_code == 500
        assert "incident" in answer.text
        assert "secret" not in answer.text
        log = capsys.readouterr().out
        assert "test_guard.py" in log
        assert "secret" not in log
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert (await client.get("/")).status_code == 429
