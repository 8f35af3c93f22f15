"""Reconnecting for ever must not cost memory, tasks or sockets."""

from __future__ import annotations

import gc
import os
import resource
from pathlib import Path
from typing import Any

import pytest
import trio

from p2p.transport import Channel


async def reconnect(network: Any, times: int) -> tuple[int, int, int]:
    """Cut and re-establish a link `times` times: growth in bytes, tasks and open files."""
    a, b = await network.mesh(2)

    def count() -> tuple[int, int, int]:
        gc.collect()
        tasks = trio.lowlevel.current_statistics().tasks_living
        resident_pages = int(Path("/proc/self/statm").read_text().split()[1])
        files = len(list(Path("/proc/self/fd").iterdir()))
        return resident_pages * resource.getpagesize(), tasks, files

    before = count()
    for number in range(times):
        if number == times // 5:
            before = count()  # caches and allocator have warmed up
        sender, receiver = (a, b) if number % 2 else (b, a)
        assert sender.send(receiver.public_key, Channel.BULK, 1, bytes(50_000))
        sender._peers[receiver.public_key].link.end("soak")
        await network.until_down(b, a.public_key)
        await network.until_up(a, b.public_key)
        await network.until_up(b, a.public_key)
    after = count()
    return after[0] - before[0], after[1] - before[1], after[2] - before[2]


async def test_sixty_reconnects(network: Any) -> None:
    memory, tasks, files = await reconnect(network, 60)
    assert memory < 8 << 20
    assert tasks <= 2
    assert files <= 2


@pytest.mark.campaign
async def test_thousands_of_reconnects(network: Any) -> None:
    memory, tasks, files = await reconnect(network, int(os.environ.get("SOAK_RECONNECTS", "5000")))
    assert memory < 16 << 20
    assert tasks <= 2
    assert files <= 2
