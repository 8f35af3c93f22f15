"""The transport over libp2p: listens, dials for ever, keeps one link to each admitted peer."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import trio

from p2p.addresses import Address, address_of, connect, open_listener, parse_address
from p2p.admission import AdmittingNoise
from p2p.frame import encode_frame
from p2p.gate import Gate, GateClosedError
from p2p.handshake import secure_inbound, secure_outbound
from p2p.identity import KEY_BYTES, make_key_pair
from p2p.inbox import Inbox
from p2p.libp2p_shim import quiet_libp2p
from p2p.limits import Limits
from p2p.link import Counters, Link
from p2p.mux import Mux
from p2p.transport import (
    MIN_KIND,
    Channel,
    Inbound,
    ListenError,
    PeerStatistics,
)

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Peer:
    """What is known of one admitted peer."""

    key: bytes
    addresses: tuple[Address, ...]
    counters: Counters = field(default_factory=Counters)
    link: Link | None = None
    linked: trio.Event = field(default_factory=trio.Event)
    dialling: trio.CancelScope = field(default_factory=trio.CancelScope)
    muted_until: float = float("-inf")
    last_fault: str = ""


class Libp2pTransport:
    """Implements `p2p.transport.Transport`.

    `seed` is the node's 32-byte Ed25519 seed. `listen` names multiaddrs; port 0 lets the
    system choose, and `addresses` tells the result once `run` has started. `network` is the
    chain's tag in hexadecimal: nodes of different chains do not understand each other.
    `jitter` returns a number within 0..1 and spreads redials.
    """

    def __init__(
        self,
        seed: bytes,
        listen: Sequence[str],
        network: str,
        *,
        limits: Limits | None = None,
        mute_s: float = 60.0,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        key_pair = make_key_pair(seed)
        bytes.fromhex(network)
        self.public_key: bytes = key_pair.public_key.to_bytes()
        self.addresses: tuple[str, ...] = ()
        self._listen = tuple(listen)
        self._network = network
        self._limits = limits or Limits()
        self._mute_s = mute_s
        self._jitter = jitter
        self._noise = AdmittingNoise(key_pair, self._is_welcome)
        self._gate = Gate(self._limits)
        self._inbox = Inbox(
            self._limits.control_in_bytes, self._limits.bulk_in_bytes, self._limits.data_in_bytes
        )
        self._peers: dict[bytes, _Peer] = {}
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; `started()` once listening. Raises ListenError."""
        quiet_libp2p()
        listeners = await self._open_listeners()
        self.addresses = tuple(str(address_of(listener)) for listener in listeners)
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                for peer in self._peers.values():
                    nursery.start_soon(self._keep, peer)
                nursery.start_soon(trio.serve_listeners, self._serve_inbound, listeners)
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None

    async def receive(self) -> list[Inbound]:
        return await self._inbox.take()

    def send(self, peer: bytes, channel: Channel, kind: int, payload: bytes) -> bool:
        frame = _encode(kind, payload)
        known = self._peers.get(peer)
        if known is None or known.link is None or not known.link.is_up:
            return False
        taken = known.link.queues[channel].put(frame)
        known.counters.refused_out += not taken
        return taken

    async def send_wait(self, peer: bytes, channel: Channel, kind: int, payload: bytes) -> bool:
        frame = _encode(kind, payload)
        known = self._peers.get(peer)
        if known is None or known.link is None or not known.link.is_up:
            return False
        return await known.link.queues[channel].put_wait(frame)

    def admit(self, peers: Mapping[bytes, tuple[str, ...]]) -> None:
        """Set who may connect. ValueError on a malformed key or address, with nothing changed."""
        wanted: dict[bytes, tuple[Address, ...]] = {}
        for key, addresses in peers.items():
            if len(key) != KEY_BYTES:
                raise ValueError(f"a node key has {KEY_BYTES} bytes, not {len(key)}")
            if key != self.public_key:
                wanted[key] = tuple(parse_address(text) for text in addresses)
        for key in [key for key in self._peers if key not in wanted]:
            peer = self._peers.pop(key)
            peer.dialling.cancel()
            if peer.link is not None:
                peer.link.end("no longer admitted")
        for key, dial in wanted.items():
            known = self._peers.get(key)
            if known is not None:
                known.addresses = dial
                continue
            added = self._peers[key] = _Peer(key, dial)
            if self._nursery is not None:
                self._nursery.start_soon(self._keep, added)

    def connected(self) -> frozenset[bytes]:
        return frozenset(
            key for key, peer in self._peers.items() if peer.link is not None and peer.link.is_up
        )

    def cut_off(self, peer: bytes, reason: str) -> None:
        known = self._peers.get(peer)
        if known is not None:
            known.muted_until = trio.current_time() + self._mute_s
            known.last_fault = f"cut off: {reason}"
            logger.warning("peer %s cut off: %s", peer.hex()[:16], reason)
            if known.link is not None:
                known.link.end(f"cut off: {reason}")

    def statistics(self) -> Mapping[bytes, PeerStatistics]:
        return {key: _report(peer) for key, peer in self._peers.items()}

    async def _open_listeners(self) -> list[trio.SocketListener]:
        listeners: list[trio.SocketListener] = []
        for text in self._listen:
            try:
                listeners.append(await open_listener(parse_address(text)))
            except (OSError, ValueError) as error:
                for listener in listeners:
                    await listener.aclose()
                raise ListenError(f"cannot listen on {text}: {error}") from error
        return listeners

    def _is_welcome(self, key: bytes) -> bool:
        peer = self._peers.get(key)
        return peer is not None and peer.muted_until <= trio.current_time()

    async def _serve_inbound(self, stream: trio.SocketStream) -> None:
        """Take one connection from anybody; whatever it does, the listener goes on."""
        try:
            address = str(stream.socket.getpeername()[0])
            with self._gate.connection(address):
                with self._gate.handshake(address), trio.fail_after(self._limits.handshake_s):
                    key, mux = await secure_inbound(stream, self._noise)
                await self._run_link(key, mux, stream, dialled_by_us=False)
        except GateClosedError as error:
            logger.debug("connection refused: %s", error)
        except Exception as error:
            logger.debug("handshake failed: %s: %s", type(error).__name__, error)
        finally:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)

    async def _keep(self, peer: _Peer) -> None:
        """Keep a link to one peer until it is no longer admitted."""
        limits = self._limits
        backoff_s = limits.redial_min_s
        with peer.dialling:
            while True:
                if peer.link is not None:
                    was_up = await peer.link.wait_gone()
                elif await self._is_linked_meanwhile(peer, backoff_s):
                    continue
                else:
                    was_up = await self._dial(peer)
                # A link that never came up does not count: the peer may be of another chain.
                backoff_s = (
                    limits.redial_min_s if was_up else min(backoff_s * 2, limits.redial_max_s)
                )

    async def _is_linked_meanwhile(self, peer: _Peer, backoff_s: float) -> bool:
        """Wait until it is our turn to dial; True when the peer came first."""
        wait_s = backoff_s * (0.5 + 0.5 * self._jitter())
        if self.public_key < peer.key:
            wait_s = max(wait_s, self._limits.dial_patience_s)
        wait_s = max(wait_s, peer.muted_until - trio.current_time())
        with trio.move_on_after(wait_s):
            if peer.link is None:
                peer.linked = trio.Event()
                await peer.linked.wait()
        return peer.link is not None

    async def _dial(self, peer: _Peer) -> bool:
        """Try each address once, and serve the first that answers as the peer.

        Return, when it ends, whether a link came up.
        """
        for address in peer.addresses:
            try:
                with trio.fail_after(self._limits.dial_s):
                    stream = await connect(address)
            except (OSError, trio.TooSlowError) as error:
                peer.last_fault = f"{address}: {error or 'no answer'}"
                continue
            try:
                with trio.fail_after(self._limits.handshake_s):
                    mux = await secure_outbound(stream, self._noise, peer.key)
                return await self._run_link(peer.key, mux, stream, dialled_by_us=True)
            except Exception as error:
                peer.last_fault = f"{address}: {type(error).__name__}"
                logger.debug("dialling %s failed: %s", address, error)
            finally:
                with trio.CancelScope(shield=True):
                    await trio.aclose_forcefully(stream)
        return False

    async def _run_link(
        self, key: bytes, mux: Mux, stream: trio.SocketStream, *, dialled_by_us: bool
    ) -> bool:
        """Serve a connection while it lasts, unless the peer has a better one."""
        peer = self._peers.get(key)
        if peer is None or not await self._is_place_free(peer, dialled_by_us):
            return False
        link = Link(key, self._network, mux, stream, self._inbox, peer.counters, self._limits)
        peer.link = link
        peer.linked.set()
        try:
            await link.run()
        finally:
            peer.link = None
            peer.last_fault = link.reason
        if link.was_malformed:
            self.cut_off(key, link.reason)
        logger.info("link to %s ended: %s", key.hex()[:16], link.reason)
        return link.was_up

    async def _is_place_free(self, peer: _Peer, dialled_by_us: bool) -> bool:
        """Make room for a new connection, unless the present one is to be preferred.

        When both ends dial at once, both must keep the same connection: the one that the
        higher key dialled. A new one of that kind also means that the other end has lost the
        old one, whatever it looks like from here.
        """
        dialled_by_higher = dialled_by_us == (self.public_key > peer.key)
        while (present := peer.link) is not None:
            if not dialled_by_higher and present.is_up:
                return False
            present.end("replaced by a newer connection")
            await present.wait_gone()
        return self._peers.get(peer.key) is peer


def _encode(kind: int, payload: bytes) -> bytes:
    if kind < MIN_KIND:
        raise ValueError(f"frame kind {kind} belongs to the transport")
    return encode_frame(kind, payload)


def _report(peer: _Peer) -> PeerStatistics:
    link, counters = peer.link, peer.counters
    queued = 0 if link is None else sum(queue.bytes_queued for queue in link.queues.values())
    return PeerStatistics(
        connected=link is not None and link.is_up,
        connections=counters.connections,
        frames_in=counters.frames_in,
        frames_out=counters.frames_out,
        bytes_in=counters.bytes_in,
        bytes_out=counters.bytes_out,
        refused_out=counters.refused_out,
        dropped_in=counters.dropped_in,
        queued_out_bytes=queued,
        last_fault=peer.last_fault,
    )
