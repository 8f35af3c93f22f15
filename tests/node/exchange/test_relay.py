"""Streams between processes of members over real transports and sockets."""

from __future__ import annotations

import os
from typing import Any

import pytest
import trio

from node.exchange.relay import LENGTH_BYTES, MAX_PEER_STREAMS
from node.exchange.streams import DataSocket, Stream, StreamError, connect
from p2p.streams import PIECE_BYTES, WINDOW_BYTES, Step, StreamFrame


async def pair(client: DataSocket, server: DataSocket, member: str) -> tuple[Stream, Stream]:
    """Open a stream; both of its ends."""
    mine = await client.open(member, "echo")
    await mine.send("hello")
    theirs = await server.incoming.receive()
    assert await theirs.receive() == "hello"
    return mine, theirs


async def test_messages_of_any_size_arrive_whole_in_both_directions(posts: Any) -> None:
    tax, land = await posts.start("tax", "land")
    async with connect(tax.socket) as client, connect(land.socket) as server:
        await server.serve("echo")
        mine, theirs = await pair(client, server, "land")
        assert (theirs.member, theirs.service) == ("tax", "echo")
        sizes = [0, 1, PIECE_BYTES, WINDOW_BYTES + 1, 3 << 20]
        sent = [os.urandom(size) for size in sizes]

        async def answer() -> None:
            for _ in sizes:
                await theirs.send(await theirs.receive())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            for data in sent:
                await mine.send(data)
                assert await mine.receive() == data
        await mine.send("last words")
        await mine.end()
        assert await theirs.receive() == "last words"
        with pytest.raises(StreamError, match="closed"):
            await theirs.receive()


async def test_a_reader_that_stops_holds_back_its_stream_alone(posts: Any) -> None:
    tax, land = await posts.start("tax", "land")
    async with connect(tax.socket) as client, connect(land.socket) as server:
        await server.serve("echo")
        slow, _ = await pair(client, server, "land")
        quick, theirs = await pair(client, server, "land")
        with trio.move_on_after(0.3) as held:
            await slow.send(bytes(2 * WINDOW_BYTES))
        assert held.cancelled_caught
        assert sum(len(w) for p in land.relay._servers.values() for w in p.waiting) < WINDOW_BYTES
        for number in range(20):
            await quick.send(number)
            assert await theirs.receive() == number


async def test_nobody_there(posts: Any) -> None:
    tax, land = await posts.start("tax", "land")
    async with connect(tax.socket) as client, connect(land.socket) as server:
        for member, code in (("health", "unreachable"), ("land", "no-service")):
            stream = await client.open(member, "echo")
            with pytest.raises(StreamError) as error:
                await stream.receive()
            assert error.value.code == code
        await server.serve("echo")
        async with connect(land.socket) as other:
            with pytest.raises(StreamError, match="another process serves"):
                await other.serve("echo")
    with pytest.raises(StreamError, match="no node answers"):
        async with connect(tax.socket.with_name("none")):
            raise AssertionError


async def test_streams_end_with_the_process_and_with_the_connection(posts: Any) -> None:
    tax, land = await posts.start("tax", "land")
    async with connect(tax.socket) as client:
        async with connect(land.socket) as server:
            await server.serve("echo")
            mine, _ = await pair(client, server, "land")
        with pytest.raises(StreamError) as error:
            await mine.receive()
        assert error.value.code == "gone"
        async with connect(land.socket) as server:
            await server.serve("echo")  # the service is free again
            mine, theirs = await pair(client, server, "land")
            tax.transport.cut_off(land.key, "a test")
            for stream in (mine, theirs):
                with pytest.raises(StreamError) as error:
                    await stream.receive()
                assert error.value.code == "lost"
            await tax.until_linked("land")
            await land.until_linked("tax")
            await pair(client, server, "land")


