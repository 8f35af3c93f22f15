"""Forms as pages get them: fields of text, numbers in them, and files where a page takes any.

Files stay in memory, so that no temporary file ever holds what was handed in; the guard bounds the
whole request.
"""

from __future__ import annotations

from dataclasses import dataclass

import anyio
from starlette.exceptions import HTTPException
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import Request

MAX_FIELDS = 200
FILES_S = 120.0
FILES_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class GivenFile:
    """A file of a form: the name that it was given, and what it holds."""

    name: str
    data: bytes


def whole(text: str, digits: int = 15) -> int | None:
    """The whole number that `text` is in at most so many digits, or None."""
    text = text.strip()
    is_number = text.isascii() and text.isdecimal() and len(text) <= digits
    return int(text) if is_number else None


def number_of(text: str) -> int | None:
    """A whole number above 0, such as the ledger numbers things with, or None."""
    return whole(text, 12) or None


def page_of(wanted: str, total: int, size: int) -> tuple[int, int]:
    """The page that is wanted, from 1, of those that there are; and the last of them."""
    last = max(1, -(-total // size))
    return min(number_of(wanted) or 1, last), last


class _InMemory(MultiPartParser):
    spool_max_size = 0  # never rolled over to the disk


async def read_form(
    request: Request, files: int, places: anyio.CapacityLimiter
) -> tuple[dict[str, str], dict[str, GivenFile]]:
    """Return fields and files by their names; other bodies have none. Raises HTTPException.

    `places` bounds how many forms with files are read at once.
    """
    if not files:
        return await _read(request, 0)
    try:
        places.acquire_nowait()
    except anyio.WouldBlock:
        raise HTTPException(503, "many files are coming in; try again in a moment") from None
    try:
        with anyio.fail_after(FILES_S):
            return await _read(request, files)
    except TimeoutError:
        raise HTTPException(408, "the file took too long") from None
    finally:
        places.release()


async def _read(request: Request, files: int) -> tuple[dict[str, str], dict[str, GivenFile]]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    fields: dict[str, str] = {}
    given: dict[str, GivenFile] = {}
    parser: FormParser | MultiPartParser
    match kind:
        case "multipart/form-data":
            parser = _InMemory(request.headers, request.stream(), max_files=files,
                               max_fields=MAX_FIELDS)  # fmt: skip
        case "application/x-www-form-urlencoded":
            parser = FormParser(request.headers, request.stream(), max_fields=MAX_FIELDS)
        case _:
            return fields, given
    try:
        found = await parser.parse()
    except MultiPartException as error:
        raise HTTPException(400, error.message) from error
    for name, value in found.items():
        if isinstance(value, str):
            fields[name] = value
        else:
            given[name] = GivenFile(value.filename or "", await value.read())
    await found.close()
    return fields, given
