"""Executes the transactions of a block, one after the other, each wholly or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from consensus.block import NO_HASH
from consensus.codec import Value
from consensus.genesis import Genesis
from consensus.validators import Parameters, ValidatorSet
from contracts.api import BlockContext, Context, Contract, Execution, Failure, check_arguments
from contracts.codes import NAMES, Code
from contracts.envelope import Transaction
from contracts.receipts import Receipt
from contracts.state import Overlay, StateReader
from contracts.system import VERSIONS, Versions, members, operators, schedule
from contracts.system.contracts import find


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
    """What a block changed (None: deleted), and receipts and gas of its transactions, in order.

    A receipt of work that was due at the start of the block stands before those of transactions.
    """

    changes: dict[bytes, bytes | None]
    receipts: tuple[Receipt, ...]
    gas: tuple[int, ...]


class QueryError(ValueError):
    """A question to a contract that it does not understand."""

    def __init__(self, code: Code, details: Value) -> None:
        super().__init__(f"{code.name}: {details!r}")
        self.code = code
        self.details = details


def genesis_state(genesis: Genesis) -> dict[bytes, bytes]:
    """Return the state after block 0."""
    return members.genesis_changes(genesis)


def restart_state(state: StateReader, genesis: Genesis) -> dict[bytes, bytes]:
    """Return what changes in the earlier chain's state when the genesis of a restart begins."""
    return members.restart_changes(state, genesis)


def next_validator_set(state: StateReader, current: ValidatorSet) -> ValidatorSet:
    """Return the set of the epoch that follows, from the state one block before its hand-over."""
    return members.validators(state, current)


def check_admission(
    state: StateReader, transaction: Transaction, height: int, parameters: Parameters
) -> Rejection | None:
    """Tell why a block at `height` may not hold the transaction, or None if it may.

    Covers sender, key, replay window and size; signature and replay are the caller's. Size is
    checked on decoding too, but the limits may have shrunk since.
    """
    if len(transaction.raw) > parameters.max_transaction_bytes:
        return Rejection(Code.TOO_LARGE, parameters.max_transaction_bytes)
    if transaction.call_count > parameters.max_calls:
        return Rejection(Code.TOO_LARGE, parameters.max_calls)
    if transaction.valid_until < height:
        return Rejection(Code.EXPIRED, transaction.valid_until)
    if transaction.valid_until >= height + parameters.replay_window:
        return Rejection(Code.TOO_FAR_AHEAD, height + parameters.replay_window - 1)
    member, slash, operator = transaction.sender.partition("/")
    record = members.peek(state, member)
    if record is None:
        return Rejection(Code.UNKNOWN_SENDER, None)
    if record["status"] != "active":
        return Rejection(Code.SENDER_NOT_ACTIVE, None)
    if record["member_key"] == transaction.key and not slash:
        return None
    who = operator if slash else None
    fault = operators.admission_fault(state, record, who, transaction.key, height)
    return None if fault is None else Rejection(fault, None)


def execute_block(
    state: StateReader,
    context: BlockContext,
    transactions: Sequence[Transaction],
    versions: Versions = VERSIONS,
) -> BlockResult:
    """Execute admissible transactions in order on `state`, by the rules of the block's version.

    A transaction that has become inadmissible since, or that fails, gets a receipt with the
    reason and changes nothing.
    """
    overlay = Overlay(state)
    contracts = versions[context.parameters.version]
    work = _begin_block(overlay, context, contracts)
    receipts = [] if work is None else [work]
    gas: list[int] = []
    left = context.parameters.max_block_gas
    for index, transaction in enumerate(transactions, len(receipts)):
        overlay.begin()
        rejection = check_admission(overlay, transaction, context.height, context.parameters)
        used = 0
        if rejection is None:
            receipt, used = _execute(overlay, context, contracts, index, transaction, left)
        else:
            code, details = int(rejection.code), rejection.details
            receipt = Receipt(transaction.txid, index, code, details, ())
        receipts.append(receipt)
        gas.append(used)
        left -= used
    return BlockResult(overlay.changes, tuple(receipts), tuple(gas))


def _begin_block(
    overlay: Overlay, block: BlockContext, contracts: Mapping[str, Contract]
) -> Receipt | None:
    """Do what is due by itself; returns the receipt that tells of it, if there is something."""
    execution = Execution(block, overlay, contracts, find, "", b"", NO_HASH, 0)
    ctx = Context(execution, schedule.CONTRACT, 0, None)
    if block.height == block.last_height - 1:
        for contract in contracts.values():
            if contract.on_boundary is not None:
                schedule.attempt(ctx, contract, contract.on_boundary)
    schedule.run(ctx)
    if not execution.events:
        return None
    return Receipt(NO_HASH, 0, int(Code.OK), None, tuple(execution.events))


def _execute(
    overlay: Overlay,
    context: BlockContext,
    contracts: Mapping[str, Contract],
    index: int,
    transaction: Transaction,
    block_gas: int,
) -> tuple[Receipt, int]:
    """Run all calls, or take back what they did at the first that fails; returns the gas used too.

    `block_gas` is what the transactions before have left of the block's gas.

    Only Failure is an answer to the sender. Any other exception is a fault of a contract's code
    and stops the node, since it would otherwise pass for a rule.
    """
    limit = context.parameters.max_gas
    member, slash, name = transaction.sender.partition("/")
    operator = operators.load(overlay, member, name, context.timestamp) if slash else None
    execution = Execution(
        context,
        overlay,
        contracts,
        find,
        member,
        transaction.key,
        transaction.txid,
        min(limit, block_gas),
        operator,
    )
    thread = execution.thread
    try:
        for place, call in enumerate(transaction.calls):
            execution.run(place, None, call.contract, call.method, call.args)
    except Failure as failure:
        overlay.roll_back()
        code = failure.code
        if code is Code.OUT_OF_GAS and thread.limit < limit:
            code = Code.BLOCK_OUT_OF_GAS
        return Receipt(transaction.txid, index, int(code), failure.details, ()), thread.used
    receipt = Receipt(transaction.txid, index, int(Code.OK), None, tuple(execution.events))
    return receipt, thread.used


def query(
    state: StateReader,
    version: int,
    contract: str,
    method: str,
    args: dict[str, Value],
    versions: Versions = VERSIONS,
) -> Value:
    """Answer a read-only question. Raises QueryError on a wrong contract, question, argument."""
    found = versions[version].get(contract) or find(state, contract)
    if found is None:
        raise QueryError(Code.UNKNOWN_CONTRACT, contract)
    signature = found.queries.get(method)
    if signature is None:
        raise QueryError(Code.UNKNOWN_METHOD, method)
    try:
        check_arguments(signature.arguments, args, signature.optional)
        return signature.run(state, args)
    except Failure as failure:
        raise QueryError(failure.code, failure.details) from failure


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
    "restart_state",
]
