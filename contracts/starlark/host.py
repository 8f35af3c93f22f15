"""What a contract may ask of the ledger: `ctx`, `state`, `emit`, `call`, `ask`, `fail`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cbor2

from consensus.codec import Value as CodecValue
from consensus.codec import encode
from consensus.crypto import Kind, verify
from contracts.api import Context, Contract, check_arguments, plain
from contracts.api import fail as fail_call
from contracts.codes import Code
from contracts.starlark.binding import bind, expect_type
from contracts.starlark.convert import from_codec, to_codec
from contracts.starlark.errors import LimitReached, Refusal, StarlarkError
from contracts.starlark.library import UNIVERSAL
from contracts.starlark.module import DECLARATIONS
from contracts.starlark.thread import (
    EMIT,
    READ,
    SCAN,
    SCAN_ROW,
    SIGNATURE,
    SYSTEM_CALL,
    WRITE,
    Thread,
)
from contracts.starlark.types import TYPES
from contracts.starlark.values import Arguments, Builtin, List, Named, Namespace, Value
from contracts.state import Overlay, StateReader

MAX_KEY = 256
MAX_VALUE = 64 << 10
MAX_WORD = 64
PAGE = 100
Finder = Callable[[StateReader, str], Contract | None]
"""Returns a deployed contract by name, or None."""


class Host:
    """One call of one contract: its part of the state, and the context if it may write."""

    __slots__ = ("context", "contract", "find", "prefix", "state")

    def __init__(
        self, contract: Contract, state: StateReader, context: Context | None, find: Finder
    ) -> None:
        self.contract = contract
        self.prefix = contract.prefix
        self.state = state
        self.context = context
        self.find = find


def _host(thread: Thread, what: str) -> Host:
    if type(thread.host) is not Host:
        raise StarlarkError(f"{what} is there in methods and queries only")
    return thread.host


def _context(thread: Thread, what: str) -> Context:
    context = _host(thread, what).context
    if context is None:
        raise StarlarkError(f"{what} is there in methods only")
    return context


# ctx


def _fact(name: str, get: Callable[[Context], Value]) -> Callable[[Thread], Value]:
    return lambda thread: get(_context(thread, f"ctx.{name}"))


def _member(thread: Thread, args: Arguments, named: Named) -> Value:
    """A member's name, tier, parent, status and roles; None for no member."""
    (name,) = bind("ctx.member", args, named, "name", least=1)
    expect_type("ctx.member: name", name, str, "a string")
    thread.charge(READ + len(name))
    data = _host(thread, "ctx.member").state.get(b"members/member/" + name.encode("utf-8"))
    if data is None:
        return None
    record = cbor2.loads(data)
    return from_codec(
        thread, {key: record[key] for key in ("name", "tier", "parent", "status", "roles")}
    )


_MEMBER = Builtin("member", _member)
CTX = Namespace(
    "ctx",
    {
        "contract": lambda thread: _host(thread, "ctx.contract").contract.name,
        "member": lambda thread: _MEMBER,
    }
    | {
        name: _fact(name, get)
        for name, get in (
            ("caller", lambda ctx: ctx.caller),
            ("epoch", lambda ctx: ctx.block.epoch),
            ("height", lambda ctx: ctx.block.height),
            ("operator", lambda ctx: None if ctx.operator is None else ctx.operator.name),
            ("sender", lambda ctx: ctx.sender),
            ("time", lambda ctx: ctx.block.timestamp),
            ("txid", lambda ctx: ctx.txid),
        )
    },
)


# state


def _key(thread: Thread, what: str, key: Value, least: int = 1) -> bytes:
    expect_type(what, key, str, "a string")
    if len(key) > MAX_KEY:
        raise LimitReached(f"{what} may have {MAX_KEY} bytes at most")
    data: bytes = key.encode("utf-8")
    if not least <= len(data) <= MAX_KEY:
        raise LimitReached(f"{what} must have {least} to {MAX_KEY} bytes")
    thread.charge(len(data) >> 2)
    return data


def _load(thread: Thread, data: bytes) -> Value:
    thread.charge(len(data) >> 2)
    return from_codec(thread, cbor2.loads(data))


def _get(thread: Thread, args: Arguments, named: Named) -> Value:
    key, default = bind("state.get", args, named, "key", "default", least=1)
    host = _host(thread, "state")
    thread.charge(READ)
    data = host.state.get(host.prefix + _key(thread, "state.get: key", key))
    return default if data is None else _load(thread, data)


def _overlay(thread: Thread) -> Overlay:
    return _context(thread, "writing").overlay


def _put(thread: Thread, args: Arguments, named: Named) -> Value:
    key, value = bind("state.put", args, named, "key", "value", least=2)
    overlay = _overlay(thread)
    place = thread.host.prefix + _key(thread, "state.put: key", key)
    thread.charge(WRITE)
    overlay.put(place, _encoded(thread, to_codec(thread, value)))
    return None


def _encoded(thread: Thread, value: CodecValue) -> bytes:
    """Encode a value that is to be kept; each byte is charged."""
    data = encode(value)
    if len(data) > MAX_VALUE:
        raise LimitReached(f"a value that is kept or announced has {MAX_VALUE} bytes at most")
    thread.charge(len(data))
    return data


def _delete(thread: Thread, args: Arguments, named: Named) -> Value:
    (key,) = bind("state.delete", args, named, "key", least=1)
    overlay = _overlay(thread)
    thread.charge(WRITE)
    overlay.delete(thread.host.prefix + _key(thread, "state.delete: key", key))
    return None


