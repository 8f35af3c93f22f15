"""How transactions spread: batches pushed to peers, and repair by exchanging hashes.

Up to FULL_MESH_MEMBERS everyone pushes what it originates to everyone. Larger networks push new
items along a seeded random overlay and tell the rest their hashes, after Leitao, Pereira and
Rodrigues, "Epidemic Broadcast Trees" (2007): whoever lacks an item asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

from consensus.codec import DecodeError
from contracts.envelope import Transaction
from node.mempool import Mempool
from node.outbox import Outbox
from p2p.transport import Channel
from p2p.wire import (
    PIECE_BYTES,
    FrameKind,
    decode_hashes,
    encode_hashes,
    encode_transactions,
)

FULL_MESH_MEMBERS = 16
OVERLAY_DEGREE = 8
BATCH_GAP_MS = 20
BATCH_BYTES = 100_000
REPAIR_MS = 2_000
HASHES_PER_FRAME = 4_096


def overlay(names: Iterable[str], me: str, seed: bytes) -> frozenset[str]:
    """Return the members that `me` pushes to: all others, or its neighbours in the overlay.

    Everyone computes the same undirected graph from `seed`: OVERLAY_DEGREE / 2 rings over seeded
    shuffles of the sorted names, so that it is connected by construction.
    """
    ordered = sorted(names)
    if len(ordered) <= FULL_MESH_MEMBERS:
        return frozenset(name for name in ordered if name != me)
    neighbours: set[str] = set()
    random = Random(seed)
    for _ in range(OVERLAY_DEGREE // 2):
        ring = list(ordered)
        random.shuffle(ring)
        place = ring.index(me)
        neighbours.update((ring[place - 1], ring[(place + 1) % len(ring)]))
    return frozenset(neighbours - {me})


class Gossip:
    """Spreads transactions of a mempool. Pure but for its queues: the outbox carries frames."""

    def __init__(self, mempool: Mempool, outbox: Outbox, *, relays: bool) -> None:
        self._mempool = mempool
        self._outbox = outbox
        self.relays = relays
        self._fresh: list[Transaction] = []
        self._fresh_bytes = 0
        self._sources: dict[bytes, bytes] = {}
        self._last_push_ms = -BATCH_GAP_MS
        self._next_repair_ms = 0
        self._arrived_ms: dict[bytes, int] = {}

    def add(self, transaction: Transaction, source: bytes | None, now_ms: int) -> None:
        """Take note of a transaction that is new here; `source` is None for the own members'."""
        if source is not None and not self.relays:
            return
        if source is not None:
            self._sources[transaction.wid] = source
        self._fresh.append(transaction)
        self._fresh_bytes += len(transaction.raw)
        self._arrived_ms[transaction.wid] = now_ms

    @property
    def deadline_ms(self) -> int | None:
        """When `flush` is next due, on the monotonic clock."""
        return self._last_push_ms + BATCH_GAP_MS if self._fresh else None

    def flush(self, now_ms: int, eager: Iterable[bytes], lazy: Iterable[bytes]) -> None:
        """Push what is fresh: at once if none left lately, else in batches."""
        if not self._fresh:
            return
        if now_ms - self._last_push_ms < BATCH_GAP_MS and self._fresh_bytes < BATCH_BYTES:
            return
        self._last_push_ms = now_ms
        fresh, self._fresh, self._fresh_bytes = self._fresh, [], 0
        if not self._sources:
            for raws in _batches(transaction.raw for transaction in fresh):
                payload = encode_transactions(raws)
                self._outbox.send_all(eager, Channel.BULK, FrameKind.TRANSACTIONS, payload)
        else:
            for peer in eager:
                others = (t.raw for t in fresh if self._sources.get(t.wid) != peer)
                for raws in _batches(others):
                    payload = encode_transactions(raws)
                    self._outbox.send(peer, Channel.BULK, FrameKind.TRANSACTIONS, payload)
            self._sources.clear()
        lazy = list(lazy)
        if lazy:
            self._announce([t.wid for t in fresh], lazy)

    def repair(self, now_ms: int, peers: Iterable[bytes]) -> None:
        """Tell all peers the hashes of what still waits long after it was pushed."""
        if now_ms < self._next_repair_ms:
            return
        self._next_repair_ms = now_ms + REPAIR_MS
        waiting: list[bytes] = []
        for wid, arrived in list(self._arrived_ms.items()):
            if wid not in self._mempool:
                del self._arrived_ms[wid]
            elif now_ms - arrived >= REPAIR_MS:
                waiting.append(wid)
                self._arrived_ms[wid] = now_ms
        self._announce(waiting, list(peers))

    def greet(self, peer: bytes) -> None:
        """Tell a peer that has just connected everything that waits here."""
        self._announce(list(self._mempool.wids()), [peer])

    def _announce(self, wids: list[bytes], peers: list[bytes]) -> None:
        for start in range(0, len(wids), HASHES_PER_FRAME):
            payload = encode_hashes(wids[start : start + HASHES_PER_FRAME])
            self._outbox.send_all(peers, Channel.BULK, FrameKind.HAVE, payload)

    def take_have(self, peer: bytes, payload: bytes, is_known: Callable[[bytes], bool]) -> None:
        """Ask for what the peer has and this node lacks. Raises DecodeError.

        A node that can take no more does not ask: it would throw away what comes, every time it is
        told again. What a proposal needs is fetched for it, whatever waits.
        """
        wanted = [wid for wid in decode_hashes(payload) if not is_known(wid)]
        if not self._mempool.is_busy:
            self.want(peer, wanted)

    def want(self, peer: bytes, wids: list[bytes]) -> None:
        for start in range(0, len(wids), HASHES_PER_FRAME):
            payload = encode_hashes(wids[start : start + HASHES_PER_FRAME])
            self._outbox.send(peer, Channel.BULK, FrameKind.WANT, payload)

    def take_want(self, peer: bytes, payload: bytes, find: Callable[[bytes], bytes | None]) -> None:
        """Send the peer what it asks for and is held here. Raises DecodeError."""
        wids = decode_hashes(payload)
        if len(wids) > HASHES_PER_FRAME:
            raise DecodeError("asks for too many transactions at once")
        found = (raw for raw in map(find, wids) if raw is not None)
        for raws in _batches(found):
            payload = encode_transactions(raws)
            self._outbox.send(peer, Channel.BULK, FrameKind.TRANSACTIONS, payload)


def _batches(raws: Iterable[bytes]) -> Iterable[list[bytes]]:
    """Group transactions into frames of at most PIECE_BYTES, or of one transaction."""
    batch: list[bytes] = []
    size = 0
    for raw in raws:
        if batch and size + len(raw) > PIECE_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(raw)
        size += len(raw) + 4
    if batch:
        yield batch
