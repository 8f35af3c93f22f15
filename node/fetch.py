"""Getting certified blocks that this node lacks from those who signed for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from contracts.envelope import Transaction
from node.ledger import Ledger
from node.outbox import Outbox
from node.peers import Peers
from p2p.transport import Channel
from p2p.wire import PIECE_BYTES, BlockRequest, Blocks, FrameKind, FullBlock

RETRY_MS = 500
MAX_HELD_BLOCKS = 64
MAX_WANTED = 64


@dataclass(slots=True)
class _Wanted:
    """A certified block that is to be executed; `next` is the digest to ask for now."""

    holders: tuple[int, ...]
    next: bytes
    asked_ms: int
    tries: int = 0


class Fetcher:
    """Asks holders in turn, walking from the wanted block down to one that is known."""

    def __init__(
        self,
        outbox: Outbox,
        peers: Peers,
        ledger: Ledger,
        get_transaction: Callable[[bytes], Transaction | None],
    ) -> None:
        self._outbox = outbox
        self._peers = peers
        self._ledger = ledger
        self._get_transaction = get_transaction
        self._wanted: dict[bytes, _Wanted] = {}
        self._held: dict[bytes, FullBlock] = {}

    def want(self, digest: bytes, holders: tuple[int, ...], now_ms: int) -> None:
        """Begin to fetch `digest`, unless that is under way."""
        if digest not in self._wanted and len(self._wanted) < MAX_WANTED:
            self._wanted[digest] = wanted = _Wanted(holders, digest, now_ms)
            self._ask(wanted, now_ms)

    def reset(self) -> None:
        """The own chain was replaced: what was wanted lies below it."""
        self._wanted.clear()
        self._held.clear()

    @property
    def held(self) -> int:
        """How many blocks wait here for an ancestor."""
        return len(self._held)

    @property
    def deadline_ms(self) -> int | None:
        times = [wanted.asked_ms for wanted in self._wanted.values()]
        return min(times) + RETRY_MS if times else None

    def tick(self, now_ms: int) -> None:
        """Forget what has become final or known; ask again for the rest."""
        for digest, wanted in list(self._wanted.items()):
            if self._ledger.is_known(digest):
                del self._wanted[digest]
            elif now_ms - wanted.asked_ms >= RETRY_MS:
                self._ask(wanted, now_ms)
        if not self._wanted:
            self._held.clear()

    def _ask(self, wanted: _Wanted, now_ms: int) -> None:
        keys = [self._peers.key_of(index) for index in wanted.holders]
        up = [key for key in keys if key is not None and self._peers.by_key[key].is_up]
        wanted.asked_ms = now_ms
        if up:
            request = BlockRequest(wanted.next, self._ledger.tip.header.height)
            key = up[wanted.tries % len(up)]
            self._outbox.send(key, Channel.BULK, FrameKind.BLOCK_REQUEST, request.encode())
            wanted.tries += 1

    def serve(
        self,
        peer: bytes,
        request: BlockRequest,
        find: Callable[[bytes], FullBlock | None],
    ) -> None:
        """Answer with the block and ancestors above the asked height, as many as fit."""
        blocks: list[FullBlock] = []
        size = 0
        digest = request.digest
        while size < PIECE_BYTES and len(blocks) < MAX_HELD_BLOCKS:
            full = find(digest)
            if full is None or full.block.header.height <= request.height:
                break
            blocks.append(full)
            size += sum(map(len, full.raws)) + 64 * len(full.raws)
            digest = full.block.header.parent
        if blocks:
            payload = Blocks(tuple(blocks)).encode()
            self._outbox.send(peer, Channel.BULK, FrameKind.BLOCK, payload)

    def take(self, blocks: Blocks, now_ms: int) -> Iterator[FullBlock]:
        """Keep what was asked for; yield blocks to execute, parents first."""
        for full in blocks.blocks:
            asked = [w for w in self._wanted.values() if w.next == full.block.digest]
            if not asked or len(self._held) >= MAX_HELD_BLOCKS:
                continue
            self._held[full.block.digest] = full
            for wanted in asked:
                wanted.next = full.block.header.parent
        for digest, wanted in list(self._wanted.items()):
            chain = self._chain_of(digest)
            if chain is None:
                self._ask(wanted, now_ms)
                continue
            del self._wanted[digest]
            for full in chain:
                self._held.pop(full.block.digest, None)
                yield full

    def _chain_of(self, digest: bytes) -> Sequence[FullBlock] | None:
        """Held blocks from the first unknown one up to `digest`, or None while one is missing."""
        chain: list[FullBlock] = []
        while not self._ledger.is_known(digest):
            full = self._held.get(digest)
            if full is None:
                return None
            chain.append(full)
            digest = full.block.header.parent
        return chain[::-1]
