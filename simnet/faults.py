"""The faults of machines and network: each strikes, lasts, and is healed. Chosen by the seed,
or by a scenario's script.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from simnet.clock import elapsed_ms, sleep_until_ms
from simnet.host import JOURNAL, Host
from simnet.scenario import Strike

if TYPE_CHECKING:
    from simnet.world import World

Fault = Callable[["World", int, Sequence[Host]], Awaitable[None]]
"""Strike in a world, last so many ms, and leave everything as it should be again.

The machines are those that a script names; with none the seed chooses.
"""

MAX_JUMP_MS = 20_000
MAX_STRIKE_MS = 2_500
MAX_STEPS = 60


async def _sleep(ms: int) -> None:
    await sleep_until_ms(elapsed_ms() + ms)


def _victim(world: World, chosen: Sequence[Host]) -> Host | None:
    """A running honest machine; in half of the cases the leader of the current view."""
    running = [h for h in chosen or world.hosts if h.is_voting and not h.is_traitor]
    if not running:
        return None
    if world.random.randrange(2) and not chosen:
        views = [h.core.machine for h in running if h.core is not None]
        machine = max(views, key=lambda m: (m.epoch, m.view))
        name = machine.validators.validators[machine.validators.leader(machine.view)].name
        leaders = [h for h in running if h.name == name]
        if leaders:
            return leaders[0]
    return world.random.choice(running)


def _any(world: World, chosen: Sequence[Host]) -> Host:
    return world.random.choice(chosen or world.hosts)


async def _bring_back(world: World, host: Host) -> None:
    await _ended(host)
    if not host.is_running:
        host.start()
        world.fired["restart"] += 1


async def _ended(host: Host) -> None:
    """Wait until a process that was killed is gone."""
    while host.is_dying:
        await _sleep(1)


async def _end(host: Host) -> None:
    host.kill()
    await _ended(host)


async def crash(world: World, ms: int, chosen: Sequence[Host]) -> None:
    host = _victim(world, chosen)
    if host is not None:
        host.kill()
        await _sleep(ms)
        await _bring_back(world, host)


async def crash_at_await(world: World, ms: int, chosen: Sequence[Host]) -> None:
    """End the process so many steps of the scheduler after something reached it.

    Virtual time stands still meanwhile, so that it dies at any await of any of its tasks.
    """
    host = _victim(world, chosen)
    if host is not None:
        with trio.move_on_at((elapsed_ms() + ms) / 1_000):
            await host.endpoint.wait_arrival()
        for _ in range(world.random.randint(1, MAX_STEPS)):
            await trio.lowlevel.checkpoint()
        host.kill(power=bool(world.random.randrange(2)))
        await _sleep(ms)
        await _bring_back(world, host)


async def power(world: World, ms: int, chosen: Sequence[Host]) -> None:
    host = _victim(world, chosen)
    if host is not None:
        host.kill(power=True)
        await _sleep(ms)
        await _bring_back(world, host)


async def cut_at_operation(world: World, ms: int, chosen: Sequence[Host]) -> None:
    """Power goes at one of the next operations of the disk or sends: between any two effects."""
    host = _victim(world, chosen)
    if host is not None:
        host.disk.cut_after = world.random.randint(1, MAX_STEPS)
        await _sleep(ms)
        host.disk.cut_after = None
        if not host.is_running:
            await _bring_back(world, host)


async def blackout(world: World, ms: int, chosen: Sequence[Host]) -> None:
    """Every machine loses power at once."""
    hosts = [host for host in chosen or world.hosts if host.is_running]
    for host in hosts:
        host.kill(power=True)
    await _sleep(ms)
    for host in hosts:
        await _bring_back(world, host)


async def pause(world: World, ms: int, chosen: Sequence[Host]) -> None:
    host = _victim(world, chosen)
    if host is not None and not host.clock.is_paused:
        host.clock.pause()
        await _sleep(ms)
        host.clock.resume()


async def wipe(world: World, ms: int, chosen: Sequence[Host]) -> None:
    """Lose database and journal but keep the keys: the machine has forgotten its votes."""
    host = world.take_faulty(chosen)
    if host is not None and host.is_running:
        await _end(host)
        host.lose_database()
        host.disk.files.clear()
        world.invariants.forget_reports(host)
        await _sleep(ms)
        await _bring_back(world, host)


async def lose_journal(world: World, ms: int, chosen: Sequence[Host]) -> None:
    """Lose the journal alone, as when it is restored from a backup without it."""
    host = world.take_faulty(chosen)
    if host is not None and host.is_running:
        await _end(host)
        host.disk.files.pop(JOURNAL, None)
        await _sleep(ms)
        await _bring_back(world, host)


async def lose_database(world: World, ms: int, chosen: Sequence[Host]) -> None:
    """Lose the database but not the journal: the chain comes from others, no vote is forgotten.

    Counts as faulty: blocks that too many have lost are lost.
    """
    host = world.take_faulty(chosen)
    if host is not None and host.is_running:
        await _end(host)
        host.lose_database()
        world.invariants.forget_reports(host)
        await _sleep(ms)
        await _bring_back(world, host)


async def rot(world: World, ms: int, chosen: Sequence[Host]) -> None:
    """A sector of the journal rots; the other copy of its batch repairs it."""
    host = _victim(world, chosen)
    if host is not None:
        await _end(host)
        host.disk.rot(JOURNAL, both=False)
        await _sleep(ms)
        await _bring_back(world, host)


async def rot_both(world: World, ms: int, chosen: Sequence[Host]) -> None:
    """Both copies of a batch rot: the node refuses to start; its operator moves the journal."""
    host = world.take_faulty(chosen)
    if host is not None and host.is_running:
        await _end(host)
        host.is_excused = True  # a rotted last batch cannot be told from a torn write
        host.disk.rot(JOURNAL, both=True)
        await _bring_back(world, host)
        await _sleep(10)
        if not host.is_running and host.stopped_by.startswith("journal"):
            world.fired["damaged journal refused"] += 1
            host.disk.files.pop(JOURNAL, None)
            await _bring_back(world, host)


async def rot_database(world: World, ms: int, chosen: Sequence[Host]) -> None:
    """Rows of the database rot: the node stops at the first it reads; its operator syncs anew."""
    host = world.take_faulty(chosen)
    if host is not None:
        host.disk.rot_rows()
        await _sleep(ms)
        if not host.is_running and host.disk.met_rot:
            world.fired["damaged database refused"] += 1
            host.lose_database()
            world.invariants.forget_reports(host)
            await _bring_back(world, host)
        host.disk.mend_rows()


async def partition(world: World, ms: int, chosen: Sequence[Host]) -> None:
    """Cut the machines into two groups; without a script of random size."""
    hosts = list(world.hosts)
    world.random.shuffle(hosts)
    left = list(chosen) or hosts[: world.random.randint(1, len(hosts) - 1)]
    await cut(world, [(a, b) for a in left for b in hosts if b not in left], ms)


async def partial_partition(world: World, ms: int, chosen: Sequence[Host]) -> None:
    """Some pairs cannot reach each other, though both reach others."""
    hosts = chosen or world.hosts
    pairs = [(a, b) for i, a in enumerate(hosts) for b in hosts[:i] if world.random.randrange(3)]
    await cut(world, pairs, ms)


async def cut(world: World, pairs: Sequence[tuple[Host, Host]], ms: int) -> None:
    """Let no connection stand between the two of each pair for a while."""
    connections = [world.network.connection(a.endpoint, b.endpoint) for a, b in pairs]
    for connection in connections:
        connection.cuts += 1
    world.network.reconnect()
    await _sleep(ms)
    for connection in connections:
        connection.cuts -= 1
    world.network.reconnect()


async def one_way(world: World, ms: int, chosen: Sequence[Host]) -> None:
    """One machine is heard by some others no more, though its connections stand."""
    host = _any(world, chosen)
    others = [h for h in world.hosts if h is not host and world.random.randrange(2)]
    links = [world.network.links[host.endpoint.index, other.endpoint.index] for other in others]
    for link in links:
        link.is_silent = True
    await _sleep(ms)
    for link in links:
        link.is_silent = False


async def flap(world: World, ms: int, chosen: Sequence[Host]) -> None:
    """A machine's connections come and go."""
    host = _any(world, chosen)
    times = world.random.randint(2, 8)
    for _ in range(times):
        await cut(world, [(host, h) for h in world.hosts if h is not host], ms // (2 * times))
        await _sleep(ms // (2 * times))


@dataclass(frozen=True, slots=True)
class LinkFault:
    """Half of all links, or all from the machines chosen, get worse by a number."""

    change: str
    low: int
    high: int

    async def __call__(
        self, world: World, ms: int, chosen: Sequence[Host], value: int = -1
    ) -> None:
        indices = {host.endpoint.index for host in chosen or world.hosts}
        links = [
            link
            for (source, _), link in world.network.links.items()
            if source in indices and (chosen or world.random.randrange(2))
        ]
        strength = value if value >= 0 else world.random.randint(self.low, self.high)
        for link in links:
            setattr(link, self.change, strength)
        await _sleep(ms)
        for link in links:
            setattr(link, self.change, getattr(world.base_link, self.change))


async def clock_drift(world: World, ms: int, chosen: Sequence[Host]) -> None:
    host = _any(world, chosen)
    host.clock.set_drift(world.random.randint(-50_000, 50_000))
    await _sleep(ms)
    world.invariants.note_clocks()
    host.clock.set_drift(0)


async def clock_jump(world: World, ms: int, chosen: Sequence[Host]) -> None:
    """A wall clock is set wrong, by less or by far more than the governed drift."""
    host = _any(world, chosen)
    host.clock.jump_ms += world.random.randint(-MAX_JUMP_MS, MAX_JUMP_MS)
    world.invariants.note_clocks()
    await _sleep(ms)
    host.clock.mend()


async def failed_sync(world: World, ms: int, chosen: Sequence[Host]) -> None:
    """An fsync fails: the process must end and never try it again."""
    host = _victim(world, chosen)
    if host is not None:
        host.disk.fails_sync = True
        await _sleep(ms)
        host.disk.fails_sync = False
        if not host.is_running:
            # What the failed sync should have kept may be lost: as after a loss of power.
            host.disk.lose_power()
            await _bring_back(world, host)


async def full_disk(world: World, ms: int, chosen: Sequence[Host]) -> None:
    host = _victim(world, chosen)
    if host is not None:
        host.disk.is_full = True
        await _sleep(ms)
        host.disk.is_full = False
        if not host.is_running:
            await _bring_back(world, host)


async def slow_disk(world: World, ms: int, chosen: Sequence[Host]) -> None:
    host = _any(world, chosen)
    host.disk.sync_ms = world.random.randint(5, 150)
    await _sleep(ms)
    host.disk.sync_ms = 0


FAULTS: dict[str, Fault] = {
    "crash": crash,
    "crash-at-await": crash_at_await,
    "power": power,
    "cut-at-operation": cut_at_operation,
    "blackout": blackout,
    "pause": pause,
    "wipe": wipe,
    "lose-journal": lose_journal,
    "lose-database": lose_database,
    "rot": rot,
    "rot-both": rot_both,
    "rot-database": rot_database,
    "partition": partition,
    "partial-partition": partial_partition,
    "one-way": one_way,
    "flap": flap,
    "loss": LinkFault("loss_bp", 100, 3_000),
    "duplicate": LinkFault("duplicate_bp", 100, 3_000),
    "reorder": LinkFault("reorder_bp", 100, 3_000),
    "latency": LinkFault("latency_ms", 50, 600),
    "bandwidth": LinkFault("bytes_per_ms", 5, 100),
    "clock-drift": clock_drift,
    "clock-jump": clock_jump,
    "failed-sync": failed_sync,
    "full-disk": full_disk,
    "slow-disk": slow_disk,
}


async def run_faults(world: World) -> None:
    """Carry out the script, and strike at random until faults are to end; each heals itself."""
    async with trio.open_nursery() as nursery:
        for strike in world.scenario.script:
            nursery.start_soon(_run_scripted, world, strike)
        names = world.scenario.faults
        while names:
            await _sleep(world.random.randint(1, 2 * world.scenario.fault_gap_ms))
            left_ms = world.fault_end_ms - elapsed_ms()
            if left_ms <= 0:
                return
            ms = min(world.random.randint(1, MAX_STRIKE_MS), max(1, left_ms // 2))
            nursery.start_soon(_strike, world, Strike(0, world.random.choice(names), ms))


async def _run_scripted(world: World, strike: Strike) -> None:
    await sleep_until_ms(strike.at_ms)
    await _strike(world, strike)


async def _strike(world: World, strike: Strike) -> None:
    chosen = [world.hosts[i] for i in strike.nodes]
    world.fired[f"fault {strike.fault}"] += 1
    what = f"{strike.fault} for {strike.for_ms} ms"
    world.trace.note("fault", " ".join((what, *(host.label for host in chosen))))
    fault = FAULTS[strike.fault]
    if isinstance(fault, LinkFault):
        await fault(world, strike.for_ms, chosen, strike.value)
    else:
        await fault(world, strike.for_ms, chosen)
