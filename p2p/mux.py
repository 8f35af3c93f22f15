"""yamux, as much of it as long-lived streams between members need.

libp2p 0.8.1 brings a yamux, which speaks the same protocol but could not be kept: its read
loop writes its replies itself, so when both directions are full both ends wait for each other
for ever; it takes more than the receive window allows with a mere warning; it gives up a
stream whose window stays closed for 5 s; and each small frame costs it locks, log lines and
scheduling rounds. Here the read loop waits for nothing but bytes.

Protocol: https://github.com/hashicorp/yamux/blob/master/spec.md
"""

from __future__ import annotations

import struct

import trio
from libp2p.abc import ISecureConn
from libp2p.stream_muxer.exceptions import MuxedStreamEOF, MuxedStreamError
from libp2p.stream_muxer.yamux.yamux import (
    DEFAULT_WINDOW_SIZE,
    FLAG_ACK,
    FLAG_FIN,
    FLAG_RST,
    FLAG_SYN,
    GO_AWAY_NORMAL,
    HEADER_SIZE,
    TYPE_DATA,
    TYPE_GO_AWAY,
    TYPE_PING,
    TYPE_WINDOW_UPDATE,
    YAMUX_HEADER_FORMAT,
)

from p2p.frame import ProtocolError

WINDOW_BYTES = 512 * 1024  # what a peer may send on one stream before we read it
MAX_STREAMS = 16
MAX_REPLY_BYTES = 16 * 1024
# One Noise message: 65,519 bytes of plain text, header included.
MAX_WRITE_BYTES = 65_000

_HEADER = struct.Struct(YAMUX_HEADER_FORMAT)


class MuxStream:
    """One stream. A reader that stops reading holds back the other end, for as long as it likes.

    One WINDOW_UPDATE is sent for each quarter of the window instead of one for each read.
    """

    def __init__(self, stream_id: int, mux: Mux) -> None:
        self.stream_id = stream_id
        self.mux = mux
        self.send_closed = False
        self.recv_closed = False
        self.send_window = DEFAULT_WINDOW_SIZE
        self.recv_window = WINDOW_BYTES
        self._received = bytearray()
        self._unreported = 0
        self._readable = trio.Event()
        self._writable = trio.Event()

    async def read(self, n: int | None = None) -> bytes:
        """Return what is there, up to `n` bytes, waiting for some. MuxedStreamEOF at the end."""
        while not self._received:
            if self.recv_closed:
                raise MuxedStreamEOF("end of stream")
            self._readable = trio.Event()
            await self._readable.wait()
        if n is None or n < 0 or n >= len(self._received):
            data = bytes(self._received)
            self._received.clear()
        else:
            data = bytes(self._received[:n])
            del self._received[:n]
        self._unreported += len(data)
        if self._unreported >= WINDOW_BYTES // 4:
            self.recv_window += self._unreported
            self.mux.reply(TYPE_WINDOW_UPDATE, 0, self.stream_id, self._unreported)
            self._unreported = 0
        return data

    async def write(self, data: bytes) -> None:
        """Write all of `data`, in pieces between which other streams take their turn."""
        view = memoryview(data)
        while view:
            while self.send_window <= 0 and not self.send_closed:
                self._writable = trio.Event()
                await self._writable.wait()
            if self.send_closed:
                raise MuxedStreamError("stream is closed")
            size = min(self.send_window, MAX_WRITE_BYTES, len(view))
            self.send_window -= size
            header = _HEADER.pack(0, TYPE_DATA, 0, self.stream_id, size)
            await self.mux.write_frame(header + view[:size])
            view = view[size:]

    def take_in(self, data: bytes) -> None:
        """Keep bytes that arrived. ProtocolError when they exceed the window."""
        self.recv_window -= len(data)
        if self.recv_window < 0:
            raise ProtocolError("peer exceeds the receive window")
        self._received += data
        self._readable.set()

    def widen(self, increment: int) -> None:
        """The peer has room for more."""
        self.send_window = min(self.send_window + increment, 1 << 32)
        self._writable.set()

    def end(self, *, both: bool) -> None:
        """No more will arrive; with `both`, none can be sent either."""
        self.recv_closed = True
        self._readable.set()
        if both:
            self.send_closed = True
            self._writable.set()


