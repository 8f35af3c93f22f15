"""Arguments of calls to their parameters."""

from __future__ import annotations

from contracts.starlark.errors import StarlarkError
from contracts.starlark.values import Arguments, Named, Value, type_name


def bind(name: str, args: Arguments, named: Named, *parameters: str, least: int = 0) -> list[Value]:
    """Return the values of a builtin's parameters, None for those left out.

    The first `least` must be given.
    """
    if not named and len(args) == len(parameters):
        return args
    if len(args) > len(parameters):
        raise StarlarkError(f"{name} takes {len(parameters)} arguments at most, not {len(args)}")
    values = args + [None] * (len(parameters) - len(args))
    given = len(args)
    for word, value in named.items():
        if word not in parameters:
            raise StarlarkError(f"{name} has no parameter {word}")
        place = parameters.index(word)
        if place < len(args):
            raise StarlarkError(f"{name} is given {word} twice")
        values[place] = value
        given += place < least
    if given < least:
        raise StarlarkError(f"{name} needs {' and '.join(parameters[:least])}")
    return values


def expect_type(what: str, value: Value, kind: type, shown: str) -> Value:
    """Return `value` if it is of `kind`. Raises StarlarkError."""
    if type(value) is not kind:
        raise StarlarkError(f"{what} must be {shown}, not {type_name(value)}")
    return value
