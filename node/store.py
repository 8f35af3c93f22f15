"""What a node keeps in LevelDB, under which keys, and in which atomic batches.

A block is written once, durably, when it is executed; finality adds its place in the chain, its
receipts, the state's changes and the new tip in one synced batch. A crash at any byte leaves the
state before or after that batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

import plyvel

from consensus.codec import DecodeError, decode, encode, encode_array, expect_list
from consensus.light import EpochStep
from consensus.messages import Certificate
from consensus.validators import ValidatorSet
from contracts.receipts import Receipt
from node.errors import MunimentError
from p2p.wire import FullBlock

FORMAT = 2
WRITE_BUFFER_BYTES = 16 << 20
"""LevelDB holds up to two of these. Half of it costs a third more merging."""
BLOCK_CACHE_BYTES = 4 << 20
"""Tables are mapped into memory and not compressed, so hardly a block is copied into this cache."""

_META = b"m/"
_STATE = (b"s/", b"S/")
_NODE = (b"t/", b"T/")
_LEAF = (b"l/", b"L/")
"""The state and its trie, in two slots: one is in force, the other is where a sync builds."""
_SNAPSHOT = (b"k/", b"K/")
_SYNCED = b"y/"
_EVIDENCE = b"v/"
_BLOCK = b"b/"
_HEIGHT = b"n/"
_PENDING = b"p/"
_RECEIPTS = b"r/"
_FINALIZATION = b"f/"
_EPOCH = b"e/"
_TRANSACTION = b"i/"
_CHANGE = b"c/"

_LATEST = (1 << 64) - 1
RULING = frozenset(("contracts", "evidence", "governance", "members", "operators"))
"""Contracts whose events tell of changes of the rules and of who may do what."""

Write = tuple[bytes, bytes | None]
_D = TypeVar("_D")
_T = TypeVar("_T")


class StoreError(MunimentError):
    """The database cannot be used; the message says what to do."""

    code = "store"


class View(Protocol):
    """An ordered map of byte strings as it was at one moment."""

    def scan(self, prefix: bytes, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Yield (key without prefix, value) in order, from the first key above `after`."""

    def close(self) -> None: ...


class KeyValue(View, Protocol):
    """An ordered map of byte strings with atomic batches. LevelDB, or a simulated disk."""

    def get(self, key: bytes) -> bytes | None: ...

    def write(self, batch: Iterable[Write], *, sync: bool) -> None:
        """Apply all or nothing; None deletes. Durable on return if `sync`."""

    def view(self) -> View:
        """Everything as it is now, whatever is written later; to be closed."""


