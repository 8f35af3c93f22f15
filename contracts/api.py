"""What a contract sees: a context, its own part of the state, typed arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from consensus.codec import DecodeError, Value, decode, encode
from consensus.validators import Parameters
from contracts.codes import Code
from contracts.receipts import MAX_EVENTS, Event
from contracts.state import Overlay, StateReader


class Failure(Exception):
    """A rule says no: the transaction fails with `code` and `details`, and changes nothing."""

    def __init__(self, code: Code, details: Value = None) -> None:
        super().__init__(code.name)
        self.code = code
        self.details = details


def fail(code: Code, details: Value = None) -> NoReturn:
    """End the transaction with a stable code."""
    raise Failure(code, details)


Checker = Callable[[Value, str], object]
"""Takes an argument and its name; returns it, or raises DecodeError that names it."""


@dataclass(frozen=True, slots=True)
class BlockContext:
    """The block that is executed. `timestamp` is in ms UTC."""

    chain_id: bytes
    height: int
    epoch: int
    timestamp: int
    proposer: str
    parameters: Parameters


class Reader:
    """Read access to one contract's part of the state; values are what the codec allows."""

    __slots__ = ("_prefix", "_state")

    def __init__(self, state: StateReader, contract: str) -> None:
        self._state = state
        self._prefix = contract.encode("ascii") + b"/"

    def get(self, key: bytes) -> Any:
        """Return the value, or None if there is none."""
        data = self._state.get(self._prefix + key)
        return None if data is None else decode(data)

    def scan(self, prefix: bytes, after: bytes = b"", limit: int = 100) -> list[tuple[bytes, Any]]:
        """Up to `limit` pairs with key under `prefix` and above `after`, sorted by key."""
        own = self._prefix
        start = own + after if after else b""
        rows = self._state.scan(own + prefix, start, limit)
        return [(key[len(own) :], decode(value)) for key, value in rows]


class Context:
    """One call in execution: who calls, in which block, and what it may touch."""

    __slots__ = ("_events", "_overlay", "_prefix", "block", "contract", "reader", "sender", "txid")

    def __init__(
        self,
        block: BlockContext,
        overlay: Overlay,
        events: list[Event],
        contract: str,
        sender: str,
        txid: bytes,
    ) -> None:
        self.block = block
        self.contract = contract
        self.sender = sender
        self.txid = txid
        self.reader = Reader(overlay, contract)
        self._overlay = overlay
        self._events = events
        self._prefix = contract.encode("ascii") + b"/"

    def get(self, key: bytes) -> Any:
        return self.reader.get(key)

    def put(self, key: bytes, value: Value) -> None:
        self._overlay.put(self._prefix + key, encode(value))

    def delete(self, key: bytes) -> None:
        self._overlay.delete(self._prefix + key)

    def other(self, contract: str) -> Reader:
        """Read access to another contract's state."""
        return Reader(self._overlay, contract)

    def emit(self, name: str, data: Value) -> None:
        """Announce something in the receipt."""
        if len(self._events) >= MAX_EVENTS:
            fail(Code.TOO_MANY_EVENTS, MAX_EVENTS)
        self._events.append(Event(self.contract, name, data))


Args = dict[str, Any]
"""Arguments that their checkers have accepted, so their types are known to the method."""
Method = Callable[[Context, Args], None]
Query = Callable[[StateReader, Args], Value]


@dataclass(frozen=True, slots=True)
class Signature:
    """A method or query with the checkers of its arguments; all are required."""

    run: Method
    arguments: Mapping[str, Checker]


@dataclass(frozen=True, slots=True)
class QuerySignature:
    """A read-only question; arguments in `optional` may be left out."""

    run: Query
    arguments: Mapping[str, Checker]
    optional: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Contract:
    """A named set of methods and queries."""

    name: str
    methods: Mapping[str, Signature]
    queries: Mapping[str, QuerySignature]


def check_arguments(
    arguments: Mapping[str, Checker], args: dict[str, Value], optional: frozenset[str] = frozenset()
) -> None:
    """Fail with BAD_ARGUMENT and the argument's name if `args` do not fit."""
    for name, check in arguments.items():
        if name not in args:
            if name in optional:
                continue
            fail(Code.BAD_ARGUMENT, f"{name}: missing")
        try:
            check(args[name], name)
        except DecodeError as error:
            fail(Code.BAD_ARGUMENT, error.args[0])
    if len(args) > len(arguments) or not arguments.keys() >= args.keys():
        unknown = sorted(name for name in args if name not in arguments)
        fail(Code.BAD_ARGUMENT, f"{unknown[0]}: unknown argument")
