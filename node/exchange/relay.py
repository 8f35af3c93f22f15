"""The daemon's part in streams: frames from peers to local processes and back, nothing more.

Local processes connect to `data.sock` and exchange frames of `p2p.streams`, each behind its length
as u32, big endian. OPEN names MEMBER/SERVICE: to whom, or from whom. The daemon never looks into
data, holds no more of it than windows allow, and ends a stream when either side breaks its rules.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
import trio

from consensus.codec import DecodeError
from node.peers import Peers
from node.rpc.unix import serve_unix
from p2p.streams import ID_BYTES, MAX_FRAME_BYTES, WINDOW_BYTES, Body, Step, StreamFrame
from p2p.transport import Channel, Transport
from p2p.wire import FrameKind

MAX_PROCESSES = 64
MAX_STREAMS = 256
MAX_PEER_STREAMS = 10
"""Their windows together stay within a peer's outgoing queue, so none holds back another."""
MAX_SERVICES = 16
MAX_WAITING_BYTES = 32 << 20
"""With more waiting for a slow process, it gets no new streams."""
LENGTH_BYTES = 4
SERVING = bytes(ID_BYTES)
"""Stands for the stream in SERVE and its answers."""

log = structlog.get_logger("relay")


@dataclass(eq=False)
class _Process:
    """One local process: what it serves, its streams, and what waits to be written to it."""

    services: set[str] = field(default_factory=set)
    streams: dict[bytes, _Stream] = field(default_factory=dict)
    waiting: list[bytes] = field(default_factory=list)
    size: int = 0
    more: trio.Event = field(default_factory=trio.Event)

    def tell(self, stream: bytes, step: Step, body: Body) -> None:
        data = StreamFrame(stream, step, body).encode()
        self.waiting.append(len(data).to_bytes(LENGTH_BYTES, "big") + data)
        self.size += len(data)
        self.more.set()


@dataclass(slots=True, eq=False)
class _Stream:
    """One stream: its id on the wire and at the process, and how much either side may send."""

    peer: bytes
    wire: bytes
    local: bytes
    process: _Process
    from_peer: int = WINDOW_BYTES
    from_process: int = WINDOW_BYTES


