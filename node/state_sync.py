"""Joining by a snapshot: the state after an epoch's last block, instead of all blocks before it.

In order: how the epochs handed over, up to the snapshot's; its manifest, proven by final headers
of the next epoch; its cells, each checked alone; the blocks whose transactions could be replayed.
All of it is built beside the state in force, which one atomic batch then replaces. What is here
after a crash is taken up again if somebody still has the same snapshot, and dropped if not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from consensus.block import Header
from consensus.codec import DecodeError
from consensus.crypto import sha256
from consensus.light import EpochStep, ProofError, check_finalized, follow_epochs
from consensus.validators import Parameters, ValidatorSet
from contracts.envelope import Transaction
from node.ledger import Ledger
from node.outbox import Outbox
from node.peers import Peer, Peers
from node.snapshot import Manifest, delete
from node.store import Store, Write
from node.window import replay_floor, stored_windows
from p2p.transport import Channel
from p2p.wire import (
    BlockRequest,
    Blocks,
    ChunkRequest,
    Chunks,
    FrameKind,
    FullBlock,
    SnapshotOffer,
    SnapshotRequest,
    Steps,
    StepsRequest,
)

PATIENCE_MS = 3_000
"""How long one peer may take to answer before another is asked."""
MAX_FAILURES = 8
"""So many useless answers in a row, and another snapshot is tried."""
RETRY_MS = 200
"""After a useless answer: what was asked for may be about to come."""
SWEEP_GAP_MS = 5


class Phase(Enum):
    """What is being fetched."""

    IDLE = "idle"
    CLEARING = "clearing"
    STEPS = "steps"
    MANIFEST = "manifest"
    CELLS = "cells"
    BLOCKS = "blocks"


@dataclass(slots=True)
class _Target:
    """The snapshot that is fetched, and what is known of the way there."""

    height: int
    first_epoch: int
    validators: ValidatorSet
    steps: list[EpochStep] = field(default_factory=list)
    header: Header | None = None
    """The header above the snapshot's block: it holds the state root."""
    manifest: Manifest | None = None
    cells: set[int] = field(default_factory=set)
    """Numbers of the cells that are still to come."""
    floor: int = 0
    blocks: dict[int, bytes] = field(default_factory=dict)
    next_block: bytes = b""


