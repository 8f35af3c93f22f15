"""Frames that wait until the journal is durable."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from consensus.crypto import sha256
from p2p.transport import Channel
from p2p.wire import FrameKind


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One frame to one peer."""

    peer: bytes
    channel: Channel
    kind: FrameKind
    payload: bytes


class Outbox:
    """Collects what one turn of the driver sends; a frame repeated within the turn goes once."""

    def __init__(self) -> None:
        self._frames: dict[tuple[bytes, int, bytes], Outgoing] = {}
        self.asked_to_send = 0
        """Bytes so far, repeated frames included."""

    def send(self, peer: bytes, channel: Channel, kind: FrameKind, payload: bytes) -> None:
        self.asked_to_send += len(payload)
        key = (peer, kind, sha256(payload))
        self._frames.setdefault(key, Outgoing(peer, channel, kind, payload))

    def send_all(
        self, peers: Iterable[bytes], channel: Channel, kind: FrameKind, payload: bytes
    ) -> None:
        digest = sha256(payload)
        for peer in peers:
            self._frames.setdefault((peer, kind, digest), Outgoing(peer, channel, kind, payload))

    def take(self) -> list[Outgoing]:
        frames = list(self._frames.values())
        self._frames.clear()
        return frames
