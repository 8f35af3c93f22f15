"""Checkers for arguments of contract methods. Each raises DecodeError that names the argument."""

from __future__ import annotations

from consensus.codec import (
    DecodeError,
    Value,
    expect_bytes,
    expect_int,
    expect_list,
    expect_text,
)
from contracts.api import Checker

_SLUG = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-._")
MAX_ID_BYTES = 128


def integer(low: int, high: int) -> Checker:
    def check(value: Value, what: str) -> int:
        if type(value) is not int or not low <= value <= high:
            raise DecodeError(f"{what}: must be an integer from {low} to {high}")
        return value

    return check


def data(length: int) -> Checker:
    def check(value: Value, what: str) -> bytes:
        return expect_bytes(value, what, length)

    return check


def text(max_bytes: int, min_bytes: int = 1) -> Checker:
    """Text without control characters."""

    def check(value: Value, what: str) -> str:
        found = expect_text(value, what, max_bytes, min_bytes)
        if not found.isprintable():
            raise DecodeError(f"{what}: must not hold control characters")
        return found

    return check


def slug(value: Value, what: str) -> str:
    """Lower-case letters, digits, hyphen, dot and underscore."""
    found = expect_text(value, what, MAX_ID_BYTES)
    if not _SLUG.issuperset(found):
        raise DecodeError(f"{what}: must be of a-z, 0-9, '-', '.', '_'")
    return found


def owned_id(value: Value, what: str) -> str:
    """An id of the form owner/slug."""
    found = expect_text(value, what, MAX_ID_BYTES)
    owner, slash, rest = found.partition("/")
    if not slash or not owner or not rest or not _SLUG.issuperset(owner + rest):
        raise DecodeError(f"{what}: must be OWNER/NAME of a-z, 0-9, '-', '.', '_'")
    return found


def one_of(*names: str) -> Checker:
    allowed = frozenset(names)

    def check(value: Value, what: str) -> str:
        if type(value) is not str or value not in allowed:
            raise DecodeError(f"{what}: must be one of {', '.join(names)}")
        return value

    return check


def optional(inner: Checker) -> Checker:
    def check(value: Value, what: str) -> object:
        return None if value is None else inner(value, what)

    return check


def list_of(inner: Checker, max_length: int) -> Checker:
    def check(value: Value, what: str) -> list[Value]:
        rows = expect_list(value, what, max_length=max_length)
        for index, row in enumerate(rows):
            inner(row, f"{what}[{index}]")
        return rows

    return check


def record(fields: dict[str, Checker]) -> Checker:
    """A map with exactly these keys."""

    def check(value: Value, what: str) -> dict[str, Value]:
        if type(value) is not dict or value.keys() != fields.keys():
            raise DecodeError(f"{what}: must be a map of {', '.join(fields)}")
        for name, inner in fields.items():
            inner(value[name], f"{what}.{name}")
        return value

    return check


def number_key(value: int) -> bytes:
    """Fixed width, big endian, so that keys sort by number."""
    return expect_int(value, "number").to_bytes(8, "big")
