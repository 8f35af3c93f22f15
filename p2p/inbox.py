"""What peers sent and the node did not take yet: bounded for each peer and channel."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import trio

from p2p.transport import Channel, Frame, Inbound, PeerDown, PeerUp

MAX_BATCH_EVENTS = 1024
MAX_BATCH_BYTES = 1 << 20
FRAME_COST_BYTES = 128  # what an empty frame is charged, or a bound in bytes would bound nothing


def _cost(frame: Frame) -> int:
    return len(frame.payload) + FRAME_COST_BYTES


@dataclass(slots=True)
class _Held:
    """Frames of one peer on BULK or DATA; `room` is set while below the bound."""

    max_bytes: int
    frames: deque[Frame] = field(default_factory=deque)
    size: int = 0
    room: trio.Event = field(default_factory=trio.Event)

    def clear(self) -> None:
        self.frames.clear()
        self.size = 0
        self.room.set()


class _Lane:
    """All queues of one peer."""

    __slots__ = ("control", "control_bytes", "held", "is_up")

    def __init__(self, bulk_bytes: int, data_bytes: int) -> None:
        self.is_up = True
        # Ups and downs queue among the control frames, so order is kept across connections.
        self.control: deque[Inbound] = deque()
        self.control_bytes = 0
        self.held = {Channel.BULK: _Held(bulk_bytes), Channel.DATA: _Held(data_bytes)}

    def is_spent(self) -> bool:
        return not self.is_up and not self.control


class Inbox:
    """Queues from every peer's readers to the one consumer."""

    def __init__(self, control_bytes: int, bulk_bytes: int, data_bytes: int) -> None:
        self._control_bytes = control_bytes
        self._bulk_bytes = bulk_bytes
        self._data_bytes = data_bytes
        self._lanes: dict[bytes, _Lane] = {}
        self._filled = trio.Event()
        self._first = 0  # where the next batch starts, so that no peer is always last

    def up(self, peer: bytes) -> None:
        """A connection stands; its frames may follow."""
        lane = self._lanes.get(peer)
        if lane is None:
            lane = self._lanes[peer] = _Lane(self._bulk_bytes, self._data_bytes)
        lane.is_up = True
        lane.control.append(PeerUp(peer))
        self._filled.set()

    def down(self, peer: bytes, reason: str) -> None:
        """The connection of an earlier `up` is gone."""
        lane = self._lanes[peer]
        lane.is_up = False
        for held in lane.held.values():
            held.clear()
        lane.control.append(PeerDown(peer, reason))
        self._filled.set()

    def put(self, frame: Frame) -> int:
        """Keep a frame; return how many older control frames were dropped for it."""
        lane = self._lanes[frame.peer]
        self._filled.set()
        if frame.channel is Channel.CONTROL:
            lane.control.append(frame)
            lane.control_bytes += _cost(frame)
            return self._shed(lane) if lane.control_bytes > self._control_bytes else 0
        held = lane.held[frame.channel]
        held.frames.append(frame)
        held.size += _cost(frame)
        return 0

    async def wait_room(self, peer: bytes, channel: Channel) -> None:
        """Return when the peer's queue is below its bound. CONTROL always is."""
        if channel is Channel.CONTROL:
            return
        held = self._lanes[peer].held[channel]
        while held.size >= held.max_bytes:
            held.room = trio.Event()
            await held.room.wait()

    async def take(self) -> list[Inbound]:
        """Wait for events, then return a bounded batch: control of all peers first."""
        while True:
            batch = self._collect()
            if batch:
                await trio.lowlevel.checkpoint()
                return batch
            self._filled = trio.Event()
            await self._filled.wait()

    def _collect(self) -> list[Inbound]:
        peers = list(self._lanes)
        if not peers:
            return []
        self._first = (self._first + 1) % len(peers)
        peers = peers[self._first :] + peers[: self._first]
        batch: list[Inbound] = []
        for peer in peers:
            self._collect_control(self._lanes[peer], batch)
        room = MAX_BATCH_BYTES
        for channel in (Channel.BULK, Channel.DATA):
            for peer in peers:
                room = self._collect_held(self._lanes[peer].held[channel], batch, room)
        for peer in peers:
            if self._lanes[peer].is_spent():
                del self._lanes[peer]
        return batch

    def _collect_control(self, lane: _Lane, batch: list[Inbound]) -> None:
        while lane.control and len(batch) < MAX_BATCH_EVENTS:
            event = lane.control.popleft()
            if isinstance(event, Frame):
                lane.control_bytes -= _cost(event)
            batch.append(event)

    def _collect_held(self, held: _Held, batch: list[Inbound], room: int) -> int:
        while held.frames and room > 0 and len(batch) < MAX_BATCH_EVENTS:
            frame = held.frames.popleft()
            size = _cost(frame)
            held.size -= size
            room -= size
            batch.append(frame)
        if held.size < held.max_bytes:
            held.room.set()
        return room

    def _shed(self, lane: _Lane) -> int:
        """Drop the oldest control frames, never ups and downs, until within the bound."""
        kept: list[Inbound] = []
        dropped = 0
        while lane.control_bytes > self._control_bytes and len(lane.control) > 1:
            event = lane.control.popleft()
            if isinstance(event, Frame):
                lane.control_bytes -= _cost(event)
                dropped += 1
            else:
                kept.append(event)
        lane.control.extendleft(reversed(kept))
        return dropped
