"""Between a contract's values and what the codec can encode."""

from __future__ import annotations

from consensus.codec import MAX_INT, MAX_KEY_BYTES, MIN_INT
from consensus.codec import Value as CodecValue
from contracts.starlark.errors import LimitReached, StarlarkError
from contracts.starlark.thread import Thread
from contracts.starlark.values import Dict, List, Value, type_name

MAX_DEPTH = 12
"""Below the codec's own limit, since a receipt wraps what a contract announces."""


def to_codec(thread: Thread, value: Value, depth: int = 0) -> CodecValue:
    """Return a copy that the codec encodes. Raises StarlarkError if there is none."""
    thread.charge(2)
    kind = type(value)
    if value is None or kind is bool:
        return value  # type: ignore[no-any-return]
    if kind is int:
        if not MIN_INT <= value <= MAX_INT:
            raise LimitReached("an integer outside of 64 bits can be neither kept nor sent")
        return value  # type: ignore[no-any-return]
    if kind is str or kind is bytes:
        thread.charge(len(value) >> 4)
        return value  # type: ignore[no-any-return]
    if depth >= MAX_DEPTH:
        raise LimitReached(f"a value nested deeper than {MAX_DEPTH} can be neither kept nor sent")
    if kind is List or kind is tuple or kind is range:
        items = value.items if kind is List else value
        thread.charge(len(items))
        return [to_codec(thread, item, depth + 1) for item in items]
    if kind is Dict:
        thread.charge(2 * len(value.items))
        made: dict[str, CodecValue] = {}
        for key, item in value.items.values():
            if type(key) is not str or len(key) > MAX_KEY_BYTES or not key.isascii():
                raise StarlarkError(
                    f"keys that are kept or sent are ASCII strings of {MAX_KEY_BYTES} at most"
                )
            made[key] = to_codec(thread, item, depth + 1)
        return made
    raise StarlarkError(f"a {type_name(value)} can be neither kept nor sent")


def from_codec(thread: Thread, value: CodecValue) -> Value:
    """Return a fresh copy that a contract may change."""
    thread.charge(2)
    if type(value) is list:
        thread.charge_items(len(value))
        return List([from_codec(thread, item) for item in value])
    if type(value) is dict:
        thread.charge_items(len(value))
        return Dict.of_texts({key: from_codec(thread, item) for key, item in value.items()})
    return value
