"""The chain and its state on this machine: speculative above the final tip, atomic at it.

Every executed block that is not final yet is an Entry: what it changes, on top of its parent's
entry or of the stored state. Finality folds a path of entries into the store in one synced batch
and drops the rest.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

from consensus import merkle
from consensus.block import Block, Header
from consensus.crypto import Kind
from consensus.genesis import Genesis
from consensus.light import EpochStep
from consensus.messages import Certificate
from consensus.validators import ValidatorSet
from contracts.engine import (
    BlockContext,
    Rejection,
    check_admission,
    execute_block,
    genesis_state,
    next_validator_set,
    restart_state,
)
from contracts.envelope import Transaction
from contracts.receipts import Receipt, receipts_root
from contracts.state import StateReader, merge_scan
from contracts.system import VERSIONS, Versions
from contracts.trie import (
    EMPTY_ROOT,
    CorruptState,
    LayeredTrie,
    Part,
    TrieCache,
    TrieReader,
    TrieUpdate,
    update,
)
from contracts.trie_proof import prove
from node.store import Store, StoreError, Write
from p2p.wire import FullBlock

STATE_CACHE_BYTES = 8 << 20
CACHED_BYTES = 250
"""About what an entry of a cache takes beside key and value."""
TRIE_CACHE_BYTES = 64 << 20


@dataclass(slots=True)
class Entry:
    """An executed block and what it did. `set_after` is set in an epoch's last block only."""

    full: FullBlock
    transactions: tuple[Transaction, ...]
    receipts: tuple[Receipt, ...]
    receipts_root: bytes
    changes: dict[bytes, bytes | None]
    trie: TrieUpdate
    txids: frozenset[bytes]

    @property
    def state_root(self) -> bytes:
        return self.trie.root

    @property
    def header(self) -> Header:
        return self.full.block.header

    @property
    def digest(self) -> bytes:
        return self.full.block.digest


