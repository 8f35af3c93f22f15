"""One connection to one admitted peer: streams, readers, writers, heartbeat."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVarTuple

import trio
from libp2p.custom_types import TProtocol

from p2p.frame import HEARTBEAT, HEARTBEAT_KIND, FrameDecoder, ProtocolError
from p2p.handshake import agree, propose
from p2p.inbox import Inbox
from p2p.limits import Limits
from p2p.mux import Mux, MuxStream
from p2p.queues import OutgoingQueue
from p2p.transport import Channel, Frame

Ts = TypeVarTuple("Ts")


@dataclass(slots=True)
class Counters:
    """Running totals of one peer, over all its connections."""

    connections: int = 0
    frames_in: int = 0
    frames_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    refused_out: int = 0
    dropped_in: int = 0


def protocol_of(network: str, channel: Channel) -> TProtocol:
    """Name of a channel's protocol; nodes of different networks do not understand each other."""
    return TProtocol(f"/muniment/{network}/{channel.name.lower()}/1")


class Link:
    """Runs until the connection ends, for whatever reason, which `reason` then tells.

    Each side opens one stream for each channel and writes only to its own. A cancelled write
    may leave half a frame behind, so ending any task of a link ends the link and its socket.
    """

    def __init__(
        self,
        peer: bytes,
        network: str,
        mux: Mux,
        socket: trio.SocketStream,
        inbox: Inbox,
        counters: Counters,
        limits: Limits,
    ) -> None:
        self.peer = peer
        self.is_up = False
        self.reason = ""
        self.was_malformed = False
        self._gone = trio.Event()
        self.queues = {
            Channel.CONTROL: OutgoingQueue(limits.control_out_bytes),
            Channel.BULK: OutgoingQueue(limits.bulk_out_bytes),
            Channel.DATA: OutgoingQueue(limits.data_out_bytes),
        }
        self._gaps_s = {
            Channel.CONTROL: limits.control_gap_s,
            Channel.BULK: limits.bulk_gap_s,
            Channel.DATA: limits.bulk_gap_s,
        }
        self._protocols = {protocol_of(network, channel): channel for channel in Channel}
        self._mux = mux
        self._socket = socket
        self._inbox = inbox
        self._counters = counters
        self._limits = limits
        self._scope = trio.CancelScope()
        self._opened = trio.Event()
        self._inbound: set[Channel] = set()
        self._outbound: set[Channel] = set()

    def end(self, reason: str) -> None:
        """End the link now; the first reason stays."""
        self.reason = self.reason or reason
        self.is_up = False
        self._scope.cancel()

    @property
    def was_up(self) -> bool:
        return self._opened.is_set()

    async def wait_gone(self) -> bool:
        """Wait until the link has ended and its socket is closed; True when it was ever up."""
        await self._gone.wait()
        return self.was_up

    async def run(self) -> None:
        """Serve the connection. Never raises but for cancellation from outside."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._guard, self._mux.read_frames)
                    nursery.start_soon(self._guard, self._mux.write_replies)
                    nursery.start_soon(self._guard, self._accept_streams, nursery)
                    for protocol, channel in self._protocols.items():
                        nursery.start_soon(self._guard, self._write, protocol, channel)
                    nursery.start_soon(self._guard, self._watch)
        finally:
            self.is_up = False
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(self._socket)
            for queue in self.queues.values():
                queue.close()
            if self.was_up:
                self._inbox.down(self.peer, self.reason or "shutting down")
            self._gone.set()

    async def _guard(self, work: Callable[[*Ts], Awaitable[None]], *arguments: *Ts) -> None:
        """Run one task of the link; whatever it raises ends this link and nothing else."""
        try:
            await work(*arguments)
        except ProtocolError as error:
            self.was_malformed = True
            self.end(str(error))
        except Exception as error:
            self.end(f"connection lost ({type(error).__name__})")

    async def _write(self, protocol: TProtocol, channel: Channel) -> None:
        """Open this side's stream of a channel, then write what is queued."""
        stream = self._mux.open_stream()
        with trio.fail_after(self._limits.handshake_s):
            await propose(stream, protocol)
        self._outbound.add(channel)
        if len(self._outbound) == len(self._protocols):
            self._come_up()
        await self._opened.wait()
        await self._write_queue(self.queues[channel], stream, self._gaps_s[channel])

    def _come_up(self) -> None:
        self._counters.connections += 1
        self._inbox.up(self.peer)
        self._opened.set()
        self.is_up = True

    async def _accept_streams(self, nursery: trio.Nursery) -> None:
        async for stream in self._mux.accepted:
            nursery.start_soon(self._guard, self._serve_stream, stream)

    async def _serve_stream(self, stream: MuxStream) -> None:
        try:
            protocol = await agree(stream, tuple(self._protocols))
        except Exception:
            self._mux.refuse(stream)  # a protocol that we do not speak harms nobody
            return
        channel = self._protocols[protocol]
        if channel in self._inbound:
            raise ProtocolError(f"second {channel.name.lower()} stream")
        self._inbound.add(channel)
        await self._opened.wait()
        await self._read(channel, stream)

    async def _read(self, channel: Channel, stream: MuxStream) -> None:
        decoder = FrameDecoder(self._limits.max_payload_bytes)
        peer, inbox, counters = self.peer, self._inbox, self._counters
        while True:
            data = await stream.read()
            counters.bytes_in += len(data)
            for kind, payload in decoder.feed(data):
                if kind == HEARTBEAT_KIND:
                    continue
                counters.frames_in += 1
                counters.dropped_in += inbox.put(Frame(peer, channel, kind, payload))
            await inbox.wait_room(peer, channel)

    async def _write_queue(self, queue: OutgoingQueue, stream: MuxStream, gap_s: float) -> None:
        """A frame on an idle stream leaves at once; those that follow it closely, together."""
        limit_bytes = self._limits.write_bytes
        counters = self._counters
        ready_at = 0.0
        while True:
            await queue.wait_filled()
            if queue.bytes_queued < limit_bytes and trio.current_time() < ready_at:
                await trio.sleep_until(ready_at)
            count, data = queue.take(limit_bytes)
            await stream.write(data)
            counters.frames_out += count
            counters.bytes_out += len(data)
            ready_at = trio.current_time() + gap_s

    async def _watch(self) -> None:
        """Send heartbeats, and end the link when the peer is silent.

        What we did not hear while this process itself stood still is not held against the
        peer: its frames may wait in our own socket.
        """
        await self._opened.wait()
        limits = self._limits
        silent_s = 0.0
        before = trio.current_time()
        while True:
            self.queues[Channel.CONTROL].put(HEARTBEAT)
            await trio.sleep(limits.heartbeat_s)
            now = trio.current_time()
            if self._mux.last_heard >= before:
                silent_s = 0.0
            silent_s += min(now - before, limits.heartbeat_s)
            before = now
            if silent_s >= limits.silence_s:
                self.end(f"silent for {limits.silence_s:g} s")
                return
