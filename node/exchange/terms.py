"""What a request says beyond the chain: conditions on fields, whose values travel sealed.

The chain holds a condition's field and operator; what it compares with stands in the request's
envelope, in the order of the chain's `filter`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from node.errors import MunimentError

KIND = "request"
"""Of the sealed record: `text` is the justification, `filter` the values."""
MAX_CONDITIONS = 16
MAX_VALUES = 256
_OPERATORS = {
    "=": "eq", "==": "eq", "!=": "ne", "<>": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge",
}  # fmt: skip
SHOWN = {"eq": "=", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "in": "in",
         "prefix": "like"}  # fmt: skip
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^']|'')*')|(?P<quoted>"[^"]+")|(?P<sign>[<>=!]{1,2}|[(),])"""
    r"""|(?P<word>[^\s'"<>=!(),]+))"""
)


class TermsError(MunimentError):
    """A condition that cannot be read; the message says where."""

    code = "terms"


@dataclass(frozen=True, slots=True)
class Condition:
    """A field by name, one of the chain's operators, and what it compares with."""

    field: str
    operator: str
    values: tuple[str, ...]


def parse_where(text: str) -> tuple[Condition, ...]:
    """Read conditions joined by `and`: `city = 'Beijing' and year >= 2020`.

    Also `in ('a', 'b')` and `like 'begin%'`. A field with spaces stands in double quotes; a quote
    in a value is doubled. Raises TermsError.
    """
    tokens = _tokens(text)
    found: list[Condition] = []
    while True:
        condition, tokens = _condition(tokens, text)
        found.append(condition)
        if not tokens:
            return tuple(found)
        if tokens[0][0] != "word" or tokens[0][1].lower() != "and":
            raise TermsError(f"{text!r}: conditions are joined by and, not by {tokens[0][1]}")
        tokens = tokens[1:]


_Token = tuple[str, str]


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    place = 0
    while place < len(text.rstrip()):
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise TermsError(f"{text!r}: cannot be read from {text[place:].strip()[:20]!r} on")
        found.append((match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return found


def _condition(tokens: list[_Token], text: str) -> tuple[Condition, list[_Token]]:
    if len(tokens) < 3 or tokens[0][0] not in ("word", "quoted"):
        raise TermsError(f"{text!r}: a condition is FIELD OPERATOR VALUE, such as city = 'Beijing'")
    field, (kind, sign), rest = tokens[0][1].strip('"'), tokens[1], tokens[2:]
    word = sign.lower()
    if kind == "word" and word == "in":
        values, rest = _list(rest, text)
        return Condition(field, "in", values), rest
    value = _value(rest[0], text)
    if kind == "word" and word == "like":
        if not value.endswith("%") or "%" in value[:-1] or "_" in value or value == "%":
            raise TermsError(f"{text!r}: like takes the beginning of a value and %, as in 'Bei%'")
        return Condition(field, "prefix", (value[:-1],)), rest[1:]
    if sign not in _OPERATORS:
        raise TermsError(f"{text!r}: {sign} is none of {' '.join(_OPERATORS)} in like")
    return Condition(field, _OPERATORS[sign], (value,)), rest[1:]


def _list(tokens: list[_Token], text: str) -> tuple[tuple[str, ...], list[_Token]]:
    values: list[str] = []
    if tokens[0] != ("sign", "("):
        raise TermsError(f"{text!r}: in takes values in brackets, as in ('a', 'b')")
    rest = tokens[1:]
    while len(rest) >= 2 and len(values) < MAX_VALUES:
        values.append(_value(rest[0], text))
        if rest[1] == ("sign", ")"):
            return tuple(values), rest[2:]
        if rest[1] != ("sign", ","):
            break
        rest = rest[2:]
    raise TermsError(f"{text!r}: the list of values does not end, or has more than {MAX_VALUES}")


def _value(token: _Token, text: str) -> str:
    kind, value = token
    if kind == "text":
        return value[1:-1].replace("''", "'")
    if kind == "word":
        return value
    raise TermsError(f"{text!r}: {value} is no value; texts stand in single quotes")


def sealed(text: str | None, conditions: Sequence[Condition]) -> dict[str, str | None]:
    """Return the fields of the envelope's record."""
    values = [list(condition.values) for condition in conditions]
    return {"text": text, "filter": json.dumps(values, ensure_ascii=False)}


def read_values(record: Mapping[str, str | None], count: int) -> list[list[str]]:
    """Return the values of each of `count` conditions from an envelope's record.

    Raises TermsError: the record is another member's, and may hold anything.
    """
    try:
        rows = json.loads(record.get("filter") or "[]")
    except (ValueError, RecursionError):
        rows = None
    if not isinstance(rows, list) or len(rows) != count or not all(map(_is_values, rows)):
        raise TermsError(f"the envelope does not hold values for the {count} conditions")
    return rows


def _is_values(row: object) -> bool:
    return (
        isinstance(row, list)
        and 0 < len(row) <= MAX_VALUES
        and all(isinstance(value, str) for value in row)
    )