class Ledger:
    """Executes, checks and finalizes blocks. Synchronous; all IO goes through the store."""

    def __init__(
        self,
        genesis: Genesis,
        store: Store,
        *,
        cache_bytes: int = TRIE_CACHE_BYTES,
        versions: Versions = VERSIONS,
    ) -> None:
        self.genesis = genesis
        self.versions = versions
        self.store = store
        self._cache_bytes = cache_bytes
        self.reopen()

    def reopen(self) -> None:
        """Begin from what the store holds."""
        self._entries: dict[bytes, Entry] = {}
        self._base = _StoredState(self.store)
        self._trie = TrieCache(self.store, self._cache_bytes)
        self._open()

    def _open(self) -> None:
        digest = self.store.tip()
        if digest is None:
            self._begin()
        else:
            full = self.store.block(digest)
            if full is None:
                raise StoreError("the last block is missing from the database; sync this home anew")
            self._set_tip(full.block)
        first = self.genesis.block
        if self.store.digest_at(first.header.height) != first.digest:
            raise StoreError(
                "the database belongs to another network than genesis.json; check the home"
            )

    def _begin(self) -> None:
        """Write the state that the genesis describes: the first block and what follows from it."""
        block, earlier = self.genesis.block, self.genesis.restart
        height = block.header.height
        full = FullBlock(block, ())
        if earlier is None:
            changes: dict[bytes, bytes | None] = dict(genesis_state(self.genesis))
        elif self._base.scan(b"", limit=1):
            changes = dict(restart_state(self._base, self.genesis))
        else:
            raise StoreError(
                "this network goes on from an earlier chain, whose state this home lacks; copy the "
                "database of another member's stopped node, but never its journal"
            )
        trie = update(self._trie, earlier.state_root if earlier else EMPTY_ROOT, changes)
        self.store.put_executed(full)
        self._commit_batch(
            [
                *Store.final_writes(full, (), ()),
                *Store.epoch_writes(0, height, self.genesis.validator_set),
                *Store.tip_writes(block.digest, height, None),
                *Store.kept_writes(height + 1),
                *Store.result_writes(trie.root, merkle.EMPTY_ROOT),
                *self.store.state_writes(changes.items()),
                *self.store.trie_writes(trie.stored, trie.leaves),
            ]
        )
        self._trie.put(trie.parts)
        self._set_tip(block)

    def _commit_batch(self, batch: Sequence[Write]) -> None:
        self.store.write(batch)

    def _set_tip(self, block: Block) -> None:
        self.tip = block
        self.state_root, self.receipts_root = self.store.results()
        epoch = block.header.epoch
        following = self.store.validator_set(epoch + 1)
        if following is not None:
            epoch += 1
        self.epoch = epoch
        validators = following or self.store.validator_set(epoch)
        anchor = self.store.epoch_start(epoch)
        if validators is None or anchor is None:
            raise StoreError(f"the validator set of epoch {epoch} is missing; sync this home anew")
        self.validators = validators
        self.anchor_height = anchor

    # Reading

    def entry(self, digest: bytes) -> Entry | None:
        return self._entries.get(digest)

    def is_known(self, digest: bytes) -> bool:
        """Whether the block is the tip or executed above it."""
        return digest == self.tip.digest or digest in self._entries

    def state(self, digest: bytes | None = None) -> StateReader:
        """The state after the block `digest`; without it, after the final tip."""
        if digest is None or digest == self.tip.digest:
            return self._base
        return _StackedState([entry.changes for entry in self._path(digest)], self._base)

    def prove_state(self, key: bytes) -> bytes:
        """Return the proof of what the final state holds, or does not hold, at `key`."""
        return prove(self._trie, self.state_root, key)

    def trie(self, digest: bytes | None = None) -> TrieReader:
        """The trie after the block `digest`; without it, after the final tip."""
        if digest is None or digest == self.tip.digest:
            return self._trie
        return LayeredTrie([entry.trie.parts for entry in self._path(digest)], self._trie)

    def context(self, header: Header) -> BlockContext:
        """What contracts see of a block of the present epoch."""
        parameters = self.validators.parameters
        return BlockContext(
            chain_id=self.genesis.chain_id,
            height=header.height,
            epoch=header.epoch,
            timestamp=header.timestamp,
            proposer=header.proposer,
            parameters=parameters,
            last_height=self.anchor_height + parameters.epoch_length,
        )

    def results(self, digest: bytes) -> tuple[bytes, bytes]:
        """(state root, receipts root) after the block `digest`."""
        if digest == self.tip.digest:
            return self.state_root, self.receipts_root
        entry = self._entries[digest]
        return entry.state_root, entry.receipts_root

    def _path(self, digest: bytes) -> list[Entry]:
        """Entries from `digest` down to, and without, the tip."""
        path: list[Entry] = []
        while digest != self.tip.digest:
            entry = self._entries[digest]
            path.append(entry)
            digest = entry.header.parent
        return path

    def txids_above_tip(self, digest: bytes) -> set[bytes]:
        """Transactions in the blocks from `digest` down to the tip."""
        found: set[bytes] = set()
        for entry in self._path(digest):
            found |= entry.txids
        return found

    # Building and checking

    def build(
        self, parent: Block, proposer: str, timestamp: int, transactions: Sequence[Transaction]
    ) -> Block:
        """Make a block on `parent`, which is executed."""
        header = parent.header
        state_root, receipts = self.results(parent.digest)
        body = tuple(transaction.wid for transaction in transactions)
        height = header.height + 1
        return Block(
            Header(
                version=self.validators.parameters.version,
                chain_id=self.genesis.chain_id,
                epoch=self.epoch,
                height=height,
                parent=parent.digest,
                timestamp=max(timestamp, header.timestamp + 1),
                proposer=proposer,
                transactions_root=merkle.root(body),
                state_root=state_root,
                receipts_root=receipts,
                set_hash=self.validators.hash,
                next_set_hash=self._next_set(parent.digest).hash if self._ends(height) else None,
            ),
            body,
        )

    def _ends(self, height: int) -> bool:
        return height == self.anchor_height + self.validators.parameters.epoch_length

    def _next_set(self, parent: bytes) -> ValidatorSet:
        return next_validator_set(self.state(parent), self.validators)

    def find_fault(
        self, block: Block, transactions: Sequence[Transaction], waiting: Container[bytes]
    ) -> str | None:
        """Tell why `block` must not be notarized, or None.

        Signatures were checked on arrival. `waiting` holds hashes of transactions known not to be
        in the final chain, which need no look-up.
        """
        header = block.header
        if header.parent != self.tip.digest and header.parent not in self._entries:
            return "the parent is not executed"
        if (header.state_root, header.receipts_root) != self.results(header.parent):
            return "state or receipts root is not the parent's result"
        if self._ends(header.height) and header.next_set_hash != self._next_set(header.parent).hash:
            return "the next validator set is another"
        parameters = self.validators.parameters
        if len(transactions) > parameters.max_block_transactions:
            return "more transactions than a block may hold"
        if sum(len(t.raw) for t in transactions) > parameters.max_block_bytes:
            return "more bytes than a block may hold"
        state = self.state(header.parent)
        recent = self.txids_above_tip(header.parent)
        seen: set[bytes] = set()
        for transaction in transactions:
            is_final = transaction.wid not in waiting and self.store.is_committed(transaction.txid)
            if is_final or transaction.txid in seen or transaction.txid in recent:
                return f"replays transaction {transaction.txid.hex()}"
            seen.add(transaction.txid)
            rejection = check_admission(state, transaction, header.height, parameters)
            if rejection is not None:
                return f"transaction {transaction.txid.hex()} is refused with {rejection.code}"
        return None

    def filter_admissible(
        self, state: StateReader, transactions: Sequence[Transaction], height: int
    ) -> list[Transaction]:
        """Keep the transactions that a block at `height` on `state` may hold."""
        parameters = self.validators.parameters
        return [t for t in transactions if check_admission(state, t, height, parameters) is None]

    @property
    def unfinal_transactions(self) -> int:
        """How many transactions stand in executed blocks above the tip."""
        return sum(len(entry.transactions) for entry in self._entries.values())

    @property
    def unfinal_blocks(self) -> int:
        """How many executed blocks stand above the tip."""
        return len(self._entries)

    def check_admission(self, transaction: Transaction) -> Rejection | None:
        """Tell whether the next block could take `transaction`."""
        return check_admission(
            self._base, transaction, self.tip.header.height + 1, self.validators.parameters
        )

    # Executing

    def execute(self, full: FullBlock, transactions: Sequence[Transaction]) -> Entry:
        """Execute a block on its parent, which must be known, and keep it above the tip."""
        block = full.block
        digest = block.digest
        known = self._entries.get(digest)
        if known is not None:
            return known
        header = block.header
        state = self.state(header.parent)
        result = execute_block(state, self.context(header), transactions, self.versions)
        reader = self.trie(header.parent)
        parent_root, _ = self.results(header.parent)
        try:
            trie = update(reader, parent_root, result.changes)
        except CorruptState as error:
            raise StoreError(f"the database is damaged ({error}); sync this home anew") from error
        entry = Entry(
            full=full,
            transactions=tuple(transactions),
            receipts=result.receipts,
            receipts_root=receipts_root(result.receipts),
            changes=result.changes,
            trie=trie,
            txids=frozenset(transaction.txid for transaction in transactions),
        )
        self._entries[digest] = entry
        return entry

    # Finality

    def finalize(self, certificate: Certificate) -> list[Entry]:
        """Make the certified block and its ancestors final; returns them, lowest first.

        The block must be executed. One atomic synced batch; then forks are dropped.
        """
        if certificate.statement.kind is not Kind.FINALIZE:
            raise AssertionError("not a finalization")
        path = self._path(certificate.statement.digest)[::-1]
        if not path:
            return []
        last = path[-1].header
        changes: dict[bytes, bytes | None] = {}
        parts: dict[bytes, Part | None] = {}
        stored: dict[bytes, bytes | None] = {}
        leaves: dict[bytes, bytes | None] = {}
        batch: list[Write] = []
        for entry in path:
            changes.update(entry.changes)
            parts.update(entry.trie.parts)
            stored.update(entry.trie.stored)
            leaves.update(entry.trie.leaves)
            txids = [transaction.txid for transaction in entry.transactions]
            batch += Store.final_writes(entry.full, entry.receipts, txids)
        batch += Store.tip_writes(path[-1].digest, last.height, certificate)
        batch += Store.result_writes(path[-1].state_root, path[-1].receipts_root)
        batch += self.store.state_writes(changes.items())
        batch += self.store.trie_writes(stored, leaves)
        if self._ends(last.height):
            following = self._next_set(last.parent)
            step = EpochStep(last, certificate, following)
            batch += Store.step_writes(self.epoch, step)
            batch += Store.epoch_writes(self.epoch + 1, last.height, following)
        kept = {entry.digest for entry in path}
        survivors = self._descendants(path[-1].digest)
        for digest, entry in self._entries.items():
            if digest not in kept and digest not in survivors:
                batch += Store.dropped_writes(entry.full)
        self._commit_batch(batch)
        self._base.absorb(changes)
        self._trie.put(parts)
        self._entries = {d: e for d, e in self._entries.items() if d in survivors}
        self._set_tip(path[-1].full.block)
        return path

    def _descendants(self, digest: bytes) -> set[bytes]:
        found: set[bytes] = set()
        for entry in sorted(self._entries.values(), key=lambda entry: entry.header.height):
            if entry.header.parent == digest or entry.header.parent in found:
                found.add(entry.digest)
        return found


