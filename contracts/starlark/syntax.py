"""The tree of a module. Nodes are compared by identity, so that tables can be kept beside them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    name: str
    line: int


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """A string, byte string or integer."""

    value: str | bytes | int


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """A list, or a tuple."""

    items: tuple[Expr, ...]
    is_list: bool
    line: int


@dataclass(frozen=True, slots=True, eq=False)
class DictDisplay:
    entries: tuple[tuple[Expr, Expr], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Unary:
    """`op` is not, -, + or ~."""

    op: str
    operand: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Binary:
    """`op` is an operator, or one of and, or, in, not in."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Conditional:
    test: Expr
    then: Expr
    otherwise: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Argument:
    """`kind` is empty, a name (then `name` is set), * or **."""

    kind: str
    name: str
    value: Expr


@dataclass(frozen=True, slots=True, eq=False)
class CallExpr:
    function: Expr
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Dot:
    operand: Expr
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Index:
    operand: Expr
    index: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    operand: Expr
    start: Expr | None
    stop: Expr | None
    step: Expr | None


@dataclass(frozen=True, slots=True, eq=False)
class Parameter:
    """`kind` is empty, * or **; one that stands after a * can be given by name only."""

    kind: str
    name: str
    default: Expr | None
    by_name: bool
    line: int


@dataclass(frozen=True, slots=True, eq=False)
class Lambda:
    parameters: tuple[Parameter, ...]
    body: Expr
    line: int


@dataclass(frozen=True, slots=True, eq=False)
class ForClause:
    target: Expr
    source: Expr


@dataclass(frozen=True, slots=True, eq=False)
class IfClause:
    test: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Comprehension:
    """A list; or a dict, then `value` is set and `item` is the key."""

    item: Expr
    value: Expr | None
    clauses: tuple[ForClause | IfClause, ...]


Expr = (
    Name | Literal | Sequence | DictDisplay | Unary | Binary | Conditional | CallExpr | Dot
    | Index | Slice | Lambda | Comprehension
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class ExprStatement:
    value: Expr
    line: int


@dataclass(frozen=True, slots=True, eq=False)
class Assign:
    """`op` is empty, or the operator of an augmented assignment."""

    target: Expr
    op: str
    value: Expr
    line: int


@dataclass(frozen=True, slots=True, eq=False)
class If:
    """Tests with their blocks, tried in order; `otherwise` may be empty."""

    branches: tuple[tuple[Expr, Block], ...]
    otherwise: Block
    line: int


@dataclass(frozen=True, slots=True, eq=False)
class For:
    target: Expr
    source: Expr
    body: Block
    line: int


@dataclass(frozen=True, slots=True, eq=False)
class Return:
    value: Expr | None
    line: int


@dataclass(frozen=True, slots=True, eq=False)
class Jump:
    """`kind` is break, continue or pass."""

    kind: str
    line: int


@dataclass(frozen=True, slots=True, eq=False)
class Def:
    name: str
    parameters: tuple[Parameter, ...]
    body: Block
    line: int


Statement = ExprStatement | Assign | If | For | Return | Jump | Def
Block = tuple[Statement, ...]


def docstring(body: Block) -> str:
    """Return the string that a body begins with, or an empty one."""
    match body:
        case (ExprStatement(value=Literal(value=str(text))), *_):
            return text
    return ""


def children(node: Expr) -> tuple[Expr, ...]:
    """Return the parts of `node` in the order of evaluation.

    Names, literals, lambdas and comprehensions have none here: who walks treats them apart.
    """
    match node:
        case Sequence(items=items):
            return items
        case DictDisplay(entries=entries):
            return tuple(part for entry in entries for part in entry)
        case Unary(operand=operand) | Dot(operand=operand):
            return (operand,)
        case Binary(left=left, right=right):
            return left, right
        case Conditional(test=test, then=then, otherwise=otherwise):
            return test, then, otherwise
        case CallExpr(function=function, arguments=arguments):
            return (function, *(argument.value for argument in arguments))
        case Index(operand=operand, index=index):
            return operand, index
        case Slice(operand=operand, start=start, stop=stop, step=step):
            return tuple(part for part in (operand, start, stop, step) if part is not None)
    return ()