class Mux:
    """A connection of yamux streams over a secured connection; two tasks run it."""

    def __init__(self, conn: ISecureConn, is_initiator: bool) -> None:
        self.conn = conn
        self.last_heard = trio.current_time()
        self._streams: dict[int, MuxStream] = {}
        self._next_id = 1 if is_initiator else 2
        self._write_lock = trio.Lock()
        self._replies = bytearray()
        self._replies_filled = trio.Event()
        self._accepted_send, self.accepted = trio.open_memory_channel[MuxStream](MAX_STREAMS)

    async def read_frames(self) -> None:
        """Read until the connection ends. Raises what ended it, ProtocolError included."""
        buffer = bytearray()
        wanted = HEADER_SIZE
        try:
            while True:
                buffer += await self.conn.read()
                self.last_heard = trio.current_time()
                if len(buffer) >= wanted:
                    taken, wanted = self._take_frames(bytes(buffer))
                    del buffer[:taken]
        finally:
            self._accepted_send.close()
            for stream in self._streams.values():
                stream.end(both=True)
            self._streams.clear()

    async def write_replies(self) -> None:
        """Write what `reply` queues; runs beside `read_frames`, which never waits for it."""
        while True:
            if not self._replies:
                self._replies_filled = trio.Event()
                await self._replies_filled.wait()
            await self.write_frame(b"")

    def open_stream(self) -> MuxStream:
        """Open a stream; the other end learns of it with what is written first."""
        stream = MuxStream(self._next_id, self)
        self._next_id += 2
        self._streams[stream.stream_id] = stream
        # The increment grants our whole window at once, above yamux's initial 256 KB.
        self.reply(
            TYPE_WINDOW_UPDATE, FLAG_SYN, stream.stream_id, WINDOW_BYTES - DEFAULT_WINDOW_SIZE
        )
        return stream

    def refuse(self, stream: MuxStream) -> None:
        """Reset a stream."""
        self._streams.pop(stream.stream_id, None)
        stream.end(both=True)
        self.reply(TYPE_WINDOW_UPDATE, FLAG_RST, stream.stream_id, 0)

    async def write_frame(self, data: bytes) -> None:
        """Write, in turn with others, what `reply` queued and then `data`.

        A write that is cancelled half-way leaves the connection of no use.
        """
        lock = self._write_lock
        try:
            lock.acquire_nowait()  # saves a scheduling round when nobody else writes
        except trio.WouldBlock:
            await lock.acquire()
        try:
            if self._replies:
                data = bytes(self._replies) + data  # a stream is opened before it is written to
                self._replies.clear()
            if data:
                await self.conn.write(data)
        finally:
            lock.release()

    def reply(self, kind: int, flags: int, stream_id: int, value: int) -> None:
        """Queue a header for the reply task, so that readers never wait for a writer."""
        self._replies += _HEADER.pack(0, kind, flags, stream_id, value)
        if len(self._replies) > MAX_REPLY_BYTES:
            raise ProtocolError("peer asks for replies faster than it takes them")
        self._replies_filled.set()

    def _take_frames(self, data: bytes) -> tuple[int, int]:
        """Act on each complete frame of `data`.

        Return how many bytes are done with, and how many there must be after them to go on.
        """
        start, end = 0, len(data)
        while end - start >= HEADER_SIZE:
            _, kind, flags, stream_id, value = _HEADER.unpack_from(data, start)
            body = start + HEADER_SIZE
            if kind == TYPE_DATA:
                if value > WINDOW_BYTES:
                    raise ProtocolError(f"yamux frame of {value} bytes exceeds the window")
                if end < body + value:
                    return start, HEADER_SIZE + value
                start = body + value
                self._take_stream_frame(flags, stream_id, data[body:start], 0)
                continue
            start = body
            if kind == TYPE_WINDOW_UPDATE:
                self._take_stream_frame(flags, stream_id, b"", value)
            elif kind == TYPE_PING:
                if flags & FLAG_SYN:
                    self.reply(TYPE_PING, FLAG_ACK, 0, value)
            elif kind == TYPE_GO_AWAY:
                if value != GO_AWAY_NORMAL:
                    raise ProtocolError(f"peer ended the connection with code {value}")
                raise MuxedStreamEOF("peer ended the connection")
            else:
                raise ProtocolError(f"unknown yamux frame type {kind}")
        return start, HEADER_SIZE

    def _take_stream_frame(self, flags: int, stream_id: int, data: bytes, increment: int) -> None:
        if flags & FLAG_SYN:
            self._accept(stream_id)
        stream = self._streams.get(stream_id)
        if stream is None:
            return  # of a stream that was reset meanwhile
        if data:
            stream.take_in(data)
        if increment:
            stream.widen(increment)
        if flags & (FLAG_FIN | FLAG_RST):
            stream.end(both=bool(flags & FLAG_RST))
            if stream.send_closed:
                del self._streams[stream_id]

    def _accept(self, stream_id: int) -> None:
        if stream_id % 2 == self._next_id % 2 or stream_id in self._streams:
            raise ProtocolError("peer opens a stream with an id that is not free to it")
        if len(self._streams) >= MAX_STREAMS:
            raise ProtocolError("peer opens too many streams")
        stream = MuxStream(stream_id, self)
        self._streams[stream_id] = stream
        self.reply(TYPE_WINDOW_UPDATE, FLAG_ACK, stream_id, WINDOW_BYTES - DEFAULT_WINDOW_SIZE)
        try:
            self._accepted_send.send_nowait(stream)
        except trio.WouldBlock:
            raise ProtocolError("peer opens streams too fast") from None
