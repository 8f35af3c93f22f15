"""Execution must give the same bytes on every machine: what it may not use is searched for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = {
    "asyncio", "datetime", "locale", "logging", "math", "os", "random", "re", "secrets", "socket",
    "statistics", "structlog", "threading", "time", "trio", "unicodedata", "uuid", "zoneinfo",
}  # fmt: skip
CALLS = {"hash", "id", "open", "print", "float", "input", "eval", "exec", "round"}
METHODS = {"lower", "upper", "casefold", "title", "swapcase", "capitalize"}


def faults(source: str) -> Iterator[tuple[int, str]]:
    """Yield (line, rule) of everything in `source` whose result may differ between machines."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                for name in names:
                    if name.name.split(".")[0] in MODULES:
                        yield node.lineno, f"import {name.name}"
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in MODULES:
                yield node.lineno, f"import {module}"
            case ast.Constant(value=float()):
                yield node.lineno, "float literal"
            case ast.BinOp(op=ast.Div()):
                yield node.lineno, "true division"
            case ast.AsyncFunctionDef():
                yield node.lineno, "async function"
            case ast.Call(func=ast.Name(id=name)) if name in CALLS:
                yield node.lineno, f"{name}()"
            case ast.Call(func=ast.Name(id="int"), args=[argument]) if not _is_safe(argument):
                yield node.lineno, "int() of text"
            case ast.Call(func=ast.Attribute(attr=name)) if name in METHODS:
                yield node.lineno, f".{name}()"
            case ast.For(iter=loop) | ast.comprehension(iter=loop) if _is_set(loop):
                yield getattr(node, "lineno", loop.lineno), "loop over a set"


def _is_safe(argument: ast.expr) -> bool:
    """`int` of an enumeration member is an integer already."""
    return isinstance(argument, ast.Attribute) or (
        isinstance(argument, ast.Name) and argument.id in ("code", "kind")
    )


def _is_set(loop: ast.expr) -> bool:
    return isinstance(loop, ast.Set | ast.SetComp) or (
        isinstance(loop, ast.Call)
        and isinstance(loop.func, ast.Name)
        and loop.func.id in ("set", "frozenset")
    )


@pytest.mark.parametrize("package", ["consensus", "contracts"])
def test_execution_is_deterministic(package: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {rule}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for line, rule in faults(path.read_text())
    ]
    assert not found


@pytest.mark.parametrize(
    "snippet",
    [
        "import time",
        "from random import choice",
        "x = 0.5",
        "x = a / b",
        "async def f(): ...",
        "hash(x)",
        "int(text)",
        "name.casefold()",
        "for x in {1, 2}: ...",
        "y = [x for x in set(z)]",
    ],
)
def test_each_rule_fires(snippet: str) -> None:
    assert list(faults(snippet))
