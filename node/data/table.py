"""Reading CSV in bounded memory; what cannot be read is refused with row and field."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from node.data.notes import note, tell
from node.errors import MunimentError

MAX_COLUMNS = 1_024
MAX_FIELD_CHARACTERS = 1 << 20
MAX_LINE_CHARACTERS = 4 << 20
MAX_HEADER_CHARACTERS = 128
SNIFF_BYTES = 64 << 10
DELIMITERS = ",;\t|"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class TableError(MunimentError):
    """A table that cannot be read as it is; the message names file, row and field."""

    code = "table"


@dataclass(frozen=True, slots=True)
class Shape:
    """How a file is written: its encoding, delimiter and column names."""

    encoding: str
    delimiter: str
    columns: tuple[str, ...]


def inspect(path: Path) -> Shape:
    """Find out encoding, delimiter and columns. Raises TableError."""
    encoding = _find_encoding(path)
    try:
        with path.open(encoding=encoding, newline="") as file:
            first = file.readline(SNIFF_BYTES)
    except UnicodeDecodeError as error:
        raise TableError(f"{path}: row 1 is not {encoding} text: {error.reason}") from error
    delimiter = max(DELIMITERS, key=first.count)
    columns = next(csv.reader(io.StringIO(first), delimiter=delimiter), [])
    names = tuple(name.strip() for name in columns)
    if not names or len(names) > MAX_COLUMNS:
        raise TableError(f"{path}: row 1 must name 1 to {MAX_COLUMNS} columns")
    for place, name in enumerate(names, 1):
        if not name or len(name) > MAX_HEADER_CHARACTERS or not name.isprintable():
            raise TableError(f"{path}: row 1, column {place} has no usable name")
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise TableError(f"{path}: row 1 names the column {twice!r} twice")
    return Shape(encoding, delimiter, names)


def _find_encoding(path: Path) -> str:
    """By byte order mark; UTF-16 by its zeros; else UTF-8 or GB18030, if the whole file is."""
    try:
        with path.open("rb") as file:
            head = file.read(SNIFF_BYTES)
            for mark, encoding in _BOMS:
                if head.startswith(mark):
                    return encoding
            for encoding in (*_wide(head), "utf-8", "gb18030"):
                file.seek(0)
                if _decodes(file, encoding):
                    return encoding
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from error
    raise TableError(f"{path} is neither UTF-8, UTF-16, nor GB18030")


def _wide(head: bytes) -> tuple[str, ...]:
    """UTF-16 without a mark shows zeros at every other byte of its delimiters and digits."""
    for encoding, start in (("utf-16-le", 1), ("utf-16-be", 0)):
        if head[start::2].count(0) * 4 > len(head[start::2]) and not head[1 - start :: 2].count(0):
            return (encoding,)
    return ()


def _decodes(file: IO[bytes], encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        while data := file.read(1 << 20):
            decoder.decode(data)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def rows(path: Path, shape: Shape) -> Iterator[tuple[list[str | None], int]]:
    """Yield (values, bytes read so far) of each data row. Empty fields are null.

    Values keep their text. Raises TableError with the row's number (1 is the header).
    """
    for number, values, position in records(path, shape):
        if isinstance(values, str):
            raise TableError(f"{path}: row {number} {tell(values)}")
        yield values, position


def records(path: Path, shape: Shape) -> Iterator[tuple[int, list[str | None] | str, int]]:
    """Yield (row number, values or what is wrong with the row, bytes read so far).

    Only a row of another width can be stepped over; anything else raises TableError, since it
    is not known where the next row begins.
    """
    csv.field_size_limit(MAX_FIELD_CHARACTERS)
    width = len(shape.columns)
    number = 1
    try:
        with path.open("rb") as raw:
            text = io.TextIOWrapper(raw, encoding=shape.encoding, newline="")
            lines = _lines(text)
            reader = csv.reader(lines, delimiter=shape.delimiter, strict=True)
            next(reader, None)
            for values in reader:
                number += 1
                if len(values) == width:
                    yield number, [value or None for value in values], raw.tell()
                elif values:
                    wrong = note("wrong-width", reader.line_num, len(values), width)
                    yield number, wrong, raw.tell()
    except UnicodeDecodeError as error:
        place = f"after row {number}"
        raise TableError(f"{path}: {place} there is no {shape.encoding} text") from error
    except csv.Error as error:
        raise TableError(f"{path}: row {number + 1} is not CSV: {error}") from error
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from error


def _lines(text: IO[str]) -> Iterator[str]:
    """Yield lines of bounded length: a file may be one line of any size."""
    while line := text.readline(MAX_LINE_CHARACTERS):
        if len(line) == MAX_LINE_CHARACTERS:
            raise csv.Error(f"a line is longer than {MAX_LINE_CHARACTERS} characters")
        yield line
