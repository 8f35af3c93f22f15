"""Data standards as files that stewards write, and a first draft made from a table."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from consensus.codec import DecodeError, Value, encode
from contracts.api import Failure, check_arguments
from contracts.system import standards
from node.errors import MunimentError

MAX_FILE_BYTES = 1 << 20
_OPTIONAL = {"unit": None, "codes": None, "level": 1, "class": "general", "mask": None}


class StandardError(MunimentError):
    """A standard that cannot be used, or a table that does not follow it."""

    code = "standard"


def load(path: Path) -> dict[str, Value]:
    """Read a standard from JSON, fill in what may be left out, check it. Raises StandardError."""
    try:
        data = path.read_bytes()
        content = json.loads(data) if len(data) <= MAX_FILE_BYTES else None
    except OSError as error:
        raise StandardError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise StandardError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise StandardError(f"{path} must hold an object of at most {MAX_FILE_BYTES} bytes")
    fields = content.get("fields")
    if isinstance(fields, list):
        content["fields"] = [{**_OPTIONAL, **f} if isinstance(f, dict) else f for f in fields]
        content.setdefault("schema", _schema(content["fields"]))
    content.setdefault("version", 1)
    return check(content, str(path))


def check(content: dict[str, Any], source: str) -> dict[str, Value]:
    """Return `content` if the standards contract would take it. Raises StandardError."""
    try:
        encode(content)
        check_arguments(standards.CONTRACT.methods["publish"].arguments, content)
    except Failure as failure:
        raise StandardError(f"{source}: {failure.details!s}") from failure
    except (TypeError, ValueError, DecodeError) as error:
        raise StandardError(f"{source}: {error}") from error
    return content


def draft(identity: str, title: str, columns: Sequence[str], level: int) -> dict[str, Value]:
    """Return a standard that takes every column as text of sharing level `level`."""
    fields = [{"name": name, "type": "text", **_OPTIONAL, "level": level} for name in columns]
    content = {
        "id": identity,
        "version": 1,
        "title": title,
        "schema": _schema(fields),
        "fields": fields,
    }
    return check(content, identity)


def _schema(fields: Sequence[dict[str, Any]]) -> dict[str, Any]:
    names = [str(field.get("name", "")) for field in fields if isinstance(field, dict)]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {name[:23]: {} for name in names if name.isascii() and len(name) <= 23},
    }


def order_columns(standard: dict[str, Value], columns: Sequence[str]) -> list[int]:
    """Return, for each field of the standard, the index of its column. Raises StandardError."""
    fields = standard["fields"]
    names = (
        [str(f["name"]) for f in fields if isinstance(f, dict)] if isinstance(fields, list) else []
    )
    for name in columns:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise StandardError(f"column {name!r} is not in the standard{hint}")
    for name in names:
        if name not in columns:
            raise StandardError(f"the standard's field {name!r} is not among the columns")
    return [list(columns).index(name) for name in names]


def grade(standard: dict[str, Value]) -> tuple[int, str]:
    """Return the highest sharing level and data class of a standard's fields."""
    fields = standard["fields"]
    found = [f for f in fields if isinstance(f, dict)] if isinstance(fields, list) else []
    level = max(f["level"] for f in found if isinstance(f["level"], int))
    classes = [standards.CLASSES.index(str(f["class"])) for f in found]
    return level, standards.CLASSES[max(classes)]
