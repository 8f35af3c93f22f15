"""Receipt files: what proves to anybody, offline, that a transaction is final and how it ended."""

from __future__ import annotations

from dataclasses import dataclass

from consensus import merkle
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
    ProofError,
)
from contracts.envelope import Transaction
from contracts.receipts import Receipt
from node.errors import MunimentError
from node.finality import Finality
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
    finality: Finality

    def encode(self) -> bytes:
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
                *self.finality.to_values(),
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
            Finality.from_values(*row[8:]),
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
    lowest = store.results_from()
    if place.height < lowest:
        raise ReceiptError(
            f"results below height {lowest} are not kept here, and the transaction is in block "
            f"{place.height}; ask the node of an archive"
        )
    full = store.block_at(place.height)
    if full is None:
        raise ReceiptError(f"block {place.height} is missing from the database; sync it anew")
    finality = Finality.of(store, place.height, place.height + 1)
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
        finality,
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
    finality = file.finality
    validators = finality.check(genesis)
    if len(finality.headers) < 2:
        raise ProofError("the header that holds the result is missing")
    header, following = finality.headers[0], finality.headers[1]
    in_force = finality.set_of(header.epoch, genesis)
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
    names = tuple(validators.validators[i].name for i in finality.certificate.signers)
    return Report(
        chain_id,
        genesis.network,
        transaction,
        receipt,
        header.height,
        header.timestamp,
        header.proposer,
        finality.headers[-1].height,
        names,
        len(validators.validators),
        finality.epoch,
        validators.parameters.fault_model,
    )
