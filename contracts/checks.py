"""Checkers for arguments of contract methods. Each raises DecodeError that names the argument."""

from __future__ import annotations

from consensus.codec import DecodeError, Value
from contracts.api import Checker
from contracts.text import HIDDEN

_SLUG = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-._")
MAX_ID_BYTES = 128


def integer(low: int, high: int) -> Checker:
    def check(value: Value, what: str) -> int:
        if type(value) is not int or not low <= value <= high:
            raise DecodeError(f"{what}: must be an integer from {low} to {high}")
        return value

    return check


def boolean(value: Value, what: str) -> bool:
    if type(value) is not bool:
        raise DecodeError(f"{what}: must be true or false")
    return value


def data(length: int) -> Checker:
    def check(value: Value, what: str) -> bytes:
        if type(value) is not bytes or len(value) != length:
            raise DecodeError(f"{what}: must be {length} bytes")
        return value

    return check


def text(max_bytes: int, min_bytes: int = 1) -> Checker:
    """Text without control characters, of `min_bytes` to `max_bytes` bytes in UTF-8."""

    def check(value: Value, what: str) -> str:
        if type(value) is not str:
            raise DecodeError(f"{what}: must be text")
        # For ASCII alone `isprintable` is the same in every edition, and quicker.
        is_ascii = value.isascii()
        if not (value.isprintable() if is_ascii else HIDDEN.isdisjoint(value)):
            raise DecodeError(f"{what}: must not hold control characters")
        if not min_bytes <= (len(value) if is_ascii else len(value.encode())) <= max_bytes:
            raise DecodeError(f"{what}: must have {min_bytes} to {max_bytes} bytes")
        return value

    return check


def slug(value: Value, what: str) -> str:
    """Lower-case letters, digits, hyphen, dot and underscore."""
    if type(value) is not str or not _SLUG.issuperset(value):
        raise DecodeError(f"{what}: must be of a-z, 0-9, '-', '.', '_'")
    if not 0 < len(value) <= MAX_ID_BYTES:
        raise DecodeError(f"{what}: must have 1 to {MAX_ID_BYTES} bytes")
    return value


def owned_id(value: Value, what: str) -> str:
    """An id of the form owner/slug."""
    owner, slash, rest = value.partition("/") if type(value) is str else ("", "", "")
    if not owner or not rest or not _SLUG.issuperset(owner) or not _SLUG.issuperset(rest):
        raise DecodeError(f"{what}: must be OWNER/NAME of a-z, 0-9, '-', '.', '_'")
    if len(owner) + len(slash) + len(rest) > MAX_ID_BYTES:
        raise DecodeError(f"{what}: must have at most {MAX_ID_BYTES} bytes")
    return owner + slash + rest


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
        if type(value) is not list or len(value) > max_length:
            raise DecodeError(f"{what}: must be an array of at most {max_length} items")
        index = 0  # the place is put together only when it is needed
        try:
            for index, row in enumerate(value):  # noqa: B007
                inner(row, "")
        except DecodeError as error:
            raise DecodeError(f"{what}[{index}]{error.args[0]}") from None
        return value

    return check


def record(fields: dict[str, Checker]) -> Checker:
    """A map with exactly these keys."""

    def check(value: Value, what: str) -> dict[str, Value]:
        if type(value) is not dict or value.keys() != fields.keys():
            raise DecodeError(f"{what}: must be a map of {', '.join(fields)}")
        try:
            for name, inner in fields.items():
                inner(value[name], name)
        except DecodeError as error:
            raise DecodeError(f"{what}.{error.args[0]}") from None
        return value

    return check


def number_key(value: int) -> bytes:
    """Fixed width, big endian, so that keys sort by number; `value` is below 2**64."""
    return value.to_bytes(8, "big")
