"""Tokens to a tree, by recursive descent; the depth of the tree is bounded as it grows."""

from __future__ import annotations

from typing import TypeVar, cast

from contracts.starlark.errors import SyntaxFault
from contracts.starlark.lexer import (
    BYTES,
    DEDENT,
    END,
    INDENT,
    INT,
    NAME,
    NEWLINE,
    STRING,
    tokenize,
)
from contracts.starlark.syntax import (
    Argument,
    Assign,
    Binary,
    Block,
    CallExpr,
    Comprehension,
    Conditional,
    Def,
    DictDisplay,
    Dot,
    Expr,
    ExprStatement,
    For,
    ForClause,
    If,
    IfClause,
    Index,
    Jump,
    Lambda,
    Literal,
    Name,
    Parameter,
    Return,
    Sequence,
    Slice,
    Statement,
    Unary,
)
from contracts.starlark.thread import MAX_NESTING

_COMPARISONS = ("==", "!=", "<", ">", "<=", ">=", "in", "not in")
_PRECEDENCE: dict[str, int] = {
    op: level
    for level, ops in enumerate(
        (("or",), ("and",), _COMPARISONS, ("|",), ("^",), ("&",), ("<<", ">>"), ("+", "-"),
         ("*", "//", "%")), 1,
    )
    for op in ops
}  # fmt: skip
_AND = _PRECEDENCE["and"]
_COMPARISON = _PRECEDENCE["=="]
_ASSIGNMENTS = ("=", "+=", "-=", "*=", "//=", "%=", "&=", "|=", "^=", "<<=", ">>=")
_E = TypeVar("_E", bound=Expr)


def parse(source: str) -> Block:
    """Return the statements of a module. Raises SyntaxFault."""
    return _Parser(source).module()


