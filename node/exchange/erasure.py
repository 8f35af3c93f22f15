"""What an owner tells a recipient after a withdrawal: which rows of which deliveries to erase."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from consensus.codec import decode, encode, expect_int, expect_list
from node.envelopes.content import Content
from node.exchange.authorise import Authorisations
from node.exchange.consent import AuthoriseError

KIND = "withdrawn-rows"
MAX_ROWS = 1 << 14
MAX_FILE_BYTES = 1 << 20
Row = tuple[int, int]
"""A delivery and a row of it, from 1."""


def read_rows(file: Path) -> list[Row]:
    """Return the rows of a JSON file, [[delivery, row]...]. Raises AuthoriseError."""
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise AuthoriseError(f"{file} is larger than {MAX_FILE_BYTES} bytes")
        return _check(json.loads(file.read_bytes()))
    except OSError as error:
        raise AuthoriseError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise AuthoriseError(f"{file} must hold [[delivery, row]...]: {error}") from error


def rows_to_erase(
    authorisations: Authorisations, delivered: Iterable[tuple[int, int, str | None]]
) -> list[Row]:
    """Return which of the delivered rows, each (delivery, row, identity), nobody authorises now."""
    return [(d, row) for d, row, identity in delivered if not authorisations.allowed(identity)]


def order_record(obligation: int, rows: list[Row]) -> Content:
    """Return the record that is sealed to the recipient; rows are sorted and distinct in it."""
    body = base64.b64encode(encode([list(row) for row in sorted(set(rows))])).decode("ascii")
    return Content.create(KIND, {"obligation": str(obligation), "rows": body})


def rows_of(obligation: int, content: Content) -> list[list[int]]:
    """Return the [delivery, row] pairs that an owner sealed. Raises AuthoriseError."""
    fields = dict(zip(content.names, content.values, strict=True))
    if content.kind != KIND or fields.get("obligation") != str(obligation):
        raise AuthoriseError(f"the envelope is not about obligation {obligation}")
    try:
        found = _check(decode(base64.b64decode(fields.get("rows") or "")))
    except ValueError as error:
        raise AuthoriseError(f"the rows of obligation {obligation} are damaged") from error
    return [list(row) for row in found]


def _check(value: Any) -> list[Row]:
    """Raises DecodeError, which is a ValueError."""
    found: list[Row] = []
    for item in expect_list(value, "rows", max_length=MAX_ROWS):
        delivery, row = expect_list(item, "[delivery, row]", 2)
        found.append((expect_int(delivery, "delivery", 1), expect_int(row, "row", 1)))
    return found
