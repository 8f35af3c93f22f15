"""The simulated network: connections between machines, each direction with its own troubles."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

import trio

from p2p.transport import (
    MAX_PAYLOAD_BYTES,
    Channel,
    Frame,
    Inbound,
    PeerDown,
    PeerStatistics,
    PeerUp,
)
from simnet.clock import elapsed_ms

QUEUE_BYTES = 8 << 20
"""A sender drops frames to a peer that has so much in flight, as the real transport does."""
RECONNECT_MS = 50
MUTE_MS = 5_000


@dataclass(slots=True)
class Link:
    """One direction between two machines. Times in ms, rates in basis points and bytes/ms."""

    latency_ms: int = 5
    jitter_ms: int = 5
    loss_bp: int = 0
    duplicate_bp: int = 0
    reorder_bp: int = 0
    bytes_per_ms: int = 0
    is_silent: bool = False
    free_at_ms: int = 0
    last_at_ms: int = 0
    in_flight: int = 0


@dataclass(slots=True)
class Connection:
    """Whether two machines are connected; `generation` grows with each connection.

    `cuts` counts the partitions that lie between them just now.
    """

    is_up: bool = False
    generation: int = 0
    cuts: int = 0
    muted_until_ms: int = 0


@dataclass(slots=True)
class Traffic:
    """What went over the network."""

    frames: Counter[int] = field(default_factory=Counter)
    bytes: Counter[int] = field(default_factory=Counter)


class Network:
    """Carries frames between endpoints in virtual time. All choices come from `random`."""

    def __init__(self, random: Random, fired: Counter[str]) -> None:
        self.random = random
        self.fired = fired
        self.endpoints: list[Endpoint] = []
        self.links: dict[tuple[int, int], Link] = {}
        self.connections: dict[tuple[int, int], Connection] = {}
        self.traffic = Traffic()
        self.on_deliver: Callable[[Endpoint, Endpoint, Frame], None] = lambda a, b, f: None
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._counter = 0
        self._wake = trio.Event()

    def add(self, key: bytes) -> Endpoint:
        """Add a machine. Two with one key are twins: each other machine reaches one of them."""
        endpoint = Endpoint(self, len(self.endpoints), key)
        for other in self.endpoints:
            self.links[endpoint.index, other.index] = Link()
            self.links[other.index, endpoint.index] = Link()
            self.connections[other.index, endpoint.index] = Connection()
        self.endpoints.append(endpoint)
        return endpoint

    def connection(self, a: Endpoint, b: Endpoint) -> Connection:
        return self.connections[min(a.index, b.index), max(a.index, b.index)]

    def route(self, source: Endpoint, key: bytes) -> Endpoint | None:
        """The machine that `source` reaches under `key`; twins share the others between them."""
        found = [e for e in self.endpoints if e.key == key and e is not source]
        return found[source.index % len(found)] if found else None

    def at(self, time_ms: int, action: Callable[[], None]) -> None:
        """Do `action` at a virtual time."""
        self._counter += 1
        heapq.heappush(self._heap, (time_ms, self._counter, action))
        if self._heap[0][1] == self._counter:
            self._wake.set()

    async def run(self) -> None:
        while True:
            self._wake = trio.Event()
            if self._heap and self._heap[0][0] <= elapsed_ms():
                heapq.heappop(self._heap)[2]()
                continue
            due = self._heap[0][0] / 1_000 if self._heap else float("inf")
            with trio.move_on_at(due):
                await self._wake.wait()

    # Connections

    def reconnect(self) -> None:
        """Bring every connection to what it should be: up if both run and nothing forbids it."""
        for (i, j), connection in self.connections.items():
            a, b = self.endpoints[i], self.endpoints[j]
            may = (
                a.is_running
                and b.is_running
                and not connection.cuts
                and b.key in a.admitted
                and a.key in b.admitted
                and self.route(a, b.key) is b
                and self.route(b, a.key) is a
                and connection.muted_until_ms <= elapsed_ms()
            )
            if connection.is_up and not may:
                self._disconnect(connection, a, b, "connection lost")
            elif may and not connection.is_up:
                connection.is_up = True
                connection.generation += 1
                a.deliver(PeerUp(b.key))
                b.deliver(PeerUp(a.key))

    def _disconnect(self, connection: Connection, a: Endpoint, b: Endpoint, reason: str) -> None:
        connection.is_up = False
        connection.generation += 1
        self.links[a.index, b.index].in_flight = self.links[b.index, a.index].in_flight = 0
        a.deliver(PeerDown(b.key, reason))
        b.deliver(PeerDown(a.key, reason))

    def reconnect_soon(self) -> None:
        self.at(elapsed_ms() + RECONNECT_MS, self.reconnect)

    def cut_off(self, a: Endpoint, b: Endpoint, reason: str) -> None:
        """`a` closes the connection to `b` and will not have it back for a while."""
        connection = self.connection(a, b)
        connection.muted_until_ms = elapsed_ms() + MUTE_MS
        if connection.is_up:
            self._disconnect(connection, a, b, reason)
        self.at(connection.muted_until_ms, self.reconnect)

    # Frames

    def send(self, source: Endpoint, frame: Frame, target: Endpoint) -> bool:
        """Put a frame on its way. False if there is no connection or too much is under way."""
        connection = self.connection(source, target)
        link = self.links[source.index, target.index]
        size = len(frame.payload) + 5
        if not connection.is_up or link.in_flight + size > QUEUE_BYTES:
            return False
        self.traffic.frames[frame.kind] += 1
        self.traffic.bytes[frame.kind] += size
        if link.is_silent or self._chance(link.loss_bp):
            self.fired["frame lost"] += 1
            return True
        self._schedule(source, target, link, connection, frame, size)
        if self._chance(link.duplicate_bp):
            self.fired["frame duplicated"] += 1
            self._schedule(source, target, link, connection, frame, size)
        return True

    def _chance(self, rate_bp: int) -> bool:
        return rate_bp > 0 and self.random.randrange(10_000) < rate_bp

    def _schedule(
        self,
        source: Endpoint,
        target: Endpoint,
        link: Link,
        connection: Connection,
        frame: Frame,
        size: int,
    ) -> None:
        now = max(elapsed_ms(), source.busy_until_ms())
        if link.bytes_per_ms:
            now = link.free_at_ms = max(now, link.free_at_ms) + size // link.bytes_per_ms
        at = now + link.latency_ms + self.random.randint(0, link.jitter_ms)
        if self._chance(link.reorder_bp):
            self.fired["frame reordered"] += 1
            at += self.random.randint(1, 200)
        else:
            at = link.last_at_ms = max(at, link.last_at_ms)  # a stream keeps its order
        generation = connection.generation
        link.in_flight += size

        def arrive() -> None:
            if connection.generation == generation:
                link.in_flight -= size
                self.on_deliver(source, target, frame)
                target.deliver(frame)

        self.at(at, arrive)


class Endpoint:
    """One machine's side of the network. Implements p2p.transport.Transport."""

    def __init__(self, network: Network, index: int, key: bytes) -> None:
        self.network = network
        self.index = index
        self.key = key
        self.is_running = False
        self.admitted: frozenset[bytes] = frozenset()
        self.busy_until_ms: Callable[[], int] = lambda: 0
        self.before_send: Callable[[], None] = lambda: None
        self.tamper: Callable[[Frame], list[Frame]] | None = None
        self.on_send: Callable[[Frame], None] = lambda frame: None
        self.on_cut_off: Callable[[Endpoint, str], None] = lambda peer, reason: None
        self._inbox: list[Inbound] = []
        self._arrived = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        self._inbox = []
        self.is_running = True
        self.network.reconnect_soon()
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            self.is_running = False
            self.network.reconnect()

    def deliver(self, event: Inbound) -> None:
        if self.is_running:
            self._inbox.append(event)
            self._arrived.set()

    async def wait_arrival(self) -> None:
        """Return when the next frame or change of a connection reaches the machine."""
        await self._arrived.wait()

    async def receive(self) -> list[Inbound]:
        while not self._inbox:
            self._arrived = trio.Event()
            await self._arrived.wait()
        batch, self._inbox = self._inbox, []
        return batch

    def send(self, peer: bytes, channel: Channel, kind: int, payload: bytes) -> bool:
        """Send as the node asks; a traitor's frames are tampered with on the way out."""
        self.before_send()
        frame = Frame(peer, channel, kind, payload)
        if self.tamper is None:
            return self.put(frame)
        sent = [self.put(each) for each in self.tamper(frame)]
        return all(sent)

    def put(self, frame: Frame) -> bool:
        """Send a frame (`frame.peer` is where it goes) as it is."""
        target = self.network.route(self, frame.peer)
        if target is None:
            return False
        self.on_send(frame)
        if len(frame.payload) > MAX_PAYLOAD_BYTES:
            target.on_cut_off(self, "frame too long")
            self.network.cut_off(target, self, "frame too long")
            return False
        out = Frame(self.key, frame.channel, frame.kind, frame.payload)
        return self.network.send(self, out, target)

    async def send_wait(self, peer: bytes, channel: Channel, kind: int, payload: bytes) -> bool:
        return self.send(peer, channel, kind, payload)

    def admit(self, peers: Mapping[bytes, tuple[str, ...]]) -> None:
        """Set who may be connected; both ends must agree."""
        if self.admitted != peers.keys():
            self.admitted = frozenset(peers)
            self.network.at(elapsed_ms(), self.network.reconnect)

    def connected(self) -> frozenset[bytes]:
        network = self.network
        return frozenset(
            other.key
            for other in network.endpoints
            if other is not self and network.connection(self, other).is_up
        )

    def cut_off(self, peer: bytes, reason: str) -> None:
        target = self.network.route(self, peer)
        if target is not None:
            self.on_cut_off(target, reason)
            self.network.cut_off(self, target, reason)

    def statistics(self) -> Mapping[bytes, PeerStatistics]:
        up = self.connected()
        return {
            other.key: PeerStatistics(other.key in up, 0, 0, 0, 0, 0, 0, 0, 0, "")
            for other in self.network.endpoints
            if other is not self
        }