class _Parser:
    def __init__(self, source: str) -> None:
        self.tokens = tokenize(source)
        self.at = 0
        self.level = 0
        self.depths: dict[Expr, int] = {}

    # Tokens

    @property
    def kind(self) -> str:
        return self.tokens[self.at].kind

    @property
    def line(self) -> int:
        return self.tokens[self.at].line

    def fault(self, message: str) -> SyntaxFault:
        return SyntaxFault(message, self.line)

    def take(self, kind: str) -> str:
        """Go past a token of `kind`; returns its text. Raises SyntaxFault on another."""
        token = self.tokens[self.at]
        if token.kind != kind:
            raise self.fault(f"{kind} is expected instead of {token.kind}")
        self.at += 1
        return str(token.value)

    def skip(self, kind: str) -> bool:
        """Go past a token of `kind` if it is next."""
        if self.kind != kind:
            return False
        self.at += 1
        return True

    # Depth

    def descend(self) -> None:
        self.level += 1
        if self.level > MAX_NESTING:
            raise self.fault(f"expressions and blocks are nested deeper than {MAX_NESTING}")

    def made(self, node: _E, *parts: Expr | None) -> _E:
        """Note the depth of `node`, which bounds chains of operators and calls too."""
        depth = 1 + max((self.depths[part] for part in parts if part is not None), default=0)
        if depth > MAX_NESTING:
            raise self.fault(f"an expression is nested or chained deeper than {MAX_NESTING}")
        self.depths[node] = depth
        return node

    # Statements

    def module(self) -> Block:
        found: list[Statement] = []
        while not self.skip(END):
            found += self.statement()
        return tuple(found)

    def statement(self) -> list[Statement]:
        match self.kind:
            case "def":
                return [self.definition()]
            case "if":
                return [self.condition()]
            case "for":
                return [self.loop()]
        return self.simple_line()

    def simple_line(self) -> list[Statement]:
        found = [self.simple()]
        while self.skip(";") and self.kind != NEWLINE:
            found.append(self.simple())
        self.take(NEWLINE)
        return found

    def simple(self) -> Statement:
        line = self.line
        match self.kind:
            case "pass" | "break" | "continue" as kind:
                self.at += 1
                return Jump(kind, line)
            case "return":
                self.at += 1
                return Return(None if self.kind in (NEWLINE, ";") else self.expression(), line)
        value = self.expression()
        if self.kind not in _ASSIGNMENTS:
            return ExprStatement(value, line)
        op = self.take(self.kind)[:-1]
        self.check_target(value, is_plain=not op)
        return Assign(value, op, self.expression(), line)

    def check_target(self, target: Expr, is_plain: bool = True) -> None:
        match target:
            case Name() | Index():
                return
            case Sequence(items=items) if is_plain and items:
                for item in items:
                    self.check_target(item)
                return
        raise self.fault("this cannot be assigned to")

    def block(self) -> Block:
        self.take(":")
        if not self.skip(NEWLINE):
            return tuple(self.simple_line())
        self.take(INDENT)
        self.descend()
        found: list[Statement] = []
        while not self.skip(DEDENT):
            found += self.statement()
        self.level -= 1
        return tuple(found)

    def definition(self) -> Def:
        line = self.line
        self.take("def")
        name = self.take(NAME)
        self.take("(")
        parameters = self.parameters(")")
        self.take(")")
        return Def(name, parameters, self.block(), line)

    def condition(self) -> If:
        line = self.line
        branches: list[tuple[Expr, Block]] = []
        while self.skip("if" if not branches else "elif"):
            test = self.expression()
            branches.append((test, self.block()))
        return If(tuple(branches), self.block() if self.skip("else") else (), line)

    def loop(self) -> For:
        line = self.line
        self.take("for")
        target = self.targets()
        self.take("in")
        source = self.expression()
        return For(target, source, self.block(), line)

    def targets(self) -> Expr:
        """What a loop assigns to; `in` ends it."""
        line = self.line
        first = self.primary()
        if self.kind != ",":
            self.check_target(first)
            return first
        items = [first]
        while self.skip(",") and self.kind != "in":
            items.append(self.primary())
        target = self.made(Sequence(tuple(items), False, line), *items)
        self.check_target(target)
        return target

    def parameters(self, end: str) -> tuple[Parameter, ...]:
        found: list[Parameter] = []
        by_name = False
        while self.kind != end:
            line = self.line
            if self.skip("**"):
                found.append(Parameter("**", self.take(NAME), None, False, line))
            elif self.skip("*"):
                if by_name:
                    raise self.fault("a second * among the parameters")
                by_name = True
                if self.kind == NAME:
                    found.append(Parameter("*", self.take(NAME), None, False, line))
            else:
                name = self.take(NAME)
                default = self.test() if self.skip("=") else None
                if default is None and not by_name and any(p.default for p in found):
                    raise self.fault(f"{name} has no default but follows one that has")
                found.append(Parameter("", name, default, by_name, line))
            if found and found[-1].kind == "**" and self.kind != end and self.kind != ",":
                raise self.fault("nothing may follow a parameter with **")
            if not self.skip(","):
                break
        self.check_parameters(found)
        return tuple(found)

    def check_parameters(self, found: list[Parameter]) -> None:
        names = [parameter.name for parameter in found]
        if len(set(names)) != len(names):
            raise self.fault("two parameters have the same name")
        if any(parameter.kind == "**" for parameter in found[:-1]):
            raise self.fault("nothing may follow a parameter with **")

    # Expressions

    def expression(self) -> Expr:
        """A test, or a tuple without parentheses."""
        line = self.line
        first = self.test()
        if self.kind != ",":
            return first
        items = [first]
        while self.skip(",") and self.kind not in (NEWLINE, ")", "=", ";"):
            items.append(self.test())
        return self.made(Sequence(tuple(items), False, line), *items)

    def test(self) -> Expr:
        self.descend()
        if self.kind == "lambda":
            node: Expr = self.anonymous()
        else:
            node = self.operation(1)
            if self.skip("if"):
                test = self.operation(1)
                self.take("else")
                otherwise = self.test()
                node = self.made(Conditional(test, node, otherwise), test, node, otherwise)
        self.level -= 1
        return node

    def anonymous(self) -> Lambda:
        line = self.line
        self.take("lambda")
        parameters = self.parameters(":")
        self.take(":")
        body = self.test()
        defaults = [parameter.default for parameter in parameters]
        return self.made(Lambda(parameters, body, line), body, *defaults)

    def operation(self, level: int) -> Expr:
        """Operators of precedence `level` and above, by precedence climbing."""
        left = self.unary(level)
        while True:
            op = self.operator()
            found = _PRECEDENCE.get(op, 0)
            if found < level:
                return left
            self.at += 2 if op == "not in" else 1
            self.descend()
            right = self.operation(found + 1)
            self.level -= 1
            left = self.made(Binary(op, left, right), left, right)
            if found == _COMPARISON and _PRECEDENCE.get(self.operator()) == _COMPARISON:
                raise self.fault("comparisons cannot be chained; join them with and")

    def operator(self) -> str:
        if self.kind == "/":
            raise self.fault("there are no floats, so no /; use //")
        if self.kind == "not" and self.tokens[self.at + 1].kind == "in":
            return "not in"
        return self.kind

    def unary(self, level: int) -> Expr:
        op = self.kind
        if op == "not" and level <= _AND + 1:
            self.at += 1
            self.descend()
            operand = self.operation(_COMPARISON)
        elif op in ("-", "+", "~"):
            self.at += 1
            self.descend()
            operand = self.unary(len(_PRECEDENCE))
        else:
            return self.primary()
        self.level -= 1
        return self.made(Unary(op, operand), operand)

    def primary(self) -> Expr:
        node = self.atom()
        while True:
            if self.skip("."):
                node = self.made(Dot(node, self.take(NAME)), node)
            elif self.skip("("):
                arguments = self.arguments()
                values = [argument.value for argument in arguments]
                node = self.made(CallExpr(node, arguments), node, *values)
            elif self.skip("["):
                node = self.subscript(node)
            else:
                return node

    def subscript(self, operand: Expr) -> Expr:
        parts: list[Expr | None] = [None]
        if self.kind != ":":
            parts = [self.expression()]
        while self.skip(":"):
            parts.append(None if self.kind in (":", "]") else self.test())
        self.take("]")
        if len(parts) == 1:
            index = cast(Expr, parts[0])
            return self.made(Index(operand, index), operand, index)
        if len(parts) > 3:
            raise self.fault("a slice has three parts at most")
        start, stop, step = (*parts, None)[:3]
        return self.made(Slice(operand, start, stop, step), operand, start, stop, step)

    def arguments(self) -> tuple[Argument, ...]:
        found: list[Argument] = []
        while self.kind != ")":
            if self.skip("**"):
                found.append(Argument("**", "", self.test()))
            elif self.skip("*"):
                found.append(Argument("*", "", self.test()))
            elif self.kind == NAME and self.tokens[self.at + 1].kind == "=":
                name = self.take(NAME)
                self.at += 1
                found.append(Argument("name", name, self.test()))
            else:
                found.append(Argument("", "", self.test()))
            if not self.skip(","):
                break
        self.take(")")
        order = {"": 0, "name": 1, "*": 2, "**": 3}
        kinds = [order[argument.kind] for argument in found]
        if kinds != sorted(kinds) or kinds.count(2) > 1 or kinds.count(3) > 1:
            raise self.fault("arguments come in the order: by place, by name, *, **")
        names = [argument.name for argument in found if argument.name]
        if len(set(names)) != len(names):
            raise self.fault("an argument is given twice")
        return tuple(found)

    def atom(self) -> Expr:
        token = self.tokens[self.at]
        if token.kind == NAME:
            self.at += 1
            return self.made(Name(str(token.value), token.line))
        if token.kind in (INT, STRING, BYTES):
            self.at += 1
            return self.made(Literal(token.value))
        if self.skip("("):
            if self.skip(")"):
                return self.made(Sequence((), False, token.line))
            node = self.expression()
            self.take(")")
            return node
        if self.skip("["):
            return self.list_display(token.line)
        if self.skip("{"):
            return self.dict_display()
        raise self.fault(f"an expression is expected instead of {token.kind}")

    def list_display(self, line: int) -> Expr:
        items: list[Expr] = []
        while self.kind != "]":
            items.append(self.test())
            if len(items) == 1 and self.kind == "for":
                return self.comprehension(items[0], None, "]")
            if not self.skip(","):
                break
        self.take("]")
        return self.made(Sequence(tuple(items), True, line), *items)

    def dict_display(self) -> Expr:
        entries: list[tuple[Expr, Expr]] = []
        while self.kind != "}":
            key = self.test()
            self.take(":")
            entries.append((key, self.test()))
            if len(entries) == 1 and self.kind == "for":
                return self.comprehension(*entries[0], "}")
            if not self.skip(","):
                break
        self.take("}")
        return self.made(DictDisplay(tuple(entries)), *(part for pair in entries for part in pair))

    def comprehension(self, item: Expr, value: Expr | None, end: str) -> Expr:
        clauses: list[ForClause | IfClause] = []
        parts: list[Expr | None] = [item, value]
        while self.kind != end:
            if self.skip("for"):
                target = self.targets()
                self.take("in")
                source = self.operation(1)
                clauses.append(ForClause(target, source))
                parts += [target, source]
            else:
                self.take("if")
                test = self.operation(1)
                clauses.append(IfClause(test))
                parts.append(test)
            if len(clauses) > MAX_NESTING:
                raise self.fault("too many clauses")
        self.take(end)
        return self.made(Comprehension(item, value, tuple(clauses)), *parts)
