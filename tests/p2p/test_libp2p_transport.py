from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
import trio
from libp2p.protocol_muxer.exceptions import MultiselectClientError
from libp2p.stream_muxer.exceptions import MuxedStreamError

from p2p.frame import encode_frame
from p2p.handshake import agree, propose, secure_outbound
from p2p.libp2p_transport import Libp2pTransport
from p2p.limits import Limits
from p2p.link import protocol_of
from p2p.mux import Mux, MuxStream
from p2p.transport import (
    MAX_PAYLOAD_BYTES,
    Channel,
    Frame,
    ListenError,
    PeerDown,
    PeerUp,
    Transport,
)


def port_of(transport: Libp2pTransport) -> int:
    return int(transport.addresses[0].rpartition("/")[2])


def test_is_a_transport() -> None:
    transport: Transport = Libp2pTransport(bytes(32), [], "00")
    assert transport.connected() == frozenset()


@pytest.mark.parametrize("count", [2, 4])
async def test_ordered_frames_on_each_channel(network: Any, count: int) -> None:
    nodes = await network.mesh(count)
    each = 200
    for sender in nodes:
        for receiver in nodes:
            if sender is receiver:
                continue
            for number in range(each):
                for channel in Channel:
                    assert sender.send(
                        receiver.public_key, channel, 7, number.to_bytes(2, "big") * (channel + 1)
                    )
    for receiver in nodes:
        frames = await network.collect_frames(receiver, each * len(Channel) * (count - 1))
        for sender in nodes:
            for channel in Channel:
                expected = [number.to_bytes(2, "big") * (channel + 1) for number in range(each)]
                assert (
                    expected
                    == [
                        frame.payload
                        for frame in frames
                        if (frame.peer, frame.channel) == (sender.public_key, channel)
                    ]
                    or sender is receiver
                )


async def test_largest_and_empty_payloads(network: Any) -> None:
    a, b = await network.mesh(2)
    for channel in Channel:
        assert a.send(b.public_key, channel, 255, bytes(MAX_PAYLOAD_BYTES))
    assert a.send(b.public_key, Channel.BULK, 1, b"")
    frames = await network.collect_frames(b, 4)
    assert sorted(len(frame.payload) for frame in frames) == [0, *[MAX_PAYLOAD_BYTES] * 3]


async def test_send_to_nobody_is_false_and_bad_frames_are_our_bug(network: Any) -> None:
    a = await network.start(1)
    assert not a.send(bytes(32), Channel.CONTROL, 1, b"")
    assert not await a.send_wait(bytes(32), Channel.BULK, 1, b"")
    a.cut_off(bytes(32), "unknown")
    with pytest.raises(ValueError, match="kind 0"):
        a.send(bytes(32), Channel.CONTROL, 0, b"")
    with pytest.raises(ValueError, match="32 bytes, not 5"):
        a.admit({b"short": ()})
    with pytest.raises(ValueError, match="nowhere"):
        a.admit({bytes(32): ("nowhere",)})


async def test_key_that_is_not_registered_is_refused_by_either_end(network: Any) -> None:
    a, stranger = await network.start(1), await network.start(2)
    stranger.admit({a.public_key: a.addresses})
    with trio.move_on_after(0.7):
        await stranger.receive()
    assert not a.connected()
    assert not stranger.connected()
    assert stranger.statistics()[a.public_key].last_fault

    a.admit({stranger.public_key: stranger.addresses})
    await network.until_up(stranger, a.public_key)

    stranger.admit({})
    await network.until_down(a, stranger.public_key)
    with trio.move_on_after(0.7):
        await a.receive()
    assert not a.connected()


async def test_another_peer_at_the_address_is_not_taken_for_it(network: Any) -> None:
    a, b, c = [await network.start(number) for number in (1, 2, 3)]
    c.admit({a.public_key: a.addresses})
    a.admit({c.public_key: c.addresses, b.public_key: c.addresses})
    b.admit({a.public_key: a.addresses})
    await network.until_up(a, c.public_key)
    with trio.move_on_after(0.7):
        await a.receive()
    assert a.connected() <= {c.public_key, b.public_key}
    if b.public_key in a.connected():  # b itself dialled
        assert a.send(b.public_key, Channel.CONTROL, 1, b"to b")
        assert (await network.collect_frames(b, 1))[0].payload == b"to b"


