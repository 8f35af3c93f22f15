"""Catching up: final blocks in ranges, each proven by a finalization."""

from __future__ import annotations

from collections.abc import Callable, Iterator

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


class Sync:
    """Asks one peer at a time for the blocks above the own tip."""

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
        self._asked: tuple[bytes, int] | None = None
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
    def is_active(self) -> bool:
        """Whether blocks are being fetched."""
        return self._asked is not None

    def consider(self, now_ms: int) -> None:
        """Ask for blocks if peers are ahead for long, or by much."""
        if self._asked is not None or self._is_paused():
            return
        height = self._top.height
        ahead = [p for p in self._peers.ahead_of(height) if p.keeps(height + 1)]
        if not ahead:
            self._behind_since = None
            return
        if self._behind_since is None:
            self._behind_since = now_ms
        top = ahead[0].status
        is_far = top is not None and top.height > height + BEHIND_BLOCKS
        if is_far or now_ms - self._behind_since >= BEHIND_MS:
            peer = ahead[self._tries % len(ahead)]
            self._tries += 1
            self._asked = (peer.key, now_ms)
            request = RangeRequest(height + 1)
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
        if self._asked is not None and self._asked[0] == peer:
            self._asked = None

    def reset(self) -> None:
        """The own chain was replaced: no answer that is under way fits it."""
        self._asked = self._head = self._behind_since = None

    def serve(self, peer: bytes, request: RangeRequest) -> None:
        """Answer with final blocks of one epoch from the asked height on, as many as fit."""
        self._outbox.send(peer, Channel.BULK, FrameKind.RANGE, self._range(request).encode())

    def _range(self, request: RangeRequest) -> Range:
        store = self._ledger.store
        blocks: list[FullBlock] = []
        size = 0
        height = request.height
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

    def take(self, peer: bytes, found: Range, now_ms: int) -> Iterator[FullBlock]:
        """Yield proven blocks in order, parents first. Raises DecodeError on a false proof."""
        if self._asked is None or self._asked[0] != peer:
            return
        self._asked = None
        ledger = self._ledger
        headers = found.headers
        if not headers or found.certificate is None:
            return
        top = self._top
        if headers[0].height != top.height + 1:
            return  # the own chain grew meanwhile
        if headers[0].parent != top.digest:
            raise DecodeError("blocks do not follow the own final chain")
        try:
            check_finalized(
                ledger.genesis.chain_id,
                ledger.validators,
                ledger.epoch,
                headers,
                found.certificate,
            )
        except ProofError as error:
            raise DecodeError(f"blocks are not proven final: {error}") from error
        self._head = found.blocks[-1].block.header
        yield from found.blocks
