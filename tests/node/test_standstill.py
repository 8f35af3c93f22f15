"""A chain that stands still: what the node, its status, its inbox and its notices say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
import trio.testing

from node.core import Core
from node.notices.select import standstill_of
from node.service import WATCH_S, Service
from node.standstill import STALE_MS, sentence
from tests.node.core_net import PARAMETERS, Net

OVERDUE_MS = PARAMETERS.idle_ms + STALE_MS + 1


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Net]:
    made = Net(tmp_path)
    made.submit("a")
    made.run(1_000)
    yield made
    made.close()


class Subscribers:
    """Stands for the server's sessions: hears what is published."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Any]] = []

    def has_subscribers(self, topic: str) -> bool:
        return topic == "state"

    def publish(self, topic: str, data: Any) -> None:
        self.heard.append((topic, data))


def service_of(net: Net, name: str) -> Service:
    host = net.hosts[name]
    unused, alone = cast(Any, None), cast(Any, SimpleNamespace(services=[]))
    return Service(cast(Core, host.core), alone, unused, net.genesis, lambda: host.now, list)


async def test_it_is_told_when_it_begins_and_when_it_ends(
    net: Net, autojump_clock: trio.testing.MockClock
) -> None:
    service = service_of(net, "a")
    sessions = Subscribers()
    service.server = cast(Any, sessions)
    status: dict[str, Any] = await service.methods["status"]({}, cast(Any, None))
    assert not status["standing_still"]
    assert sentence(status) is None
    assert standstill_of(status) is None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(service.watch)
        await trio.sleep(2 * WATCH_S)
        for name in "cd":
            net.hosts[name].kill()
        net.submit("a")
        net.run(OVERDUE_MS)
        await trio.sleep(2 * WATCH_S)
        status = await service.methods["status"]({}, cast(Any, None))
        net.hosts["c"].start()
        net.run(2_000)
        await trio.sleep(2 * WATCH_S)
        nursery.cancel_scope.cancel()
    assert status["state"] == "no quorum"
    assert "1 transactions wait: too few validators" in (sentence(status) or "")
    notice = standstill_of(status)
    assert notice is not None
    assert notice.height == status["height"]
    assert notice.subject == "[test] node standing-still"
    assert "muniment status" in notice.text
    told = [data["standing_still"] for _, data in sessions.heard]
    assert told == [False, True, False]


async def test_a_peer_that_says_it_is_ahead_does_not_hide_it(net: Net) -> None:
    service = service_of(net, "a")
    core = cast(Core, net.hosts["a"].core)
    net.cut = {frozenset((one, other)) for one in "ab" for other in "cd"}
    net.run(OVERDUE_MS)
    for peer in core.peers.connected():
        if peer.status is not None and peer.name == "b":
            peer.status = type(peer.status)(1 << 40, 0, bytes(32), 0, 0, 0)
    core.tick(net.now)
    assert core.sync.is_active
    status: dict[str, Any] = await service.methods["status"]({}, cast(Any, None))
    assert status["state"] == "stalled"
    assert "validators whose turns are skipped" in (sentence(status) or "")