async def test_other_chain_is_not_understood(network: Any) -> None:
    a, b = await network.start(1, tag="aa"), await network.start(2, tag="bb")
    network.introduce(a, b)
    with trio.move_on_after(0.7):
        await a.receive()
    assert not a.connected()
    assert not b.connected()


async def test_plaintext_and_other_protocols_are_refused(network: Any) -> None:
    a, b = await network.mesh(2)
    hello = b"\x13/multistream/1.0.0\n"
    for protocol in (b"/plaintext/2.0.0\n", b"/plaintext/1.0.0\n", b"/tls/1.0.0\n"):
        stream = await trio.open_tcp_stream("127.0.0.1", port_of(a))
        async with stream:
            await stream.send_all(hello + bytes([len(protocol)]) + protocol)
            answer = b""
            with trio.fail_after(5):
                while len(answer) < len(hello) + 4:
                    answer += await stream.receive_some()
        assert answer == hello + b"\x03na\n"
    assert a.send(b.public_key, Channel.CONTROL, 1, b"still here")
    await network.collect_frames(b, 1)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00" * 100_000,
        b"\xff" * 64,
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x03\xff\xfe\n",
        b"\xff\xff\xff\xff\x7f",
        b"\x13/multistream/1.0.0\n\x07/noise\n\xff\xff" + b"x" * 70_000,
        b"\x13/multistream/1.0.0\n\x07/noise\n\x00\x00\x00\x01x\x00\x20" + b"k" * 32,
    ],
)
async def test_garbage_from_strangers_harms_nobody(network: Any, garbage: bytes) -> None:
    a, b = await network.mesh(2)
    stream = await trio.open_tcp_stream("127.0.0.1", port_of(a))
    async with stream:
        try:
            with trio.fail_after(6):
                await stream.send_all(garbage)
                await stream.send_eof()
                while await stream.receive_some():
                    continue
        except trio.BrokenResourceError:
            assert garbage  # a reset is an answer as good as an end
    assert a.send(b.public_key, Channel.CONTROL, 1, b"still here")
    await network.collect_frames(b, 1)


async def test_strangers_that_say_nothing_do_not_keep_members_out(network: Any) -> None:
    limits = replace(network.limits, handshake_s=0.3, max_handshakes_per_address=4)
    a, b = await network.start(1, limits=limits), await network.start(2)
    idle = [await trio.open_tcp_stream("127.0.0.1", port_of(a)) for _ in range(20)]
    network.introduce(a, b)
    await network.until_up(b, a.public_key)
    for stream in idle:
        with trio.fail_after(1):
            assert await stream.receive_some() in (b"", b"\x13/multistream/1.0.0\n")
        await stream.aclose()


async def raw_member(network: Any, member: Libp2pTransport, victim: Libp2pTransport) -> Mux:
    """Connect to `victim` as the admitted `member`, with nothing but a multiplexer."""
    stream = await trio.open_tcp_stream("127.0.0.1", port_of(victim))
    mux = await secure_outbound(stream, member._noise, victim.public_key)

    async def serve() -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(mux.write_replies)
                await mux.read_frames()
        except* Exception:
            await stream.aclose()

    network._nursery.start_soon(serve)
    return mux


async def test_member_that_sends_garbage_is_cut_off_and_others_go_on(network: Any) -> None:
    a, b = await network.mesh(2)
    # Not run as a node, so that only its raw connection speaks for it.
    evil = Libp2pTransport(b"\xee" * 32, [network.loopback], "c0ffee", limits=network.limits)
    evil.admit({a.public_key: ()})
    members = {b.public_key: b.addresses, evil.public_key: ()}
    a.admit(members)
    mux = await raw_member(network, evil, a)
    mine = mux.open_stream()
    await propose(mine, protocol_of("c0ffee", Channel.BULK))
    theirs = [await mux.accepted.receive() for _ in Channel]
    for stream in theirs:
        network._nursery.start_soon(answer, stream)
    await network.until_up(a, evil.public_key)

    good = encode_frame(1, b"good")
    await mine.write(good + b"\xff\xff\xff\xff" + good)
    events = await network.collect(a, lambda all_: any(isinstance(e, PeerDown) for e in all_))
    down = next(event for event in events if isinstance(event, PeerDown))
    assert down.peer == evil.public_key
    assert "exceeds" in down.reason

    with pytest.raises(MultiselectClientError):  # muted: closed before yamux is agreed on
        await raw_member(network, evil, a)
    assert a.send(b.public_key, Channel.CONTROL, 1, b"still here")
    await network.collect_frames(b, 1)
    assert a.connected() == {b.public_key}


