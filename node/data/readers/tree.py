"""JSON, JSON Lines, YAML: objects become records; numbers keep their text, nothing is guessed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from node.data.notes import note
from node.data.readers.batches import ReadError, Record, Row

MAX_DOCUMENT_BYTES = 128 << 20
MAX_LINE_BYTES = 4 << 20
MAX_YAML_BYTES = 16 << 20
MAX_DEPTH = 16
MAX_YAML_DEPTH = 32
SAMPLE = 1_000


def read_json(path: Path, records: str) -> Iterator[tuple[int, Any]]:
    """Yield (number, object) of the array at the dotted path `records` of a JSON document."""
    if path.stat().st_size > MAX_DOCUMENT_BYTES:
        raise ReadError(
            f"{path} is larger than {MAX_DOCUMENT_BYTES >> 20} MiB; write it as JSON Lines"
        )
    yield from enumerate(find_records(parse(path.read_bytes(), str(path)), records, str(path)), 1)


def read_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield (line, object) of each line that is not empty, or (line, ReadError)."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES):
            number += 1
            if len(line) == MAX_LINE_BYTES:
                raise ReadError(f"{path}: line {number} is longer than {MAX_LINE_BYTES} bytes")
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip():
                continue
            try:
                yield number, parse(line, "line")
            except ReadError as error:
                yield number, error


def read_yaml(path: Path, records: str) -> Iterator[tuple[int, Any]]:
    """Yield (number, object) of the list at the dotted path `records` of a YAML document.

    Scalars keep their text, whatever YAML would make of them. Aliases, which can grow without
    bound, and repeated keys are refused.
    """
    if path.stat().st_size > MAX_YAML_BYTES:
        raise ReadError(f"{path} is larger than {MAX_YAML_BYTES >> 20} MiB; write it as JSON Lines")
    content = _parse_yaml(path.read_bytes(), str(path))
    yield from enumerate(find_records(content, records, str(path)), 1)


def _parse_yaml(data: bytes, source: str) -> Any:
    import yaml

    class Loader(yaml.CBaseLoader):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            found: dict[Any, Any] = super().construct_mapping(node, deep=deep)
            if len(found) != len(node.value):
                raise ReadError(f"{source} has a key twice, near line {node.start_mark.line + 1}")
            return found

    depth = 0
    try:
        for event in yaml.parse(data, Loader=yaml.CBaseLoader):
            if isinstance(event, yaml.AliasEvent):
                line = event.start_mark.line + 1
                raise ReadError(f"{source} has an alias in line {line}; write the value out")
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_YAML_DEPTH:
                raise ReadError(f"{source} is nested deeper than {MAX_YAML_DEPTH}")
        return yaml.load(data, Loader=Loader)  # only texts, lists and maps come of it
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" near line {mark.line + 1}" if mark else ""
        raise ReadError(f"{source} is not YAML that can be taken{place}") from error


def parse(data: bytes, source: str) -> Any:
    """Parse JSON strictly: no repeated keys, no NaN; numbers become the text that is there."""
    if data.lstrip()[:1] == b"<":
        raise ReadError(f"{source} is not JSON: it begins like HTML or XML")
    try:
        return json.loads(
            data,
            parse_int=str,
            parse_float=str,
            parse_constant=_refuse,
            object_pairs_hook=_unique,
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ReadError(f"{source} is not JSON: {error.msg} at {place}") from error
    except (ValueError, RecursionError) as error:
        raise ReadError(f"{source} is not JSON that can be taken: {error!s:.80}") from error


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not a number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has a key twice")
    return found


def find_records(content: Any, place: str, source: str) -> list[Any]:
    """Return the array at the dotted path `place`, or the document itself."""
    for key in filter(None, place.split(".")):
        content = content.get(key) if isinstance(content, dict) else None
    if not isinstance(content, list):
        where = f"{place!r} of {source}" if place else source
        raise ReadError(f"{where} is not an array of records")
    return content


def columns_of(objects: Iterable[tuple[int, Any]]) -> list[str]:
    """Return the keys of the first records in the order in which they appear."""
    names: dict[str, None] = {}
    for _, (_, each) in zip(range(SAMPLE), objects, strict=False):
        if isinstance(each, dict):
            names.update(dict.fromkeys(flatten(each)))
    return list(names)


def to_records(objects: Iterable[tuple[int, Any]], columns: list[str]) -> Iterator[Record]:
    """Turn objects into rows of `columns`; a missing key is null, an unknown one a problem."""
    places = {name: index for index, name in enumerate(columns)}
    for number, each in objects:
        if not isinstance(each, dict):
            yield number, _wrong(each)
            continue
        row: Row = [None] * len(columns)
        problem = ""
        for name, value in flatten(each).items():
            index = places.get(name)
            if index is None:
                problem = note("unexpected", name[:80])
                break
            row[index] = value
        yield number, problem or row


def _wrong(each: Any) -> str:
    """What is wrong with something that is no object."""
    match each:
        case ReadError(__cause__=json.JSONDecodeError(colno=column)):
            return note("not-json", column)
        case ReadError():
            return note("unusable-json")
        case _:
            return note("not-object")


def flatten(each: dict[str, Any], prefix: str = "", depth: int = 0) -> dict[str, str | None]:
    """Nested objects become dotted names; arrays become their JSON."""
    found: dict[str, str | None] = {}
    for key, value in each.items():
        if isinstance(value, dict) and value and depth < MAX_DEPTH:
            found |= flatten(value, f"{prefix}{key}.", depth + 1)
        elif value is None or isinstance(value, str):
            found[prefix + key] = value
        elif isinstance(value, bool):
            found[prefix + key] = "true" if value else "false"
        else:
            found[prefix + key] = json.dumps(value, ensure_ascii=False)
    return found
