"""What the ledger's own contracts offer, said by their code: methods, arguments, duties, events."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from consensus.codec import DecodeError
from contracts.api import Checker, Contract, QuerySignature, Signature
from contracts.system import VERSIONS


class _Nothing:
    """No checker accepts it: what they say then is what they accept."""


def own(name: str, version: int | None = None) -> Contract | None:
    """One of the ledger's own contracts, by the latest rules unless a version is named."""
    return VERSIONS[max(VERSIONS) if version is None else version].get(name)


def describe(contract: Contract) -> dict[str, Any]:
    """As `contracts.describe` answers for a deployed one, with each method's duties, and events.

    `duties`: of these an operator needs one. `doc` is empty where the code has no docstring.
    """
    return {
        "name": contract.name,
        "doc": _module_doc(contract),
        "methods": [
            {**_described(name, found), "duties": list(found.duties)}
            for name, found in contract.methods.items()
        ],
        "queries": [_described(name, found) for name, found in contract.queries.items()],
        "events": list(events(contract.name)),
    }


def type_of(check: Checker) -> str:
    """What a checker accepts, in its own words.

    >>> from contracts.checks import integer, optional
    >>> type_of(optional(integer(1, 4)))
    'an integer from 1 to 4, or null'
    """
    try:
        check(_Nothing(), "")  # type: ignore[arg-type]
    except DecodeError as error:
        text = str(error.args[0]).lstrip(": ").removeprefix("must be ")
    else:
        return "anything"
    return f"{text}, or null" if _accepts_null(check) else text


def _accepts_null(check: Checker) -> bool:
    try:
        check(None, "")
    except DecodeError:
        return False
    return True


def _described(name: str, found: Signature | QuerySignature) -> dict[str, Any]:
    return {
        "name": name,
        "doc": inspect.getdoc(found.run) or "",
        "arguments": [
            {"name": word, "type": type_of(check), "optional": word in found.optional}
            for word, check in found.arguments.items()
        ],
    }


def _module_doc(contract: Contract) -> str:
    """That of the module, or of the package, that the contract is made in."""
    parts: list[Signature | QuerySignature] = [*contract.methods.values()]
    parts += contract.queries.values()
    places = [f"contracts.system.{contract.name}", *(part.run.__module__ for part in parts)]
    return next((inspect.getdoc(sys.modules[place]) or "" for place in places
                 if place in sys.modules), "")  # fmt: skip


@cache
def events(name: str) -> tuple[str, ...]:
    """Names of what a contract announces, as its source emits them, sorted."""
    spec = find_spec(f"contracts.system.{name}")
    if spec is None or spec.origin is None:
        return ()
    path = Path(spec.origin)
    files = path.parent.glob("*.py") if path.name == "__init__.py" else (path,)
    return tuple(sorted({event for file in files for event in _emitted(file)}))


def _emitted(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        match node:
            case ast.Call(func=ast.Attribute(attr="emit"), args=[ast.Constant(value=name), *_]):
                yield str(name)
