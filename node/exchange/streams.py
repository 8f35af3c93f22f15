"""A process's end of `data.sock`: offers services, opens streams, exchanges whole messages.

A message is a CBOR value behind its length as u32, big endian, cut into pieces of data. Whoever
sends waits for the other side's credit; whoever receives gives it back as it takes pieces in.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from consensus.codec import DecodeError, Value, decode, encode
from node.errors import MunimentError
from p2p.streams import (
    ID_BYTES,
    MAX_FRAME_BYTES,
    PIECE_BYTES,
    WINDOW_BYTES,
    Body,
    Step,
    StreamFrame,
)

MAX_MESSAGE_BYTES = 16 << 20
MAX_WAITING_STREAMS = 64
SERVING = bytes(ID_BYTES)
_LENGTH_BYTES = 4
_REASONS = {
    "unreachable": "its node is not connected to ours",
    "no-service": "its node does not serve deliveries now",
    "busy": "too many streams are open between the two nodes",
    "lost": "the connection between the nodes was lost",
    "gone": "the process at the other end has ended",
    "silent": "the other end was silent too long",
}


class StreamError(MunimentError):
    """A stream that is over: `code` is the word that the other end, or a daemon, gave for it."""

    def __init__(self, member: str, code: str) -> None:
        super().__init__(f"the stream with {member} ended: {_REASONS.get(code, code or 'closed')}")
        self.code = code


class Stream:
    """One stream with another member. Sending and receiving are for one task each at a time."""

    def __init__(self, socket: DataSocket, identity: bytes, member: str, service: str) -> None:
        self.member, self.service = member, service
        self._socket, self._id = socket, identity
        self._credit = WINDOW_BYTES
        self._may_send = trio.Event()
        self._pieces: deque[bytes] = deque()
        self._left = bytearray()
        self._filled = trio.Event()
        self._end: str | None = None

    async def send(self, value: Value) -> None:
        """Send one message. Raises StreamError."""
        data = encode(value)
        view = memoryview(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
        while view:
            while not self._credit and self._end is None:
                self._may_send = trio.Event()
                await self._may_send.wait()
            if self._end is not None:
                raise StreamError(self.member, self._end)
            size = min(self._credit, PIECE_BYTES, len(view))
            self._credit -= size
            await self._socket.put(self._id, Step.DATA, bytes(view[:size]))
            view = view[size:]

    async def receive(self, max_bytes: int = MAX_MESSAGE_BYTES, patience_s: float = 60.0) -> Value:
        """Wait for one message. Raises StreamError, also on one that is too long or none.

        Whatever was sent before the end of a stream is received before its end is told.
        """
        with trio.move_on_after(patience_s):
            size = int.from_bytes(await self._take(_LENGTH_BYTES), "big")
            if size > max_bytes:
                await self._refuse("too-long")
            try:
                return decode(await self._take(size), max_bytes=max_bytes)
            except DecodeError:
                await self._refuse("nonsense")
        await self._refuse("silent")
        raise AssertionError("refusing raises")

    async def end(self, code: str = "") -> None:
        """End the stream in both directions; what was sent before arrives. May be repeated."""
        if self._end is None:
            self.finish(code)
            await self._socket.put(self._id, Step.END, code)

    async def _refuse(self, code: str) -> None:
        await self.end(code)
        raise StreamError(self.member, code)

    async def _take(self, size: int) -> bytes:
        while len(self._left) < size:
            while not self._pieces:
                if self._end is not None:
                    raise StreamError(self.member, self._end)
                self._filled = trio.Event()
                await self._filled.wait()
            piece = self._pieces.popleft()
            self._left += piece
            if self._end is None:
                await self._socket.put(self._id, Step.CREDIT, len(piece))
        data = bytes(self._left[:size])
        del self._left[:size]
        return data

    def arrive(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._filled.set()

    def allow(self, more: int) -> None:
        self._credit += more
        self._may_send.set()

    def finish(self, code: str) -> None:
        """Nothing more comes or goes."""
        self._end = code if self._end is None else self._end
        self._socket.forget(self._id)
        self._filled.set()
        self._may_send.set()


class DataSocket:
    """A connection to the daemon's `data.sock`; see `connect`."""

    def __init__(self, pipe: trio.SocketStream) -> None:
        self._pipe = pipe
        self._turn = trio.Lock()
        self._streams: dict[bytes, Stream] = {}
        self._answers: deque[tuple[str, trio.Event, list[bool]]] = deque()
        self._opened, self.incoming = trio.open_memory_channel[Stream](MAX_WAITING_STREAMS)

    async def serve(self, service: str) -> None:
        """Offer a service; who opens it stands in `incoming`. Raises StreamError if it is taken."""
        done, answer = trio.Event(), list[bool]()
        self._answers.append((service, done, answer))
        await self.put(SERVING, Step.SERVE, service)
        await done.wait()
        if not answer[0]:
            raise StreamError("our own node", f"another process serves {service} already")

    async def open(self, member: str, service: str) -> Stream:
        """Open a stream to a member; one that cannot be reached shows on its first use."""
        stream = Stream(self, os.urandom(ID_BYTES), member, service)
        self._streams[stream._id] = stream
        await self.put(stream._id, Step.OPEN, f"{member}/{service}")
        return stream

    async def put(self, stream: bytes, step: Step, body: Body) -> None:
        """Write one frame. A frame cut in half would be the end of all streams: see the shield."""
        data = StreamFrame(stream, step, body).encode()
        async with self._turn:
            with trio.CancelScope(shield=True):
                try:
                    await self._pipe.send_all(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
                except trio.BrokenResourceError as error:
                    raise StreamError("our own node", "gone") from error

    def forget(self, stream: bytes) -> None:
        self._streams.pop(stream, None)

    async def read(self) -> None:
        """Hand out what arrives until the daemon goes; then every stream is over."""
        try:
            async with self._opened:
                while True:
                    size = int.from_bytes(await self._exactly(_LENGTH_BYTES), "big")
                    data = await self._exactly(min(size, MAX_FRAME_BYTES))
                    await self._take(StreamFrame.decode(data, is_local=True))
        except (EOFError, trio.BrokenResourceError):
            pass  # every stream tells of it
        finally:
            for stream in list(self._streams.values()):
                stream.finish("gone")

    async def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            some = await self._pipe.receive_some(size - len(data))
            if not some:
                raise EOFError
            data += some
        return bytes(data)

    async def _take(self, frame: StreamFrame) -> None:
        stream = self._streams.get(frame.stream)
        match frame.step, frame.body:
            case ((Step.SERVE | Step.END), _) if frame.stream == SERVING:
                _, done, answer = self._answers.popleft()
                answer.append(frame.step is Step.SERVE)
                done.set()
            case Step.OPEN, str(place):
                member, _, service = place.partition("/")
                fresh = self._streams[frame.stream] = Stream(self, frame.stream, member, service)
                try:
                    self._opened.send_nowait(fresh)
                except trio.WouldBlock:
                    await fresh.end("busy")
            case Step.DATA, bytes(piece) if stream is not None:
                stream.arrive(piece)
            case Step.CREDIT, int(more) if stream is not None:
                stream.allow(more)
            case Step.END, str(code) if stream is not None:
                stream.finish(code)


@asynccontextmanager
async def connect(path: Path) -> AsyncIterator[DataSocket]:
    """Connect to the daemon. Raises StreamError if none answers."""
    try:
        pipe = await trio.open_unix_socket(path)
    except OSError as error:
        raise StreamError("our own node", f"no node answers at {path}") from error
    async with pipe, trio.open_nursery() as nursery:
        socket = DataSocket(pipe)
        nursery.start_soon(socket.read)
        yield socket
        nursery.cancel_scope.cancel()
