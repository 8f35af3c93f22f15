"""Catching up: final blocks in ranges, each proven by a finalization."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from consensus.block import Header
from consensus.codec import DecodeError
from consensus.light import ProofError, check_finalized
from node.ledger import Ledger
from node.outbox import Outbox
from node.peers import Peers
from p2p.transport import Channel
from p2p.wire import (
    MAX_RANGE_BLOCKS,
    PIECE_BYTES,
    FrameKind,
    FullBlock,
    Range,
    RangeRequest,
)

PATIENCE_MS = 3_000
"""How long one peer may take to answer before another is asked."""
BEHIND_MS = 700
"""How long peers must be ahead before a validator, which hears of blocks anyway, asks."""
BEHIND_BLOCKS = 8
"""Nearer than this, what is missing may come by following the certificates of live blocks."""
LOTS = 4
"""Answers to one request, each of as many blocks as fit, or an empty one after the last."""
LOW_LOTS = 2
"""With fewer answers waiting the next are asked for: executing never waits for the network."""
MAX_LOTS = LOW_LOTS - 1 + LOTS


class Sync:
    """Asks one peer at a time for the blocks above the own tip.

    Answers come while earlier ones are executed, so neither side waits for the other.
    """

    def __init__(
        self,
        outbox: Outbox,
        peers: Peers,
        ledger: Ledger,
        is_paused: Callable[[], bool] = lambda: False,
    ) -> None:
        self._outbox = outbox
        self._peers = peers
        self._ledger = ledger
        self._is_paused = is_paused
        self.is_catching_up = False
        """Whether peers say that they are far ahead, and on from there until none is ahead."""
        self._asked: tuple[bytes, int] | None = None
        self._left = 0
        self._due: set[bytes] = set()
        """Who has not answered in full: late answers are taken, but others are asked first."""
        self._waiting: deque[tuple[bytes, Range]] = deque()
        self._behind_since: int | None = None
        self._tries = 0
        self._head: Header | None = None

    @property
    def _top(self) -> Header:
        """The highest block that is held: taken ones may wait for a certificate further up."""
        tip = self._ledger.tip.header
        head = self._head
        if head is None or head.height <= tip.height or not self._ledger.is_known(head.digest):
            return tip
        return head

    @property
    def _next_height(self) -> int:
        last = self._waiting[-1][1].blocks[-1].block.header if self._waiting else self._top
        return last.height + 1

    @property
    def is_active(self) -> bool:
        """Whether blocks are being fetched."""
        return self._asked is not None or bool(self._waiting)

    @property
    def has_work(self) -> bool:
        """Whether `next` has something to give."""
        return bool(self._waiting) and not self._is_paused()

    @property
    def held(self) -> int:
        """How many answers wait to be executed."""
        return len(self._waiting)

    def consider(self, now_ms: int) -> None:
        """Ask for blocks if peers are ahead for long, or by much."""
        if self._asked is not None or len(self._waiting) >= LOW_LOTS or self._is_paused():
            return
        height = self._next_height
        ahead = [p for p in self._peers.ahead_of(height - 1) if p.keeps(height)]
        if not ahead:
            self._behind_since = None
            self.is_catching_up = bool(self._waiting)
            return
        if self._behind_since is None:
            self._behind_since = now_ms
        top = ahead[0].status
        self.is_catching_up |= top is not None and top.height >= height + BEHIND_BLOCKS
        if self.is_catching_up or now_ms - self._behind_since >= BEHIND_MS:
            able = [p for p in ahead if p.key not in self._due] or ahead
            peer = able[self._tries % len(able)]
            self._tries += 1
            self._asked, self._left = (peer.key, now_ms), LOTS
            self._due.add(peer.key)
            request = RangeRequest(height)
            self._outbox.send(peer.key, Channel.BULK, FrameKind.RANGE_REQUEST, request.encode())

    def tick(self, now_ms: int) -> None:
        if self._asked is not None and now_ms - self._asked[1] >= PATIENCE_MS:
            self._asked = None
        self.consider(now_ms)

    def progress(self, now_ms: int) -> None:
        """The own chain grew: being behind is counted anew."""
        self._behind_since = None
        self.consider(now_ms)

    def forget(self, peer: bytes) -> None:
        """A peer is gone: do not wait for its answer."""
        self._due.discard(peer)
        if self._asked is not None and self._asked[0] == peer:
            self._asked = None

    def reset(self) -> None:
        """The own chain was replaced: no answer that is under way fits it."""
        self._asked = self._head = self._behind_since = None
        self.is_catching_up = False
        self._due.clear()
        self._waiting.clear()

    def serve(self, peer: bytes, request: RangeRequest) -> None:
        """Answer with final blocks from the asked height on, in lots of one epoch each."""
        height = request.height
        for _ in range(LOTS):
            found = self._range(height)
            self._outbox.send(peer, Channel.BULK, FrameKind.RANGE, found.encode())
            if not found.blocks:
                return
            height += len(found.blocks)

    def _range(self, height: int) -> Range:
        store = self._ledger.store
        blocks: list[FullBlock] = []
        size = 0
        while size < PIECE_BYTES and len(blocks) < MAX_RANGE_BLOCKS:
            full = store.block_at(height)
            if full is None or (blocks and full.block.header.epoch != blocks[0].block.header.epoch):
                break
            blocks.append(full)
            size += sum(map(len, full.raws)) + 512
            height += 1
        if not blocks:
            return Range((), (), None)
        found = store.finalization_from(height - 1)
        if found is None:
            return Range((), (), None)
        final_height, certificate = found
        tail: list[Header] = []
        for above in range(height, final_height + 1):
            full = store.block_at(above)
            if full is None:
                return Range((), (), None)
            tail.append(full.block.header)
        return Range(tuple(blocks), tuple(tail), certificate)

    def take(self, peer: bytes, found: Range, now_ms: int) -> None:
        """Keep an answer that follows what is here until `next`; after the last, ask for more."""
        if peer not in self._due:
            return
        fits = found.blocks and found.blocks[0].block.header.height == self._next_height
        if fits and len(self._waiting) < MAX_LOTS:
            self._waiting.append((peer, found))
        if not found.blocks:
            self.forget(peer)
        elif self._asked is not None and self._asked[0] == peer:
            self._asked, self._left = (peer, now_ms), self._left - 1
            if not self._left:
                self.forget(peer)
                self.consider(now_ms)

    def next(self) -> tuple[bytes, Range] | None:
        """Return the answer that waits longest and who sent it, unless the own chain outgrew it."""
        peer, found = self._waiting.popleft()
        if found.blocks[0].block.header.height == self._top.height + 1:
            return peer, found
        self._waiting.clear()
        return None

    def check(self, found: Range) -> None:
        """Raise DecodeError unless its blocks are proven final and follow the own chain."""
        waiting, ledger = self._waiting, self._ledger
        self._waiting = deque()  # worth nothing if this one is false
        if found.certificate is None or found.headers[0].parent != self._top.digest:
            raise DecodeError("blocks do not follow the own final chain")
        try:
            check_finalized(
                ledger.genesis.chain_id,
                ledger.validators,
                ledger.epoch,
                found.headers,
                found.certificate,
            )
        except ProofError as error:
            raise DecodeError(f"blocks are not proven final: {error}") from error
        self._head, self._waiting = found.blocks[-1].block.header, waiting
