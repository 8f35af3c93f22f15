"""Types of a method's arguments, as a contract writes them."""

from __future__ import annotations

from consensus.codec import DecodeError
from consensus.codec import Value as CodecValue
from consensus.validators import MAX_NAME_BYTES
from contracts import checks
from contracts.api import Checker
from contracts.starlark.binding import bind, expect_type
from contracts.starlark.errors import StarlarkError
from contracts.starlark.thread import Thread
from contracts.starlark.values import Arguments, Builtin, Named, Value, type_name

_MAX_TEXT_BYTES = 32 << 10
_MAX_LIST = 4_096


class ArgumentType:
    """A type: how an argument is checked, and how it is written."""

    __slots__ = ("check", "is_optional", "name", "text")

    def __init__(self, text: str, check: Checker, is_optional: bool = False) -> None:
        self.name = "type"
        self.text = text
        self.check = check
        self.is_optional = is_optional


def _boolean(value: CodecValue, what: str) -> CodecValue:
    if type(value) is not bool:
        raise DecodeError(f"{what}: must be true or false")
    return value


def _member(value: CodecValue, what: str) -> CodecValue:
    checks.slug(value, what)
    if len(value) > MAX_NAME_BYTES:  # type: ignore[arg-type]
        raise DecodeError(f"{what}: must have 1 to {MAX_NAME_BYTES} bytes")
    return value


def _limit(what: str, value: Value, low: int, high: int) -> int:
    if not low <= expect_type(what, value, int, "an int") <= high:
        raise StarlarkError(f"{what} must be from {low} to {high}")
    return value  # type: ignore[no-any-return]


def _inner(what: str, value: Value) -> ArgumentType:
    if type(value) is not ArgumentType:
        raise StarlarkError(f"{what} must be a type, not {type_name(value)}")
    return value


def _integer(thread: Thread, args: Arguments, named: Named) -> Value:
    low, high = bind("integer", args, named, "low", "high", least=2)
    _limit("integer: low", low, -(1 << 63), 1 << 63)
    _limit("integer: high", high, low, (1 << 64) - 1)
    return ArgumentType(f"integer({low}, {high})", checks.integer(low, high))


def _text(thread: Thread, args: Arguments, named: Named) -> Value:
    most, least = bind("text", args, named, "max_bytes", "min_bytes", least=1)
    least = 1 if least is None else _limit("text: min_bytes", least, 0, _MAX_TEXT_BYTES)
    _limit("text: max_bytes", most, max(least, 1), _MAX_TEXT_BYTES)
    shown = f"text({most})" if least == 1 else f"text({most}, {least})"
    return ArgumentType(shown, checks.text(most, least))


def _data(thread: Thread, args: Arguments, named: Named) -> Value:
    (length,) = bind("data", args, named, "length", least=1)
    _limit("data: length", length, 1, _MAX_TEXT_BYTES)
    return ArgumentType(f"data({length})", checks.data(length))


def _one_of(thread: Thread, args: Arguments, named: Named) -> Value:
    bind("one_of", [], named)
    thread.charge(4 * len(args))
    for name in args:
        expect_type("one_of: each name", name, str, "a string")
    if not args:
        raise StarlarkError("one_of needs at least one name")
    shown = ", ".join(f'"{name}"' for name in args)
    return ArgumentType(f"one_of({shown})", checks.one_of(*args))


def _optional(thread: Thread, args: Arguments, named: Named) -> Value:
    (inner,) = bind("optional", args, named, "type", least=1)
    found = _inner("optional: type", inner)
    return ArgumentType(f"optional({found.text})", checks.optional(found.check), is_optional=True)


def _list_of(thread: Thread, args: Arguments, named: Named) -> Value:
    inner, most = bind("list_of", args, named, "type", "max_length", least=2)
    _limit("list_of: max_length", most, 1, _MAX_LIST)
    found = _inner("list_of: type", inner)
    return ArgumentType(f"list_of({found.text}, {most})", checks.list_of(found.check, most))


def _record(thread: Thread, args: Arguments, named: Named) -> Value:
    bind("record", args, {})
    fields = {name: _inner(f"record: {name}", value) for name, value in named.items()}
    shown = ", ".join(f"{name} = {found.text}" for name, found in fields.items())
    return ArgumentType(
        f"record({shown})", checks.record({name: found.check for name, found in fields.items()})
    )


TYPES: dict[str, Value] = {
    "boolean": ArgumentType("boolean", _boolean),
    "member": ArgumentType("member", _member),
    "owned_id": ArgumentType("owned_id", checks.owned_id),
    "slug": ArgumentType("slug", checks.slug),
} | {
    name: Builtin(name, run)
    for name, run in (
        ("data", _data), ("integer", _integer), ("list_of", _list_of), ("one_of", _one_of),
        ("optional", _optional), ("record", _record), ("text", _text),
    )
}  # fmt: skip
