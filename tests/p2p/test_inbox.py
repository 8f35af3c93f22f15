from __future__ import annotations

import trio
import trio.testing

from p2p.inbox import FRAME_COST_BYTES, MAX_BATCH_EVENTS, Inbox
from p2p.transport import Channel, Frame, PeerDown, PeerUp

A, B = b"a" * 32, b"b" * 32


def frame(peer: bytes, channel: Channel, size: int = 0, kind: int = 1) -> Frame:
    return Frame(peer, channel, kind, bytes(size))


async def test_control_of_all_peers_comes_first() -> None:
    inbox = Inbox(1000, 1000, 1000)
    inbox.up(A)
    inbox.up(B)
    inbox.put(frame(A, Channel.DATA))
    inbox.put(frame(A, Channel.BULK))
    inbox.put(frame(B, Channel.CONTROL))
    batch = await inbox.take()
    assert [event.channel for event in batch if isinstance(event, Frame)] == [
        Channel.CONTROL,
        Channel.BULK,
        Channel.DATA,
    ]


async def test_control_overflow_drops_the_oldest_frames_but_no_ups_and_downs() -> None:
    inbox = Inbox(3 * FRAME_COST_BYTES, 0, 0)
    inbox.up(A)
    dropped = sum(inbox.put(frame(A, Channel.CONTROL, kind=kind)) for kind in range(1, 7))
    assert dropped == 3
    up, *frames = await inbox.take()
    assert up == PeerUp(A)
    assert [event.kind for event in frames if isinstance(event, Frame)] == [4, 5, 6]


async def test_bulk_overflow_holds_back_its_own_reader_only() -> None:
    inbox = Inbox(1000, 1000, 1000)
    inbox.up(A)
    inbox.up(B)
    inbox.put(frame(A, Channel.BULK, 2000))
    await inbox.wait_room(A, Channel.CONTROL)
    await inbox.wait_room(A, Channel.DATA)
    await inbox.wait_room(B, Channel.BULK)
    passed = trio.Event()

    async def read() -> None:
        await inbox.wait_room(A, Channel.BULK)
        passed.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        assert not passed.is_set()
        await inbox.take()
    assert passed.is_set()


async def test_down_comes_after_control_frames_and_takes_bulk_with_it() -> None:
    inbox = Inbox(1000, 1000, 1000)
    inbox.up(A)
    inbox.put(frame(A, Channel.BULK))
    inbox.put(frame(A, Channel.CONTROL))
    inbox.down(A, "gone")
    inbox.up(A)
    inbox.put(frame(A, Channel.BULK, 1))
    assert await inbox.take() == [
        PeerUp(A),
        frame(A, Channel.CONTROL),
        PeerDown(A, "gone"),
        PeerUp(A),
        frame(A, Channel.BULK, 1),
    ]


async def test_batches_are_bounded() -> None:
    inbox = Inbox(1 << 30, 0, 0)
    inbox.up(A)
    for _ in range(3 * MAX_BATCH_EVENTS):
        inbox.put(frame(A, Channel.CONTROL))
    assert len(await inbox.take()) == MAX_BATCH_EVENTS


async def test_a_peer_that_is_gone_leaves_nothing_behind() -> None:
    inbox = Inbox(1000, 1000, 1000)
    for number in range(100):
        peer = number.to_bytes(32, "big")
        inbox.up(peer)
        inbox.down(peer, "gone")
        await inbox.take()
    assert not inbox._lanes
