from __future__ import annotations

import logging
import socket

import pytest
import trio
from libp2p.io.exceptions import ConnectionClosedError, IncompleteReadError
from libp2p.io.trio import TrioTCPStream
from libp2p.io.utils import read_exactly
from libp2p.protocol_muxer.exceptions import MultiselectCommunicatorError
from libp2p.protocol_muxer.multiselect_communicator import MultiselectCommunicator

from p2p.libp2p_shim import (
    LIBP2P_VERSION,
    BufferedTCP,
    Negotiator,
    WrongLibp2pError,
    check_version,
    quiet_libp2p,
)


def make_pair() -> tuple[trio.SocketStream, trio.SocketStream]:
    """Two ends of a TCP connection over loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        left = socket.create_connection(server.getsockname())
        right, _ = server.accept()
    return wrap(left), wrap(right)


def wrap(sock: socket.socket) -> trio.SocketStream:
    return trio.SocketStream(trio.socket.from_stdlib_socket(sock))


def test_other_version_is_refused() -> None:
    check_version(LIBP2P_VERSION)
    with pytest.raises(WrongLibp2pError, match=r"0\.9\.0 is installed"):
        check_version("0.9.0")


def test_libp2p_is_silenced() -> None:
    quiet_libp2p()
    assert not logging.getLogger("libp2p.network.auto_connector").isEnabledFor(logging.ERROR)
    assert not logging.getLogger("libp2p.stream_muxer.yamux.yamux").isEnabledFor(logging.ERROR)


async def dribble(stream: trio.SocketStream, count: int) -> None:
    for _ in range(count):
        await stream.send_all(b"x" * 10)
        await trio.sleep(0.001)


async def test_message_in_many_small_segments_is_read(nursery: trio.Nursery) -> None:
    left, right = make_pair()
    nursery.start_soon(dribble, left, 300)
    assert await read_exactly(BufferedTCP(right), 3000) == b"x" * 3000


async def test_stock_gives_up_on_many_small_segments(nursery: trio.Nursery) -> None:
    left, right = make_pair()
    nursery.start_soon(dribble, left, 300)
    with pytest.raises(IncompleteReadError):
        await read_exactly(TrioTCPStream(right), 3000)
    nursery.cancel_scope.cancel()


async def test_one_receive_serves_many_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    left, right = make_pair()
    received = 0
    receive_some = right.receive_some

    async def counting(max_bytes: int | None = None) -> bytes:
        nonlocal received
        received += 1
        return bytes(await receive_some(max_bytes))

    monkeypatch.setattr(right, "receive_some", counting)
    await left.send_all(b"0123456789" * 10)
    buffered = BufferedTCP(right)
    assert b"".join([await buffered.read(2) for _ in range(50)]) == b"0123456789" * 10
    assert received == 1


async def test_end_of_connection_is_an_error_after_what_was_there() -> None:
    left, right = make_pair()
    await left.send_all(b"abc")
    await left.aclose()
    buffered = BufferedTCP(right)
    assert await buffered.read(10) == b"abc"
    with pytest.raises(ConnectionClosedError):
        await buffered.read(10)
    await right.aclose()
    with pytest.raises(ConnectionClosedError):
        await buffered.write(b"x")


@pytest.mark.parametrize(
    "message",
    [b"\x03\xff\xfe\n", b"\xff\xff\xff\xff\x7f", b"\x81\x40", b"\x03abc", b"\x00", b"\x05ab"],
)
async def test_malformed_negotiation_is_an_expected_error(message: bytes) -> None:
    left, right = make_pair()
    await left.send_all(message)
    await left.aclose()
    with pytest.raises(MultiselectCommunicatorError):
        await Negotiator(BufferedTCP(right)).read()


async def test_stock_raises_what_nobody_expects() -> None:
    left, right = make_pair()
    await left.send_all(b"\x03\xff\xfe\n")
    with pytest.raises(UnicodeDecodeError):
        await MultiselectCommunicator(TrioTCPStream(right)).read()


async def test_negotiation_round_trip_leaves_what_follows() -> None:
    left, right = make_pair()
    await Negotiator(BufferedTCP(left)).write("/a/protocol/" + "x" * 300)
    await left.send_all(b"payload")
    buffered = BufferedTCP(right)
    assert await Negotiator(buffered).read() == "/a/protocol/" + "x" * 300
    assert await buffered.read(7) == b"payload"
