"""What the ledger's own contracts offer, said by their code: methods, arguments, duties, events."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
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


def heading(contract: Contract) -> str:
    """The first line of what a contract says of itself."""
    return paragraphs(_module_doc(contract))[0]


def paragraphs(doc: str) -> list[str]:
    """What a docstring says, without its line breaks.

    >>> paragraphs("One line.\\n\\nTwo\\nlines.")
    ['One line.', 'Two lines.']
    """
    return [" ".join(each.split()) for each in doc.split("\n\n")]


def said() -> set[str]:
    """Every paragraph that the ledger's own contracts say, by all versions of the rules."""
    found = [describe(each) for rules in VERSIONS.values() for each in rules.values()]
    docs = {part["doc"] for each in found for part in (each, *each["methods"], *each["queries"])}
    return {words for doc in docs for words in paragraphs(doc) if words}


def type_of(check: Checker) -> str:
    """What a checker accepts, in its own words.

    >>> from contracts.checks import integer, optional
    >>> type_of(optional(integer(1, 4)))
    'an integer from 1 to 4, or null'
    """
    try:
        check(_Nothing(), "")  # type: ignore[arg-type]
    except DecodeError as error:
        text = str(error.args[0]).partition("must be ")[2]
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
    """Names that a source emits: as they stand, or handed to the function that emits them."""
    parsed = ast.parse(file.read_text("utf-8"))
    known: dict[str, str] = {}
    handed: set[tuple[str, int]] = set()
    for node in parsed.body:
        match node:
            case ast.Assign(targets=[target], value=value):
                known |= _constants(target, value)
            case ast.FunctionDef(name=function, args=arguments):
                places = [each.arg for each in arguments.args]
                names = {_name(call) for call in ast.walk(node) if _is_emit(call)}
                handed |= {(function, places.index(name)) for name in names if name in places}
    for call in ast.walk(parsed):
        match call:
            case ast.Call(func=ast.Attribute(attr="emit"), args=[word, *_]):
                yield from _said(word, known)
            case ast.Call(func=ast.Name(id=function), args=words):
                for place, word in enumerate(words):
                    if (function, place) in handed:
                        yield from _said(word, known)


def _is_emit(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "emit"


def _name(call: ast.AST) -> str:
    """The name of the variable that a call is given first."""
    return getattr(call.args[0], "id", "") if isinstance(call, ast.Call) and call.args else ""


def _constants(target: ast.expr, value: ast.expr) -> dict[str, str]:
    """Texts that an assignment gives names."""
    match target, value:
        case ast.Name(id=name), ast.Constant(value=str(text)):
            return {name: text}
        case ast.Tuple(elts=names), ast.Tuple(elts=values) if len(names) == len(values):
            pairs = zip(names, values, strict=True)
            return {k: v for name, each in pairs for k, v in _constants(name, each).items()}
        case _:
            return {}


def _said(word: ast.expr, known: Mapping[str, str]) -> Iterator[str]:
    """The texts that an argument may be, as far as its source says."""
    match word:
        case ast.Constant(value=str(text)):
            yield text
        case ast.Name(id=name) if name in known:
            yield known[name]
        case ast.IfExp(body=one, orelse=other):
            yield from _said(one, known)
            yield from _said(other, known)
