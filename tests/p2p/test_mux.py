"""The multiplexer against scripted ends, and against libp2p's own.

Where libp2p's yamux misbehaves, a test shows it doing so: when a later libp2p passes them,
ours has no reason any more.
"""

from __future__ import annotations

import struct

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from libp2p.stream_muxer.exceptions import MuxedStreamError
from libp2p.stream_muxer.yamux.yamux import Yamux

from p2p.frame import ProtocolError
from p2p.identity import peer_id_of
from p2p.mux import MAX_STREAMS, WINDOW_BYTES, Mux, MuxStream

DATA, WINDOW_UPDATE, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8


def header(kind: int, flags: int, stream_id: int, value: int) -> bytes:
    return struct.pack("!BBHII", 0, kind, flags, stream_id, value)


class ScriptedConnection:
    """A secured connection in memory, whose writing can be stopped."""

    is_initiator = False

    def __init__(self) -> None:
        self.written = bytearray()
        self.writable = trio.Event()
        self.writable.set()
        self._incoming = bytearray()
        self._arrived = trio.Event()

    def feed(self, data: bytes) -> None:
        self._incoming += data
        self._arrived.set()

    async def read(self, n: int | None = None) -> bytes:
        while not self._incoming:
            self._arrived = trio.Event()
            await self._arrived.wait()
        data = bytes(self._incoming[:n])
        del self._incoming[: len(data)]
        return data

    async def write(self, data: bytes) -> None:
        await self.writable.wait()
        self.written += data

    async def close(self) -> None:
        self.writable.set()


def make_mux(connection: ScriptedConnection) -> Mux:
    return Mux(connection, is_initiator=False)  # type: ignore[arg-type]


def make_stock(connection: ScriptedConnection) -> Yamux:
    return Yamux(connection, peer_id_of(bytes(32)), is_initiator=False)  # type: ignore[arg-type]


async def accept(mux: Mux, connection: ScriptedConnection, stream_id: int = 1) -> MuxStream:
    connection.feed(header(WINDOW_UPDATE, SYN, stream_id, 0))
    with trio.fail_after(1):
        return await mux.accepted.receive()


async def test_reading_goes_on_while_replies_cannot_be_written(nursery: trio.Nursery) -> None:
    connection = ScriptedConnection()
    mux = make_mux(connection)
    nursery.start_soon(mux.read_frames)
    nursery.start_soon(mux.write_replies)
    connection.writable = trio.Event()  # the pipe is full, the other end busy writing too
    first = await accept(mux, connection, 1)
    await accept(mux, connection, 3)
    connection.feed(header(PING, SYN, 0, 1) + header(DATA, 0, 1, 5) + b"hello")
    with trio.fail_after(1):
        assert await first.read() == b"hello"


async def test_stock_stops_reading_while_replies_cannot_be_written(nursery: trio.Nursery) -> None:
    connection = ScriptedConnection()
    stock = make_stock(connection)
    nursery.start_soon(stock.start)
    connection.feed(header(WINDOW_UPDATE, SYN, 1, 0))
    stream = await stock.accept_stream()
    connection.writable = trio.Event()
    connection.feed(header(PING, SYN, 0, 1) + header(DATA, 0, 1, 5) + b"hello")
    with trio.move_on_after(0.2) as scope:
        await stream.read(5)
    assert scope.cancelled_caught
    nursery.cancel_scope.cancel()


