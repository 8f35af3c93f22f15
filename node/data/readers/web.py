"""HTTP(S): pages of records, conditional requests, bounded answers, one origin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from consensus.codec import Value
from node.data.readers import tree
from node.data.readers.batches import Chunk, ReadError, gather

MAX_ANSWER_BYTES = 64 << 20
MAX_PAGES = 100_000
TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Web:
    """A declared address: where records stand, how pages follow each other.

    `next` is a dotted path to the next page's address, or `link` for the Link header; `page`
    names a counting parameter that starts at `first` and ends with an empty page. Else one page.
    """

    url: str
    records: str = ""
    next: str = ""
    page: str = ""
    first: int = 1
    header_file: str = ""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The source said that nothing has changed since the last run."""


def fetch(
    web: Web, cursor: Value, validators: dict[str, str], columns: list[str] | None
) -> tuple[list[str], Iterator[Chunk], dict[str, str]] | Unchanged:
    """Return columns, chunks and the validators for the next run's conditional request.

    `cursor` is [next address, records so far] of a run that broke off.
    """
    client = httpx.Client(
        timeout=TIMEOUT_S,
        headers={"User-Agent": "muniment", "Accept": "application/json", **_secret_header(web)},
        follow_redirects=False,
    )
    address, number = _start(web, cursor)
    conditional = {} if cursor is not None else validators
    answer = _get(client, web, address, conditional)
    if answer is None:
        return Unchanged()
    body, headers = answer
    objects = tree.find_records(body, web.records, address)
    names = columns or tree.columns_of(enumerate(objects, 1))
    fresh = {name: headers[name] for name in ("etag", "last-modified") if name in headers}

    def chunks() -> Iterator[Chunk]:
        nonlocal address, number, body, headers, objects
        for _ in range(MAX_PAGES):
            following = _next(web, address, body, headers, len(objects))
            numbered = enumerate(objects, number + 1)
            number += len(objects)
            page = list(gather(names, tree.to_records(numbered, names)))
            for index, chunk in enumerate(page, 1):
                # Only a whole page moves the cursor: a resumed run asks for its page again.
                last = index == len(page)
                yield Chunk(chunk.batch, chunk.bad, [following, number] if last else None)
            if not following:
                return
            address = following
            found = _get(client, web, address, {})
            if found is None:
                raise ReadError(f"{_bare(address)} answered 304 to an unconditional request")
            body, headers = found
            objects = tree.find_records(body, web.records, address)
        raise ReadError(f"{_bare(web.url)} has more than {MAX_PAGES} pages")

    return names, chunks(), fresh


def _start(web: Web, cursor: Value) -> tuple[str, int]:
    if isinstance(cursor, list) and len(cursor) == 2 and isinstance(cursor[1], int):
        return str(cursor[0]), cursor[1]
    if web.page:
        return str(httpx.URL(web.url).copy_merge_params({web.page: str(web.first)})), 0
    return web.url, 0


def _next(web: Web, address: str, body: Any, headers: httpx.Headers, count: int) -> str:
    if web.page:
        if not count:
            return ""
        url = httpx.URL(address)
        following = int(url.params[web.page]) + 1
        return str(url.copy_merge_params({web.page: str(following)}))
    target: Any = body
    if web.next == "link":
        response = httpx.Response(200, headers=headers)
        target = response.links.get("next", {}).get("url", "")
    else:
        for key in filter(None, web.next.split(".")):
            target = target.get(key) if isinstance(target, dict) else None
        target = target if web.next and isinstance(target, str) else ""
    if not target:
        return ""
    found = str(httpx.URL(address).join(target))
    if urlsplit(found)[:2] != urlsplit(web.url)[:2]:
        raise ReadError(f"{_bare(address)} names a next page on another origin")
    if found == address:
        raise ReadError(f"{_bare(address)} names itself as its next page")
    return found


def _get(
    client: httpx.Client, web: Web, address: str, validators: dict[str, str]
) -> tuple[Any, httpx.Headers] | None:
    """Return the parsed answer and its headers, or None for 304. Raises ReadError."""
    headers = {}
    if "etag" in validators:
        headers["If-None-Match"] = validators["etag"]
    if "last-modified" in validators:
        headers["If-Modified-Since"] = validators["last-modified"]
    place = _bare(address)
    data = bytearray()
    try:
        with client.stream("GET", address, headers=headers) as response:
            if response.status_code == 304 and validators:
                return None
            if response.status_code != 200:
                raise ReadError(f"{place} answered {response.status_code}")
            for part in response.iter_bytes():
                data += part
                if len(data) > MAX_ANSWER_BYTES:
                    raise ReadError(f"{place} answered more than {MAX_ANSWER_BYTES >> 20} MiB")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ReadError(f"{place} cannot be read: {type(error).__name__}") from error
    return tree.parse(bytes(data), place), response.headers


def _bare(address: str) -> str:
    """The address without its query, which may hold secrets or data."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname}{parts.path}"


def _secret_header(web: Web) -> dict[str, str]:
    """Read `Name: value` from the header file: credentials never stand in a source's settings."""
    if not web.header_file:
        return {}
    try:
        name, colon, value = Path(web.header_file).read_text(encoding="ascii").partition(":")
    except (OSError, UnicodeDecodeError) as error:
        raise ReadError(f"{web.header_file} cannot be read") from error
    if not colon or "\n" in value.strip():
        raise ReadError(f"{web.header_file} must hold one line: Name: value")
    return {name.strip(): value.strip()}
