"""A loaded module as a contract of the engine: calls come in here, and faults become codes."""

from __future__ import annotations

from typing import NoReturn

from consensus.codec import Value as CodecValue
from contracts.api import (
    Args,
    Checker,
    Context,
    Contract,
    Failure,
    QuerySignature,
    Signature,
    check_arguments,
    fail,
    plain,
)
from contracts.codes import Code
from contracts.starlark.convert import from_codec, to_codec
from contracts.starlark.errors import LimitReached, OutOfGas, Refusal, StarlarkError
from contracts.starlark.functions import call_function
from contracts.starlark.host import PREDECLARED, Finder, Host
from contracts.starlark.module import Declared, Module, load
from contracts.starlark.thread import CONTRACT_CALL, MAX_CONTRACT_CALLS, Thread
from contracts.starlark.values import Function
from contracts.state import StateReader

SPACE = "star/"
"""Stands before a deployed contract's name in the state: no other contract's keys begin so."""
QUERY_GAS = 2_000_000
_ENTRY_FRAMES = 16
"""Frames of Python from one contract's code to another's."""


def load_module(name: str, source: str) -> Module:
    """Raises StarlarkError."""
    return load(name, source, PREDECLARED)


def contract_of(module: Module, find: Finder) -> Contract:
    """Return `module` as a contract; `find` looks up the contracts that it may call."""

    def run_method(ctx: Context, declared: Declared, args: Args) -> CodecValue:
        return enter(ctx.thread, Host(contract, ctx.overlay, ctx, find), declared.function, args)

    def ask(thread: Thread, state: StateReader, name: str, args: Args) -> CodecValue:
        signature = module.queries.get(name)
        if signature is None:
            fail(Code.UNKNOWN_METHOD, plain(name))
        found = contract.queries[name]
        check_arguments(found.arguments, args, found.optional)
        return enter(thread, Host(contract, state, None, find), signature.function, args)

    def method(declared: Declared) -> Signature:
        checkers, optional = _signature(declared)
        return Signature(lambda ctx, args: run_method(ctx, declared, args), checkers, optional)

    def question(name: str, declared: Declared) -> QuerySignature:
        checkers, optional = _signature(declared)
        return QuerySignature(
            lambda state, args: ask(Thread(QUERY_GAS), state, name, args), checkers, optional
        )

    contract = Contract(
        module.name,
        {name: method(declared) for name, declared in module.methods.items()},
        {name: question(name, declared) for name, declared in module.queries.items()},
        space=SPACE + module.name,
        ask=ask,
    )
    return contract


def run_hook(ctx: Context, module: Module, contract: Contract, find: Finder, name: str,
             args: Args) -> None:  # fmt: skip
    """Run a function that the ledger calls itself, if the module has it. Raises Failure."""
    function = module.function(name)
    if function is not None:
        enter(ctx.thread, Host(contract, ctx.overlay, ctx, find), function, args)


def _signature(declared: Declared) -> tuple[dict[str, Checker], frozenset[str]]:
    checkers = {name: found.check for name, found in declared.arguments}
    return checkers, frozenset(name for name, found in declared.arguments if found.is_optional)


def enter(thread: Thread, host: Host, function: Function, args: Args) -> CodecValue:
    """Run a contract's function; its result as the codec has it. Raises Failure.

    A fault inside a call from another contract goes on through that contract, whose lines then
    stand in the trace, and becomes a Failure where the transaction came in.
    """
    name = host.contract.name
    outer = thread.host
    try:
        if name in thread.contracts:
            raise StarlarkError(f"contract {name} is in a call already")
        if len(thread.contracts) >= MAX_CONTRACT_CALLS:
            raise LimitReached(f"more than {MAX_CONTRACT_CALLS} contracts call each other")
        thread.charge(CONTRACT_CALL)
        thread.enter(_ENTRY_FRAMES)
        thread.contracts.append(name)
        thread.host = host
        words = {word: from_codec(thread, value) for word, value in args.items()}
        for formal in function.code.formals:
            if formal.name not in words and formal.default is None:
                words[formal.name] = None
        result = to_codec(thread, call_function(thread, function, [], words))
    except StarlarkError as error:
        if outer is not None:
            raise
        _end(thread, name, error)
    thread.contracts.pop()
    thread.stack -= _ENTRY_FRAMES
    thread.host = outer
    return result


def _end(thread: Thread, name: str, error: StarlarkError) -> NoReturn:
    """Turn a fault into the transaction's result."""
    failure = Failure(*_result(thread, name, error))
    failure.__cause__ = error
    raise failure


def _result(thread: Thread, name: str, error: StarlarkError) -> tuple[Code, CodecValue]:
    if isinstance(error, OutOfGas):
        return Code.OUT_OF_GAS, thread.limit
    if isinstance(error, Refusal):
        details = error.details
        where = error.trace[0].module if error.trace else name
        return Code.REFUSED_BY_CONTRACT, [
            where, error.code, plain(details) if type(details) is str else details
        ]  # fmt: skip
    where = f"{error.trace[0].module}:{error.trace[0].line}" if error.trace else name
    return Code.CONTRACT_FAULT, plain(f"{where}: {error.message}")
