"""A contract's module: source that has been run once, with the methods that it declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.starlark.errors import Place, StarlarkError, SyntaxFault
from contracts.starlark.expressions import Builder
from contracts.starlark.parser import parse
from contracts.starlark.resolver import resolve
from contracts.starlark.statements import run_module
from contracts.starlark.syntax import docstring
from contracts.starlark.thread import LOAD_GAS, Thread
from contracts.starlark.types import ArgumentType
from contracts.starlark.values import (
    UNSET,
    Arguments,
    Builtin,
    Function,
    Named,
    Value,
    freeze,
    type_name,
)

_MAX_NAME = 23
"""Of methods and arguments: the longest key that a map in a transaction may have."""
MAX_DOC = 1_024


@dataclass(frozen=True, slots=True)
class Declared:
    """A method or a query: its function, what it does, its arguments in order."""

    function: Function
    doc: str
    arguments: tuple[tuple[str, ArgumentType], ...]


@dataclass(slots=True)
class Declarations:
    """What a module declares while its top level runs."""

    methods: dict[str, Declared] = field(default_factory=dict)
    queries: dict[str, Declared] = field(default_factory=dict)

    def add(self, kind: str, args: Arguments, named: Named) -> None:
        if len(args) != 1 or type(args[0]) is not Function:
            raise StarlarkError(f"{kind} takes a function and a type for each of its arguments")
        function: Function = args[0]
        name, doc = function.code.name, clean(function.code.doc)
        if name[0] == "_" or name == "lambda" or len(name) > _MAX_NAME:
            raise StarlarkError(f"{name}: not a name for a {kind}")
        if not doc or len(doc) > MAX_DOC:
            raise StarlarkError(f"{name}: a docstring of 1 to {MAX_DOC} characters is needed")
        if name in self.methods or name in self.queries:
            raise StarlarkError(f"{name}: declared twice")
        for word, value in named.items():
            if type(value) is not ArgumentType:
                raise StarlarkError(f"{name}: {word} needs a type, not {type_name(value)}")
            if len(word) > _MAX_NAME:
                raise StarlarkError(f"{name}: {word} is a longer name than {_MAX_NAME}")
        formals = function.code.formals
        if any(formal.kind for formal in formals) or {f.name for f in formals} != named.keys():
            raise StarlarkError(f"{name}: its parameters and those declared differ")
        made = Declared(function, doc, tuple(named.items()))
        (self.methods if kind == "method" else self.queries)[name] = made


@dataclass(frozen=True, slots=True)
class Module:
    """A loaded module; everything in it is frozen."""

    name: str
    doc: str
    methods: Mapping[str, Declared]
    queries: Mapping[str, Declared]
    values: Mapping[str, Value]

    def function(self, name: str) -> Function | None:
        """Return a function of the top level, or None."""
        value = self.values.get(name)
        return value if type(value) is Function else None


def _declare(kind: str) -> Builtin:
    def run(thread: Thread, args: Arguments, named: Named) -> Value:
        if type(thread.host) is not Declarations:
            raise StarlarkError(f"{kind} is called at the top level only")
        thread.charge(20 * (1 + len(named)))
        thread.host.add(kind, args, named)
        return None

    return Builtin(kind, run)


DECLARATIONS: dict[str, Value] = {kind: _declare(kind) for kind in ("method", "query")}


def load(
    name: str, source: str, predeclared: Mapping[str, Value], *, printed: list[str] | None = None
) -> Module:
    """Run the top level of `source`. Raises StarlarkError, whose trace begins at the fault."""
    try:
        body = parse(source)
        resolved = resolve(body, predeclared)
        values: list[Value] = [UNSET] * len(resolved.globals)
        builder = Builder(name, resolved, predeclared, values)
        declared = Declarations()
        thread = Thread(LOAD_GAS, declared)
        thread.printed = printed
        run_module(builder, body, thread)
    except SyntaxFault as fault:
        fault.trace = [Place(name, "<module>", fault.line)]
        raise
    for value in values:
        freeze(value)
    found = {
        word: values[variable.slot]
        for word, variable in resolved.globals.items()
        if values[variable.slot] is not UNSET
    }
    return Module(name, clean(docstring(body)), declared.methods, declared.queries, found)


def clean(doc: str) -> str:
    """Return a docstring without the indentation of its later lines."""
    rows = [row.strip(" ") for row in doc.strip(" \n").split("\n")]
    return "\n".join(rows)