async def read_to_end(stream: MuxStream) -> bytes:
    received = b""
    while True:
        try:
            received += await stream.read()
        except MuxedStreamError:
            return received


async def answer(stream: MuxStream) -> None:
    await agree(stream, tuple(protocol_of("c0ffee", each) for each in Channel))


async def test_stream_of_unknown_or_malformed_protocol_is_reset_alone(network: Any) -> None:
    a, b = await network.mesh(2)
    mux = a._peers[b.public_key].link._mux  # type: ignore[union-attr]
    for first in (b"\x03\xff\xfe\n", b"\xff\xff\xff\x7f", b"\x05na\xc3(\n"):
        stream = mux.open_stream()
        await stream.write(first)
        with trio.fail_after(5):
            assert await read_to_end(stream) == b"\x13/multistream/1.0.0\n"
    assert a.send(b.public_key, Channel.CONTROL, 1, b"still here")
    await network.collect_frames(b, 1)


async def test_slow_consumer_holds_back_bulk_but_not_control(network: Any) -> None:
    a, b = await network.mesh(2)
    piece = bytes(256 << 10)
    sent = 0

    async def flood() -> None:
        nonlocal sent
        while await a.send_wait(b.public_key, Channel.BULK, 1, piece):
            sent += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(flood)
        # libp2p's own yamux gives up a stream after 5 s without window.
        await trio.sleep(5.5)
        stuck_at = sent
        assert stuck_at < 100  # 16 MiB queued at a, 4 MiB at b, and what TCP holds
        assert a.send(b.public_key, Channel.CONTROL, 2, b"vote")
        await trio.sleep(0.2)
        assert a.connected() == {b.public_key}
        events = await b.receive()
        assert any(isinstance(e, Frame) and e.channel is Channel.CONTROL for e in events)
        assert not any(isinstance(e, PeerDown) for e in events)
        with trio.fail_after(10):
            while sent <= stuck_at + 20:
                await b.receive()
        nursery.cancel_scope.cancel()


async def test_full_queue_refuses(network: Any) -> None:
    a, b = await network.mesh(2)
    taken = [a.send(b.public_key, Channel.CONTROL, 1, bytes(100_000)) for _ in range(20)]
    assert taken[0]
    assert not taken[-1]
    assert a.statistics()[b.public_key].refused_out == taken.count(False)
    assert len(await network.collect_frames(b, taken.count(True))) == taken.count(True)


async def test_control_keeps_the_newest_when_nobody_receives(network: Any) -> None:
    a, b = await network.mesh(2, limits=Limits(control_in_bytes=10_000))
    for number in range(1000):
        while not a.send(b.public_key, Channel.CONTROL, 1, number.to_bytes(2, "big")):
            await trio.sleep(0.01)
    with trio.fail_after(5):
        while b.statistics()[a.public_key].frames_in < 1000:
            await trio.sleep(0.01)
    frames = [event for event in await b.receive() if isinstance(event, Frame)]
    numbers = [int.from_bytes(frame.payload, "big") for frame in frames]
    assert numbers == list(range(1000 - len(numbers), 1000))
    assert b.statistics()[a.public_key].dropped_in == 1000 - len(numbers)


async def test_busy_port_and_bad_address_are_errors(network: Any) -> None:
    a = await network.start(1)
    for listen in (a.addresses[0], "/ip4/127.0.0.1/udp/1", "/ip4/192.0.2.1/tcp/0"):
        b = Libp2pTransport(b"b" * 32, [network.loopback, listen], "c0ffee")
        with pytest.raises(ListenError, match="cannot listen on /ip4"):
            await b.run()


async def test_removed_peer_is_disconnected_and_may_come_back(network: Any) -> None:
    a, b = await network.mesh(2)
    a.admit({})
    assert not a.send(b.public_key, Channel.CONTROL, 1, b"")
    await network.until_down(b, a.public_key)
    a.admit({b.public_key: b.addresses})
    await network.until_up(b, a.public_key)