async def test_a_peer_that_breaks_a_streams_rules_loses_that_stream(posts: Any) -> None:
    tax, land, eve = await posts.start("tax", "land", "eve")
    async with connect(tax.socket) as client, connect(land.socket) as server:
        await server.serve("echo")
        mine, theirs = await pair(client, server, "land")
        piece = bytes(PIECE_BYTES)
        bad: list[list[StreamFrame]] = [
            [StreamFrame(bytes([n]) * 16, Step.OPEN, "echo")] for n in range(1, 4)
        ]
        bad[0] += [StreamFrame(bytes([1]) * 16, Step.DATA, piece)] * 4  # more than the window
        bad[1] += [StreamFrame(bytes([2]) * 16, Step.CREDIT, 1)]  # for data that was never sent
        bad[2] += [StreamFrame(bytes([3]) * 16, Step.OPEN, "echo")]
        for frames, code in zip(bad, ("flow", "flow", "twice"), strict=True):
            for frame in frames:
                eve.throw(land, frame)
            broken = await server.incoming.receive()
            assert broken.member == "eve"
            with pytest.raises(StreamError) as error:
                await broken.receive()
            assert error.value.code in (code, "nonsense")
        for number in range(MAX_PEER_STREAMS + 5):
            eve.throw(land, StreamFrame(number.to_bytes(16, "big"), Step.OPEN, "echo"))
        for _ in range(MAX_PEER_STREAMS):
            await server.incoming.receive()
        assert land.relay._count[eve.key] == MAX_PEER_STREAMS
        eve.throw(land, b"\xff no frame")
        await land.until_linked("eve", up=False)  # cut off: nothing but garbage does that
        await mine.send("still here")
        assert await theirs.receive() == "still here"


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x02ab",
        StreamFrame(bytes(16), Step.SERVE, "a/b").encode()[:9],
        b"",
    ],
)
async def test_a_local_process_that_sends_garbage_is_dropped_alone(posts: Any, data: bytes) -> None:
    tax, land = await posts.start("tax", "land")
    async with connect(tax.socket) as client, connect(land.socket) as server:
        await server.serve("echo")
        mine, theirs = await pair(client, server, "land")
        async with await trio.open_unix_socket(land.socket) as pipe:
            await pipe.send_all(data)
            await pipe.send_eof()
            assert await pipe.receive_some(100) == b""
        await mine.send(1)
        assert await theirs.receive() == 1


async def test_a_local_process_that_sends_beyond_its_credit_loses_the_stream(posts: Any) -> None:
    tax, land = await posts.start("tax", "land")
    async with connect(land.socket) as server:
        await server.serve("echo")
        async with await trio.open_unix_socket(tax.socket) as pipe:
            identity = bytes(range(16))
            frames = [StreamFrame(identity, Step.OPEN, "land/echo")]
            frames += [StreamFrame(identity, Step.DATA, bytes(PIECE_BYTES))] * 4
            for frame in frames:
                data = frame.encode()
                await pipe.send_all(len(data).to_bytes(LENGTH_BYTES, "big") + data)
            answer = bytes(await pipe.receive_some(1_000))
            assert StreamFrame.decode(answer[LENGTH_BYTES:]).body == "flow"


async def test_messages_that_are_too_long_or_none_end_the_stream(posts: Any) -> None:
    tax, land = await posts.start("tax", "land")
    async with connect(tax.socket) as client, connect(land.socket) as server:
        await server.serve("echo")
        mine, theirs = await pair(client, server, "land")
        await mine.send(bytes(1_000))
        with pytest.raises(StreamError) as error:
            await theirs.receive(max_bytes=100)
        assert error.value.code == "too-long"
        mine, theirs = await pair(client, server, "land")
        await client.put(mine._id, Step.DATA, b"\x00\x00\x00\x01\xff")
        with pytest.raises(StreamError) as error:
            await theirs.receive()
        assert error.value.code == "nonsense"
        mine, theirs = await pair(client, server, "land")
        with pytest.raises(StreamError) as error:
            await theirs.receive(patience_s=0)
        assert error.value.code == "silent"
