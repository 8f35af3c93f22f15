"""Statements to closures, and a module's top level."""

from __future__ import annotations

from collections.abc import Callable

from contracts.starlark.errors import OutOfGas, Place, StarlarkError
from contracts.starlark.expressions import (
    Builder,
    Store,
    close_loop,
    compile_expr,
    compile_function,
    compile_target,
    compile_variable,
    open_loop,
    own_cells,
)
from contracts.starlark.functions import Eval, Frame
from contracts.starlark.operators import IN_PLACE, get_item, set_item
from contracts.starlark.resolver import RESERVED_SLOTS
from contracts.starlark.syntax import (
    Assign,
    Block,
    Def,
    Expr,
    ExprStatement,
    For,
    If,
    Index,
    Jump,
    Literal,
    Return,
    Statement,
    docstring,
)
from contracts.starlark.thread import TURN, Thread
from contracts.starlark.values import UNSET, Cell, Value, truth

Signal = int | None
"""None: go on with the next statement."""
BREAK, CONTINUE, RETURN = 1, 2, 3
Step = Callable[[Frame], Signal]


def run_module(builder: Builder, body: Block, thread: Thread) -> None:
    """Run a module's top level, which fills the builder's globals."""
    top = builder.resolved.top
    run = compile_block(builder, body)
    frame: Frame = [thread, None, *[UNSET] * (top.size - RESERVED_SLOTS)]
    for slot in own_cells(top):
        frame[slot] = Cell(UNSET)
    run(frame)


def compile_block(builder: Builder, body: Block) -> Step:
    """Return a closure that runs statements in order until one jumps."""
    builder.deepen(2)
    outer = builder.cost
    steps: list[tuple[int, int, Step]] = []
    for statement in body:
        builder.cost = 1
        step = _compile(builder, statement)
        steps.append((builder.cost, statement.line, step))
    builder.cost = outer
    builder.level -= 2
    module, function = builder.module, builder.function

    def run(frame: Frame) -> Signal:
        thread = frame[0]
        line = 0
        try:
            for cost, line, step in steps:  # noqa: B007
                thread.left -= cost
                if thread.left < 0:
                    raise OutOfGas
                signal = step(frame)
                if signal is not None:
                    return signal
        except StarlarkError as error:
            if not error.is_placed:
                error.trace.append(Place(module, function, line))
                error.is_placed = True
            raise
        return None

    return run


def _compile(builder: Builder, node: Statement) -> Step:
    match node:
        case ExprStatement(value=Literal()):
            return _pass
        case ExprStatement(value=value):
            return _expression(compile_expr(builder, value))
        case Assign(target=target, op="", value=value):
            return _assign(compile_expr(builder, value), compile_target(builder, target))
        case Assign(target=Index(operand=operand, index=index), op=op, value=value):
            return _change_item(builder, op, operand, index, value)
        case Assign(target=target, op=op, value=value):
            return _change(builder, op, target, value)
        case If(branches=branches, otherwise=otherwise):
            return _if(
                [(compile_expr(builder, test), compile_block(builder, body))
                 for test, body in branches],
                compile_block(builder, otherwise),
            )  # fmt: skip
        case For():
            return _for(builder, node)
        case Return(value=value):
            return _return(None if value is None else compile_expr(builder, value))
        case Jump(kind=kind):
            return {"break": _break, "continue": _continue, "pass": _pass}[kind]
        case Def():
            return _def(builder, node)


def _pass(frame: Frame) -> Signal:
    return None


def _break(frame: Frame) -> Signal:
    return BREAK


def _continue(frame: Frame) -> Signal:
    return CONTINUE


def _expression(value: Eval) -> Step:
    def run(frame: Frame) -> Signal:
        value(frame)
        return None

    return run


def _assign(value: Eval, store: Store) -> Step:
    def run(frame: Frame) -> Signal:
        store(frame, value(frame))
        return None

    return run


def _change(builder: Builder, op: str, target: Expr, value: Expr) -> Step:
    load, store = compile_expr(builder, target), compile_target(builder, target)
    operand, operator = compile_expr(builder, value), IN_PLACE[op]

    def run(frame: Frame) -> Signal:
        store(frame, operator(frame[0], load(frame), operand(frame)))
        return None

    return run


def _change_item(builder: Builder, op: str, operand: Expr, index: Expr, value: Expr) -> Step:
    """Collection and index are evaluated once."""
    collection, place = compile_expr(builder, operand), compile_expr(builder, index)
    change, operator = compile_expr(builder, value), IN_PLACE[op]

    def run(frame: Frame) -> Signal:
        thread = frame[0]
        target, at = collection(frame), place(frame)
        made = operator(thread, get_item(thread, target, at), change(frame))
        set_item(thread, target, at, made)
        return None

    return run


def _if(branches: list[tuple[Eval, Step]], otherwise: Step) -> Step:
    def run(frame: Frame) -> Signal:
        for test, body in branches:
            if truth(test(frame)):
                return body(frame)
        return otherwise(frame)

    return run


def _for(builder: Builder, node: For) -> Step:
    source = compile_expr(builder, node.source)
    outer, builder.cost = builder.cost, TURN
    store = compile_target(builder, node.target)
    cost, builder.cost = builder.cost, outer
    body = compile_block(builder, node.body)

    def run(frame: Frame) -> Signal:
        thread = frame[0]
        value = source(frame)
        signal = None
        for item in open_loop(thread, value):
            thread.left -= cost
            if thread.left < 0:
                raise OutOfGas
            store(frame, item)
            signal = body(frame)
            if signal in (BREAK, RETURN):
                break
        close_loop(value)
        return RETURN if signal == RETURN else None

    return run


def _return(value: Eval | None) -> Step:
    def run(frame: Frame) -> Signal:
        if value is not None:
            frame[1] = value(frame)
        return RETURN

    return run


def _def(builder: Builder, node: Def) -> Step:
    def body() -> Eval:
        block = compile_block(builder, node.body)

        def run(frame: Frame) -> Value:
            block(frame)
            return frame[1]

        return run

    make = compile_function(
        builder, node, node.name, docstring(node.body), node.parameters, node.line, body
    )
    return _assign(make, compile_variable(builder, builder.resolved.definitions[node]))