async def test_cut_off_closes_now_and_mutes_for_a_while(network: Any) -> None:
    a, b = await network.mesh(2, mute_s=0.6)
    start = trio.current_time()
    a.cut_off(b.public_key, "bad votes")
    assert not a.send(b.public_key, Channel.CONTROL, 1, b"")
    down = await network.until_down(a, b.public_key)
    assert down.reason == "cut off: bad votes"
    assert a.statistics()[b.public_key].last_fault == "cut off: bad votes"
    await network.until_up(a, b.public_key)
    assert trio.current_time() - start >= 0.6


@pytest.mark.parametrize("index", [0, 1])
async def test_reconnects_after_a_peer_died(network: Any, index: int) -> None:
    nodes = await network.mesh(2)
    dying, other = nodes[index], nodes[1 - index]
    await network.stop(dying)
    await network.until_down(other, dying.public_key, seconds=1)
    born = await network.start(index + 1, listen=dying.addresses)
    network.introduce(born, other)
    await network.until_up(other, born.public_key)
    await network.until_up(born, other.public_key)
    assert other.send(born.public_key, Channel.BULK, 1, b"again")
    await network.collect_frames(born, 1)


@pytest.mark.parametrize("who_knows", [0, 1])
async def test_one_known_address_is_enough(network: Any, who_knows: int) -> None:
    a, b = await network.start(1), await network.start(2)
    a.admit({b.public_key: b.addresses if who_knows == 0 else ()})
    b.admit({a.public_key: a.addresses if who_knows == 1 else ()})
    await network.until_up(a, b.public_key)
    await network.until_up(b, a.public_key)


async def test_dials_by_name_and_past_dead_addresses(network: Any) -> None:
    a, b = await network.start(1), await network.start(2)
    dead = Libp2pTransport(b"d" * 32, [network.loopback], "c0ffee")
    (listener,) = await dead._open_listeners()
    dead_port = listener.socket.getsockname()[1]
    await listener.aclose()
    a.admit(
        {b.public_key: (f"/ip4/127.0.0.1/tcp/{dead_port}", f"/dns4/localhost/tcp/{port_of(b)}")}
    )
    b.admit({a.public_key: ()})
    await network.until_up(a, b.public_key)


FROZEN = """
import sys, trio
from p2p.libp2p_transport import Libp2pTransport
from p2p.limits import Limits

async def main():
    limits = Limits(dial_patience_s=0.1, silence_s=1.0, heartbeat_s=0.25)
    transport = Libp2pTransport(b"f" * 32, ["/ip4/127.0.0.1/tcp/0"], "c0ffee", limits=limits)
    transport.admit({bytes.fromhex(sys.argv[1]): (sys.argv[2],)})
    async with trio.open_nursery() as nursery:
        await nursery.start(lambda task_status: transport.run(task_status=task_status))
        print(transport.public_key.hex(), flush=True)
        while True:
            await transport.receive()

trio.run(main)
"""