def _scan(thread: Thread, args: Arguments, named: Named) -> Value:
    """Pairs of key and value, in the order of keys, with keys under prefix and above after."""
    prefix, after, limit = bind("state.scan", args, named, "prefix", "after", "limit", least=1)
    host = _host(thread, "state")
    own = host.prefix
    count = PAGE if limit is None else expect_type("state.scan: limit", limit, int, "an int")
    if not 1 <= count <= PAGE:
        raise LimitReached(f"state.scan: limit must be from 1 to {PAGE}")
    under = own + _key(thread, "state.scan: prefix", prefix, 0)
    above = own + _key(thread, "state.scan: after", after, 0) if after else b""
    thread.charge(SCAN + SCAN_ROW * count)
    rows = host.state.scan(under, above, count)
    return List([(key[len(own) :].decode("utf-8"), _load(thread, data)) for key, data in rows])


def _functions(*pairs: tuple[str, Any]) -> dict[str, Callable[[Thread], Value]]:
    made = {name: Builtin(name, run) for name, run in pairs}
    return {name: lambda thread, found=found: found for name, found in made.items()}  # type: ignore[misc]


STATE = Namespace(
    "state", _functions(("get", _get), ("put", _put), ("delete", _delete), ("scan", _scan))
)


# Events, calls, refusals


def _word(what: str, value: Value) -> str:
    expect_type(what, value, str, "a string")
    if not 0 < len(value) <= MAX_WORD or not all("!" <= char <= "~" for char in value):
        raise StarlarkError(f"{what} must be 1 to {MAX_WORD} visible ASCII characters")
    return value  # type: ignore[no-any-return]


def _emit(thread: Thread, args: Arguments, named: Named) -> Value:
    name, data = bind("emit", args, named, "name", "data", least=1)
    context = _context(thread, "emit")
    thread.charge(EMIT)
    value = to_codec(thread, data)
    _encoded(thread, value)
    context.emit(_word("emit: name", name), value)
    return None


def _target(what: str, args: Arguments) -> tuple[str, str]:
    if len(args) != 2:
        raise StarlarkError(f"{what} takes a contract and a method, and arguments by name")
    return _word(f"{what}: contract", args[0]), _word(f"{what}: method", args[1])


def _call(thread: Thread, args: Arguments, named: Named) -> Value:
    """Call a method of a deployed contract in the sender's name; returns what it returns.

    A contract cannot act for the sender in the ledger's own contracts: who signs for a rota does
    not sign for a vote.
    """
    contract, method = _target("call", args)
    context = _context(thread, "call")
    values = {name: to_codec(thread, value) for name, value in named.items()}
    if thread.host.find(thread.host.state, contract) is None:
        fail_call(Code.UNKNOWN_CONTRACT, plain(contract))
    return from_codec(thread, context.call(contract, method, values))


def _ask(thread: Thread, args: Arguments, named: Named) -> Value:
    """Ask a query of a deployed contract, or, from a method, of one of the ledger's own."""
    contract, question = _target("ask", args)
    host = _host(thread, "ask")
    values = {name: to_codec(thread, value) for name, value in named.items()}
    found = host.find(host.state, contract)
    if found is not None and found.ask is not None:
        return from_codec(thread, found.ask(thread, host.state, question, values))
    system = _context(thread, "asking the ledger's own contracts").contracts.get(contract)
    if system is None:
        fail_call(Code.UNKNOWN_CONTRACT, plain(contract))
    signature = system.queries.get(question)
    if signature is None:
        fail_call(Code.UNKNOWN_METHOD, plain(question))
    check_arguments(signature.arguments, values, signature.optional)
    thread.charge(SYSTEM_CALL)
    return from_codec(thread, signature.run(host.state, values))


def _fail(thread: Thread, args: Arguments, named: Named) -> Value:
    """End the transaction: `code` is the contract's stable word for the reason."""
    code, details = bind("fail", args, named, "code", "details", least=1)
    if details is not None and type(details) not in (int, str):
        raise StarlarkError("fail: details are an int or a string")
    raise Refusal(_word("fail: code", code), to_codec(thread, details))


def statement(contract: str, text: str) -> bytes:
    """Return what somebody who is no member signs for a contract, as Kind.STATEMENT.

    A text, so that people see what they sign; the contract's name and the chain go with it.
    """
    return encode([contract, text])


def _is_signed(thread: Thread, args: Arguments, named: Named) -> Value:
    """Whether `signature` is that of the Ed25519 `key` on `text`, for this contract and chain."""
    key, text, signature = bind("is_signed", args, named, "key", "text", "signature", least=3)
    expect_type("is_signed: key", key, bytes, "bytes")
    expect_type("is_signed: text", text, str, "a string")
    expect_type("is_signed: signature", signature, bytes, "bytes")
    context = _context(thread, "is_signed")
    thread.charge(SIGNATURE + (len(text) >> 2))
    signed = statement(context.contract, text)
    return verify(key, Kind.STATEMENT, context.block.chain_id, signed, signature)


PREDECLARED: dict[str, Value] = {
    **UNIVERSAL,
    **TYPES,
    **DECLARATIONS,
    "ctx": CTX,
    "state": STATE,
} | {
    name: Builtin(name, run)
    for name, run in (
        ("ask", _ask), ("call", _call), ("emit", _emit), ("fail", _fail),
        ("is_signed", _is_signed),
    )
}  # fmt: skip
