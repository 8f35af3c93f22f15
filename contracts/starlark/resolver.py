"""Gives each name its place: a slot of a function's frame, a global, or a predeclared value.

A function's frame holds its parameters, its local names, the variables of its comprehensions and,
behind these, the variables that it takes from functions around it. A variable that an inner
function uses lives in a cell, which both frames hold.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field

from contracts.starlark.errors import SyntaxFault
from contracts.starlark.syntax import (
    Assign,
    Block,
    Comprehension,
    Def,
    Expr,
    ExprStatement,
    For,
    ForClause,
    If,
    Jump,
    Lambda,
    Name,
    Parameter,
    Return,
    Sequence,
    Statement,
    children,
)

RESERVED_SLOTS = 2
"""A frame begins with its thread and the value that it returns."""


@dataclass(slots=True, eq=False)
class Variable:
    """A place for a value: in a frame, or (`is_global`) in the module."""

    name: str
    slot: int
    is_global: bool = False
    is_cell: bool = False


@dataclass(slots=True, eq=False)
class Scope:
    """A function, or the top level: its names and the size of its frame.

    `own` are its variables in the order of slots, those of comprehensions included; `taken` pairs
    a variable of the function around with the one that stands for it here.
    """

    outer: Scope | None
    blocks: list[dict[str, Variable]] = field(default_factory=lambda: [{}])
    size: int = RESERVED_SLOTS
    own: list[Variable] = field(default_factory=list)
    taken: list[tuple[Variable, Variable]] = field(default_factory=list)

    def add(self, name: str) -> Variable:
        """A new variable in the innermost block."""
        variable = self.blocks[-1][name] = Variable(name, self.size)
        self.own.append(variable)
        self.size += 1
        return variable

    def find(self, name: str) -> Variable | None:
        for block in reversed(self.blocks):
            if name in block:
                return block[name]
        if self.outer is None:
            return None
        found = self.outer.find(name)
        if found is None or found.is_global:
            return found
        found.is_cell = True
        mine = Variable(name, self.size, is_cell=True)
        self.size += 1
        self.blocks[0][name] = mine
        self.taken.append((found, mine))
        return mine


@dataclass(slots=True)
class Resolved:
    """Tables beside the tree: what each name means (None: predeclared), each function's scope."""

    names: dict[Name, Variable | None] = field(default_factory=dict)
    scopes: dict[Def | Lambda, Scope] = field(default_factory=dict)
    definitions: dict[Def, Variable] = field(default_factory=dict)
    parameters: dict[Parameter, Variable] = field(default_factory=dict)
    top: Scope = field(default_factory=lambda: Scope(None))
    globals: dict[str, Variable] = field(default_factory=dict)


def resolve(module: Block, predeclared: Container[str]) -> Resolved:
    """Raises SyntaxFault on an unknown name, a second global of a name, a misplaced statement."""
    resolver = _Resolver(predeclared)
    resolver.module(module)
    return resolver.found


class _Resolver:
    def __init__(self, predeclared: Container[str]) -> None:
        self.predeclared = predeclared
        self.found = Resolved()
        self.scope = self.found.top
        self.loops = 0

    def module(self, body: Block) -> None:
        names = self.found.globals
        for statement in body:
            if isinstance(statement, If | For | Return):
                raise SyntaxFault("if, for and return stand in functions only", statement.line)
            for name, line in _bound(statement):
                if name in names or name in self.predeclared:
                    raise SyntaxFault(f"{name} is defined already", line)
                names[name] = Variable(name, len(names), is_global=True)
        self.scope.blocks[0].update(names)
        self.block(body)

    def block(self, body: Block) -> None:
        for statement in body:
            self.statement(statement)

    def statement(self, node: Statement) -> None:
        match node:
            case ExprStatement(value=value):
                self.expr(value)
            case Assign(target=target, value=value):
                if node.op and isinstance(target, Name) and self.scope.outer is None:
                    raise SyntaxFault(f"{target.name} is global and stays as it is", node.line)
                self.expr(value)
                self.expr(target)
            case If(branches=branches, otherwise=otherwise):
                for test, body in branches:
                    self.expr(test)
                    self.block(body)
                self.block(otherwise)
            case For(target=target, source=source, body=body):
                self.expr(source)
                self.expr(target)
                self.loops += 1
                self.block(body)
                self.loops -= 1
            case Return(value=value):
                if value is not None:
                    self.expr(value)
            case Jump(kind=kind):
                if kind != "pass" and not self.loops:
                    raise SyntaxFault(f"{kind} stands in loops only", node.line)
            case Def(name=name, parameters=parameters, body=body):
                variable = self.scope.find(name)
                assert variable is not None
                self.found.definitions[node] = variable
                self.function(node, parameters, body)

    def function(
        self, node: Def | Lambda, parameters: tuple[Parameter, ...], body: Block | Expr
    ) -> None:
        for parameter in parameters:
            if parameter.default is not None:
                self.expr(parameter.default)
        outer, loops = self.scope, self.loops
        self.scope = self.found.scopes[node] = Scope(outer)
        self.loops = 0
        for parameter in parameters:
            self.found.parameters[parameter] = self.scope.add(parameter.name)
        if isinstance(body, tuple):
            for statement in body:
                for name, _ in _bound(statement):
                    if name not in self.scope.blocks[0]:
                        self.scope.add(name)
            self.block(body)
        else:
            self.expr(body)
        self.scope, self.loops = outer, loops

    def expr(self, node: Expr) -> None:
        match node:
            case Name(name=name):
                variable = self.scope.find(name)
                if variable is None and name not in self.predeclared:
                    raise SyntaxFault(f"{name} is not defined", node.line)
                self.found.names[node] = variable
            case Lambda(parameters=parameters, body=body):
                self.function(node, parameters, body)
            case Comprehension():
                self.comprehension(node)
            case _:
                for child in children(node):
                    self.expr(child)

    def comprehension(self, node: Comprehension) -> None:
        """Each comprehension is a block; its first source belongs to the block around it."""
        first = node.clauses[0]
        assert isinstance(first, ForClause)
        self.expr(first.source)
        self.scope.blocks.append({})
        for clause in node.clauses:
            if isinstance(clause, ForClause):
                if clause is not first:
                    self.expr(clause.source)
                for name, _ in _target_names(clause.target):
                    if name not in self.scope.blocks[-1]:
                        self.scope.add(name)
                self.expr(clause.target)
            else:
                self.expr(clause.test)
        self.expr(node.item)
        if node.value is not None:
            self.expr(node.value)
        self.scope.blocks.pop()


def _bound(node: Statement) -> list[tuple[str, int]]:
    """Names that a statement, and the blocks in it, bind in the function around it."""
    match node:
        case Def(name=name, line=line):
            return [(name, line)]
        case Assign(target=target):
            return _target_names(target)
        case For(target=target, body=body):
            return _target_names(target) + [pair for inner in body for pair in _bound(inner)]
        case If(branches=branches, otherwise=otherwise):
            blocks = [body for _, body in branches] + [otherwise]
            return [pair for body in blocks for inner in body for pair in _bound(inner)]
    return []


def _target_names(target: Expr) -> list[tuple[str, int]]:
    match target:
        case Name(name=name, line=line):
            return [(name, line)]
        case Sequence(items=items):
            return [pair for item in items for pair in _target_names(item)]
    return []
