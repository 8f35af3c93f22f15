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
    """A block certified in `view` that is to be executed; `next` is the digest to ask for now."""

    view: int
    holders: tuple[int, ...]
    next: bytes


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
        self._asked: dict[bytes, tuple[int, int]] = {}
        """When and how often a block was asked for: all that lags leads down to the same one."""
        self._held: dict[bytes, FullBlock] = {}

    def want(self, view: int, digest: bytes, holders: tuple[int, ...], now_ms: int) -> None:
        """Begin to fetch `digest`, unless that is under way."""
        if digest not in self._wanted and len(self._wanted) < MAX_WANTED:
            self._wanted[digest] = wanted = _Wanted(view, holders, digest)
            self._go_down(wanted)
            self._ask(wanted, now_ms)

    def settle(self, view: int) -> None:
        """What was certified up to a view that is final, and executed, is not needed any more."""
        self._wanted = {d: wanted for d, wanted in self._wanted.items() if wanted.view > view}

    def reset(self) -> None:
        """Another epoch or another chain: what was wanted lies below it."""
        self._wanted.clear()
        self._asked.clear()
        self._held.clear()

    @property
    def held(self) -> int:
        """How many blocks wait here for an ancestor."""
        return len(self._held)

    @property
    def deadline_ms(self) -> int | None:
        times = [self._asked[wanted.next][0] for wanted in self._wanted.values()]
        return min(times) + RETRY_MS if times else None

    def tick(self, now_ms: int) -> None:
        """Forget what is known by now; ask again for the rest."""
        for digest, wanted in list(self._wanted.items()):
            if self._ledger.is_known(digest):
                del self._wanted[digest]
            else:
                self._ask(wanted, now_ms)
        self._asked = {w.next: self._asked[w.next] for w in self._wanted.values()}
        if not self._wanted:
            self._held.clear()

    def _go_down(self, wanted: _Wanted) -> bool:
        """Follow held blocks down to the first that is missing; returns whether there were any."""
        before = wanted.next
        while (full := self._held.get(wanted.next)) is not None:
            wanted.next = full.block.header.parent
        return wanted.next != before

    def _ask(self, wanted: _Wanted, now_ms: int) -> None:
        """Ask the next holder for what is missing, unless somebody was asked just now."""
        at_ms, tries = self._asked.get(wanted.next, (now_ms - RETRY_MS, 0))
        if now_ms - at_ms < RETRY_MS:
            return
        self._asked[wanted.next] = (now_ms, tries + 1)
        keys = [self._peers.key_of(index) for index in wanted.holders]
        up = [key for key in keys if key is not None and self._peers.by_key[key].is_up]
        if up:
            request = BlockRequest(wanted.next, self._ledger.tip.header.height)
            key = up[tries % len(up)]
            self._outbox.send(key, Channel.BULK, FrameKind.BLOCK_REQUEST, request.encode())

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
        asked = {wanted.next for wanted in self._wanted.values()}
        for full in blocks.blocks:
            if full.block.digest in asked and len(self._held) < MAX_HELD_BLOCKS:
                self._held[full.block.digest] = full
                asked.add(full.block.header.parent)
        for digest, wanted in list(self._wanted.items()):
            chain = self._chain_of(digest)
            if chain is None:
                if self._go_down(wanted):
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
