"""The portal for programs: JSON over HTTP, version 1, described in OpenAPI 3.1.

Answers have strong ETags and honour If-None-Match (RFC 9110, 13.1.2); lists are paged with Link
headers (RFC 8288); problems are RFC 9457's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response
from starlette.routing import BaseRoute

from node.publish import remarks
from node.publish.box import BoxError
from node.publish.proof import SUFFIX
from node.publish.remarks import RemarkError
from node.publish.shelf import OPEN, PROOF, TYPES, Publication, file_name
from node.web.catalogue import OPEN_FACETS, Record
from node.web.portal.context import Portal, whole
from node.web.portal.download import download, is_known
from node.web.portal.openapi import (
    BRIEF,
    MAX_PAGE,
    MAX_VERSION,
    MAX_WORDS,
    MOST,
    USUAL,
    VERSIONS,
    describe,
)
from node.web.problems import problem
from node.web.site import Handler, Site, Visit, page

PROOF_TYPE = "application/octet-stream"
_DATASET = "/api/v1/datasets/{owner}/{name}"
_VERSION = f"{_DATASET}/versions/{{version}}"


def routes(site: Site, portal: Portal) -> list[BaseRoute]:
    paging = ("page", "size")
    made: dict[str, tuple[Handler, tuple[str, ...]]] = {
        "/api/v1/datasets": (portal.bound(_paged(_list)), ("q", *OPEN_FACETS, *paging)),
        _DATASET: (portal.bound(_get), ()),
        f"{_DATASET}/versions": (portal.bound(_versions), ("after",)),
        _VERSION: (portal.bound(_version), ()),
        f"{_VERSION}/records": (portal.bound(_paged(_records)), paging),
        f"{_VERSION}/registration": (portal.bound(_registration), ()),
        f"{_VERSION}/files/{{file}}": (portal.bound(_file), ()),
        "/api/v1/head": (_head, ()),
        "/api/v1/openapi.json": (_describe, ()),
    }
    talk = page(site, f"{_DATASET}/feedback", _strict(portal.bound(_feedback), paging),
                methods=("GET", "POST"), public=True)  # fmt: skip
    return [talk, *(page(site, path, _strict(*each), public=True) for path, each in made.items())]


def _strict(handler: Handler, names: tuple[str, ...]) -> Handler:
    """Refuse parameters that there are none of, which would otherwise be misspelt unnoticed."""

    def checked(visit: Visit) -> Response:
        other = next((name for name in visit.request.query_params if name not in names), None)
        if other is None:
            return handler(visit)
        known = ", ".join(names) or "none"
        return problem(400, f"there is no parameter {other[:50]!r}; there are: {known}")

    return checked


def _paged(
    handler: Callable[[Visit, Portal, int, int], Response],
) -> Callable[[Visit, Portal], Response]:
    """Give a list's handler the page that is asked for, from 1, and its size."""

    def checked(visit: Visit, portal: Portal) -> Response:
        number, size = _integer(visit, "page", 1, MAX_PAGE), _integer(visit, "size", USUAL, MOST)
        if number is None or size is None:
            return problem(400, f"page is 1 to {MAX_PAGE}, size 1 to {MOST}")
        return handler(visit, portal, number, size)

    return checked


def _list(visit: Visit, portal: Portal, number: int, size: int) -> Response:
    asked = visit.request.query_params
    if any(len(asked.get(name, "")) > MAX_WORDS for name in ("q", *OPEN_FACETS)):
        return problem(400, f"a parameter has at most {MAX_WORDS} characters")
    facets = {name: visit.option(name) for name in OPEN_FACETS}
    found = portal.catalogue.find(visit.option("q"), facets)
    part = found[(number - 1) * size : number * size]
    body = {"datasets": [_brief(entry.row) for entry in part]}
    return _page(visit, body, len(found), number, size)


