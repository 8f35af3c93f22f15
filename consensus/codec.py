"""Deterministic CBOR: RFC 8949 section 4.2.1, narrowed to what the ledger needs.

Allowed are integers from -2**63 to 2**64-1, byte strings, text, arrays, maps whose keys are
ASCII text under 24 bytes, booleans and null. There is exactly one encoding of each value, and
`decode` accepts no other: floats, tags, indefinite lengths, duplicate or unsorted keys, longer
integer forms and trailing bytes are refused. cbor2 parses; the walk below checks what it is too
lenient about; encoding the value again and comparing catches every remaining variant.

With keys under 24 bytes the first byte of an encoded key is 0x60 plus its length, so sorting by
(length, bytes) is the bytewise order of the encoded keys that the RFC asks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import cbor2

Value = int | bytes | str | bool | None | list["Value"] | dict[str, "Value"]

MAX_BYTES = 4 << 20
MAX_DEPTH = 16
MAX_KEY_BYTES = 23
MIN_INT = -(1 << 63)
MAX_INT = (1 << 64) - 1


class DecodeError(ValueError):
    """Foreign bytes that are not the one encoding of an allowed value."""

    code = "decode"


def encode(value: object) -> bytes:
    """Return the one encoding of `value`; tuples encode as arrays.

    Raises TypeError or ValueError on a value outside the allowed set: that is a bug of the caller.
    """
    return cbor2.dumps(value if _is_ordered(value, MAX_DEPTH) else _ordered(value))


def encode_array(items: Sequence[bytes]) -> bytes:
    """Return the encoding of an array whose `items` are encoded already."""
    return cbor2.dumps([None] * len(items))[: -len(items) or None] + b"".join(items)


def _is_ordered(value: object, depth: int) -> bool:
    """Check `value`; tell whether all its maps are sorted."""
    kind = type(value)
    if kind in _PLAIN:
        return True
    if kind is int:
        if not MIN_INT <= value <= MAX_INT:  # type: ignore[operator]
            raise ValueError(f"integer out of the 64-bit range: {value}")
        return True
    if depth == 0:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    is_ordered = True
    if kind is list or kind is tuple:
        items = value
    elif kind is dict:
        keys: tuple[Any, ...] = tuple(value)  # type: ignore[arg-type]
        if keys not in _SORTED:
            in_order = tuple(sorted(keys, key=_key_order))
            _remember(in_order)
            is_ordered = keys == in_order
        items = value.values()  # type: ignore[attr-defined]
    else:
        raise TypeError(f"{kind.__name__} has no encoding")
    for item in items:  # type: ignore[attr-defined]
        kind = type(item)
        if kind in _PLAIN or (kind is int and MIN_INT <= item <= MAX_INT):
            continue  # most items; the call below is for the others
        if not _is_ordered(item, depth - 1):
            is_ordered = False
    return is_ordered


def _ordered(value: Any) -> Any:
    """Return a copy of a checked value with its maps sorted."""
    if type(value) is dict:
        return {key: _ordered(value[key]) for key in sorted(value, key=_key_order)}
    if type(value) is list or type(value) is tuple:
        return [_ordered(item) for item in value]
    return value


_PLAIN = frozenset((bytes, str, bool, type(None)))
_SORTED: dict[tuple[str, ...], None] = {}
"""Tuples of keys known to be allowed and sorted: most maps have the keys of another map before."""
MAX_REMEMBERED = 1_024
MAX_REMEMBERED_KEYS = 64


def _remember(keys: tuple[str, ...]) -> None:
    if len(keys) <= MAX_REMEMBERED_KEYS:
        if len(_SORTED) >= MAX_REMEMBERED:
            _SORTED.clear()
        _SORTED[keys] = None


def _key_order(key: object) -> tuple[int, str]:
    if type(key) is not str or len(key) > MAX_KEY_BYTES or not key.isascii():
        raise ValueError(f"map keys are ASCII text of at most {MAX_KEY_BYTES} bytes, not {key!r}")
    return len(key), key


def decode(data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> Value:
    """Return the value that `data` encodes.

    Total over arbitrary bytes: raises DecodeError and nothing else. Work and memory are bounded
    by `max_bytes` and `max_depth`; a declared length is never allocated before its bytes are seen.
    """
    if len(data) > max_bytes:
        raise DecodeError(f"{len(data)} bytes; at most {max_bytes} are allowed")
    try:
        value = cbor2.loads(
            data,
            max_depth=max_depth,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            strict_hashable_types=True,
        )
        _check(value)
        if cbor2.dumps(value) != data:
            raise DecodeError("not the canonical encoding")
    except DecodeError:
        raise
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise DecodeError("not CBOR of the allowed kind") from error
    return value  # type: ignore[no-any-return]


def _check(value: object) -> None:
    """Refuse what cbor2 accepts and the ledger does not."""
    kind = type(value)
    if kind in _PLAIN:
        return
    if kind is int:
        if not MIN_INT <= value <= MAX_INT:  # type: ignore[operator]
            raise DecodeError("integer out of the 64-bit range")
    elif kind is list:
        _check_all(value)  # type: ignore[arg-type]
    elif kind is dict:
        keys: tuple[Any, ...] = tuple(value)  # type: ignore[arg-type]
        if keys not in _SORTED:
            _check_keys(keys)
            _remember(keys)
        _check_all(value.values())  # type: ignore[attr-defined]
    else:
        raise DecodeError(f"{kind.__name__} is not an allowed kind of value")


def _check_all(items: Iterable[Any]) -> None:
    for item in items:
        kind = type(item)
        if kind in _PLAIN or (kind is int and MIN_INT <= item <= MAX_INT):
            continue  # most items; the call below is for the others
        _check(item)


def _check_keys(keys: tuple[object, ...]) -> None:
    previous = (-1, "")
    for key in keys:
        try:
            order = _key_order(key)
        except ValueError:
            raise DecodeError("map key is not short ASCII text") from None
        if order <= previous:
            raise DecodeError("map keys are not sorted")
        previous = order


def expect_int(value: Value, what: str, low: int = 0, high: int = (1 << 63) - 1) -> int:
    """Return `value` if it is an integer from `low` to `high`; DecodeError names `what` if not."""
    if type(value) is not int or not low <= value <= high:
        raise DecodeError(f"{what} must be an integer from {low} to {high}")
    return value


def expect_bytes(
    value: Value, what: str, length: int | None = None, max_length: int = MAX_BYTES
) -> bytes:
    """Return `value` if it is a byte string of `length`, or of at most `max_length`, bytes."""
    if type(value) is not bytes:
        raise DecodeError(f"{what} must be a byte string")
    if length is not None and len(value) != length:
        raise DecodeError(f"{what} must have {length} bytes, not {len(value)}")
    if len(value) > max_length:
        raise DecodeError(f"{what} must have at most {max_length} bytes, not {len(value)}")
    return value


def expect_text(value: Value, what: str, max_bytes: int, min_bytes: int = 1) -> str:
    """Return `value` if it is text of `min_bytes` to `max_bytes` bytes in UTF-8."""
    if type(value) is not str:
        raise DecodeError(f"{what} must be text")
    size = len(value) if value.isascii() else len(value.encode())
    if not min_bytes <= size <= max_bytes:
        raise DecodeError(f"{what} must have {min_bytes} to {max_bytes} bytes")
    return value


def expect_list(
    value: Value, what: str, length: int | None = None, max_length: int = 1 << 20
) -> list[Value]:
    """Return `value` if it is an array of `length`, or of at most `max_length`, items."""
    if type(value) is not list:
        raise DecodeError(f"{what} must be an array")
    if length is not None and len(value) != length:
        raise DecodeError(f"{what} must have {length} items, not {len(value)}")
    if len(value) > max_length:
        raise DecodeError(f"{what} must have at most {max_length} items, not {len(value)}")
    return value


def expect_map(value: Value, what: str, keys: frozenset[str]) -> dict[str, Value]:
    """Return `value` if it is a map with exactly `keys`."""
    if type(value) is not dict:
        raise DecodeError(f"{what} must be a map")
    if value.keys() != keys:
        odd = sorted(value.keys() ^ keys)
        raise DecodeError(f"{what} lacks or has unknown keys: {', '.join(odd[:4])}")
    return value
