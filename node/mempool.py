"""Transactions that wait for a block: bounded, fair between senders, never silently lost.

Whoever submitted a transaction here is told what became of it: final, refused or expired.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from contracts.envelope import Transaction

FAIR_SHARE_FROM_BP = 5_000
"""Above this filling (basis points) no sender may hold more than its equal share."""
READY_BYTES = 4 << 20
"""So many bytes of transactions are kept with their calls decoded, which takes ten times as much;
of the others the calls are decoded again when they are executed."""


class Mempool:
    """Valid transactions in order of arrival, by `wid` (hash of all bytes)."""

    def __init__(self, max_count: int, max_bytes: int) -> None:
        self._max_count = max_count
        self._max_bytes = max_bytes
        self._by_wid: dict[bytes, Transaction] = {}
        self._wid_by_txid: dict[bytes, bytes] = {}
        self._by_expiry: dict[int, set[bytes]] = {}
        self._per_sender: dict[str, int] = {}
        self.bytes = 0
        self._ready_bytes = 0

    def __len__(self) -> int:
        return len(self._by_wid)

    def __contains__(self, wid: object) -> bool:
        return wid in self._by_wid

    @property
    def is_busy(self) -> bool:
        """Whether so much waits that shares are enforced and nothing is asked of peers."""
        return (
            len(self._by_wid) * 10_000 >= self._max_count * FAIR_SHARE_FROM_BP
            or self.bytes * 10_000 >= self._max_bytes * FAIR_SHARE_FROM_BP
        )

    def get(self, wid: bytes) -> Transaction | None:
        return self._by_wid.get(wid)

    def get_by_txid(self, txid: bytes) -> Transaction | None:
        wid = self._wid_by_txid.get(txid)
        return None if wid is None else self._by_wid.get(wid)

    def refuse_reason(self, transaction: Transaction) -> str | None:
        """Tell why there is no room for `transaction`, or None if there is."""
        count = len(self._by_wid)
        if count >= self._max_count:
            return f"the node holds {count} waiting transactions, its limit; try again shortly"
        if self.bytes + len(transaction.raw) > self._max_bytes:
            return f"the node holds {self.bytes} bytes of transactions, near its limit; try again"
        if self.is_busy:
            held = self._per_sender.get(transaction.member, 0)
            share = self._max_count // max(1, len(self._per_sender))
            if held >= share:
                return (
                    f"{transaction.member} has {held} waiting transactions, its share while the "
                    "node is busy; try again shortly"
                )
        return None

    def add(self, transaction: Transaction) -> bool:
        """Keep `transaction`; returns False if its txid is here already. Room is the caller's."""
        if transaction.txid in self._wid_by_txid:
            return False
        if self._ready_bytes + len(transaction.raw) <= READY_BYTES:
            self._ready_bytes += len(transaction.raw)
        else:
            transaction = transaction.without_calls()
        self._by_wid[transaction.wid] = transaction
        self._wid_by_txid[transaction.txid] = transaction.wid
        self._by_expiry.setdefault(transaction.valid_until, set()).add(transaction.wid)
        self._per_sender[transaction.member] = self._per_sender.get(transaction.member, 0) + 1
        self.bytes += len(transaction.raw)
        return True

    def remove(self, wid: bytes) -> Transaction | None:
        transaction = self._by_wid.pop(wid, None)
        if transaction is None:
            return None
        del self._wid_by_txid[transaction.txid]
        self.bytes -= len(transaction.raw)
        self._ready_bytes -= len(transaction.raw) if transaction.decoded is not None else 0
        bucket = self._by_expiry[transaction.valid_until]
        bucket.discard(wid)
        if not bucket:
            del self._by_expiry[transaction.valid_until]
        left = self._per_sender[transaction.member] - 1
        if left:
            self._per_sender[transaction.member] = left
        else:
            del self._per_sender[transaction.member]
        return transaction

    def remove_txid(self, txid: bytes) -> None:
        """Remove the transaction with this txid, whatever its signature, if it is here."""
        wid = self._wid_by_txid.get(txid)
        if wid is not None:
            self.remove(wid)

    def expire(self, height: int) -> list[Transaction]:
        """Remove and return what can no longer enter a block above `height`."""
        expired: list[Transaction] = []
        for valid_until in [v for v in self._by_expiry if v <= height]:
            for wid in list(self._by_expiry[valid_until]):
                transaction = self.remove(wid)
                if transaction is not None:
                    expired.append(transaction)
        return expired

    def take(
        self, max_count: int, max_bytes: int, height: int, exclude: Container[bytes]
    ) -> list[Transaction]:
        """Return the oldest transactions valid at `height` that fit; `exclude` holds txids."""
        taken: list[Transaction] = []
        size = 0
        for transaction in self._by_wid.values():
            if len(taken) >= max_count:
                break
            if transaction.txid in exclude or transaction.valid_until < height:
                continue
            size += len(transaction.raw)
            if size > max_bytes:
                break
            taken.append(transaction)
        return taken

    def wids(self) -> Iterable[bytes]:
        """All waiting hashes, oldest first."""
        return self._by_wid.keys()
