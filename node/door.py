"""The door of transactions: who is let into the mempool, and who has to leave it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from consensus.codec import DecodeError
from consensus.crypto import sha256
from consensus.validators import Parameters
from contracts.codes import Code
from contracts.envelope import Transaction
from node.gossip import Gossip
from node.ledger import Entry, Ledger
from node.mempool import Mempool
from node.outcome import Outcome, Refusal, TransactionDropped
from node.render import render

_WIDEST = Parameters.widest()


class Door:
    """Judges what operators and peers bring, the cheapest question first."""

    def __init__(
        self, ledger: Ledger, mempool: Mempool, gossip: Gossip, tell: Callable[[Outcome], None]
    ) -> None:
        self._ledger = ledger
        self._mempool = mempool
        self._gossip = gossip
        self._tell = tell
        self._chain_id = ledger.genesis.chain_id
        self._extra: dict[bytes, Transaction] = {}
        self.missing: set[bytes] = set()
        """What the proposal that is being checked needs: let in whatever else waits."""
        self.has_stale = False
        """Whether something was seen that no block may hold any more."""

    @property
    def fetched(self) -> int:
        """How many transactions are held beside the mempool, for a proposal."""
        return len(self._extra)

    def is_held(self, wid: bytes) -> bool:
        return wid in self._mempool or wid in self._extra

    def get(self, wid: bytes) -> Transaction | None:
        return self._mempool.get(wid) or self._extra.get(wid)

    # In

    def submit(self, raw: bytes, now_ms: int) -> Transaction | Refusal:
        """Take a transaction from this member's own operators."""
        parameters = self._ledger.validators.parameters
        try:
            transaction = Transaction.decode(raw, parameters, self._chain_id)
        except DecodeError as error:
            return Refusal("malformed", f"the transaction does not decode: {error}")
        if self.is_held(transaction.wid):
            return transaction
        refusal = self._find_refusal(transaction)
        if refusal is not None:
            return refusal
        self._admit(transaction, None, now_ms)
        return transaction

    def _find_refusal(self, transaction: Transaction) -> Refusal | None:
        """What costs least is asked first: an overloaded node refuses cheaply."""
        if self._ledger.store.is_committed(transaction.txid):
            return Refusal("replayed", "the transaction is in the chain already")
        rejection = self._ledger.check_admission(transaction)
        if rejection is not None:
            return Refusal(rejection.name, render(rejection.code, rejection.details))
        reason = self._mempool.refuse_reason(transaction)
        if reason is not None:
            return Refusal("mempool-full", reason)
        if not transaction.is_signed(self._chain_id):
            return Refusal(
                "signature", "the signature is wrong, or made for another chain or by another key"
            )
        return None

    def take_batch(
        self, key: bytes, raws: Sequence[bytes], now_ms: int, *, only_missing: bool
    ) -> None:
        """Take what a peer pushes. Raises DecodeError for what its sender cannot have believed.

        With `only_missing` the node is far behind: the rest is probably final, and peers tell
        again what still waits.
        """
        for raw in raws:
            wid = sha256(raw)
            is_missing = wid in self.missing
            if self.is_held(wid) or (only_missing and not is_missing):
                continue
            # The sender may be in an epoch of larger limits: admission judges by those in force.
            transaction = Transaction.decode(raw, _WIDEST, self._chain_id)
            if not is_missing and (
                self._mempool.refuse_reason(transaction) is not None
                or self._ledger.store.is_committed(transaction.txid)
            ):
                continue  # asked before the signature, which costs more than all the rest
            if not transaction.is_signed(self._chain_id):
                raise DecodeError("a transaction is wrongly signed")
            if is_missing:
                self._extra[wid] = transaction
            elif self._ledger.check_admission(transaction) is None:
                self._admit(transaction, key, now_ms)
            self.missing.discard(wid)

    def _admit(self, transaction: Transaction, source: bytes | None, now_ms: int) -> None:
        if self._mempool.add(transaction):
            self._gossip.add(transaction, source, now_ms)

    # Out

    def settle(self, entries: Sequence[Entry]) -> None:
        """Let go of what is final."""
        for entry in entries:
            for transaction in entry.transactions:
                # By txid: another signature on the same message waits under another hash.
                self._mempool.remove_txid(transaction.txid)
        self._extra.clear()

    def expire(self, height: int) -> None:
        """Let go of what can be in no block above `height`."""
        for transaction in self._mempool.expire(height):
            reason = f"not in a block up to height {transaction.valid_until}"
            self._drop(transaction, Refusal("expired", reason))

    def drop_inadmissible(self) -> None:
        """Forget waiting transactions that no block may hold any more."""
        self.has_stale = False
        for transaction in self._waiting():
            rejection = self._ledger.check_admission(transaction)
            if rejection is not None and rejection.code != Code.TOO_FAR_AHEAD:
                reason = render(rejection.code, rejection.details)
                self._drop(transaction, Refusal(rejection.name, reason))

    def skip_to(self, height: int) -> None:
        """The state was taken from a snapshot: what became of some that waited is not known."""
        self._extra, self.missing = {}, set()
        for transaction in self._waiting():
            is_final = self._ledger.store.is_committed(transaction.txid)
            if is_final or transaction.valid_until <= height:
                reason = f"heights up to {height} were skipped by a snapshot; ask another node"
                self._drop(transaction, Refusal("skipped", reason))

    def _waiting(self) -> list[Transaction]:
        found = (self._mempool.get(wid) for wid in list(self._mempool.wids()))
        return [transaction for transaction in found if transaction is not None]

    def _drop(self, transaction: Transaction, refusal: Refusal) -> None:
        self._mempool.remove(transaction.wid)
        self._tell(TransactionDropped(transaction, refusal))
