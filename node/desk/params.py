"""Parameters of the desk's methods, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from node.errors import MunimentError

MAX_TEXT = 64 << 10


class ParamError(MunimentError):
    """A parameter is missing, of another type, or out of bounds."""

    code = "params"


def text(params: Mapping[str, Any], name: str, most: int = 200) -> str:
    """A text of 1 to `most` characters. Raises ParamError."""
    value = params.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= most:
        raise ParamError(f"{name} must be a text of 1 to {most} characters")
    return value


def number(params: Mapping[str, Any], name: str, least: int = 0, most: int = 2**53) -> int:
    """A whole number from `least` to `most`. Raises ParamError."""
    value = params.get(name)
    if type(value) is not int or not least <= value <= most:
        raise ParamError(f"{name} must be a whole number from {least} to {most}")
    return value


def texts(params: Mapping[str, Any], name: str, most: int = 100) -> list[str]:
    """A list of at most `most` texts of 1 to 200 characters. Raises ParamError."""
    values = params.get(name)
    if not isinstance(values, list) or len(values) > most:
        raise ParamError(f"{name} must be a list of at most {most} texts")
    return [text({name: value}, name) for value in values]


def hexadecimal(params: Mapping[str, Any], name: str, length: int = 32) -> bytes:
    """`length` bytes in hexadecimal. Raises ParamError."""
    value = text(params, name)
    try:
        found = bytes.fromhex(value)
    except ValueError:
        found = b""
    if len(found) != length:
        raise ParamError(f"{name} must be {length} bytes in hexadecimal")
    return found