def _get(visit: Visit, portal: Portal) -> Response:
    row = portal.dataset(visit)
    if row is None:
        return _missing()
    identity, number, _ = row["standard"]
    standard = visit.query("standards", "get", {"id": identity, "version": number})
    fields = standard["standard"]["fields"] if standard else []
    return _answer(visit, _brief(row) | {
        "standard": {"id": identity, "version": number},
        "fields": [{name: each[name] for name in ("name", "type", "unit", "level")}
                   for each in fields],
    })  # fmt: skip


def _versions(visit: Visit, portal: Portal) -> Response:
    row = portal.dataset(visit)
    after = _integer(visit, "after", 0, MAX_VERSION, least=0)
    if after is None:
        return problem(400, "after is a version's number")
    if row is None:
        return _missing()
    rows = visit.query("catalogue", "versions", {"dataset": row["dataset"], "after": after})
    return _answer(visit, {
        "dataset": row["dataset"],
        "versions": [{name: each[name] for name in VERSIONS}
                     for each in rows if each["level"] == OPEN],
    })  # fmt: skip


def _version(visit: Visit, portal: Portal) -> Response:
    found = portal.version(visit)
    if found is None:
        return _missing()
    made = portal.published.find(found[0], found[1]["version"])
    return _answer(visit, _brief(found[1]) | {"published": made and _published(visit, made)})


def _published(visit: Visit, made: Publication) -> dict[str, Any]:
    place = f"{visit.request.url.path.rstrip('/')}/files/records"
    proof = made.files[PROOF]
    return {
        "time": made.time, "records": made.records, "erased": len(made.erased),
        "columns": [dict(column) for column in made.columns],
        "files": [
            {"format": name, "media_type": TYPES[name].partition(";")[0], "url": f"{place}.{name}",
             "bytes": made.files[name].bytes, "sha256": made.files[name].sha256,
             "proof": f"{place}.{name}{SUFFIX}", "proof_bytes": proof.bytes}
            for name in TYPES
        ],
    }  # fmt: skip


def _records(visit: Visit, portal: Portal, number: int, size: int) -> Response:
    made = portal.publication(visit)
    if made is None:
        return _unpublished()
    rows = portal.published.records(made, (number - 1) * size, size)
    body = {"records": [dict(zip(made.names, row, strict=True)) for row in rows]}
    return _page(visit, body, made.records, number, size)


def _registration(visit: Visit, portal: Portal) -> Response:
    found = portal.version(visit)
    if found is None:
        return _missing()
    return registration_of(visit, portal, found[1])


def registration_of(visit: Visit, portal: Portal, row: Record) -> Response:
    """The proof that a version is registered as a download."""
    data = portal.published.proof(row["dataset"], row["version"])
    tag = f'"{row["commitment"][:32]}"'
    name = file_name(row["dataset"], row["version"], ("state",))
    headers = {**_headers(tag), "content-disposition": f'attachment; filename="{name}"'}
    if is_known(visit.request, tag):
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=PROOF_TYPE, headers=headers)


def _file(visit: Visit, portal: Portal) -> Response:
    made = portal.publication(visit)
    if made is None:
        return _unpublished()
    known = ", ".join(f"records.{each}" for each in TYPES)
    return file_of(visit, portal, made) or problem(
        404, f"the files are {known}, each with {SUFFIX} for its proof"
    )


def file_of(visit: Visit, portal: Portal, made: Publication) -> Response | None:
    """The published file that the path names, or its proof, as a download."""
    start, _, name = visit.param("file").partition(".")
    name, is_proof = name.removesuffix(SUFFIX), name.endswith(SUFFIX)
    if start != "records" or name not in TYPES:
        return None
    part = PROOF if is_proof else name
    ending = (name, SUFFIX[1:]) if is_proof else (name,)
    file, known = portal.published.open(made, part), made.files[part]
    called = file_name(made.dataset, made.version, ending)
    kind = PROOF_TYPE if is_proof else TYPES[name]
    return download(visit.request, file, known.bytes, known.sha256, kind, called)


