"""Transports on loopback, with ports that the system chooses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import trio

from p2p.libp2p_transport import Libp2pTransport
from p2p.limits import Limits
from p2p.transport import Frame, Inbound, PeerDown, PeerUp

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
QUICK = Limits(
    redial_min_s=0.02, redial_max_s=0.1, heartbeat_s=0.25, silence_s=1.0, dial_patience_s=0.5
)


@dataclass(frozen=True)
class Peers:
    keys: set[bytes]

    def are_among(self, events: list[Inbound]) -> bool:
        return self.keys <= {event.peer for event in events}


class Network:
    """Starts transports, stops them, and waits for what they receive."""

    loopback = LOOPBACK
    limits = QUICK

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._scopes: dict[bytes, trio.CancelScope] = {}
        self._stopped: dict[bytes, trio.Event] = {}

    async def start(
        self,
        number: int,
        *,
        listen: tuple[str, ...] = (LOOPBACK,),
        tag: str = "c0ffee",
        limits: Limits = QUICK,
        mute_s: float = 60.0,
    ) -> Libp2pTransport:
        transport = Libp2pTransport(
            bytes([number]) * 32, listen, tag, limits=limits, mute_s=mute_s, jitter=lambda: 0.5
        )
        await self._nursery.start(self._serve, transport)
        return transport

    async def stop(self, transport: Libp2pTransport) -> None:
        self._scopes[transport.public_key].cancel()
        await self._stopped[transport.public_key].wait()

    async def _serve(
        self,
        transport: Libp2pTransport,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        stopped = self._stopped[transport.public_key] = trio.Event()
        with trio.CancelScope() as scope:
            self._scopes[transport.public_key] = scope
            await transport.run(task_status=task_status)
        stopped.set()

    @staticmethod
    def introduce(*transports: Libp2pTransport) -> None:
        """Let each admit all, itself included, as a chain's list of members would."""
        cards = {each.public_key: each.addresses for each in transports}
        for each in transports:
            each.admit(cards)

    async def mesh(self, count: int, **options: object) -> list[Libp2pTransport]:
        transports = [
            await self.start(number, **options)  # type: ignore[arg-type]
            for number in range(1, count + 1)
        ]
        self.introduce(*transports)
        for each in transports:
            others = {other.public_key for other in transports} - {each.public_key}
            await self.collect(each, Peers(others).are_among)
        return transports

    @staticmethod
    async def collect(
        transport: Libp2pTransport,
        is_enough: Callable[[list[Inbound]], bool],
        seconds: float = 10.0,
    ) -> list[Inbound]:
        """Receive until `is_enough(everything received here)`."""
        events: list[Inbound] = []
        with trio.fail_after(seconds):
            while not is_enough(events):
                events += await transport.receive()
        return events

    @staticmethod
    async def collect_frames(transport: Libp2pTransport, count: int) -> list[Frame]:
        events = await Network.collect(
            transport, lambda all_: sum(isinstance(e, Frame) for e in all_) >= count
        )
        return [event for event in events if isinstance(event, Frame)]

    @staticmethod
    async def until_up(transport: Libp2pTransport, peer: bytes, seconds: float = 10.0) -> None:
        await Network.collect(transport, lambda events: PeerUp(peer) in events, seconds)

    @staticmethod
    async def until_down(
        transport: Libp2pTransport, peer: bytes, seconds: float = 10.0
    ) -> PeerDown:
        def downs(events: list[Inbound]) -> list[PeerDown]:
            return [e for e in events if isinstance(e, PeerDown) and e.peer == peer]

        return downs(await Network.collect(transport, lambda events: bool(downs(events)), seconds))[
            0
        ]


@pytest.fixture
def network(nursery: trio.Nursery) -> Network:
    return Network(nursery)
