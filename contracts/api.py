"""What a contract sees: a context, its own part of the state, typed arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NoReturn

import cbor2

from consensus.codec import DecodeError, Value, encode
from consensus.validators import Parameters
from contracts.codes import Code
from contracts.receipts import MAX_EVENTS, Event
from contracts.starlark.thread import Thread
from contracts.state import Overlay, StateReader

MAX_DETAIL = 256
DUTIES = ("admin", "approver", "auditor", "dispatcher", "steward")
"""What an operator may be trusted with."""
ADMIN, APPROVER, AUDITOR, STEWARD = "admin", "approver", "auditor", "steward"
NODE = "node"
"""Stands for the member's node, as an operator's name and as a duty."""
ACTING = ("approver", "dispatcher", "steward")


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
    """The block that is executed. `timestamp` is in ms UTC.

    `last_height` is the epoch's last; 0 where there are no epochs (a local ledger).
    """

    chain_id: bytes
    height: int
    epoch: int
    timestamp: int
    proposer: str
    parameters: Parameters
    last_height: int = 0


@dataclass(frozen=True, slots=True)
class Operator:
    """Who signed for the member, with the duties that hold at this block; others have lapsed."""

    name: str
    duties: frozenset[str]
    lapsed: frozenset[str]

    def require(self, duties: tuple[str, ...]) -> None:
        """Fail unless the operator has one of `duties`."""
        if self.duties.isdisjoint(duties):
            is_lapsed = not self.lapsed.isdisjoint(duties)
            fail(Code.DUTY_LAPSED if is_lapsed else Code.NEEDS_DUTY, " or ".join(duties))


class Reader:
    """Read access to one contract's part of the state; values are what the codec allows.

    What stands in the state was encoded by `Context.put` and is covered by the state root, so
    reading it needs none of the checks that foreign bytes need.
    """

    __slots__ = ("_prefix", "_state")

    def __init__(self, state: StateReader, contract: str) -> None:
        self._state = state
        self._prefix = contract.encode("ascii") + b"/"

    def get(self, key: bytes) -> Any:
        """Return the value, or None if there is none."""
        data = self._state.get(self._prefix + key)
        return None if data is None else cbor2.loads(data)

    def peek(self, key: bytes) -> Any:
        """Like `get`, for what many transactions read: shared, so made of immutable values."""
        data = self._state.get(self._prefix + key)
        return None if data is None else _decode_shared(data)

    def scan(self, prefix: bytes, after: bytes = b"", limit: int = 100) -> list[tuple[bytes, Any]]:
        """Up to `limit` pairs with key under `prefix` and above `after`, sorted by key."""
        own = self._prefix
        start = own + after if after else b""
        rows = self._state.scan(own + prefix, start, limit)
        return [(key[len(own) :], cbor2.loads(value)) for key, value in rows]


@lru_cache(maxsize=512)
def _decode_shared(data: bytes) -> Any:
    return cbor2.loads(data, immutable=True)


class Execution:
    """One transaction in execution: what its calls share.

    `contracts` are the ledger's own, `find` returns a deployed one; `gas` is for the latter.
    `sender` is the member; `operator` signed for it, None if the member's own key did. `persons`
    are the two operators behind a call that was prepared and confirmed.
    """

    __slots__ = (
        "block", "contracts", "events", "find", "key", "operator", "overlay", "persons", "sender",
        "thread", "txid",
    )  # fmt: skip

    def __init__(
        self,
        block: BlockContext,
        overlay: Overlay,
        contracts: Mapping[str, Contract],
        find: Callable[[StateReader, str], Contract | None],
        sender: str,
        key: bytes,
        txid: bytes,
        gas: int,
        operator: Operator | None = None,
    ) -> None:
        self.block = block
        self.overlay = overlay
        self.contracts = contracts
        self.find = find
        self.sender = sender
        self.operator = operator
        self.persons: tuple[str, ...] = ()
        self.key = key
        self.txid = txid
        self.thread = Thread(gas)
        self.events: list[Event] = []

    def run(
        self, index: int, caller: str | None, contract: str, method: str, args: dict[str, Value]
    ) -> Any:
        """Run one call; returns what a deployed contract's method returns.

        Raises Failure; what was written until then is the caller's to undo.
        """
        found, signature = self.find_method(contract, method)
        if self.operator is not None and caller is None and not self.persons:
            self.operator.require(signature.duties)
        check_arguments(signature.arguments, args, signature.optional)
        return signature.run(Context(self, found, index, caller), args)

    def find_method(self, contract: str, method: str) -> tuple[Contract, Signature]:
        """Fails if there is no such contract or method."""
        found = self.contracts.get(contract) or self.find(self.overlay, contract)
        if found is None:
            fail(Code.UNKNOWN_CONTRACT, plain(contract))
        signature = found.methods.get(method)
        if signature is None:
            fail(Code.UNKNOWN_METHOD, plain(method))
        return found, signature


class Context:
    """One call in execution: who calls, in which block, and what it may touch.

    `index` is the place of the call in its transaction. `caller` is the contract that makes the
    call, None if the sender does; `sender` stays the one who signed.
    """

    __slots__ = ("_execution", "_overlay", "_prefix", "block", "caller", "contract", "index")

    def __init__(
        self, execution: Execution, contract: Contract, index: int, caller: str | None
    ) -> None:
        self._execution = execution
        self._overlay = execution.overlay
        self._prefix = contract.prefix
        self.block = execution.block
        self.contract = contract.name
        self.index = index
        self.caller = caller

    def as_contract(self, contract: Contract, gas: int = 0) -> Context:
        """The context of another contract in the same call, with gas of its own.

        For the ledger's own code only: it gives access to another contract's state.
        """
        mine = self._execution
        shared = (mine.block, mine.overlay, mine.contracts, mine.find)
        execution = Execution(*shared, mine.sender, mine.key, mine.txid, gas, mine.operator)
        execution.events = mine.events
        execution.persons = mine.persons
        return Context(execution, contract, self.index, self.caller)

    def mark(self) -> tuple[int, int]:
        """Return where the transaction is now, for `roll_back`."""
        return self._overlay.mark(), len(self._execution.events)

    def roll_back(self, mark: tuple[int, int]) -> None:
        """Take back what was written and announced since `mark`."""
        self._overlay.roll_back(mark[0])
        del self._execution.events[mark[1] :]

    @property
    def overlay(self) -> Overlay:
        """The whole state, for what gives contracts their part of it."""
        return self._overlay

    @property
    def contracts(self) -> Mapping[str, Contract]:
        """The ledger's own contracts."""
        return self._execution.contracts

    @property
    def thread(self) -> Thread:
        return self._execution.thread

    @property
    def sender(self) -> str:
        return self._execution.sender

    @property
    def operator(self) -> Operator | None:
        """Who signed for the sender; None if its own key did."""
        return self._execution.operator

    @property
    def persons(self) -> tuple[str, ...]:
        """Names of the operators who answer for this call; "" is the member's own key."""
        if self._execution.persons:
            return self._execution.persons
        return () if self.operator is None else (self.operator.name,)

    def require_second(self) -> None:
        """Fail if one operator alone asks for what needs two persons."""
        if self.operator is not None and not self._execution.persons:
            fail(Code.NEEDS_SECOND)

    def require_own(self, identity: str) -> None:
        """Fail unless an id, OWNER/NAME or the beginning of one, is of the sender."""
        if not identity.startswith(self.sender + "/"):
            fail(Code.NOT_OWNER, identity)

    def find_method(self, contract: str, method: str) -> Signature:
        """Fails if there is no such contract or method."""
        return self._execution.find_method(contract, method)[1]

    def run_seconded(
        self, contract: str, method: str, args: dict[str, Value], persons: tuple[str, str]
    ) -> None:
        """Run a call of the sender for which two persons answer; their duties are the caller's."""
        execution = self._execution
        if execution.persons:
            fail(Code.BAD_ARGUMENT, "a confirmed call cannot confirm another")
        execution.persons = persons
        execution.run(self.index, None, contract, method, args)
        execution.persons = ()

    @property
    def key(self) -> bytes:
        """The key that signed, 32 bytes."""
        return self._execution.key

    @property
    def txid(self) -> bytes:
        return self._execution.txid

    def get(self, key: bytes) -> Any:
        """Return the value, or None if there is none."""
        data = self._overlay.get(self._prefix + key)
        return None if data is None else cbor2.loads(data)

    def put(self, key: bytes, value: Value) -> None:
        self._overlay.put(self._prefix + key, encode(value))

    def put_ordered(self, key: bytes, value: Value) -> None:
        """Put a value whose maps are in the codec's order already; a third of the cost of `put`.

        The arguments of a call are: they were decoded, and their checkers have seen every part.
        """
        self._overlay.put(self._prefix + key, cbor2.dumps(value))

    def delete(self, key: bytes) -> None:
        self._overlay.delete(self._prefix + key)

    def scan(self, prefix: bytes, after: bytes = b"", limit: int = 100) -> list[tuple[bytes, Any]]:
        """Up to `limit` pairs with key under `prefix` and above `after`, sorted by key."""
        own = self._prefix
        start = own + after if after else b""
        rows = self._overlay.scan(own + prefix, start, limit)
        return [(key[len(own) :], cbor2.loads(value)) for key, value in rows]

    def other(self, contract: str) -> Reader:
        """Read access to another contract's state."""
        return Reader(self._overlay, contract)

    def emit(self, name: str, data: Value) -> None:
        """Announce something in the receipt."""
        events = self._execution.events
        if len(events) >= MAX_EVENTS:
            fail(Code.TOO_MANY_EVENTS, MAX_EVENTS)
        events.append(Event(self.contract, name, data))

    def call(self, contract: str, method: str, args: dict[str, Value]) -> Any:
        """Call another contract in the sender's name; its failure is the transaction's."""
        return self._execution.run(self.index, self.contract, contract, method, args)


