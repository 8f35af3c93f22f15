"""Calling: arguments into a frame, and what is counted while a function runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from contracts.starlark.errors import Place, StarlarkError
from contracts.starlark.thread import CALL, Thread
from contracts.starlark.values import (
    UNSET,
    Arguments,
    Builtin,
    Cell,
    Dict,
    Function,
    Named,
    Value,
    type_name,
)

Frame = list[Value]
"""Thread, returned value, then a slot for each variable."""
Eval = Callable[[Frame], Value]
RECEIVED = 2
"""The first slot of a parameter."""


@dataclass(frozen=True, slots=True)
class Formal:
    """A parameter: `kind` is empty, * or **; `default` is its place among the defaults."""

    kind: str
    name: str
    by_name: bool
    default: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Code:
    """What a `def` or `lambda` has been compiled to.

    Parameters have the first slots, in order; `plain` says that all can be given by place. `cells`
    are slots of own variables that inner functions use, `taken` those of outer functions' cells.
    `weight` bounds the frames of Python that the body opens at once.
    """

    name: str
    module: str
    line: int
    doc: str
    formals: tuple[Formal, ...]
    plain: bool
    size: int
    cells: tuple[int, ...]
    taken: tuple[int, ...]
    weight: int
    run: Eval


def call(thread: Thread, callee: Value, args: Arguments, named: Named) -> Value:
    """Call any value. Raises StarlarkError if it cannot be called."""
    kind = type(callee)
    if kind is Function:
        return call_function(thread, callee, args, named)
    if kind is Builtin:
        return callee.run(thread, args, named)
    raise StarlarkError(f"a {type_name(callee)} cannot be called")


def call_function(thread: Thread, function: Function, args: Arguments, named: Named) -> Value:
    code = function.code
    if code in thread.codes:
        raise StarlarkError(f"{code.name} is being called already: there is no recursion")
    thread.charge(CALL + (code.size >> 2))
    thread.enter(code.weight)
    frame = _frame(thread, function, code, args, named)
    thread.codes.append(code)
    try:
        result = code.run(frame)
    except StarlarkError as error:
        if not error.is_placed:
            error.trace.append(Place(code.module, code.name, code.line))
        error.is_placed = False
        raise
    thread.codes.pop()
    thread.stack -= code.weight
    return result


def _frame(thread: Thread, function: Function, code: Code, args: Arguments, named: Named) -> Frame:
    if code.plain and not named and len(args) == len(code.formals):
        frame: Frame = [thread, None, *args]
    else:
        frame = [thread, None, *_bind(thread, function, code, args, named)]
    frame += [UNSET] * (code.size - len(frame))
    for slot in code.cells:
        frame[slot] = Cell(frame[slot])
    for slot, cell in zip(code.taken, function.cells, strict=True):
        frame[slot] = cell
    return frame


def _bind(
    thread: Thread, function: Function, code: Code, args: Arguments, named: Named
) -> list[Value]:
    thread.charge(2 * (len(args) + len(named) + len(code.formals)))
    values: list[Value] = []
    rest = dict(named)
    used = 0
    for formal in code.formals:
        if formal.kind == "*":
            values.append(tuple(args[used:]))
            used = len(args)
        elif formal.kind == "**":
            values.append(Dict.of_texts(rest))
            rest = {}
        elif not formal.by_name and used < len(args):
            if formal.name in rest:
                raise StarlarkError(f"{code.name} is given {formal.name} twice")
            values.append(args[used])
            used += 1
        elif formal.name in rest:
            values.append(rest.pop(formal.name))
        elif formal.default is not None:
            values.append(function.defaults[formal.default])
        else:
            raise StarlarkError(f"{code.name} needs the argument {formal.name}")
    if used < len(args):
        raise StarlarkError(f"{code.name} takes {used} arguments by place, not {len(args)}")
    if rest:
        raise StarlarkError(f"{code.name} has no parameter {next(iter(rest))}")
    return values