def _feedback(visit: Visit, portal: Portal) -> Response:
    handler = _take_feedback if visit.request.method == "POST" else _paged(_show_feedback)
    return handler(visit, portal)


def _show_feedback(visit: Visit, portal: Portal, number: int, size: int) -> Response:
    row = portal.dataset(visit)
    if row is None:
        return _missing()
    found = [asdict(each) for each in remarks.shown(visit.site.home.open, row["dataset"])]
    for each in found:
        del each["dataset"]
    part = found[(number - 1) * size : number * size]
    return _page(visit, {"feedback": part}, len(found), number, size)


def _take_feedback(visit: Visit, portal: Portal) -> Response:
    """What is said in JSON waits for a steward; other sites' forms cannot send JSON."""
    row = portal.dataset(visit)
    kind = visit.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        return problem(415, 'send JSON: {"text": ..., "name": ...}')
    if row is None:
        return _missing()
    try:
        given = json.loads(visit.body)
        is_known = isinstance(given, dict) and given.keys() <= {"text", "name"} and "text" in given
        if not is_known or not all(isinstance(value, str) for value in given.values()):
            raise ValueError
    except (ValueError, RecursionError):
        return problem(400, "the body is a JSON object of text and, if you like, name")
    try:
        made = portal.take_remark(visit, row, given)
    except (RemarkError, BoxError) as error:
        return problem(getattr(error, "status", 400), error.message)
    if made is None:
        return problem(429, "that is much at once; wait some minutes", {"retry-after": "120"})
    body = {"id": made, "detail": "it is shown once the department has read it"}
    return Response(json.dumps(body), 202, media_type="application/json")


def _head(visit: Visit) -> Response:
    status = visit.call("status")
    return _answer(visit, {name: status[name] for name in ("network", "chain_id", "height", "tip",
                                                           "state_root", "state")})  # fmt: skip


def _describe(visit: Visit) -> Response:
    return _answer(visit, describe())


def _brief(row: Record) -> dict[str, Any]:
    return {name: row.get(name) for name in BRIEF}


def _page(visit: Visit, body: dict[str, Any], total: int, number: int, size: int) -> Response:
    links = []
    if number > 1:
        links.append(f'<{_here(visit, number - 1, size)}>; rel="prev"')
    if number * size < total:
        links.append(f'<{_here(visit, number + 1, size)}>; rel="next"')
    body = {"total": total, "page": number, "size": size, **body}
    return _answer(visit, body, {"link": ", ".join(links)} if links else {})


def _here(visit: Visit, number: int, size: int) -> str:
    options: dict[str, Any] = {name: visit.option(name) for name in ("q", *OPEN_FACETS)}
    options |= {"page": number, "size": size}
    kept = {name: value for name, value in options.items() if value}
    return f"{visit.request.url.path}?{urlencode(kept)}"


def _integer(visit: Visit, name: str, usual: int, most: int, *, least: int = 1) -> int | None:
    """A whole number of the query string; None where it is none or out of bounds."""
    text = visit.request.query_params.get(name)
    found = usual if text is None else whole(text, most)
    return found if found is not None and found >= least else None


def _missing() -> Response:
    return problem(404, "there is no open dataset or version of this name")


def _unpublished() -> Response:
    return problem(404, "the records of this version are not published here")


def _headers(tag: str) -> dict[str, str]:
    return {"etag": tag, "cache-control": "public, max-age=5", "access-control-allow-origin": "*",
            "cross-origin-resource-policy": "cross-origin"}  # fmt: skip


def _answer(visit: Visit, body: Any, headers: dict[str, str] | None = None) -> Response:
    data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    more = {**_headers(tag), **(headers or {})}
    if is_known(visit.request, tag):
        return Response(status_code=304, headers=more)
    return Response(data, media_type="application/json", headers=more)
