"""The faults of machines and network: each strikes, lasts, and is healed. Chosen by the seed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import trio

from simnet.clock import elapsed_ms, sleep_until_ms
from simnet.host import JOURNAL, Host

if TYPE_CHECKING:
    from simnet.world import World

Fault = Callable[["World", int], Awaitable[None]]
"""Strike in a world, last about so many ms, and leave everything as it should be again."""

MAX_JUMP_MS = 20_000


async def _sleep(ms: int) -> None:
    await sleep_until_ms(elapsed_ms() + ms)


def _victim(world: World) -> Host | None:
    """A running honest machine; in half of the cases the leader of the current view."""
    running = [h for h in world.hosts if h.core is not None and not h.is_traitor]
    if not running:
        return None
    if world.random.randrange(2):
        views = [h.core.machine for h in running if h.core is not None]
        machine = max(views, key=lambda m: (m.epoch, m.view))
        name = machine.validators.validators[machine.validators.leader(machine.view)].name
        leaders = [h for h in running if h.name == name]
        if leaders:
            return leaders[0]
    return world.random.choice(running)


async def _bring_back(world: World, host: Host) -> None:
    await _ended(host)
    if not host.is_running:
        host.start()
        world.fired["restart"] += 1


async def _ended(host: Host) -> None:
    """Wait until a process that was killed is gone."""
    while host.is_dying:
        await _sleep(1)


async def crash(world: World, ms: int) -> None:
    host = _victim(world)
    if host is not None:
        host.kill()
        await _sleep(ms)
        await _bring_back(world, host)


async def power(world: World, ms: int) -> None:
    host = _victim(world)
    if host is not None:
        host.kill(power=True)
        await _sleep(ms)
        await _bring_back(world, host)


async def cut_at_operation(world: World, ms: int) -> None:
    """Power goes at one of the next operations of the disk or sends: between any two effects."""
    host = _victim(world)
    if host is not None:
        host.disk.cut_after = world.random.randint(1, 60)
        await _sleep(ms)
        host.disk.cut_after = None
        if not host.is_running:
            await _bring_back(world, host)


async def blackout(world: World, ms: int) -> None:
    """Every machine loses power at once."""
    hosts = [host for host in world.hosts if host.is_running]
    for host in hosts:
        host.kill(power=True)
    await _sleep(ms)
    for host in hosts:
        await _bring_back(world, host)


async def pause(world: World, ms: int) -> None:
    host = _victim(world)
    if host is not None and not host.clock.is_paused:
        host.clock.pause()
        await _sleep(2 * ms)
        host.clock.resume()


async def wipe(world: World, ms: int) -> None:
    """Lose database and journal but keep the keys: the machine has forgotten its votes."""
    host = world.take_faulty()
    if host is not None and host.is_running:
        host.kill()
        await _ended(host)
        host.wipe()
        world.invariants.forget_reports(host)
        await _sleep(ms)
        await _bring_back(world, host)


async def lose_journal(world: World, ms: int) -> None:
    """Lose the journal alone, as when it is restored from a backup without it."""
    host = world.take_faulty()
    if host is not None and host.is_running:
        host.kill()
        await _ended(host)
        host.disk.files.pop(JOURNAL, None)
        await _sleep(ms)
        await _bring_back(world, host)


async def rot(world: World, ms: int) -> None:
    """A sector of the journal rots; the other copy of its batch repairs it."""
    host = _victim(world)
    if host is not None:
        host.kill()
        await _ended(host)
        host.disk.rot(JOURNAL, both=False)
        await _sleep(ms)
        await _bring_back(world, host)


async def rot_both(world: World, ms: int) -> None:
    """Both copies of a batch rot: the node refuses to start; its operator moves the journal."""
    host = world.take_faulty()
    if host is not None and host.is_running:
        host.kill()
        await _ended(host)
        host.is_excused = True  # a rotted last batch cannot be told from a torn write
        host.disk.rot(JOURNAL, both=True)
        await _bring_back(world, host)
        await _sleep(10)
        if not host.is_running and host.stopped_by.startswith("journal"):
            world.fired["damaged journal refused"] += 1
            host.disk.files.pop(JOURNAL, None)
            await _bring_back(world, host)


async def partition(world: World, ms: int) -> None:
    """Cut the machines into two groups of random size."""
    hosts = list(world.hosts)
    world.random.shuffle(hosts)
    size = world.random.randint(1, len(hosts) - 1)
    await split(world, hosts[:size], hosts[size:], ms)


async def split(world: World, left: list[Host], right: list[Host], ms: int) -> None:
    network = world.network
    pairs = [(a.endpoint, b.endpoint) for a in left for b in right]
    for a, b in pairs:
        network.set_cut(a, b, is_cut=True)
    network.reconnect()
    await _sleep(2 * ms)
    for a, b in pairs:
        network.set_cut(a, b, is_cut=False)
    network.reconnect()


async def one_way(world: World, ms: int) -> None:
    """One machine is heard by some others no more, though its connections stand."""
    host = world.random.choice(world.hosts)
    others = [h for h in world.hosts if h is not host and world.random.randrange(2)]
    links = [world.network.links[host.endpoint.index, other.endpoint.index] for other in others]
    for link in links:
        link.is_silent = True
    await _sleep(2 * ms)
    for link in links:
        link.is_silent = False


async def flap(world: World, ms: int) -> None:
    """A machine's connections come and go."""
    host = world.random.choice(world.hosts)
    for _ in range(world.random.randint(2, 8)):
        await split(world, [host], [h for h in world.hosts if h is not host], ms // 20)
        await _sleep(ms // 10)


def _on_links(change: str, low: int, high: int) -> Fault:
    async def strike(world: World, ms: int) -> None:
        links = [link for link in world.network.links.values() if world.random.randrange(2)]
        value = world.random.randint(low, high)
        base = world.base_link
        for link in links:
            setattr(link, change, value)
        await _sleep(2 * ms)
        for link in links:
            setattr(link, change, getattr(base, change))

    return strike


async def clock_drift(world: World, ms: int) -> None:
    host = world.random.choice(world.hosts)
    host.clock.set_drift(world.random.randint(-50_000, 50_000))
    await _sleep(2 * ms)
    world.invariants.note_clocks()
    host.clock.set_drift(0)


async def clock_jump(world: World, ms: int) -> None:
    """A wall clock is set wrong, by less or by far more than the governed drift."""
    host = world.random.choice(world.hosts)
    host.clock.jump_ms += world.random.randint(-MAX_JUMP_MS, MAX_JUMP_MS)
    world.invariants.note_clocks()
    await _sleep(2 * ms)
    host.clock.mend()


async def failed_sync(world: World, ms: int) -> None:
    """An fsync fails: the process must end and never try it again."""
    host = _victim(world)
    if host is not None:
        host.disk.fails_sync = True
        await _sleep(ms)
        host.disk.fails_sync = False
        if not host.is_running:
            # What the failed sync should have kept may be lost: as after a loss of power.
            host.disk.lose_power()
            await _bring_back(world, host)


async def full_disk(world: World, ms: int) -> None:
    host = _victim(world)
    if host is not None:
        host.disk.is_full = True
        await _sleep(ms)
        host.disk.is_full = False
        if not host.is_running:
            await _bring_back(world, host)


async def slow_disk(world: World, ms: int) -> None:
    host = world.random.choice(world.hosts)
    host.disk.sync_ms = world.random.randint(5, 150)
    await _sleep(2 * ms)
    host.disk.sync_ms = 0


FAULTS: dict[str, Fault] = {
    "crash": crash,
    "power": power,
    "cut-at-operation": cut_at_operation,
    "blackout": blackout,
    "pause": pause,
    "wipe": wipe,
    "lose-journal": lose_journal,
    "rot": rot,
    "rot-both": rot_both,
    "partition": partition,
    "one-way": one_way,
    "flap": flap,
    "loss": _on_links("loss_bp", 100, 3_000),
    "duplicate": _on_links("duplicate_bp", 100, 3_000),
    "reorder": _on_links("reorder_bp", 100, 3_000),
    "latency": _on_links("latency_ms", 50, 600),
    "bandwidth": _on_links("bytes_per_ms", 5, 100),
    "clock-drift": clock_drift,
    "clock-jump": clock_jump,
    "failed-sync": failed_sync,
    "full-disk": full_disk,
    "slow-disk": slow_disk,
}


async def run_faults(world: World) -> None:
    """Strike again and again until cancelled; each fault heals itself."""
    names = world.scenario.faults
    if not names:
        return
    async with trio.open_nursery() as nursery:
        while True:
            await _sleep(world.random.randint(1, 2 * world.scenario.fault_gap_ms))
            if elapsed_ms() >= world.fault_end_ms:
                return
            name = world.random.choice(names)
            world.fired[f"fault {name}"] += 1
            world.trace.note("fault", name)
            left = world.fault_end_ms - elapsed_ms()
            ms = min(world.random.randint(1, 1_500), max(1, left // 3))
            nursery.start_soon(FAULTS[name], world, ms)
