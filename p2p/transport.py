"""The transport seam: what a node needs from the network, whoever provides it.

A peer is known by its 32-byte Ed25519 node public key. Two transports stand behind this seam,
one over libp2p and one simulated; nothing here imports either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import trio

MAX_PAYLOAD_BYTES = 4 << 20
MIN_KIND = 1  # kind 0 is the transport's own heartbeat
MAX_KIND = 255


class Channel(IntEnum):
    """Independent ordered lanes to one peer; a full lane never delays another."""

    CONTROL = 0  # votes, proposals, certificates: small, urgent, repaired by their protocol
    BULK = 1  # transactions, blocks, sync
    DATA = 2  # deliveries of datasets


class ListenError(OSError):
    """An address to listen on is malformed, busy or not ours."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message: `kind` is 1..255 and belongs to the layer above, `payload` at most 4 MiB."""

    peer: bytes
    channel: Channel
    kind: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class PeerUp:
    """A connection to `peer` stands; comes before any of its frames."""

    peer: bytes


@dataclass(frozen=True, slots=True)
class PeerDown:
    """The connection to `peer` is gone; its undelivered BULK and DATA frames went with it."""

    peer: bytes
    reason: str


Inbound = Frame | PeerUp | PeerDown


@dataclass(frozen=True, slots=True)
class PeerStatistics:
    """Counters of one admitted peer since the transport started."""

    connected: bool
    connections: int
    frames_in: int
    frames_out: int
    bytes_in: int
    bytes_out: int
    refused_out: int  # frames `send` did not take because the queue was full
    dropped_in: int  # old control frames that newer ones replaced
    queued_out_bytes: int
    last_fault: str  # why the last connection ended, or why dialling fails; "" when none did


class Transport(Protocol):
    """Frames to and from admitted peers, over connections that are kept up for ever."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; `started()` once listening. Raises ListenError."""
        ...

    async def receive(self) -> list[Inbound]:
        """Wait for at least one event; control frames first, the batch bounded.

        Not calling it holds back BULK and DATA senders; of CONTROL only the newest are kept.
        """
        ...

    def send(self, peer: bytes, channel: Channel, kind: int, payload: bytes) -> bool:
        """Queue a frame. False when not connected or the queue is full: it was dropped."""
        ...

    async def send_wait(self, peer: bytes, channel: Channel, kind: int, payload: bytes) -> bool:
        """Queue a frame, waiting for room. False when not connected, or no longer."""
        ...

    def admit(self, peers: Mapping[bytes, tuple[str, ...]]) -> None:
        """Set who may connect: node key to the multiaddrs to dial it at.

        The list is complete: peers that are not in it are disconnected.
        """
        ...

    def connected(self) -> frozenset[bytes]:
        """Keys of the peers that `send` would reach now."""
        ...

    def cut_off(self, peer: bytes, reason: str) -> None:
        """Close the connection to a peer that misbehaves, and mute it for a while."""
        ...

    def statistics(self) -> Mapping[bytes, PeerStatistics]:
        """Counters of every admitted peer."""
        ...
