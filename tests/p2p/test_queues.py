from __future__ import annotations

import trio
import trio.testing

from p2p.queues import OutgoingQueue


async def test_take_joins_whole_frames_up_to_the_limit() -> None:
    queue = OutgoingQueue(1000)
    for frame in (b"a" * 30, b"b" * 30, b"c" * 30):
        assert queue.put(frame)
    assert queue.take(70) == (2, b"a" * 30 + b"b" * 30)
    assert queue.take(10) == (1, b"c" * 30)
    assert queue.bytes_queued == 0


async def test_full_queue_refuses_but_an_empty_one_takes_any_frame() -> None:
    queue = OutgoingQueue(10)
    assert queue.put(b"x" * 25)
    assert not queue.put(b"y")
    queue.take(1)
    assert queue.put(b"y")


async def test_waiting_producers_are_served_in_order_and_not_overtaken() -> None:
    queue = OutgoingQueue(10)
    queue.put(b"0" * 10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(queue.put_wait, b"1" * 10)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(queue.put_wait, b"2" * 10)
        await trio.testing.wait_all_tasks_blocked()
        queue.take(10)
        assert not queue.put(b"3")
        await trio.testing.wait_all_tasks_blocked()
        assert queue.take(100) == (1, b"1" * 10)
        await trio.testing.wait_all_tasks_blocked()
        assert queue.take(100) == (1, b"2" * 10)
        assert queue.put(b"3")


async def test_close_tells_those_who_wait() -> None:
    queue = OutgoingQueue(10)
    queue.put(b"0" * 10)
    answers: list[bool] = []

    async def produce() -> None:
        answers.append(await queue.put_wait(b"1"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(produce)
        nursery.start_soon(produce)
        await trio.testing.wait_all_tasks_blocked()
        queue.close()
    assert answers == [False, False]
    assert not queue.put(b"2")


async def test_consumer_wakes_for_a_frame() -> None:
    queue = OutgoingQueue(10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(queue.wait_filled)
        await trio.testing.wait_all_tasks_blocked()
        queue.put(b"x")
    queue.take(10)
    with trio.move_on_after(0.01) as scope:
        await queue.wait_filled()
    assert scope.cancelled_caught
