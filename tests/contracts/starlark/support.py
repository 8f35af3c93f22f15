"""Runs source as a module and gives what it printed, and the gas that it used."""

from __future__ import annotations

from contracts.starlark.errors import StarlarkError
from contracts.starlark.expressions import Builder
from contracts.starlark.library import UNIVERSAL
from contracts.starlark.parser import parse
from contracts.starlark.resolver import resolve
from contracts.starlark.statements import run_module
from contracts.starlark.thread import Thread
from contracts.starlark.values import UNSET

GAS = 1_000_000


def run(source: str, gas: int = GAS) -> Thread:
    """Run `source` with `gas`. Raises StarlarkError."""
    thread = Thread(gas)
    thread.printed = []
    body = parse(source)
    resolved = resolve(body, UNIVERSAL)
    builder = Builder("test", resolved, UNIVERSAL, [UNSET] * len(resolved.globals))
    run_module(builder, body, thread)
    return thread


def printed(source: str) -> list[str]:
    found = run(source).printed
    assert found is not None
    return found


def shown(expression: str) -> str:
    """Return repr of an expression's value."""
    return printed(f"print(repr(({expression})))")[0]


def fault(source: str, gas: int = GAS) -> StarlarkError:
    """Return the error that `source` ends with."""
    try:
        run(source, gas)
    except StarlarkError as error:
        return error
    raise AssertionError("the source ran to its end")
