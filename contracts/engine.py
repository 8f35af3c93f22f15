"""Executes the transactions of a block, one after the other, each wholly or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from consensus.codec import Value
from consensus.genesis import Genesis
from consensus.validators import Parameters, ValidatorSet
from contracts.api import BlockContext, Context, Contract, Failure, check_arguments, fail
from contracts.codes import NAMES, Code
from contracts.envelope import Transaction
from contracts.receipts import Event, Receipt
from contracts.state import Overlay, StateReader
from contracts.system import VERSIONS, members


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a block may not hold a transaction."""

    code: Code
    details: Value

    @property
    def name(self) -> str:
        """The stable name of the code, lower case with hyphens."""
        return NAMES[self.code]


@dataclass(frozen=True, slots=True)
class BlockResult:
    """What a block changed (None: deleted) and the receipts of its transactions, in order."""

    changes: dict[bytes, bytes | None]
    receipts: tuple[Receipt, ...]


class QueryError(ValueError):
    """A question to a contract that it does not understand."""

    def __init__(self, code: Code, details: Value) -> None:
        super().__init__(f"{code.name}: {details!r}")
        self.code = code
        self.details = details


def genesis_state(genesis: Genesis) -> dict[bytes, bytes]:
    """Return the state after block 0."""
    return members.genesis_changes(genesis)


def next_validator_set(state: StateReader, current: ValidatorSet) -> ValidatorSet:
    """Return the set of the epoch that follows, from the state one block before its hand-over."""
    return members.validators(state, current)


def check_admission(
    state: StateReader, transaction: Transaction, height: int, parameters: Parameters
) -> Rejection | None:
    """Tell why a block at `height` may not hold the transaction, or None if it may.

    Covers sender, key and replay window; signature and replay are the caller's.
    """
    if transaction.valid_until < height:
        return Rejection(Code.EXPIRED, transaction.valid_until)
    if transaction.valid_until >= height + parameters.replay_window:
        return Rejection(Code.TOO_FAR_AHEAD, height + parameters.replay_window - 1)
    record = members.get(state, transaction.sender)
    if record is None:
        return Rejection(Code.UNKNOWN_SENDER, None)
    if record["status"] != "active":
        return Rejection(Code.SENDER_NOT_ACTIVE, None)
    if record["member_key"] != transaction.key:
        return Rejection(Code.WRONG_KEY, None)
    return None


def execute_block(
    state: StateReader, context: BlockContext, transactions: Sequence[Transaction]
) -> BlockResult:
    """Execute admissible transactions in order on `state`.

    A transaction that has become inadmissible since, or that fails, gets a receipt with the
    reason and changes nothing.
    """
    overlay = Overlay(state)
    contracts = VERSIONS[context.parameters.version]
    receipts = []
    for index, transaction in enumerate(transactions):
        overlay.begin()
        events: list[Event] = []
        rejection = check_admission(overlay, transaction, context.height, context.parameters)
        code, details = Code.OK, None
        if rejection is not None:
            code, details = rejection.code, rejection.details
        else:
            try:
                for call in transaction.calls:
                    contract = contracts.get(call.contract)
                    if contract is None:
                        fail(Code.UNKNOWN_CONTRACT, _ascii(call.contract))
                    method = contract.methods.get(call.method)
                    if method is None:
                        fail(Code.UNKNOWN_METHOD, _ascii(call.method))
                    check_arguments(method.arguments, call.args)
                    ctx = Context(
                        context,
                        overlay,
                        events,
                        contract.name,
                        transaction.sender,
                        transaction.txid,
                    )
                    method.run(ctx, call.args)
            except Failure as failure:
                overlay.roll_back()
                events.clear()
                code, details = failure.code, failure.details
        receipts.append(Receipt(transaction.txid, index, int(code), details, tuple(events)))
    return BlockResult(overlay.changes, tuple(receipts))


def _ascii(name: str) -> str:
    return name if name.isascii() else ""


def query(
    state: StateReader, version: int, contract: str, method: str, args: dict[str, Value]
) -> Value:
    """Answer a read-only question. Raises QueryError on a wrong contract, question, argument."""
    found: Contract | None = VERSIONS[version].get(contract)
    if found is None:
        raise QueryError(Code.UNKNOWN_CONTRACT, contract)
    signature = found.queries.get(method)
    if signature is None:
        raise QueryError(Code.UNKNOWN_METHOD, method)
    try:
        check_arguments(signature.arguments, args, signature.optional)
    except Failure as failure:
        raise QueryError(failure.code, failure.details) from failure
    return signature.run(state, args)


__all__ = [
    "BlockContext",
    "BlockResult",
    "QueryError",
    "Rejection",
    "check_admission",
    "execute_block",
    "genesis_state",
    "next_validator_set",
    "query",
]
