"""A new release, installed on one machine after the other while the network runs.

It executes one protocol version more, which members activate by vote. Who has the old release then
stops before the first block of the new version, and goes on once the new one is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.system import VERSIONS
from simnet.clock import elapsed_ms, sleep_until_ms

if TYPE_CHECKING:
    from simnet.host import Host
    from simnet.world import World

NEXT_VERSION = 2
NEXT_VERSIONS = {**VERSIONS, NEXT_VERSION: VERSIONS[1]}
"""The rules are the same: what is simulated is that not everybody has them."""
GAP_MS = 100


class Release:
    """Installs the new release; some machines get it only once they have stopped for want of it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random = world.random

    async def run(self) -> None:
        world, random = self._world, self._random
        hosts = list(world.hosts)
        random.shuffle(hosts)
        late = set(random.sample(range(len(hosts)), max(1, (len(hosts) - 1) // 3)))
        for i, host in enumerate(hosts):
            if i not in late:
                await sleep_until_ms(elapsed_ms() + random.randint(1, 4 * GAP_MS))
                await self._install(host)
        while elapsed_ms() < world.fault_end_ms:
            await sleep_until_ms(elapsed_ms() + GAP_MS)
            for host in hosts:
                if host.stopped_by.startswith("version") and host.versions is VERSIONS:
                    world.fired["stopped for want of a version"] += 1
                    await self._install(host)

    async def finish(self) -> None:
        """Install it wherever it is missing."""
        for host in self._world.hosts:
            if host.versions is VERSIONS:
                await self._install(host)

    async def _install(self, host: Host) -> None:
        host.kill()
        while host.is_dying:
            await sleep_until_ms(elapsed_ms() + 1)
        host.versions = NEXT_VERSIONS
        host.start()
        self._world.fired["new release installed"] += 1