async def test_more_than_the_window_is_a_protocol_error() -> None:
    connection = ScriptedConnection()
    mux = make_mux(connection)
    connection.feed(header(WINDOW_UPDATE, SYN, 1, 0))
    frame = header(DATA, 0, 1, 60_000) + bytes(60_000)
    connection.feed(frame * (WINDOW_BYTES // 60_000 + 1))
    with pytest.raises(ProtocolError, match="window"):
        await mux.read_frames()


async def test_stock_takes_more_than_the_window(nursery: trio.Nursery) -> None:
    connection = ScriptedConnection()
    stock = make_stock(connection)
    nursery.start_soon(stock.start)
    connection.feed(header(WINDOW_UPDATE, SYN, 1, 0))
    await stock.accept_stream()
    frame = header(DATA, 0, 1, 60_000) + bytes(60_000)
    connection.feed(frame * 50)
    with trio.fail_after(5):
        while len(stock.stream_buffers[1]) < 3_000_000:
            await trio.sleep(0.01)
    nursery.cancel_scope.cancel()


async def test_writer_waits_for_the_window_as_long_as_it_takes(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    connection = ScriptedConnection()
    mux = make_mux(connection)
    nursery.start_soon(mux.read_frames)
    stream = await accept(mux, connection)
    written = trio.Event()

    async def write() -> None:
        await stream.write(bytes(300_000))
        written.set()

    nursery.start_soon(write)
    await trio.sleep(3600)
    assert not written.is_set()
    connection.feed(header(WINDOW_UPDATE, 0, 1, 100_000))
    await written.wait()


async def test_stock_gives_up_after_five_seconds(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    connection = ScriptedConnection()
    stock = make_stock(connection)
    nursery.start_soon(stock.start)
    connection.feed(header(WINDOW_UPDATE, SYN, 1, 0))
    stream = await stock.accept_stream()
    with pytest.raises(MuxedStreamError, match="5 seconds"):
        await stream.write(bytes(300_000))
    nursery.cancel_scope.cancel()


async def test_one_window_update_for_a_quarter_window(nursery: trio.Nursery) -> None:
    connection = ScriptedConnection()
    mux = make_mux(connection)
    nursery.start_soon(mux.read_frames)
    nursery.start_soon(mux.write_replies)
    stream = await accept(mux, connection)
    await trio.testing.wait_all_tasks_blocked()
    connection.written.clear()
    total = 0
    while total < WINDOW_BYTES:
        connection.feed(header(DATA, 0, 1, 1024) + bytes(1024))
        total += len(await stream.read())
    await trio.testing.wait_all_tasks_blocked()
    assert bytes(connection.written) == header(WINDOW_UPDATE, 0, 1, WINDOW_BYTES // 4) * 4


@pytest.mark.parametrize(
    "frames",
    [
        header(9, 0, 0, 0),
        header(DATA, 0, 1, WINDOW_BYTES + 1),
        header(WINDOW_UPDATE, SYN, 2, 0),
        header(WINDOW_UPDATE, SYN, 1, 0) * 2,
        b"".join(header(WINDOW_UPDATE, SYN, 2 * i + 1, 0) for i in range(MAX_STREAMS + 1)),
        header(PING, SYN, 0, 1) * 10_000,
        header(GO_AWAY, 0, 0, 1),
    ],
)
async def test_what_no_honest_end_sends_is_a_protocol_error(frames: bytes) -> None:
    connection = ScriptedConnection()
    connection.feed(frames)
    with pytest.raises(ProtocolError):
        await make_mux(connection).read_frames()


@given(st.binary(max_size=200), st.integers(0, 3))
def test_any_bytes_end_in_protocol_error_or_nothing(data: bytes, kind: int) -> None:
    async def read() -> None:
        connection = ScriptedConnection()
        connection.feed(header(WINDOW_UPDATE, SYN, 1, 0) + bytes([0, kind]) + data)
        try:
            await make_mux(connection).read_frames()
        except (ProtocolError, MuxedStreamError):
            return

    async def read_for_a_moment() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()

    trio.run(read_for_a_moment)


async def test_reset_wakes_reader_and_writer(nursery: trio.Nursery) -> None:
    connection = ScriptedConnection()
    mux = make_mux(connection)
    nursery.start_soon(mux.read_frames)
    stream = await accept(mux, connection)
    ended = 0

    async def expect_end(write: bool) -> None:
        nonlocal ended
        with pytest.raises(MuxedStreamError):
            await (stream.write(bytes(1 << 20)) if write else stream.read())
        ended += 1

    async with trio.open_nursery() as waiting:
        waiting.start_soon(expect_end, True)
        waiting.start_soon(expect_end, False)
        await trio.testing.wait_all_tasks_blocked()
        connection.feed(header(WINDOW_UPDATE, RST, 1, 0))
    assert ended == 2


class Joined(ScriptedConnection):
    """Two of these are the ends of one connection."""

    other: Joined

    async def write(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self.other.feed(data)


@pytest.mark.parametrize("opens", ["ours", "stock"])
async def test_speaks_with_libp2ps_yamux(nursery: trio.Nursery, opens: str) -> None:
    left, right = Joined(), Joined()
    left.other, right.other = right, left
    mux = make_mux(left)
    stock = Yamux(right, peer_id_of(bytes(32)), is_initiator=True)  # type: ignore[arg-type]
    nursery.start_soon(mux.read_frames)
    nursery.start_soon(mux.write_replies)
    nursery.start_soon(stock.start)
    await stock.event_started.wait()
    if opens == "ours":
        mine = mux.open_stream()
        theirs = await stock.accept_stream()
    else:
        theirs = await stock.open_stream()
        mine = await mux.accepted.receive()
    message = bytes(range(256)) * 8192  # 2 MiB: many windows
    received = bytearray()

    async def echo() -> None:
        while True:
            await theirs.write(await theirs.read(65_536))

    nursery.start_soon(echo)
    nursery.start_soon(mine.write, message)
    with trio.fail_after(20):
        while len(received) < len(message):
            received += await mine.read()
    assert received == message
    nursery.cancel_scope.cancel()
