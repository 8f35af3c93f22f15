"""Data standards as files that stewards write, and a first draft made from a table."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from consensus.codec import DecodeError, Value, encode
from contracts.api import Failure, check_arguments
from contracts.system import standards
from node.data.types import TYPES
from node.errors import MunimentError

MAX_FILE_BYTES = 1 << 20
RESTRICTED = 3
"""Level from which a field is not shown as it is unless a steward says so."""
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
    return checked(content, str(path))


def checked(content: dict[str, Any], source: str) -> dict[str, Value]:
    """Fill in what may be left out of a standard, and check it. Raises StandardError."""
    fields = content.get("fields")
    if isinstance(fields, list):
        content["fields"] = [{**_OPTIONAL, **f} if isinstance(f, dict) else f for f in fields]
        content.setdefault("schema", _schema(content["fields"]))
    content.setdefault("version", 1)
    return check(content, source)


def check(content: dict[str, Any], source: str) -> dict[str, Value]:
    """Return `content` if the standards contract would take it. Raises StandardError."""
    try:
        encode(content)
        check_arguments(standards.CONTRACT.methods["publish"].arguments, content)
    except Failure as failure:
        raise StandardError(f"{source}: {failure.details!s}") from failure
    except (TypeError, ValueError, DecodeError) as error:
        raise StandardError(f"{source}: {error}") from error
    for index, field in enumerate(content["fields"]):
        _check_field(field, f"{source}: fields[{index}]")
    return content


def _check_field(field: dict[str, Any], place: str) -> None:
    """What is needed beyond the contract: a known type and distinct codes."""
    if field["type"] not in TYPES:
        near = difflib.get_close_matches(field["type"], TYPES, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(TYPES)}"
        raise StandardError(f"{place}.type: {field['type']!r} is not known; {hint}")
    codes = field["codes"]
    if codes is not None and len(set(codes)) != len(codes):
        raise StandardError(f"{place}.codes: a code stands twice")


def draft(
    identity: str, title: str, columns: Sequence[str | Guess], level: int
) -> dict[str, Value]:
    """Return a standard of `columns`: names, which are taken as text, or guesses about them.

    Every field has at least sharing level `level`.
    """
    fields = [
        _field(Guess(column) if isinstance(column, str) else column, level) for column in columns
    ]
    content = {
        "id": identity,
        "version": 1,
        "title": title,
        "schema": _schema(fields),
        "fields": fields,
    }
    return check(content, identity)


@dataclass(frozen=True, slots=True)
class Guess:
    """What a sample suggests about a column."""

    name: str
    type: str = "text"
    codes: tuple[str, ...] | None = None
    level: int = 1


def _field(guess: Guess, level: int) -> dict[str, Any]:
    known = TYPES[guess.type]
    found = max(known.level, guess.level)
    return {
        "name": guess.name,
        "type": guess.type,
        "unit": None,
        "codes": None if guess.codes is None else list(guess.codes),
        "level": max(level, found),
        "class": "general",
        "mask": known.mask or ("redact" if found >= RESTRICTED else None),
    }


def _schema(fields: Sequence[dict[str, Any]]) -> dict[str, Any]:
    names = [str(field.get("name", "")) for field in fields if isinstance(field, dict)]
    return {
        "$schema": standards.DIALECT,
        "type": "object",
        "properties": {name: {} for name in names if name.isascii() and 0 < len(name) <= 23},
    }


def starters() -> dict[str, dict[str, Any]]:
    """Return the standards to start from, by name."""
    folder = files("node.data") / "starters"
    found = (path for path in folder.iterdir() if path.name.endswith(".json"))
    return {
        path.name.removesuffix(".json"): json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(found, key=lambda path: path.name)
    }


def labels(standard: dict[str, Any], name: str) -> tuple[str, str]:
    """Return a field's Chinese and English label: title and description of its schema."""
    properties = standard["schema"].get("properties", {})
    known = properties.get(name, {})
    return str(known.get("title", "")), str(known.get("description", ""))


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


Effect = Literal["breaking", "compatible", "grade"]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two versions: what, where, and what it means for holders of data.

    `breaking`: data of the old version may not follow the new one; `grade`: who may see it changes.
    """

    field: str
    what: str
    old: str
    new: str
    effect: Effect


def diff(old: dict[str, Any], new: dict[str, Any]) -> list[Change]:
    """Return what changes from one standard to another, field by field in the order of both."""
    before = {field["name"]: field for field in old["fields"]}
    after = {field["name"]: field for field in new["fields"]}
    required = set(new["schema"].get("required", ()))
    changes = [
        Change(name, "removed", name, "", "breaking") for name in before.keys() - after.keys()
    ]
    for name, field in after.items():
        if name not in before:
            effect: Effect = "breaking" if name in required else "compatible"
            changes.append(Change(name, "added", "", f"{field['type']} L{field['level']}", effect))
        else:
            changes += _field_changes(name, before[name], field)
    changes += _schema_changes(old["schema"], new["schema"])
    kept = [name for name in after if name in before]
    if kept != [name for name in before if name in after]:
        changes.append(Change("", "order", ", ".join(before), ", ".join(after), "compatible"))
    if old["title"] != new["title"]:
        changes.append(Change("", "title", old["title"], new["title"], "compatible"))
    place = {name: index for index, name in enumerate([*after, *before])}
    return sorted(changes, key=lambda change: place.get(change.field, -1))


def _field_changes(name: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    for key in ("type", "unit", "level", "class", "mask"):
        if old[key] != new[key]:
            effect: Effect = "grade" if key in ("level", "class", "mask") else "breaking"
            yield Change(name, key, str(old[key] or ""), str(new[key] or ""), effect)
    if old["codes"] != new["codes"]:
        lost = old["codes"] is None or set(old["codes"]) - set(new["codes"] or old["codes"])
        effect = "breaking" if lost else "compatible"
        yield Change(name, "codes", _list(old["codes"]), _list(new["codes"]), effect)


def _schema_changes(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    """Labels are compatible; whatever else changes in a field's schema may break."""
    before, after = old.get("properties", {}), new.get("properties", {})
    for name in [name for name in after if name in before]:
        for key in sorted(before[name].keys() | after[name].keys()):
            was, now = before[name].get(key), after[name].get(key)
            if was != now:
                label = key in ("title", "description", "$comment", "examples", "default")
                yield Change(name, f"schema {key}", _json(was), _json(now),
                             "compatible" if label else "breaking")  # fmt: skip
    for key in sorted((old.keys() | new.keys()) - {"properties"}):
        if old.get(key) != new.get(key):
            yield Change("", f"schema {key}", _json(old.get(key)), _json(new.get(key)), "breaking")


def _list(codes: list[str] | None) -> str:
    return "any" if codes is None else ", ".join(codes)


def _json(value: object) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)
