"""Forgetting old blocks, a few at a time, where the network's members agreed to keep no more."""

from __future__ import annotations

from consensus.validators import Parameters
from contracts.envelope import Transaction
from node.ledger import Ledger
from node.snapshot import Maker
from node.store import Store, Write
from node.window import replay_floor, stored_windows

SLICE_BLOCKS = 4


class Pruner:
    """Removes final blocks below the retention, their receipts and their transactions' places.

    Kept are always: block 0, what a newcomer needs beside the own snapshot, and with `is_archive`
    everything. Without a snapshot of its own a node forgets nothing.
    """

    def __init__(self, ledger: Ledger, maker: Maker, *, is_archive: bool) -> None:
        self._ledger = ledger
        self._maker = maker
        self.is_archive = is_archive
        self.may_have_leftovers = True
        """Whether blocks may stand below what is kept: a snapshot leaves the old chain behind."""
        self._needed: tuple[int, int] = (0, 0)

    @property
    def retention(self) -> int:
        """How many heights are kept; 0: all."""
        return 0 if self.is_archive else self._ledger.validators.parameters.retention

    @property
    def floor(self) -> int:
        """The height below which nothing needs to be kept."""
        if not self.retention or not self._maker.height:
            return 0
        wanted = self._ledger.tip.header.height + 1 - self.retention
        return min(wanted, self._snapshot_needs(self._maker.height))

    def _snapshot_needs(self, height: int) -> int:
        """The lowest block that goes with the snapshot of `height`, looked up once."""
        if self._needed[0] != height:
            store = self._ledger.store
            full = store.block_at(height)
            floor = 0
            if full is not None:
                floor = replay_floor(height, stored_windows(store, full.block.header.epoch))
            self._needed = (height, floor)
        return self._needed[1]

    @property
    def has_work(self) -> bool:
        floor = self.floor
        is_due = self.may_have_leftovers or self._ledger.store.kept_from() < floor
        return floor > 0 and is_due

    def step(self) -> None:
        """Forget up to SLICE_BLOCKS blocks, in one batch with the note of what is kept."""
        store, floor = self._ledger.store, max(self.floor, self._ledger.store.kept_from())
        batch: list[Write] = []
        lowest = 1 if self.may_have_leftovers else store.kept_from()
        for _ in range(SLICE_BLOCKS):
            found = store.height_from(lowest)
            if found is None or found >= floor:
                lowest = floor
                self.may_have_leftovers = False
                break
            batch += self._forget(store, found)
            lowest = found + 1
        kept = max(lowest, store.kept_from())
        store.write_lazily([*batch, *Store.kept_writes(kept)])

    def _forget(self, store: Store, height: int) -> list[Write]:
        full = store.block_at(height)
        if full is None:
            return []
        chain_id, widest = self._ledger.genesis.chain_id, Parameters.widest()
        txids = [Transaction.decode(raw, widest, chain_id).txid for raw in full.raws]
        return list(store.forget_writes(full, txids))
