"""What checks and detectors note of data: a code and values, told in words by whoever shows it.

A note is a text, `CODE VALUE...`, quoted as a shell's words are, so that any value comes back.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable

from node.data.types import TYPES

NOTES = {
    # why a record was refused
    "not-text": "is not text",
    "not-integer": "is not a whole number",
    "not-decimal": "is not a decimal number",
    "not-boolean": "is not yes or no",
    "not-date": "is not a date that can be read in one way",
    "not-datetime": "is not a date and time",
    "not-listed": "is not in the code list",
    "not-valid": "is not a valid {}",
    "not-fitting": "does not fit the standard's {}",
    "missing": "is required and missing",
    "without-key": "has no value in its key",
    "same-key": "has the key of another record",
    "too-long": "has a value longer than {} characters",
    "wrong-width": "(line {}) has {} fields; the header has {}",
    "beyond": "has values beyond column {}, the last with a name",
    "unexpected": "has the unexpected field {}",
    "not-object": "is not an object",
    "not-json": "is not JSON from column {} on",
    "unusable-json": "is not JSON that can be taken",
    # what something sensitive shows by
    "combination": "combination",
    "repeats": "{} values of {}",
    "within": "within {} values",
    "minors": "younger than 14",
    "texts": "{} of {} texts read like it",
    "values": "{} of {} values",
    "empty-column": "name of an empty column",
    "by-name": "its name",
    "by-name-days": "its name, and days",
    "by-name-numbers": "its name, and numbers",
    "unreadable": "{} values are lists or maps that cannot be read",
    "times": "{} times in the text",
    "reads-like": "reads like it ({} sure)",
    "failed": "it cannot be read: {}",
}
_AT = "at"


def note(code: str, *values: object) -> str:
    """One of the NOTES, with a value for each of its places."""
    return shlex.join([code, *map(str, values)])


def at(place: str, noted: str) -> str:
    """The same note, of a place within."""
    return f"{note(_AT, place)} {noted}"


def tell(noted: str, say: Callable[[str], str] = str) -> str:
    """A note in words. What an earlier release has kept in words stays as it is.

    >>> tell(at("list[].card", note("values", 95, 100)))
    'list[].card: 95 of 100 values'
    """
    try:
        code, *values = shlex.split(noted) or [""]
    except ValueError:
        return noted
    where = ""
    if code == _AT and len(values) > 1:
        where, code, *values = values
        where += ": "
    sentence = NOTES.get(code)
    if sentence is None or sentence.count("{}") != len(values):
        return noted
    if code == "not-valid":
        values = [say(TYPES[name].en) if name in TYPES else name for name in values]
    return where + say(sentence).format(*values)
