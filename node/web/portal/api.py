"""The portal for programs: JSON over HTTP, version 1, described in OpenAPI 3.1.

Answers have strong ETags and honour If-None-Match (RFC 9110, 13.1.2); lists are paged with Link
headers (RFC 8288); problems are RFC 9457's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response
from starlette.routing import BaseRoute

from node.web.catalogue import OPEN_FACETS, Catalogue, Record
from node.web.site import Site, Visit, page

MOST = 100
USUAL = 20
MAX_PAGE = 1_000_000
_SHOWN = ("dataset", "version", "title", "owner", "level", "class", "rows", "bytes", "theme",
          "keywords", "licence", "frequency", "spatial", "temporal", "media_type", "commitment",
          "height", "time", "derived_from")  # fmt: skip


def routes(site: Site, catalogue: Catalogue) -> list[BaseRoute]:
    def bound(handler: Callable[[Visit, Catalogue], Response]) -> Callable[[Visit], Response]:
        return lambda visit: handler(visit, catalogue)

    return [
        page(site, "/api/v1/datasets", bound(_list), public=True),
        page(site, "/api/v1/datasets/{owner}/{name}", bound(_get), public=True),
        page(site, "/api/v1/datasets/{owner}/{name}/versions", bound(_versions), public=True),
        page(site, "/api/v1/head", _head, public=True),
        page(site, "/api/v1/openapi.json", _describe, public=True),
    ]


def _list(visit: Visit, catalogue: Catalogue) -> Response:
    size, number = _integer(visit, "size", USUAL, MOST), _integer(visit, "page", 1, MAX_PAGE)
    if size is None or number is None:
        return _problem(400, f"page is 1 to {MAX_PAGE}, size 1 to {MOST}")
    facets = {name: visit.option(name) for name in OPEN_FACETS}
    found = catalogue.find(visit.option("q"), facets)
    part = found[(number - 1) * size : number * size]
    body = {
        "total": len(found),
        "page": number,
        "size": size,
        "datasets": [_brief(r) for r in part],
    }
    links = []
    if number > 1:
        links.append(f'<{_here(visit, number - 1, size)}>; rel="prev"')
    if number * size < len(found):
        links.append(f'<{_here(visit, number + 1, size)}>; rel="next"')
    return _answer(visit, body, {"link": ", ".join(links)} if links else {})


def _get(visit: Visit, catalogue: Catalogue) -> Response:
    row = catalogue.get(f"{visit.param('owner')}/{visit.param('name')}"[:200])
    if row is None:
        return _problem(404, "there is no open dataset of this name")
    identity, number, _ = row["standard"]
    standard = visit.query("standards", "get", {"id": identity, "version": number})
    fields = standard["standard"]["fields"] if standard else []
    return _answer(visit, _brief(row) | {
        "standard": {"id": identity, "version": number},
        "fields": [{name: each[name] for name in ("name", "type", "unit", "level")}
                   for each in fields],
    })  # fmt: skip


def _versions(visit: Visit, catalogue: Catalogue) -> Response:
    row = catalogue.get(f"{visit.param('owner')}/{visit.param('name')}"[:200])
    after = _integer(visit, "after", 0, (1 << 32) - 1, least=0)
    if row is None:
        return _problem(404, "there is no open dataset of this name")
    if after is None:
        return _problem(400, "after is a version's number")
    rows = visit.query("catalogue", "versions", {"dataset": row["dataset"], "after": after})
    names = ("version", "rows", "level", "commitment", "height", "time")
    return _answer(visit, {
        "dataset": row["dataset"],
        "versions": [{name: each[name] for name in names} for each in rows if each["level"] == 1],
    })  # fmt: skip


def _head(visit: Visit) -> Response:
    status = visit.call("status")
    return _answer(visit, {name: status[name] for name in ("network", "chain_id", "height", "tip",
                                                           "state_root", "state")})  # fmt: skip


def _describe(visit: Visit) -> Response:
    return _answer(visit, json.loads((files("node.web.portal") / "openapi.json").read_bytes()))


def _brief(row: Record) -> dict[str, Any]:
    return {name: row.get(name) for name in _SHOWN}


def _here(visit: Visit, number: int, size: int) -> str:
    options: dict[str, Any] = {name: visit.option(name) for name in ("q", *OPEN_FACETS)}
    options |= {"page": number, "size": size}
    kept = {name: value for name, value in options.items() if value}
    return f"{visit.request.url.path}?{urlencode(kept)}"


def _integer(visit: Visit, name: str, usual: int, most: int, *, least: int = 1) -> int | None:
    """A whole number of the query string; None where it is none or out of bounds."""
    text = visit.request.query_params.get(name)
    if text is None:
        return usual
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        return None
    return int(text) if least <= int(text) <= most else None


def _answer(visit: Visit, body: Any, headers: dict[str, str] | None = None) -> Response:
    data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    more = {"etag": tag, "cache-control": "public, max-age=5", "access-control-allow-origin": "*",
            "cross-origin-resource-policy": "cross-origin", **(headers or {})}  # fmt: skip
    given = visit.request.headers.get("if-none-match", "")
    if tag in (part.strip().removeprefix("W/") for part in given.split(",")) or given == "*":
        return Response(status_code=304, headers=more)
    return Response(data, media_type="application/json", headers=more)


def _problem(status: int, detail: str) -> Response:
    body = json.dumps({"type": "about:blank", "status": status, "detail": detail})
    return Response(body, status, media_type="application/problem+json")