class _StoredState:
    """The final state, with a bounded cache of what was read or written lately."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cache: dict[bytes, bytes | None] = {}
        self._bytes = 0

    def get(self, key: bytes) -> bytes | None:
        cache = self._cache
        if key in cache:
            return cache[key]
        value = cache[key] = self._store.get_state(key)
        self._count(key, value)
        return value

    def _count(self, key: bytes, value: bytes | None) -> None:
        self._bytes += CACHED_BYTES + len(key) + len(value or b"")
        if self._bytes > STATE_CACHE_BYTES:
            self._cache.clear()
            self._bytes = 0

    def scan(
        self, prefix: bytes, after: bytes = b"", limit: int = 100
    ) -> list[tuple[bytes, bytes]]:
        return self._store.scan_state(prefix, after, limit)

    def absorb(self, changes: dict[bytes, bytes | None]) -> None:
        for key, value in changes.items():
            if key in self._cache:
                self._cache[key] = value
                self._count(key, value)


class _StackedState:
    """Changes of entries, newest first, over the final state."""

    def __init__(self, layers: Sequence[dict[bytes, bytes | None]], base: StateReader) -> None:
        self._layers = [layer for layer in layers if layer]
        self._base = base

    def get(self, key: bytes) -> bytes | None:
        for layer in self._layers:
            if key in layer:
                return layer[key]
        return self._base.get(key)

    def scan(
        self, prefix: bytes, after: bytes = b"", limit: int = 100
    ) -> list[tuple[bytes, bytes]]:
        changed: dict[bytes, bytes | None] = {}
        for layer in reversed(self._layers):
            changed.update((k, v) for k, v in layer.items() if k.startswith(prefix) and k > after)
        return merge_scan(self._base, changed, prefix, after, limit)


def full_block_of(block: Block, transactions: Sequence[Transaction]) -> FullBlock:
    """Put a block and its transactions together for storing and sending."""
    return FullBlock(block, tuple(transaction.raw for transaction in transactions))
