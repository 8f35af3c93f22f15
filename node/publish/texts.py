"""Records as CSV and JSON, exactly and back again, a line at a time.

CSV is RFC 4180 in UTF-8: null is an empty cell, empty text is `""`. A cell that a spreadsheet would
take for a formula has an apostrophe before it, which reading takes away again; numbers stay as they
are. JSON is an array with one record on each line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from node.data.commitment import Field
from node.errors import MunimentError

MAX_RECORD_BYTES = 64 << 20
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?", re.ASCII)
_PLAIN = re.compile(r"[^\s\",][^\r\n\",]*")
_CELL = re.compile(r'(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)')


class RecordsError(MunimentError):
    """A file of records that is not written as this release writes them."""

    code = "records"


def guard(text: str) -> str:
    """Return a cell's text as CSV has it, so that no spreadsheet runs it."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def unguard(text: str) -> str:
    """The inverse of `guard`."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def csv_line(values: Sequence[Field]) -> bytes:
    return (",".join(map(_cell, values)) + "\r\n").encode()


def _cell(value: Field) -> str:
    if value is None:
        return ""
    text = guard(value)
    return text if _PLAIN.fullmatch(text) else '"' + text.replace('"', '""') + '"'


def json_line(names: Sequence[str], values: Sequence[Field]) -> bytes:
    """A record without what separates it from the next."""
    record = dict(zip(names, values, strict=True))
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def read_csv(file: BinaryIO, names: Sequence[str]) -> Iterator[list[Field]]:
    """Yield the records of a CSV file that has these columns. Raises RecordsError."""
    lines = _whole(file)
    if _cells(next(lines, ""), 0) != list(names):
        raise RecordsError("the first line does not name the columns of the dataset's standard")
    for number, line in enumerate(lines, 1):
        yield _cells(line, number)


def _whole(file: BinaryIO) -> Iterator[str]:
    """Yield a record's text, which goes on where quotes are open at a line's end."""
    part = b""
    while line := file.readline(MAX_RECORD_BYTES):
        part += line
        if len(part) > MAX_RECORD_BYTES:
            raise RecordsError(f"a record has more than {MAX_RECORD_BYTES >> 20} MiB")
        if not part.count(b'"') % 2:
            yield _text(part)
            part = b""
    if part:
        raise RecordsError("the file ends within quotes: it is cut short")


def _cells(line: str, number: int) -> list[Field]:
    found: list[Field] = []
    at = 0
    while at < len(line):
        match = _CELL.match(line, at)
        if match is None:
            raise RecordsError(f"record {number} is not written as CSV of this release")
        quoted, plain, end = match.groups()
        text = quoted.replace('""', '"') if quoted is not None else plain
        value = unguard(text)
        if guard(value) != text:
            raise RecordsError(f"record {number} has a cell that is written as a formula")
        found.append(None if quoted is None and not plain else value)
        at = match.end()
        if end == "\r\n":
            break
    if not found or at != len(line):
        raise RecordsError(f"record {number} is cut short, or not CSV of this release")
    return found


def read_json(file: BinaryIO, names: Sequence[str]) -> Iterator[list[Field]]:
    """Yield the records of a JSON file that has these names. Raises RecordsError."""
    if file.readline(16) != b"[\n":
        raise RecordsError("the file is not JSON of this release: it begins otherwise")
    expected, number, has_more = list(names), 0, True
    while (line := file.readline(MAX_RECORD_BYTES)) != b"]\n":
        number += 1
        body = line.removesuffix(b"\n").removesuffix(b",")
        if not has_more or body == line:
            raise RecordsError(f"the file is cut short or too long at record {number}")
        has_more = line.endswith(b",\n")
        yield _values(body, expected, number)
    if has_more and number:
        raise RecordsError(f"the file ends after record {number}, where more should follow")
    if file.read(1):
        raise RecordsError("there is more after the end of the records")


def _values(body: bytes, names: list[str], number: int) -> list[Field]:
    try:
        pairs = json.loads(_text(body), object_pairs_hook=list)
        if [name for name, _ in pairs] == names:
            values = [value for _, value in pairs]
            if all(value is None or type(value) is str for value in values):
                "".join(filter(None, values)).encode()  # refuses halves of surrogate pairs
                return values
    except (ValueError, TypeError, RecursionError):
        pass
    raise RecordsError(f"record {number} does not have the fields of the dataset's standard")


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise RecordsError("the file is not UTF-8") from None


READERS: dict[str, Callable[[BinaryIO, Sequence[str]], Iterator[list[Field]]]] = {
    ".csv": read_csv,
    ".json": read_json,
}