class LevelDB:
    """KeyValue on plyvel."""

    def __init__(self, path: Path) -> None:
        try:
            self._db = plyvel.DB(
                str(path),
                create_if_missing=True,
                lru_cache_size=BLOCK_CACHE_BYTES,
                write_buffer_size=WRITE_BUFFER_BYTES,
                # Hashes and signatures do not compress.
                compression=None,
                bloom_filter_bits=10,
            )
        except (plyvel.Error, OSError) as error:
            raise StoreError(
                f"the database {path} cannot be opened ({error}); check the disk, or restore "
                "the home from another node"
            ) from error

    def get(self, key: bytes) -> bytes | None:
        try:
            return self._db.get(key, verify_checksums=True)  # type: ignore[no-any-return]
        except (plyvel.Error, OSError) as error:
            raise _unreadable(error) from error

    def write(self, batch: Iterable[Write], *, sync: bool) -> None:
        try:
            with self._db.write_batch(sync=sync) as writer:
                put, delete = writer.put, writer.delete
                for key, value in batch:
                    if value is None:
                        delete(key)
                    else:
                        put(key, value)
        except (plyvel.Error, OSError) as error:
            raise StoreError(
                f"writing to the database failed ({error}); free disk space and start again"
            ) from error

    def scan(self, prefix: bytes, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        return _scan(self._db, prefix, after)

    def view(self) -> View:
        return _LevelDBView(self._db.snapshot())

    def close(self) -> None:
        self._db.close()


class _LevelDBView:
    """A LevelDB snapshot."""

    def __init__(self, snapshot: Any) -> None:
        self._snapshot = snapshot

    def scan(self, prefix: bytes, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        return _scan(self._snapshot, prefix, after)

    def close(self) -> None:
        self._snapshot.close()


def _scan(source: Any, prefix: bytes, after: bytes) -> Iterator[tuple[bytes, bytes]]:
    with source.iterator(
        start=prefix + after,
        stop=_successor(prefix),
        include_start=not after,
        verify_checksums=True,
    ) as rows:
        while True:
            try:
                key, value = next(rows)
            except StopIteration:
                return
            except (plyvel.Error, OSError) as error:
                raise _unreadable(error) from error
            yield key[len(prefix) :], value


@dataclass(frozen=True, slots=True)
class Place:
    """Where a transaction stands in the chain."""

    height: int
    index: int


class Store:
    """Typed access to a node's database. Raises StoreError where stored bytes make no sense."""

    def __init__(self, disk: KeyValue) -> None:
        self._disk = disk
        found = disk.get(_META + b"format")
        if found is None:
            disk.write([(_META + b"format", encode([FORMAT]))], sync=True)
        elif found != encode([FORMAT]):
            raise StoreError(
                f"the database has another format than {FORMAT}; "
                "use the release that wrote it, or sync a new home"
            )
        self.reload()

    def reload(self) -> None:
        """Find out which slot holds the state in force."""
        self.slot = int(self._disk.get(_META + b"slot") == b"\x01")
        slot = self.slot
        self._state_prefix, self._node_prefix, self._leaf_prefix = (
            _STATE[slot],
            _NODE[slot],
            _LEAF[slot],
        )

    def close(self) -> None:
        self._disk.close()

    # Executed blocks

    def put_executed(self, full: FullBlock) -> None:
        """Keep a block and its transactions durably before it is voted final."""
        digest = full.block.digest
        height = _number(full.block.header.height)
        self._disk.write(
            [(_BLOCK + digest, full.encode()), (_PENDING + height + digest, b"")], sync=True
        )

    def pending(self) -> list[bytes]:
        """Digests of executed blocks that are not known to be final, lowest first."""
        return [key[8:] for key, _ in self._disk.scan(_PENDING)]

    def block(self, digest: bytes) -> FullBlock | None:
        data = self._disk.get(_BLOCK + digest)
        return None if data is None else _read("block", FullBlock.decode, data)

    # The final chain

    def tip(self) -> bytes | None:
        """Digest of the last final block, or None in a new database."""
        return self._disk.get(_META + b"tip")

    def digest_at(self, height: int) -> bytes | None:
        return self._disk.get(_HEIGHT + _number(height))

    def block_at(self, height: int) -> FullBlock | None:
        digest = self.digest_at(height)
        return None if digest is None else self.block(digest)

    def receipts_at(self, height: int) -> tuple[Receipt, ...]:
        """Receipts of the final block at `height`; empty if there is none."""
        data = self._disk.get(_RECEIPTS + _number(height))
        if data is None:
            return ()
        rows = _read("receipts", lambda d: expect_list(decode(d, max_bytes=64 << 20), "rows"), data)
        return tuple(_read("receipt", Receipt.from_value, row) for row in rows)

    def finalization_from(self, height: int) -> tuple[int, Certificate] | None:
        """The first height from `height` on that was finalized directly, with its certificate."""
        after = _number(height - 1) if height else b""
        for key, data in self._disk.scan(_FINALIZATION, after):
            certificate = _read("certificate", lambda d: Certificate.from_value(decode(d)), data)
            return int.from_bytes(key, "big"), certificate
        return None

    def changes_before(self, height: int, limit: int) -> list[tuple[int, int]]:
        """Up to `limit` (height, place of receipt) of changes of the rules below `height`,
        the latest block first."""
        after = _number(_LATEST - height) + b"\xff" * 8
        rows = [key for key, _ in islice(self._disk.scan(_CHANGE, after), limit)]
        return [
            (_LATEST - int.from_bytes(key[:8], "big"), int.from_bytes(key[8:], "big"))
            for key in rows
        ]

    def place_of(self, txid: bytes) -> Place | None:
        data = self._disk.get(_TRANSACTION + txid)
        if data is None:
            return None
        return Place(int.from_bytes(data[:8], "big"), int.from_bytes(data[8:], "big"))

    def is_committed(self, txid: bytes) -> bool:
        return self._disk.get(_TRANSACTION + txid) is not None

    # Epochs

    def validator_set(self, epoch: int) -> ValidatorSet | None:
        data = self._disk.get(_EPOCH + _number(epoch) + b"set")
        if data is None:
            return None
        return _read("validator set", lambda d: ValidatorSet.from_value(decode(d)), data)

    def epoch_start(self, epoch: int) -> int | None:
        """Height of the block at view 0 of `epoch`: the one before its first."""
        data = self._disk.get(_EPOCH + _number(epoch) + b"anchor")
        return None if data is None else int.from_bytes(data, "big")

    def epoch_step(self, epoch: int) -> EpochStep | None:
        """How `epoch` handed over to the next one."""
        data = self._disk.get(_EPOCH + _number(epoch) + b"step")
        return (
            None if data is None else _read("step", lambda d: EpochStep.from_value(decode(d)), data)
        )

    @staticmethod
    def epoch_writes(epoch: int, anchor_height: int, validators: ValidatorSet) -> list[Write]:
        prefix = _EPOCH + _number(epoch)
        return [
            (prefix + b"set", encode(validators.to_value())),
            (prefix + b"anchor", _number(anchor_height)),
        ]

    @staticmethod
    def step_writes(epoch: int, step: EpochStep) -> list[Write]:
        return [(_EPOCH + _number(epoch) + b"step", encode(step.to_value()))]

    # State and trie

    def get_state(self, key: bytes) -> bytes | None:
        return self._disk.get(self._state_prefix + key)

    def scan_state(self, prefix: bytes, after: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Up to `limit` (key, value) pairs under `prefix`, above the full key `after`."""
        rows: list[tuple[bytes, bytes]] = []
        tail = after[len(prefix) :] if after > prefix else b""
        for key, value in self._disk.scan(self._state_prefix + prefix, tail):
            if len(rows) == limit:
                break
            rows.append((prefix + key, value))
        return rows

    def get_node(self, path: bytes) -> bytes | None:
        return self._disk.get(self._node_prefix + path)

    def scan_leaves(self, path: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Up to `limit` leaves of the trie below a path of nibbles: (H(key), H(value))."""
        return list(islice(self._scan_path(self._leaf_prefix, path), limit))

    def _scan_path(self, kind: bytes, path: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield (hashed key, value) of the rows whose hashed key begins with a path of nibbles."""
        whole, odd = len(path) & ~1, len(path) & 1
        prefix = bytes.fromhex("".join(f"{nibble:x}" for nibble in path[:whole]))
        first = bytes((path[-1] << 4,)) if odd else b""
        for key, value in self._disk.scan(kind + prefix, first):
            if odd and key[0] >> 4 != path[-1]:
                return
            yield prefix + key, value

    # Finality

    def write(self, batch: Iterable[Write]) -> None:
        """Apply one atomic, durable batch."""
        self._disk.write(batch, sync=True)

    @staticmethod
    def final_writes(
        full: FullBlock, receipts: Sequence[Receipt], txids: Iterable[bytes]
    ) -> Iterator[Write]:
        """What makes an executed block final, apart from the state."""
        block = full.block
        height = _number(block.header.height)
        yield _PENDING + height + block.digest, None
        yield _HEIGHT + height, block.digest
        rows = [receipt.encoded for receipt in receipts]
        if rows:
            yield _RECEIPTS + height, encode_array(rows)
        for place, receipt in enumerate(receipts):
            if not RULING.isdisjoint([event.contract for event in receipt.events]):
                # Counted down, so that a scan gives the latest first.
                yield _CHANGE + _number(_LATEST - block.header.height) + _number(place), b""
        for index, txid in enumerate(txids):
            yield _TRANSACTION + txid, height + index.to_bytes(4, "big")

    @staticmethod
    def dropped_writes(full: FullBlock) -> list[Write]:
        """What removes an executed block that lost to another at its height."""
        block = full.block
        key = _number(block.header.height) + block.digest
        return [(_PENDING + key, None), (_BLOCK + block.digest, None)]

    @staticmethod
    def tip_writes(digest: bytes, height: int, certificate: Certificate | None) -> Iterator[Write]:
        yield _META + b"tip", digest
        if certificate is not None:
            yield _FINALIZATION + _number(height), encode(certificate.to_value())

    def results(self) -> tuple[bytes, bytes]:
        """(state root, receipts root) after the last final block."""
        data = self._disk.get(_META + b"results") or b""
        if len(data) != 64:
            raise StoreError("the last block's results are missing; sync this home anew")
        return data[:32], data[32:]

    @staticmethod
    def result_writes(state_root: bytes, receipts_root: bytes) -> list[Write]:
        return [(_META + b"results", state_root + receipts_root)]

    def state_writes(self, changes: Iterable[Write], *, other: bool = False) -> Iterator[Write]:
        """Changes of the state in force, or of the `other` slot, where a sync builds."""
        prefix = _STATE[self.slot ^ other]
        for key, value in changes:
            yield prefix + key, value

    def trie_writes(
        self,
        nodes: Mapping[bytes, bytes | None],
        leaves: Mapping[bytes, bytes | None],
        *,
        other: bool = False,
    ) -> Iterator[Write]:
        node_prefix, leaf_prefix = _NODE[self.slot ^ other], _LEAF[self.slot ^ other]
        for path, node in nodes.items():
            yield node_prefix + path, node
        for key, value in leaves.items():
            yield leaf_prefix + key, value

    # What is kept

    def kept_from(self) -> int:
        """The lowest height above 0 whose block is kept, and all above it."""
        return self._number_at(b"kept", 1)

    def results_from(self) -> int:
        """The lowest height whose receipts are kept too: a snapshot brings none below it."""
        return max(self._number_at(b"results-from", 1), self.kept_from())

    def _number_at(self, name: bytes, default: int) -> int:
        data = self._disk.get(_META + name)
        return default if data is None else int.from_bytes(data, "big")

    @staticmethod
    def kept_writes(height: int) -> list[Write]:
        return [(_META + b"kept", _number(height))]

    def height_from(self, height: int) -> int | None:
        """The first height from `height` on that has a final block here."""
        for key, _ in self._disk.scan(_HEIGHT, _number(height - 1)):
            return int.from_bytes(key, "big")
        return None

    def forget_writes(self, full: FullBlock, txids: Iterable[bytes]) -> Iterator[Write]:
        """What removes a final block, its receipts and its transactions' places."""
        height = _number(full.block.header.height)
        yield _BLOCK + full.block.digest, None
        for prefix in (_HEIGHT, _RECEIPTS, _FINALIZATION):
            yield prefix + height, None
        for txid in txids:
            yield _TRANSACTION + txid, None

    def write_lazily(self, batch: Iterable[Write]) -> None:
        """Apply one atomic batch that need not be durable yet; never before earlier ones."""
        self._disk.write(batch, sync=False)

    # Evidence

    def evidence(self) -> Iterator[tuple[int, bytes, bytes]]:
        """(epoch, voting key, encoded evidence), in order of epochs."""
        for key, value in self._disk.scan(_EVIDENCE):
            yield int.from_bytes(key[:8], "big"), key[8:], value

    def put_evidence(self, epoch: int, voting_key: bytes, evidence: bytes) -> bool:
        """Keep what a key did in an epoch, durably; returns False if some is kept already."""
        key = _EVIDENCE + _number(epoch) + voting_key
        if self._disk.get(key) is not None:
            return False
        self._disk.write([(key, evidence)], sync=True)
        return True

    # Snapshots for others: a copy of the state in the order of hashed keys

    def view(self) -> View:
        return self._disk.view()

    def state_of(self, view: View) -> Iterator[tuple[bytes, bytes]]:
        """All keys and values of the state in force, as `view` has it."""
        return view.scan(self._state_prefix)

    def snapshot(self) -> tuple[int, bytes] | None:
        """(slot, manifest) of the complete snapshot, or None."""
        data = self._disk.get(_META + b"snapshot")
        return None if data is None else (data[0], data[1:])

    @staticmethod
    def snapshot_writes(slot: int, manifest: bytes) -> list[Write]:
        return [(_META + b"snapshot", bytes((slot,)) + manifest)]

    @staticmethod
    def snapshot_row(slot: int, hashed: bytes, key: bytes, value: bytes) -> Write:
        return _SNAPSHOT[slot] + hashed, len(key).to_bytes(2, "big") + key + value

    def snapshot_rows(self, slot: int, path: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
        """(hashed key, key, value) of the rows whose hashed key begins with a path of nibbles."""
        for hashed, row in self._scan_path(_SNAPSHOT[slot], path):
            end = 2 + int.from_bytes(row[:2], "big")
            yield hashed, row[2:end], row[end:]

    def snapshot_keys(self, slot: int) -> Iterator[bytes]:
        """Full database keys of a snapshot's rows."""
        return (_SNAPSHOT[slot] + key for key, _ in self._disk.scan(_SNAPSHOT[slot]))

    # A sync under way

    def sync_manifest(self) -> bytes | None:
        """The manifest of the snapshot that is being fetched."""
        return self._disk.get(_META + b"sync")

    @staticmethod
    def sync_writes(manifest: bytes | None) -> list[Write]:
        return [(_META + b"sync", manifest)]

    def synced_cells(self) -> set[int]:
        """The parts of it that are here."""
        return {int.from_bytes(key, "big") for key, _ in self._disk.scan(_SYNCED)}

    @staticmethod
    def synced_write(cell: int) -> Write:
        return _SYNCED + cell.to_bytes(4, "big"), b""

    def staged_keys(self) -> Iterator[bytes]:
        """Full database keys of all that a sync has left in the slot not in force."""
        other = self.slot ^ 1
        for prefix in (_STATE[other], _NODE[other], _LEAF[other], _SYNCED):
            for key, _ in self._disk.scan(prefix):
                yield prefix + key

    def block_writes(self, full: FullBlock, txids: Iterable[bytes]) -> Iterator[Write]:
        """A final block from before a snapshot, with its transactions' places, for replay."""
        height = _number(full.block.header.height)
        yield _BLOCK + full.block.digest, full.encode()
        for index, txid in enumerate(txids):
            yield _TRANSACTION + txid, height + index.to_bytes(4, "big")

    def adoption_writes(self, height: int, blocks: Iterable[tuple[int, bytes]]) -> Iterator[Write]:
        """What puts the other slot in force: the state after `height`, with blocks below it."""
        lowest, kept = height, set()
        for number, digest in blocks:
            yield _HEIGHT + _number(number), digest
            lowest = min(lowest, number)
            kept.add(digest)
        yield _META + b"slot", bytes((self.slot ^ 1,))
        yield _META + b"sync", None
        yield _META + b"results-from", _number(height + 1)
        yield from self.kept_writes(lowest)
        for key, _ in self._disk.scan(_PENDING):
            yield _PENDING + key, None
            if key[8:] not in kept:
                yield _BLOCK + key[8:], None


def _unreadable(error: Exception) -> StoreError:
    return StoreError(
        f"the database is damaged ({error}); check the disk, remove the database and start: the "
        "node gets the chain from the others, and its journal keeps it from voting twice"
    )


def _successor(prefix: bytes) -> bytes:
    """Return the smallest byte string above all that begin with `prefix` (not all 0xff)."""
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes((kept[-1] + 1,))


def _number(value: int) -> bytes:
    return value.to_bytes(8, "big")


def _read(what: str, reader: Callable[[_D], _T], data: _D) -> _T:
    try:
        return reader(data)
    except DecodeError as error:
        raise StoreError(
            f"a stored {what} is damaged ({error}); sync this home again from the other nodes"
        ) from error