Args = dict[str, Any]
"""Arguments that their checkers have accepted, so their types are known to the method."""
Method = Callable[[Context, Args], Any]
Query = Callable[[StateReader, Args], Value]


@dataclass(frozen=True, slots=True)
class Signature:
    """A method with the checkers of its arguments; those in `optional` may be left out.

    An operator with one of `duties` may call it for its member.
    """

    run: Method
    arguments: Mapping[str, Checker]
    optional: frozenset[str] = frozenset()
    duties: tuple[str, ...] = ACTING


@dataclass(frozen=True, slots=True)
class QuerySignature:
    """A read-only question; arguments in `optional` may be left out."""

    run: Query
    arguments: Mapping[str, Checker]
    optional: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Contract:
    """A named set of methods and queries; the name is ASCII without a slash.

    A deployed contract keeps its state in a `space` of its own, and can be asked on the gas of the
    one who asks. The ledger's own may act by themselves: `on_boundary` before an epoch's last
    block, `on_due` for what they have put on the schedule.
    """

    name: str
    methods: Mapping[str, Signature]
    queries: Mapping[str, QuerySignature]
    space: str | None = None
    ask: Callable[[Thread, StateReader, str, Args], Value] | None = None
    on_boundary: Callable[[Context], None] | None = None
    on_due: Callable[[Context, bytes], None] | None = None

    @cached_property
    def prefix(self) -> bytes:
        """Stands before each key of this contract in the state."""
        return (self.space or self.name).encode("ascii") + b"/"


def check_arguments(
    arguments: Mapping[str, Checker], args: dict[str, Value], optional: frozenset[str] = frozenset()
) -> None:
    """Fail with BAD_ARGUMENT and the argument's name if `args` do not fit."""
    present = 0
    try:
        for name, check in arguments.items():
            if name in args:
                present += 1
                check(args[name], name)
            elif name not in optional:
                raise DecodeError(f"{name}: missing")
        if present != len(args):
            unknown = sorted(name for name in args if name not in arguments)
            raise DecodeError(f"{unknown[0]}: unknown argument")
    except DecodeError as error:
        fail(Code.BAD_ARGUMENT, plain(error.args[0]))


def plain(text: str) -> str:
    """Return `text` as details may hold it: at most MAX_DETAIL visible ASCII characters."""
    return "".join(c if " " <= c <= "~" else "?" for c in text[:MAX_DETAIL])