class StateSync:
    """Fetches a snapshot from one peer at a time. Sans-IO, like `node.sync.Sync`."""

    def __init__(
        self, outbox: Outbox, peers: Peers, ledger: Ledger, *, behind: int, is_archive: bool
    ) -> None:
        self._outbox = outbox
        self._peers = peers
        self._ledger = ledger
        self._behind = behind
        self._is_archive = is_archive
        self._target: _Target | None = None
        self._asked: tuple[bytes, int] | None = None
        self._tries = self._failures = self._given_up = 0
        self.phase = Phase.IDLE
        self._is_resuming = self._is_worth_resuming()
        self._retry_at_ms = 0
        self._swept_ms = self._rest_until_ms = 0
        self._sweep: Iterator[None] | None = None
        if not self._is_resuming:
            self._begin_sweep()

    def _is_worth_resuming(self) -> bool:
        found = self._ledger.store.sync_manifest()
        if found is None:
            return False
        return Manifest.decode(found).height > self._ledger.tip.header.height

    def _begin_sweep(self) -> None:
        """Delete what is not in force: rows of an old state, or of a sync that was given up.

        First of all the manifest goes: what is deleted in part must not be taken for fetched.
        """
        store = self._ledger.store
        if store.sync_manifest() is not None:
            store.write(Store.sync_writes(None))
        if next(store.staged_keys(), None) is not None:
            self._sweep = delete(store, store.staged_keys())

    @property
    def is_active(self) -> bool:
        return self.phase is not Phase.IDLE

    @property
    def progress(self) -> tuple[int, int]:
        """(parts here, parts in all) of the cells."""
        target = self._target
        if target is None or target.manifest is None:
            return 0, 0
        total = len(target.manifest.cells)
        return total - len(target.cells), total

    @property
    def deadline_ms(self) -> int | None:
        """When `tick` is next due, on the monotonic clock."""
        if self._sweep is not None:
            return self._swept_ms + SWEEP_GAP_MS
        if self._asked is not None:
            return self._asked[1] + PATIENCE_MS
        return self._retry_at_ms if self.is_active else None

    # Deciding

    def consider(self, now_ms: int) -> None:
        """Begin if the own chain is far behind, or nobody has the next block any more."""
        if self.is_active or self._is_archive or now_ms < self._rest_until_ms:
            return
        height = self._ledger.tip.header.height
        known = [p.status for p in self._peers.ahead_of(height) if p.status is not None]
        best = self._choose([status.snapshot for status in known if status.snapshot > height])
        if best is None:
            return
        is_far = best - height >= self._behind
        is_gone = all(status.kept_from > height + 1 for status in known)
        if is_far or is_gone or self._is_resuming:
            ledger = self._ledger
            self._target = _Target(best, ledger.epoch, ledger.validators)
            self.phase, self._failures = Phase.STEPS, 0
            self._ask(now_ms)

    def _choose(self, heights: list[int]) -> int | None:
        """The height that most peers hold, the higher of equals; another one after a failure."""
        ranked = sorted(set(heights), key=lambda height: (-heights.count(height), -height))
        return ranked[self._given_up % len(ranked)] if ranked else None

    def tick(self, now_ms: int) -> None:
        """Let time pass: clear away, ask another peer, or begin."""
        if self._sweep is not None and now_ms >= self._swept_ms + SWEEP_GAP_MS:
            self._swept_ms = now_ms
            if next(self._sweep, self) is self:
                self._sweep = None
        if self.phase is Phase.CLEARING:
            if self._sweep is None and self._target is not None and self._target.manifest:
                # Durable before the first row, and after the last of another sync is gone.
                manifest = self._target.manifest.encode()
                self._ledger.store.write(Store.sync_writes(manifest))
                self._fetch_cells(now_ms)
            return
        if self._asked is not None and now_ms - self._asked[1] >= PATIENCE_MS:
            self._asked = None
            self._tries += 1
            self._fail(now_ms)
        elif self.is_active and self._asked is None and now_ms >= self._retry_at_ms:
            self._ask(now_ms)
        self.consider(now_ms)

    def forget(self, peer: bytes) -> None:
        """A peer is gone: do not wait for its answer."""
        if self._asked is not None and self._asked[0] == peer:
            self._asked = None

    def _end(self) -> None:
        """It is done, not needed, or nobody holds this snapshot: `consider` may begin anew."""
        self.phase, self._target, self._asked = Phase.IDLE, None, None

    def _fail(self, now_ms: int) -> None:
        """No answer, or none that helps: ask on in a moment, in the end for another snapshot."""
        self._failures += 1
        self._retry_at_ms = now_ms + RETRY_MS
        if self._failures > MAX_FAILURES:
            self._given_up += 1
            self._rest_until_ms = now_ms + PATIENCE_MS  # whoever lies is not asked without end
            self._end()

    # Asking

    def _ask(self, now_ms: int) -> None:
        target = self._target
        if target is None or target.height <= self._ledger.tip.header.height:
            self._end()
            return
        holders = [p for p in self._peers.connected() if _holds(p, target.height)]
        if not holders:
            self._end()
            return
        peer = sorted(holders, key=lambda p: p.name)[self._tries % len(holders)]
        self._asked = (peer.key, now_ms)
        kind, request = self._request(target)
        self._outbox.send(peer.key, Channel.BULK, kind, request)

    def _request(self, target: _Target) -> tuple[FrameKind, bytes]:
        match self.phase:
            case Phase.STEPS:
                epoch = target.first_epoch + len(target.steps)
                return FrameKind.STEPS_REQUEST, StepsRequest(epoch).encode()
            case Phase.MANIFEST:
                return FrameKind.SNAPSHOT_REQUEST, SnapshotRequest(target.height).encode()
            case Phase.CELLS:
                if target.manifest is None:
                    raise AssertionError("cells are asked for by a manifest")
                request = ChunkRequest(target.manifest.digest, min(target.cells))
                return FrameKind.CHUNK_REQUEST, request.encode()
            case Phase.BLOCKS:
                block = BlockRequest(target.next_block, target.floor - 1)
                return FrameKind.BLOCK_REQUEST, block.encode()
            case _:
                raise AssertionError(f"nothing to ask for while {self.phase.value}")

    def _expects(self, peer: bytes, phase: Phase) -> _Target | None:
        """Return the target if `peer` was asked for what it sends; the next is for another."""
        if self.phase is not phase or self._asked is None or self._asked[0] != peer:
            return None
        self._asked = None
        self._tries += 1
        return self._target

    # Answers. A false one raises DecodeError and costs the peer its connection.

    def take_steps(self, peer: bytes, found: Steps, now_ms: int) -> None:
        """Follow the hand-overs from the own epoch to the snapshot's."""
        target = self._expects(peer, Phase.STEPS)
        if target is None:
            return
        epoch = target.first_epoch + len(target.steps)
        if found.epoch != epoch or not found.steps:
            self._fail(now_ms)
            return
        for step in found.steps:
            try:
                target.validators = follow_epochs(
                    self._ledger.genesis.chain_id, target.validators, [step], epoch
                )
            except ProofError as error:
                raise DecodeError(f"epochs are not handed over: {error}") from error
            target.steps.append(step)
            epoch += 1
            if step.header.height >= target.height:
                break
        top = target.steps[-1].header.height
        if top > target.height:
            raise DecodeError("a snapshot is not of the last block of an epoch")
        if top == target.height:
            self.phase = Phase.MANIFEST
        self._ask(now_ms)

    def take_offer(self, peer: bytes, offer: SnapshotOffer, now_ms: int) -> None:
        """Check that final headers hold the manifest's root; clear the place for its rows."""
        target = self._expects(peer, Phase.MANIFEST)
        if target is None:
            return
        if not offer.manifest or offer.certificate is None or offer.height != target.height:
            self._fail(now_ms)
            return
        last = target.steps[-1].header
        header = offer.headers[0]
        if header.parent != last.digest or header.height != target.height + 1:
            raise DecodeError("the snapshot's headers do not follow the epoch's last block")
        try:
            check_finalized(
                self._ledger.genesis.chain_id,
                target.validators,
                target.first_epoch + len(target.steps),
                offer.headers,
                offer.certificate,
            )
        except ProofError as error:
            raise DecodeError(f"the snapshot is not proven final: {error}") from error
        manifest = Manifest.decode(offer.manifest)
        if manifest.height != target.height or manifest.root({}) != header.state_root:
            raise DecodeError("the snapshot's manifest does not hash to the state root")
        target.header, target.manifest = header, manifest
        store = self._ledger.store
        if store.sync_manifest() == offer.manifest:
            self._fetch_cells(now_ms)
        else:
            self.phase = Phase.CLEARING
            self._begin_sweep()

    def _fetch_cells(self, now_ms: int) -> None:
        target = self._target
        if target is None or target.manifest is None:
            raise AssertionError("cells are fetched by a manifest")
        here = self._ledger.store.synced_cells()
        target.cells = set(range(len(target.manifest.cells))) - here
        self.phase = Phase.CELLS
        self._go_on(target, now_ms)

    def take_chunks(self, peer: bytes, chunks: Chunks, now_ms: int) -> None:
        """Keep the cells that are right; a wrong one is the peer's fault."""
        target = self._expects(peer, Phase.CELLS)
        if target is None or target.manifest is None:
            return
        if chunks.manifest != target.manifest.digest or not chunks.cells:
            self._fail(now_ms)
            return
        store, manifest, before = self._ledger.store, target.manifest, len(target.cells)
        for index, rows in enumerate(chunks.cells, chunks.cell):
            if index not in target.cells:
                continue
            nodes, leaves = manifest.check_cell(index, rows)
            batch: list[Write] = [Store.synced_write(index)]
            batch += store.state_writes(rows, other=True)
            batch += store.trie_writes(nodes, leaves, other=True)
            store.write_lazily(batch)
            target.cells.discard(index)
        if len(target.cells) == before:
            self._fail(now_ms)
        else:
            self._go_on(target, now_ms)

    def _go_on(self, target: _Target, now_ms: int) -> None:
        """Ask for the next cells, or for blocks once all cells are here."""
        if not target.cells:
            self.phase = Phase.BLOCKS
            target.floor = replay_floor(target.height, self._windows(target))
            target.next_block = target.steps[-1].header.digest
        self._failures = 0
        self._ask(now_ms)

    def _windows(self, target: _Target) -> list[tuple[int, int]]:
        """(first height, replay window) of each epoch up to the snapshot's, latest first."""
        windows = list(stored_windows(self._ledger.store, target.first_epoch))[::-1]
        for step in target.steps[:-1]:
            window = step.next_set.parameters.replay_window
            windows.append((step.header.height + 1, window))
        return windows[::-1]

    def take_blocks(self, peer: bytes, found: Blocks, now_ms: int) -> bool:
        """Keep blocks from the snapshot's down; returns whether everything is here."""
        target = self._target
        if target is None or [f.block.digest for f in found.blocks[:1]] != [target.next_block]:
            return False  # the answer to another question
        if self._expects(peer, Phase.BLOCKS) is None:
            return False
        for full in found.blocks:
            if full.block.digest != target.next_block:
                raise DecodeError("blocks do not lead down from the snapshot's")
            self._keep(target, full)
            if full.block.header.height <= target.floor:
                return True
        self._failures = 0
        self._ask(now_ms)
        return False

    def _keep(self, target: _Target, full: FullBlock) -> None:
        chain_id, widest = self._ledger.genesis.chain_id, Parameters.widest()
        if any(sha256(raw) != wid for wid, raw in zip(full.block.body, full.raws, strict=True)):
            raise DecodeError("a block carries another transaction than it names")
        txids = [Transaction.decode(raw, widest, chain_id).txid for raw in full.raws]
        store = self._ledger.store
        store.write_lazily(store.block_writes(full, txids))
        header = full.block.header
        target.blocks[header.height] = full.block.digest
        target.next_block = header.parent

    # The end

    def adopt(self) -> None:
        """Put the fetched state in force, in one atomic, durable batch."""
        target, store = self._target, self._ledger.store
        if target is None or target.manifest is None or target.header is None or target.cells:
            raise AssertionError("a snapshot that is not whole cannot be adopted")
        nodes: dict[bytes, bytes] = {}
        root = target.manifest.root(nodes)
        last = target.steps[-1]
        batch: list[Write] = list(store.trie_writes(nodes, {}, other=True))
        batch += store.adoption_writes(target.height, sorted(target.blocks.items()))
        batch += Store.tip_writes(last.header.digest, target.height, last.certificate)
        batch += Store.result_writes(root, target.header.receipts_root)
        for epoch, step in enumerate(target.steps, target.first_epoch):
            batch += Store.step_writes(epoch, step)
            batch += Store.epoch_writes(epoch + 1, step.header.height, step.next_set)
        store.write(batch)
        store.reload()
        self._ledger.reopen()
        self._is_resuming = False
        self._given_up = 0
        self._end()
        self._begin_sweep()


def _holds(peer: Peer, height: int) -> bool:
    return peer.status is not None and peer.status.snapshot == height
