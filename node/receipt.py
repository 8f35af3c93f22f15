"""Receipt files: what proves to anybody, offline, that a transaction is final and how it ended."""

from __future__ import annotations

from dataclasses import dataclass

from consensus import merkle
from consensus.block import Header
from consensus.codec import (
    DecodeError,
    Value,
    decode,
    encode,
    expect_bytes,
    expect_int,
    expect_list,
)
from consensus.crypto import HASH_BYTES
from consensus.genesis import Genesis
from consensus.light import (
    MAX_EPOCH_STEPS,
    MAX_HEADERS,
    EpochStep,
    ProofError,
    check_finalized,
    follow_epochs,
)
from consensus.messages import Certificate
from consensus.validators import ValidatorSet
from contracts.envelope import Transaction
from contracts.receipts import Receipt
from node.errors import MunimentError
from node.store import Store

FORMAT = 1
MAX_FILE_BYTES = 64 << 20


class ReceiptError(MunimentError):
    """A receipt cannot be made yet, or a file does not prove what it claims."""

    code = "receipt"


@dataclass(frozen=True, slots=True)
class Report:
    """What a receipt file proved."""

    chain_id: bytes
    network: str
    transaction: Transaction
    receipt: Receipt
    height: int
    timestamp: int
    proposer: str
    finalized_height: int
    signers: tuple[str, ...]
    validators: int
    epoch: int
    fault_model: str


@dataclass(frozen=True, slots=True)
class _File:
    """The transaction is at `index` of `count` in its block; work may have a receipt before it."""

    raw: bytes
    receipt: bytes
    index: int
    count: int
    receipts: int
    transaction_path: tuple[bytes, ...]
    receipt_path: tuple[bytes, ...]
    headers: tuple[Header, ...]
    certificate: Certificate
    steps: tuple[EpochStep, ...]

    def encode(self) -> bytes:
        steps: Value = [step.to_value() for step in self.steps]
        return encode(
            [
                FORMAT,
                self.raw,
                self.receipt,
                self.index,
                self.count,
                self.receipts,
                list(self.transaction_path),
                list(self.receipt_path),
                [header.to_value() for header in self.headers],
                self.certificate.to_value(),
                steps,
            ]
        )

    @classmethod
    def decode(cls, data: bytes) -> _File:
        row = expect_list(decode(data, max_bytes=MAX_FILE_BYTES), "receipt file", 11)
        expect_int(row[0], "receipt format", FORMAT, FORMAT)
        return cls(
            expect_bytes(row[1], "transaction"),
            expect_bytes(row[2], "receipt"),
            expect_int(row[3], "index"),
            expect_int(row[4], "count", 1),
            expect_int(row[5], "receipts", 1),
            _path(row[6], "transaction path"),
            _path(row[7], "receipt path"),
            tuple(
                Header.from_value(h) for h in expect_list(row[8], "headers", max_length=MAX_HEADERS)
            ),
            Certificate.from_value(row[9]),
            tuple(
                EpochStep.from_value(step)
                for step in expect_list(row[10], "epoch steps", max_length=MAX_EPOCH_STEPS)
            ),
        )


def _path(value: Value, what: str) -> tuple[bytes, ...]:
    rows = expect_list(value, what, max_length=merkle.MAX_PROOF_HASHES)
    return tuple(expect_bytes(row, what, HASH_BYTES) for row in rows)