class Relay:
    """Connects streams of peers with local processes. Lives in the driver's loop."""

    def __init__(self, path: Path, transport: Transport, peers: Peers) -> None:
        self._path, self._transport, self._peers = path, transport, peers
        self._streams: dict[tuple[bytes, bytes], _Stream] = {}
        self._count: Counter[bytes] = Counter()
        self._servers: dict[str, _Process] = {}

    async def run(self, *, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        """Serve local processes until cancelled; the caller holds the home's lock."""
        await serve_unix(self._path, MAX_PROCESSES, self._serve, task_status=task_status)

    @property
    def services(self) -> list[str]:
        """What local processes serve to other members."""
        return sorted(self._servers)

    # Peers

    def take(self, peer: bytes, payload: bytes) -> None:
        """Take a frame of a peer. What does not decode cuts it off, as any frame does."""
        known = self._peers.by_key.get(peer)
        if known is None or known.is_pinned:
            return
        try:
            frame = StreamFrame.decode(payload)
        except DecodeError as error:
            log.warning("peer sent garbage", peer=known.name, problem=str(error))
            self._transport.cut_off(peer, str(error))
            return
        stream = self._streams.get((peer, frame.stream))
        match frame.step, frame.body:
            case Step.OPEN, str(service):
                self._open_from_peer(peer, known.name, frame.stream, service)
            case Step.DATA, _ if stream is None:
                self._answer(peer, frame.stream, "unknown")
            case Step.DATA, bytes(data) if stream is not None:
                stream.from_peer -= len(data)
                self._pass_on(stream, frame, is_fair=stream.from_peer >= 0)
            case Step.CREDIT, int(more) if stream is not None:
                stream.from_process += more
                self._pass_on(stream, frame, is_fair=stream.from_process <= WINDOW_BYTES)
            case Step.END, _ if stream is not None:
                self._pass_on(stream, frame, is_fair=True)
                self._forget(stream)

    def peer_down(self, peer: bytes) -> None:
        """End every stream of a peer whose connection is gone."""
        for stream in [s for s in self._streams.values() if s.peer == peer]:
            stream.process.tell(stream.local, Step.END, "lost")
            self._forget(stream)

    def _open_from_peer(self, peer: bytes, name: str, wire: bytes, service: str) -> None:
        process = self._servers.get(service)
        if (peer, wire) in self._streams:
            self._break(self._streams[peer, wire], "twice")
        elif process is None:
            self._answer(peer, wire, "no-service")
        elif not self._has_room(peer) or process.size > MAX_WAITING_BYTES:
            self._answer(peer, wire, "busy")
        else:
            stream = self._add(_Stream(peer, wire, os.urandom(ID_BYTES), process))
            process.tell(stream.local, Step.OPEN, f"{name}/{service}")

    def _pass_on(self, stream: _Stream, frame: StreamFrame, *, is_fair: bool) -> None:
        if is_fair:
            stream.process.tell(stream.local, frame.step, frame.body)
        else:
            self._break(stream, "flow")

    def _break(self, stream: _Stream, reason: str) -> None:
        """End a stream whose rules were broken, towards both sides."""
        self._answer(stream.peer, stream.wire, reason)
        stream.process.tell(stream.local, Step.END, reason)
        self._forget(stream)

    def _answer(self, peer: bytes, wire: bytes, reason: str) -> None:
        """Tell a peer that a stream is over. Lost if its queue is full: it will ask again."""
        payload = StreamFrame(wire, Step.END, reason).encode()
        self._transport.send(peer, Channel.DATA, FrameKind.STREAM, payload)

    def _has_room(self, peer: bytes) -> bool:
        return len(self._streams) < MAX_STREAMS and self._count[peer] < MAX_PEER_STREAMS

    def _add(self, stream: _Stream) -> _Stream:
        self._streams[stream.peer, stream.wire] = stream
        stream.process.streams[stream.local] = stream
        self._count[stream.peer] += 1
        return stream

    def _forget(self, stream: _Stream) -> None:
        del self._streams[stream.peer, stream.wire]
        del stream.process.streams[stream.local]
        self._count[stream.peer] -= 1

    # Local processes

    async def _serve(self, connection: trio.socket.SocketType) -> None:
        pipe, process = trio.SocketStream(connection), _Process()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_write, pipe, process, nursery.cancel_scope)
                await self._read(pipe, process)
                nursery.cancel_scope.cancel()
        finally:
            for service in process.services:
                del self._servers[service]
            for stream in list(process.streams.values()):
                self._answer(stream.peer, stream.wire, "gone")
                self._forget(stream)

    async def _read(self, pipe: trio.SocketStream, process: _Process) -> None:
        """Act on each frame of a process until it goes, or sends what is none."""
        buffer = bytearray()
        while True:
            try:
                data = await pipe.receive_some(MAX_FRAME_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return
            if not data:
                return
            buffer += data
            while len(buffer) >= LENGTH_BYTES:
                end = LENGTH_BYTES + int.from_bytes(buffer[:LENGTH_BYTES], "big")
                if end > LENGTH_BYTES + MAX_FRAME_BYTES:
                    log.warning("a local process sent too long a frame")
                    return
                if len(buffer) < end:
                    break
                try:
                    frame = StreamFrame.decode(bytes(buffer[LENGTH_BYTES:end]), is_local=True)
                except DecodeError as error:
                    log.warning("a local process sent garbage", problem=str(error))
                    return
                del buffer[:end]
                await self._take_local(process, frame)

    async def _take_local(self, process: _Process, frame: StreamFrame) -> None:
        stream = process.streams.get(frame.stream)
        match frame.step, frame.body:
            case Step.SERVE, str(service):
                self._register(process, service)
            case Step.OPEN, str(place):
                await self._open_to_peer(process, frame.stream, place)
            case Step.DATA, bytes(data) if stream is not None:
                stream.from_process -= len(data)
                await self._send(stream, frame, is_fair=stream.from_process >= 0)
            case Step.CREDIT, int(more) if stream is not None:
                stream.from_peer += more
                await self._send(stream, frame, is_fair=stream.from_peer <= WINDOW_BYTES)
            case Step.END, _ if stream is not None:
                self._forget(stream)
                await self._send(stream, frame, is_fair=True)

    def _register(self, process: _Process, service: str) -> None:
        if service in self._servers or len(process.services) >= MAX_SERVICES or "/" in service:
            process.tell(SERVING, Step.END, "taken")
            return
        process.services.add(service)
        self._servers[service] = process
        process.tell(SERVING, Step.SERVE, service)

    async def _open_to_peer(self, process: _Process, local: bytes, place: str) -> None:
        name, _, service = place.partition("/")
        found = [peer for peer in self._peers.members_up() if peer.name == name]
        if local in process.streams or local == SERVING:
            process.tell(local, Step.END, "twice")
        elif not found:
            process.tell(local, Step.END, "unreachable")
        elif not self._has_room(found[0].key):
            process.tell(local, Step.END, "busy")
        else:
            wire = os.urandom(ID_BYTES)
            stream = self._add(_Stream(found[0].key, wire, local, process))
            await self._send(stream, StreamFrame(local, Step.OPEN, service), is_fair=True)

    async def _send(self, stream: _Stream, frame: StreamFrame, *, is_fair: bool) -> None:
        """Send a peer what a process says; a lost connection shows as `peer_down`."""
        if not is_fair:
            self._break(stream, "flow")
            return
        payload = StreamFrame(stream.wire, frame.step, frame.body).encode()
        await self._transport.send_wait(stream.peer, Channel.DATA, FrameKind.STREAM, payload)


async def _write(pipe: trio.SocketStream, process: _Process, scope: trio.CancelScope) -> None:
    """Write what is queued until the process goes away."""
    try:
        while True:
            if not process.waiting:
                await process.more.wait()
            process.more = trio.Event()
            data, process.waiting, process.size = b"".join(process.waiting), [], 0
            await pipe.send_all(data)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        scope.cancel()
