"""Expressions to closures over a frame.

While a closure is built, the builder counts what it costs to run and how deep it nests. The cost
is charged by the statement around it, or by each turn of the comprehension around it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from contracts.starlark.containers import DICT_METHODS, LIST_METHODS
from contracts.starlark.errors import LimitReached, StarlarkError, SyntaxFault
from contracts.starlark.functions import Code, Eval, Formal, Frame, call
from contracts.starlark.operators import (
    BINARY,
    get_item,
    get_slice,
    insert,
    items_of,
    set_item,
    unary,
)
from contracts.starlark.resolver import Resolved, Scope, Variable
from contracts.starlark.strings import BYTES_METHODS, TEXT_METHODS, Method
from contracts.starlark.syntax import (
    Argument,
    Binary,
    CallExpr,
    Comprehension,
    Conditional,
    Def,
    DictDisplay,
    Dot,
    Expr,
    ForClause,
    IfClause,
    Index,
    Lambda,
    Literal,
    Name,
    Parameter,
    Sequence,
    Slice,
    Unary,
)
from contracts.starlark.thread import CALL, MAX_ITEMS, MAX_STACK, TURN, Thread
from contracts.starlark.values import (
    UNSET,
    Arguments,
    Builtin,
    Dict,
    Function,
    List,
    Named,
    Namespace,
    Value,
    truth,
    type_name,
)

Store = Callable[[Frame, Value], None]
METHODS: dict[type, dict[str, Method]] = {
    str: TEXT_METHODS,
    bytes: BYTES_METHODS,
    List: LIST_METHODS,
    Dict: DICT_METHODS,
}
_NO_METHODS: dict[str, Method] = {}
_FRAMES_OF_A_CALL = 8
"""Frames of Python around a body: call, binding, statements, the builtin that calls back."""


@dataclass(slots=True)
class Builder:
    """A module while it is compiled: tables, its globals, and counts for the code at hand."""

    module: str
    resolved: Resolved
    predeclared: Mapping[str, Value]
    globals: list[Value]
    function: str = "<module>"
    cost: int = 0
    level: int = 0
    deepest: int = 0

    def deepen(self, frames: int) -> None:
        self.level += frames
        self.deepest = max(self.deepest, self.level)


def compile_expr(builder: Builder, node: Expr) -> Eval:
    """Return a closure that evaluates `node` in a frame."""
    builder.cost += 1
    builder.deepen(1)
    run = _compile(builder, node)
    builder.level -= 1
    return run


def _compile(builder: Builder, node: Expr) -> Eval:
    match node:
        case Name():
            return _load(builder, node)
        case Literal(value=value):
            return lambda frame: value
        case Sequence():
            return _sequence(builder, node)
        case DictDisplay(entries=entries):
            return _dict(builder, entries)
        case Unary(op=op, operand=operand):
            return _unary(builder, op, operand)
        case Binary():
            return _binary(builder, node)
        case Conditional(test=test, then=then, otherwise=otherwise):
            return _conditional(*(compile_expr(builder, part) for part in (test, then, otherwise)))
        case CallExpr():
            return _call(builder, node)
        case Dot(operand=operand, name=name):
            return _dot(compile_expr(builder, operand), name)
        case Index(operand=operand, index=index):
            return _index(compile_expr(builder, operand), compile_expr(builder, index))
        case Slice():
            return _slice(builder, node)
        case Lambda(parameters=parameters, body=body, line=line):
            return compile_function(
                builder, node, "lambda", "", parameters, line, lambda: compile_expr(builder, body)
            )
        case Comprehension():
            return _comprehension(builder, node)


# Names


def _load(builder: Builder, node: Name) -> Eval:
    variable = builder.resolved.names[node]
    name = node.name
    if variable is None:
        value = builder.predeclared[name]
        return lambda frame: value
    slot = variable.slot

    def missing() -> StarlarkError:
        return StarlarkError(f"{name} is used before it has a value")

    if variable.is_global:
        values = builder.globals

        def load_global(frame: Frame) -> Value:
            value = values[slot]
            if value is UNSET:
                raise missing()
            return value

        return load_global

    if variable.is_cell:

        def load_cell(frame: Frame) -> Value:
            value = frame[slot].value
            if value is UNSET:
                raise missing()
            return value

        return load_cell

    def load(frame: Frame) -> Value:
        value = frame[slot]
        if value is UNSET:
            raise missing()
        return value

    return load


def compile_variable(builder: Builder, variable: Variable) -> Store:
    """Return a closure that gives `variable` a value."""
    slot, values = variable.slot, builder.globals
    if variable.is_global:

        def store_global(frame: Frame, value: Value) -> None:
            values[slot] = value

        return store_global

    if variable.is_cell:

        def store_cell(frame: Frame, value: Value) -> None:
            frame[slot].value = value

        return store_cell

    def store(frame: Frame, value: Value) -> None:
        frame[slot] = value

    return store


def compile_target(builder: Builder, target: Expr) -> Store:
    """Return a closure that assigns to a name, an item, or a tuple or list of targets."""
    builder.cost += 1
    match target:
        case Name():
            variable = builder.resolved.names[target]
            assert variable is not None
            return compile_variable(builder, variable)
        case Index(operand=operand, index=index):
            collection, place = compile_expr(builder, operand), compile_expr(builder, index)

            def store_item(frame: Frame, value: Value) -> None:
                set_item(frame[0], collection(frame), place(frame), value)

            return store_item
        case Sequence(items=items):
            builder.deepen(1)
            stores = [compile_target(builder, item) for item in items]
            builder.level -= 1

            def unpack(frame: Frame, value: Value) -> None:
                values = items_of(frame[0], value)
                if len(values) != len(stores):
                    raise StarlarkError(f"{len(values)} values for {len(stores)} targets")
                for store, item in zip(stores, values, strict=True):
                    store(frame, item)

            return unpack
    raise AssertionError("the parser has checked targets")


# Displays


def _sequence(builder: Builder, node: Sequence) -> Eval:
    builder.cost += 2
    parts = [compile_expr(builder, item) for item in node.items]
    if node.is_list:
        return lambda frame: List([part(frame) for part in parts])
    return lambda frame: tuple([part(frame) for part in parts])


def _dict(builder: Builder, entries: tuple[tuple[Expr, Expr], ...]) -> Eval:
    builder.cost += 6
    parts = [(compile_expr(builder, key), compile_expr(builder, value)) for key, value in entries]

    def run(frame: Frame) -> Value:
        made = Dict()
        for key, value in parts:
            found = key(frame)
            insert(frame[0], made.items, found, value(frame))
        if len(made.items) != len(parts):
            raise StarlarkError("a key stands twice in the dict")
        return made

    return run


# Operators


def _unary(builder: Builder, op: str, operand: Expr) -> Eval:
    part = compile_expr(builder, operand)
    if op == "not":
        return lambda frame: not truth(part(frame))
    return lambda frame: unary(op, part(frame))


def _binary(builder: Builder, node: Binary) -> Eval:
    left, right = compile_expr(builder, node.left), compile_expr(builder, node.right)
    if node.op == "and":

        def both(frame: Frame) -> Value:
            value = left(frame)
            return right(frame) if truth(value) else value

        return both
    if node.op == "or":

        def either(frame: Frame) -> Value:
            value = left(frame)
            return value if truth(value) else right(frame)

        return either
    operator = BINARY[node.op]
    return lambda frame: operator(frame[0], left(frame), right(frame))


def _conditional(test: Eval, then: Eval, otherwise: Eval) -> Eval:
    return lambda frame: then(frame) if truth(test(frame)) else otherwise(frame)


# Parts


def _index(collection: Eval, index: Eval) -> Eval:
    return lambda frame: get_item(frame[0], collection(frame), index(frame))


def _slice(builder: Builder, node: Slice) -> Eval:
    collection = compile_expr(builder, node.operand)
    start, stop, step = (
        compile_expr(builder, part) if part is not None else _nothing
        for part in (node.start, node.stop, node.step)
    )
    return lambda frame: get_slice(
        frame[0], collection(frame), start(frame), stop(frame), step(frame)
    )


def _nothing(frame: Frame) -> Value:
    return None


def _dot(operand: Eval, name: str) -> Eval:
    return lambda frame: attribute(frame[0], operand(frame), name)


def attribute(thread: Thread, value: Value, name: str) -> Value:
    """Return a method bound to `value`, or what a namespace has under `name`."""
    if type(value) is Namespace:
        if name not in value.attributes:
            raise StarlarkError(f"{value.name} has no {name}")
        return value.attributes[name](thread)
    method = METHODS.get(type(value), _NO_METHODS).get(name)
    if method is None:
        raise StarlarkError(f"a {type_name(value)} has no method {name}")
    found = method

    def run(thread: Thread, args: Arguments, named: Named) -> Value:
        return found(thread, value, args, named)

    return Builtin(name, run)


# Calls


def _call(builder: Builder, node: CallExpr) -> Eval:
    builder.cost += CALL - 2
    builder.deepen(3)
    if isinstance(node.function, Dot):
        run = _method_call(builder, node.function, node.arguments)
    else:
        run = _plain_call(builder, node.function, node.arguments)
    builder.level -= 3
    return run


def _plain_call(builder: Builder, function: Expr, arguments: tuple[Argument, ...]) -> Eval:
    callee = compile_expr(builder, function)
    take = _arguments(builder, arguments)

    def run(frame: Frame) -> Value:
        function = callee(frame)
        args, named = take(frame)
        return call(frame[0], function, args, named)

    return run


def _method_call(builder: Builder, dot: Dot, arguments: tuple[Argument, ...]) -> Eval:
    """A call of `value.name(...)`, without making the bound method first."""
    receiver, name = compile_expr(builder, dot.operand), dot.name
    take = _arguments(builder, arguments)

    def run(frame: Frame) -> Value:
        thread, value = frame[0], receiver(frame)
        method = METHODS.get(type(value), _NO_METHODS).get(name)
        if method is None:
            function = attribute(thread, value, name)
            args, named = take(frame)
            return call(thread, function, args, named)
        args, named = take(frame)
        return method(thread, value, args, named)

    return run


def _arguments(
    builder: Builder, arguments: tuple[Argument, ...]
) -> Callable[[Frame], tuple[Arguments, Named]]:
    plain = [compile_expr(builder, a.value) for a in arguments if a.kind == ""]
    named = [(a.name, compile_expr(builder, a.value)) for a in arguments if a.kind == "name"]
    star = [compile_expr(builder, a.value) for a in arguments if a.kind == "*"]
    stars = [compile_expr(builder, a.value) for a in arguments if a.kind == "**"]
    if not named and not star and not stars:
        return lambda frame: ([part(frame) for part in plain], {})

    def take(frame: Frame) -> tuple[Arguments, Named]:
        args = [part(frame) for part in plain]
        words = {name: part(frame) for name, part in named}
        for part in star:
            args += items_of(frame[0], part(frame))
        for part in stars:
            _spread(frame[0], words, part(frame))
        return args, words

    return take


def _spread(thread: Thread, words: Named, value: Value) -> None:
    if type(value) is not Dict:
        raise StarlarkError(f"** needs a dict, not {type_name(value)}")
    thread.charge_items(2 * len(value.items))
    for name, item in value.items.values():
        if type(name) is not str:
            raise StarlarkError("** needs a dict whose keys are strings")
        if name in words:
            raise StarlarkError(f"the argument {name[:64]} is given twice")
        words[name] = item


# Functions


def compile_function(
    builder: Builder,
    node: Def | Lambda,
    name: str,
    doc: str,
    parameters: tuple[Parameter, ...],
    line: int,
    compile_body: Callable[[], Eval],
) -> Eval:
    """Return a closure that makes the function: its defaults and cells are those of that moment."""
    defaults = [compile_expr(builder, p.default) for p in parameters if p.default is not None]
    scope = builder.resolved.scopes[node]
    outer = (builder.function, builder.cost, builder.level, builder.deepest)
    builder.function, builder.cost, builder.level, builder.deepest = name, 0, 0, 0
    body = compile_body()
    cost, weight = builder.cost, builder.deepest + _FRAMES_OF_A_CALL
    builder.function, builder.cost, builder.level, builder.deepest = outer
    if weight > MAX_STACK:
        raise SyntaxFault(f"{name} nests too deeply", line)
    if isinstance(node, Lambda):
        body = _charged(body, cost)
    formals = tuple(_formals(parameters))
    code = Code(
        name=name,
        module=builder.module,
        line=line,
        doc=doc,
        formals=formals,
        plain=not any(formal.kind or formal.by_name for formal in formals),
        size=scope.size,
        cells=own_cells(scope),
        taken=tuple(mine.slot for _, mine in scope.taken),
        weight=weight,
        run=body,
    )
    taken = [theirs.slot for theirs, _ in scope.taken]
    builder.cost += len(taken)

    def make(frame: Frame) -> Value:
        values = tuple([default(frame) for default in defaults])
        return Function(code, values, tuple([frame[slot] for slot in taken]))

    return make


def own_cells(scope: Scope) -> tuple[int, ...]:
    return tuple(variable.slot for variable in scope.own if variable.is_cell)


def _formals(parameters: tuple[Parameter, ...]) -> Iterable[Formal]:
    counted = 0
    for parameter in parameters:
        default = None
        if parameter.default is not None:
            default, counted = counted, counted + 1
        yield Formal(parameter.kind, parameter.name, parameter.by_name, default)


def _charged(body: Eval, cost: int) -> Eval:
    def run(frame: Frame) -> Value:
        frame[0].charge(cost)
        return body(frame)

    return run


# Comprehensions

Turn = Callable[[Frame, Value], None]
"""One turn of a comprehension: adds to the list or dict that is being made."""


def _comprehension(builder: Builder, node: Comprehension) -> Eval:
    builder.deepen(2 * len(node.clauses))
    first = cast(ForClause, node.clauses[0])
    source = compile_expr(builder, first.source)
    fill = _for_clause(builder, node, 0, source)
    builder.level -= 2 * len(node.clauses)
    if node.value is None:

        def make_list(frame: Frame) -> Value:
            items: Arguments = []
            fill(frame, items)
            return List(items)

        return make_list

    def make_dict(frame: Frame) -> Value:
        made = Dict()
        fill(frame, made.items)
        return made

    return make_dict


def _clauses(builder: Builder, node: Comprehension, at: int) -> Turn:
    if at == len(node.clauses):
        return _last(builder, node)
    clause = node.clauses[at]
    if isinstance(clause, ForClause):
        return _for_clause(builder, node, at, compile_expr(builder, clause.source))
    return _if_clause(builder, node, at, clause)


def _for_clause(builder: Builder, node: Comprehension, at: int, source: Eval) -> Turn:
    outer, builder.cost = builder.cost, 0
    clause = cast(ForClause, node.clauses[at])
    store = compile_target(builder, clause.target)
    inner = _clauses(builder, node, at + 1)
    cost = builder.cost + TURN
    builder.cost = outer

    def run(frame: Frame, out: Value) -> None:
        thread = frame[0]
        value = source(frame)
        items = open_loop(thread, value)
        for item in items:
            thread.charge(cost)
            store(frame, item)
            inner(frame, out)
        close_loop(value)

    return run


def _if_clause(builder: Builder, node: Comprehension, at: int, clause: IfClause) -> Turn:
    test = compile_expr(builder, clause.test)
    inner = _clauses(builder, node, at + 1)

    def run(frame: Frame, out: Value) -> None:
        if truth(test(frame)):
            inner(frame, out)

    return run


def _last(builder: Builder, node: Comprehension) -> Turn:
    item = compile_expr(builder, node.item)
    if node.value is None:

        def append(frame: Frame, out: Value) -> None:
            if len(out) >= MAX_ITEMS:
                raise LimitReached(f"a list has {MAX_ITEMS} items at most")
            out.append(item(frame))

        return append
    value = compile_expr(builder, node.value)

    def add(frame: Frame, out: Value) -> None:
        key = item(frame)
        insert(frame[0], out, key, value(frame))

    return add


def open_loop(thread: Thread, value: Value) -> Iterable[Value]:
    """Return what to loop over; until `close_loop` the value may not change."""
    kind = type(value)
    if kind is List:
        value.loops += 1
        return value.items  # type: ignore[no-any-return]
    if kind is Dict:
        value.loops += 1
        thread.charge_items(len(value.items))
        return [pair[0] for pair in value.items.values()]
    if kind is tuple or kind is range:
        return value  # type: ignore[no-any-return]
    raise StarlarkError(f"a {type_name(value)} cannot be iterated over")


def close_loop(value: Value) -> None:
    if type(value) is List or type(value) is Dict:
        value.loops -= 1