def build(store: Store, txid: bytes) -> bytes:
    """Return the receipt file of a final transaction.

    Its result stands in the header of the next height, so a final successor is needed; raises
    ReceiptError, with what to do, if the transaction or its successor is not final.
    """
    place = store.place_of(txid)
    if place is None:
        raise ReceiptError(f"transaction {txid.hex()} is not final here; ask again once it is")
    full = store.block_at(place.height)
    found = store.finalization_from(place.height + 1)
    if full is None or found is None:
        raise ReceiptError(
            f"the block after height {place.height} is not final yet; try again in a moment"
        )
    final_height, certificate = found
    headers = [full.block.header]
    for height in range(place.height + 1, final_height + 1):
        above = store.block_at(height)
        if above is None:
            raise ReceiptError(f"block {height} is missing from the database; sync this home anew")
        headers.append(above.block.header)
    steps = []
    for epoch in range(certificate.statement.epoch):
        step = store.epoch_step(epoch)
        if step is None:
            raise ReceiptError(f"the end of epoch {epoch} is missing; sync this home anew")
        steps.append(step)
    receipts = store.receipts_at(place.height)
    wids = [merkle.leaf_hash(wid) for wid in full.block.body]
    leaves = [merkle.leaf_hash(receipt.encoded) for receipt in receipts]
    receipt_index = place.index + len(receipts) - len(wids)
    return _File(
        full.raws[place.index],
        receipts[receipt_index].encoded,
        place.index,
        len(wids),
        len(receipts),
        merkle.inclusion_proof(wids, place.index),
        merkle.inclusion_proof(leaves, receipt_index),
        tuple(headers),
        certificate,
        tuple(steps),
    ).encode()


def verify(data: bytes, genesis: Genesis) -> Report:
    """Check a receipt file against the genesis alone. Raises ReceiptError with the reason."""
    try:
        return _verify(_File.decode(data), genesis)
    except DecodeError as error:
        raise ReceiptError(f"the receipt file does not decode: {error}") from error
    except ProofError as error:
        raise ReceiptError(f"the receipt proves nothing: {error}") from error


def _verify(file: _File, genesis: Genesis) -> Report:
    chain_id = genesis.chain_id
    last_epoch = file.certificate.statement.epoch
    if len(file.steps) != last_epoch:
        raise ProofError(f"it needs the ends of {last_epoch} epochs and has {len(file.steps)}")
    validators = follow_epochs(chain_id, genesis.validator_set, file.steps)
    check_finalized(chain_id, validators, last_epoch, file.headers, file.certificate)
    if len(file.headers) < 2:
        raise ProofError("the header that holds the result is missing")
    header, following = file.headers[0], file.headers[1]
    in_force = _set_of(header.epoch, genesis, file.steps)
    transaction = Transaction.decode(file.raw, in_force.parameters, chain_id)
    leaf = merkle.leaf_hash(transaction.wid)
    if not merkle.verify_inclusion(
        leaf, file.index, file.count, file.transaction_path, header.transactions_root
    ):
        raise ProofError(f"the transaction is not in block {header.height} at that place")
    if not transaction.is_signed(chain_id):
        raise ProofError("the transaction's signature is wrong")
    leaf = merkle.leaf_hash(file.receipt)
    receipt_index = file.index + file.receipts - file.count
    if not 0 <= file.receipts - file.count <= 1 or not merkle.verify_inclusion(
        leaf, receipt_index, file.receipts, file.receipt_path, following.receipts_root
    ):
        raise ProofError(f"the result is not the one that block {following.height} commits to")
    receipt = Receipt.from_value(decode(file.receipt))
    if receipt.txid != transaction.txid or receipt.index != receipt_index:
        raise ProofError("the result belongs to another transaction")
    names = tuple(validators.validators[i].name for i in file.certificate.signers)
    return Report(
        chain_id,
        genesis.network,
        transaction,
        receipt,
        header.height,
        header.timestamp,
        header.proposer,
        file.headers[-1].height,
        names,
        len(validators.validators),
        last_epoch,
        validators.parameters.fault_model,
    )


def _set_of(epoch: int, genesis: Genesis, steps: tuple[EpochStep, ...]) -> ValidatorSet:
    if epoch > len(steps):
        raise ProofError("the transaction's epoch is later than the certificate's")
    return genesis.validator_set if epoch == 0 else steps[epoch - 1].next_set
