"""Daemons cut down to transport and relay, on loopback, with real sockets for local processes."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from node.exchange.relay import Relay
from node.peers import Peer, Peers
from p2p.libp2p_transport import Libp2pTransport
from p2p.limits import Limits
from p2p.streams import StreamFrame
from p2p.transport import Channel, Frame, PeerDown, PeerUp
from p2p.wire import FrameKind

QUICK = Limits(redial_min_s=0.02, redial_max_s=0.1, dial_patience_s=0.5)


class Post:
    """One member's transport and relay."""

    def __init__(self, name: str, number: int, folder: Path) -> None:
        self.name, self.socket = name, folder / f"{name}.sock"
        self.transport = Libp2pTransport(
            bytes([number]) * 32, ["/ip4/127.0.0.1/tcp/0"], "c0ffee", limits=QUICK, mute_s=0.05
        )
        self.peers = Peers()
        self.relay = Relay(self.socket, self.transport, self.peers)
        self.linked: set[str] = set()
        self.changed = trio.Event()
        self.scope = trio.CancelScope()

    @property
    def key(self) -> bytes:
        return self.transport.public_key

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        with self.scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.transport.run)
                await nursery.start(self.relay.run)
                task_status.started()
                while True:
                    for event in await self.transport.receive():
                        self._take(event)

    def _take(self, event: Frame | PeerUp | PeerDown) -> None:
        peer = self.peers.by_key[event.peer]
        match event:
            case Frame(kind=FrameKind.STREAM, payload=payload):
                self.relay.take(event.peer, payload)
            case PeerUp():
                peer.is_up = True
                self.linked.add(peer.name)
            case PeerDown():
                peer.is_up = False
                self.linked.discard(peer.name)
                self.relay.peer_down(event.peer)
        self.changed.set()

    async def until_linked(self, name: str, *, up: bool = True) -> None:
        with trio.fail_after(10):
            while (name in self.linked) != up:
                self.changed = trio.Event()
                await self.changed.wait()

    def throw(self, other: Post, payload: bytes | StreamFrame) -> None:
        """Send another member bytes as a stream's frame, whatever they are."""
        data = payload.encode() if isinstance(payload, StreamFrame) else payload
        assert self.transport.send(other.key, Channel.DATA, FrameKind.STREAM, data)


class Posts:
    """Members that are all connected."""

    def __init__(self, nursery: trio.Nursery, folder: Path) -> None:
        self._nursery, self._folder = nursery, folder

    async def start(self, *names: str) -> list[Post]:
        posts = [Post(name, number, self._folder) for number, name in enumerate(names, 1)]
        for post in posts:
            await self._nursery.start(post.run)
        for post in posts:
            others = [other for other in posts if other is not post]
            post.peers.by_key.update({o.key: Peer(o.name, o.key, ()) for o in others})
        for post in posts:
            post.transport.admit({o.key: o.transport.addresses for o in posts})
        for post in posts:
            for other in posts:
                if other is not post:
                    await post.until_linked(other.name)
        return posts


@pytest.fixture
def posts(nursery: trio.Nursery, tmp_path: Path) -> Posts:
    return Posts(nursery, tmp_path)
