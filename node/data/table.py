"""Reading CSV in bounded memory; what cannot be read is refused with row and field."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from node.errors import MunimentError

MAX_COLUMNS = 1_024
MAX_FIELD_CHARACTERS = 1 << 20
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
    """By byte order mark; else UTF-8 if the whole file is, else GB18030 if it is that."""
    try:
        with path.open("rb") as file:
            head = file.read(4)
            for mark, encoding in _BOMS:
                if head.startswith(mark):
                    return encoding
            for encoding in ("utf-8", "gb18030"):
                file.seek(0)
                if _decodes(file, encoding):
                    return encoding
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from error
    raise TableError(f"{path} is neither UTF-8, UTF-16 with a mark, nor GB18030")


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
    csv.field_size_limit(MAX_FIELD_CHARACTERS)
    width = len(shape.columns)
    number = 1
    try:
        with path.open("rb") as raw:
            text = io.TextIOWrapper(raw, encoding=shape.encoding, newline="")
            reader = csv.reader(text, delimiter=shape.delimiter, strict=True)
            next(reader, None)
            for values in reader:
                number += 1
                if len(values) != width:
                    if not values:
                        continue
                    raise TableError(
                        f"{path}: row {number} (line {reader.line_num}) has {len(values)} "
                        f"fields; the header has {width}"
                    )
                yield [value or None for value in values], raw.tell()
    except UnicodeDecodeError as error:
        place = f"after row {number}"
        raise TableError(f"{path}: {place} there is no {shape.encoding} text") from error
    except csv.Error as error:
        raise TableError(f"{path}: row {number + 1} is not CSV: {error}") from error
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror}") from error