async def test_frozen_process_is_noticed_by_heartbeat_and_comes_back(network: Any) -> None:
    a = await network.start(1)
    process = subprocess.Popen(
        [sys.executable, "-c", FROZEN, a.public_key.hex(), a.addresses[0]],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        assert process.stdout is not None
        key = bytes.fromhex((await trio.to_thread.run_sync(process.stdout.readline)).decode())
        a.admit({key: ()})
        await network.until_up(a, key)
        process.send_signal(signal.SIGSTOP)
        start = trio.current_time()
        down = await network.until_down(a, key)
        assert "silent" in down.reason
        assert trio.current_time() - start < 3
        process.send_signal(signal.SIGCONT)
        await network.until_up(a, key)
        process.kill()
        start = trio.current_time()
        await network.until_down(a, key)
        assert trio.current_time() - start < 0.5
    finally:
        process.kill()
        process.wait()


async def test_own_standstill_is_not_held_against_the_peer(network: Any) -> None:
    a, b = await network.mesh(2)
    spin_until = trio.current_time() + 2 * network.limits.silence_s
    while trio.current_time() < spin_until:
        continue
    with trio.move_on_after(2 * network.limits.heartbeat_s):
        assert await a.receive() == []
    assert a.connected() == {b.public_key}


async def test_shutdown_under_load_is_quick(network: Any) -> None:
    nodes = await network.mesh(3)

    async def flood(sender: Libp2pTransport, peer: bytes) -> None:
        while await sender.send_wait(peer, Channel.BULK, 1, bytes(100_000)):
            continue

    async def drain(receiver: Libp2pTransport) -> None:
        while True:
            await receiver.receive()

    async with trio.open_nursery() as nursery:
        for sender in nodes:
            nursery.start_soon(drain, sender)
            for receiver in nodes:
                if sender is not receiver:
                    nursery.start_soon(flood, sender, receiver.public_key)
        await trio.sleep(0.5)
        with trio.fail_after(2):
            for each in nodes:
                await network.stop(each)
        assert not any(each.connected() for each in nodes)
        nursery.cancel_scope.cancel()


async def test_idle_frame_leaves_at_once(network: Any) -> None:
    a, b = await network.mesh(2)
    times = []
    for _ in range(20):
        await trio.sleep(0.02)
        start = trio.current_time()
        assert a.send(b.public_key, Channel.BULK, 1, b"now")
        await network.collect_frames(b, 1)
        times.append(trio.current_time() - start)
    assert sorted(times)[10] < network.limits.bulk_gap_s


async def test_frames_sent_closely_share_their_writes(network: Any) -> None:
    a, b = await network.mesh(2)
    link = a._peers[b.public_key].link
    assert link is not None
    writes = 0
    write_frame = link._mux.write_frame

    async def counting(data: bytes) -> None:
        nonlocal writes
        writes += 1
        await write_frame(data)

    link._mux.write_frame = counting  # type: ignore[method-assign]
    for _ in range(50):
        for _ in range(20):
            assert a.send(b.public_key, Channel.CONTROL, 1, bytes(100))
        await trio.lowlevel.checkpoint()
    await network.collect_frames(b, 1000)
    assert writes < 100


async def test_up_comes_before_frames(network: Any) -> None:
    a, b = await network.start(1), await network.start(2)
    network.introduce(a, b)
    await network.until_up(a, b.public_key)
    assert a.send(b.public_key, Channel.BULK, 1, b"first")
    events = await network.collect(b, lambda all_: any(isinstance(e, Frame) for e in all_))
    assert events[0] == PeerUp(a.public_key)


async def test_fault_in_a_links_task_ends_that_link_alone(
    network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, c = await network.mesh(3)
    put = a._inbox.put

    def fail_for_b(frame: Frame) -> int:
        if frame.peer == b.public_key:
            raise RuntimeError("a fault of ours")
        return put(frame)

    monkeypatch.setattr(a._inbox, "put", fail_for_b)
    assert b.send(a.public_key, Channel.CONTROL, 1, b"x")
    down = await network.until_down(a, b.public_key)
    assert "RuntimeError" in down.reason
    assert c.send(a.public_key, Channel.CONTROL, 1, b"x")
    await network.collect_frames(a, 1)
    monkeypatch.undo()
    await network.until_up(a, b.public_key)


@pytest.mark.parametrize("newcomer_is_higher", [True, False])
async def test_second_connection_replaces_the_first_only_if_the_higher_key_dialled(
    network: Any, newcomer_is_higher: bool
) -> None:
    a = await network.start(1)
    twice = next(
        candidate
        for number in range(2, 100)
        if (
            (candidate := Libp2pTransport(bytes([number]) * 32, [], "c0ffee")).public_key
            > a.public_key
        )
        is newcomer_is_higher
    )
    twice.admit({a.public_key: ()})
    a.admit({twice.public_key: ()})
    first = await raw_member(network, twice, a)
    for _ in Channel:
        network._nursery.start_soon(answer, await first.accepted.receive())
    await network.until_up(a, twice.public_key)
    second = await raw_member(network, twice, a)
    if newcomer_is_higher:  # it lost the first one, whatever that looks like from here
        down = await network.until_down(a, twice.public_key)
        assert "newer connection" in down.reason
        for _ in Channel:
            network._nursery.start_soon(answer, await second.accepted.receive())
        await network.until_up(a, twice.public_key)
    else:
        with trio.fail_after(2), pytest.raises(trio.EndOfChannel):
            await second.accepted.receive()
        assert a.connected() == {twice.public_key}
