"""The loop that runs a Core on a real or simulated machine.

One turn: take whatever has come in, let the core decide, make its records durable with one
fsync, then send. Nothing leaves before what it depends on is on disk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

import trio

from consensus.events import Now
from contracts.envelope import Transaction
from node.core import Core
from node.exchange.relay import Relay
from node.journal_file import JournalFile
from node.outcome import Refusal
from p2p.transport import Channel, Frame, PeerDown, PeerUp, Transport
from p2p.wire import FrameKind

MAX_SUBMISSIONS = 20_000
MAX_SUBMITTED_BYTES = 16 << 20
TURN_BYTES = 128 << 10
"""Submissions that are taken in one turn, so that consensus never waits long for them."""


class Clock(Protocol):
    """Both clocks of this machine, and waiting by them."""

    def __call__(self) -> Now: ...

    async def wait(self, event: trio.Event, until_ms: int) -> None:
        """Return when `event` is set or the monotonic clock has reached `until_ms`."""


Answer = Callable[[Transaction | Refusal], None]


class Driver:
    """Connects a core with its transport, journal and clock."""

    def __init__(
        self,
        core: Core,
        transport: Transport,
        journal: JournalFile,
        clock: Clock,
        voting_key: bytes,
        relay: Relay | None = None,
    ) -> None:
        self.core = core
        self._relay = relay
        self._transport = transport
        self._journal = journal
        self._clock = clock
        self._voting_key = voting_key
        self._submissions: deque[tuple[bytes, Answer]] = deque()
        self._submitted_bytes = 0
        self._inbound: deque[Frame | PeerUp | PeerDown] = deque()
        self._wake = trio.Event()
        self._drained = trio.Event()

    @property
    def services(self) -> list[str]:
        """What local processes serve to other members."""
        return [] if self._relay is None else self._relay.services

    @property
    def has_room(self) -> bool:
        """Whether `submit` may be called; an overloaded node says so instead of queueing."""
        return (
            len(self._submissions) < MAX_SUBMISSIONS and self._submitted_bytes < MAX_SUBMITTED_BYTES
        )

    def submit(self, raw: bytes, answer: Answer) -> None:
        """Hand in a transaction; `answer` is called within the loop with what became of it."""
        if not self.has_room:
            answer(Refusal("busy", "the node has too many submissions waiting; try again shortly"))
            return
        self._submissions.append((raw, answer))
        self._submitted_bytes += len(raw)
        self._wake.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Drive until cancelled. A journal or database failure ends it with the error."""
        self.core.start(self._clock())
        await self._carry_out()
        task_status.started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen)
            while True:
                await self._wait()
                self._take_turn()
                await self._carry_out()

    async def _listen(self) -> None:
        """Move what the transport received to this loop, a batch at a time."""
        while True:
            batch = await self._transport.receive()
            self._inbound.extend(batch)
            self._drained = trio.Event()
            self._wake.set()
            await self._drained.wait()

    async def _wait(self) -> None:
        if not self._submissions and not self._inbound:
            await self._clock.wait(self._wake, self.core.deadline_ms)
            self._wake = trio.Event()
        else:
            await trio.lowlevel.checkpoint()

    def _take_turn(self) -> None:
        core, now = self.core, self._clock()
        while self._inbound:
            match self._inbound.popleft():
                case Frame(peer=peer, channel=Channel.DATA, kind=FrameKind.STREAM, payload=payload):
                    if self._relay is not None:
                        self._relay.take(peer, payload)
                case Frame(peer=peer, kind=kind, payload=payload):
                    core.receive(peer, kind, payload, now)
                case PeerUp(peer=peer):
                    core.peer_up(peer, now)
                case PeerDown(peer=peer):
                    core.peer_down(peer, now)
                    if self._relay is not None:
                        self._relay.peer_down(peer)
        self._drained.set()
        left = self._submitted_bytes - TURN_BYTES
        while self._submissions and self._submitted_bytes > left:
            raw, answer = self._submissions.popleft()
            self._submitted_bytes -= len(raw)
            answer(core.submit(raw, now))
        now = self._clock()
        if now.monotonic >= core.deadline_ms:
            core.tick(now)
        core.end_turn(now)

    async def _carry_out(self) -> None:
        core = self.core
        records = core.records
        journal = self._journal
        if records:
            core.records = []
            journal.append(records)
        if journal.is_large or journal.is_forgetful != core.is_forgetful:
            kept = core.live_records
            if kept is not None:
                journal.rewrite(self._voting_key, kept, forgetful=core.is_forgetful)
        for out in core.outbox.take():
            self._transport.send(out.peer, out.channel, out.kind, out.payload)
