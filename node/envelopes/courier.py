"""Fetches the envelopes that are addressed to this member, and hands out those to other parties.

The chain says which envelope is whose, so nothing is pushed: a node asks for what it lacks, the
sender first, then the other parties, and takes only bytes whose hash it asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from consensus.codec import DecodeError
from consensus.crypto import HASH_BYTES
from contracts.state import StateReader
from contracts.system import envelopes
from node.envelopes.sealed import Envelope, EnvelopeError, id_of
from node.envelopes.store import MAX_MISSING, EnvelopeStore
from node.home import HomeError
from node.outbox import Outbox
from node.peers import Peer, Peers
from p2p.transport import Channel
from p2p.wire import FrameKind

MAX_ASKED = 16
"""Envelopes asked for at once."""
PATIENCE_MS = 2_000
MAX_PATIENCE_MS = 60_000

log = structlog.get_logger("envelopes")


@dataclass(slots=True)
class _Missing:
    number: int
    due_ms: int = 0
    tries: int = 0


class Courier:
    """One node's part in passing envelopes on. Not thread-safe; lives in the driver's loop."""

    def __init__(
        self,
        name: str,
        store: EnvelopeStore,
        outbox: Outbox,
        peers: Peers,
        state: Callable[[], StateReader],
    ) -> None:
        self._name = name
        self._store = store
        self._outbox = outbox
        self._peers = peers
        self._state = state
        self.settled: Callable[[bytes], None] = lambda envelope: None
        store.finish_erasures()
        self._number, missing = store.load_cursor()
        self._missing = {envelope: _Missing(place) for envelope, place in missing.items()}
        self._asked: set[bytes] = set()

    @property
    def missing(self) -> int:
        """Envelopes that are addressed to this member and not here; MAX_MISSING at most."""
        return len(self._missing)

    def state_of(self, envelope: bytes) -> str:
        return self._store.state_of(envelope)

    @property
    def deadline_ms(self) -> int | None:
        """When `tick` is next due, on the monotonic clock; None if nothing is missing."""
        waiting = self._asked if len(self._asked) >= MAX_ASKED else self._missing
        return min((self._missing[envelope].due_ms for envelope in waiting), default=None)

    def look(self, now_ms: int) -> None:
        """Note what has been addressed to this member since the last look, and ask for it."""
        start, count = self._number, len(self._missing)
        state = self._state()
        while room := min(envelopes.PAGE, MAX_MISSING - len(self._missing)):
            rows = envelopes.addressed(state, self._name, self._number, room)
            for number, envelope in rows:
                self._number = number
                if not self._store.has(envelope):
                    self._missing[envelope] = _Missing(number, now_ms)
            if len(rows) < room:
                break
        if (self._number, len(self._missing)) != (start, count):
            self._save()
        self.tick(now_ms)

    def hurry(self, now_ms: int) -> None:
        """A peer has connected: it may hold what is missing."""
        for wanted in self._missing.values():
            wanted.due_ms = now_ms

    def tick(self, now_ms: int) -> None:
        """Ask for what is missing and due, MAX_ASKED at a time, those that wait longest first."""
        due = [e for e, wanted in self._missing.items() if wanted.due_ms <= now_ms]
        self._asked.difference_update(due)
        for envelope in sorted(due, key=lambda envelope: self._missing[envelope].due_ms):
            if len(self._asked) >= MAX_ASKED:
                break
            self._ask(envelope, self._missing[envelope], now_ms)

    def _ask(self, envelope: bytes, wanted: _Missing, now_ms: int) -> None:
        if self._store.has(envelope):  # a command has put or erased it meanwhile
            self._settle(envelope)
            return
        found = envelopes.get(self._state(), envelope)
        if found is None:  # the database is younger than the cursor, and catches up
            wanted.due_ms = now_ms + MAX_PATIENCE_MS
            return
        names = [found["sender"], *(n for n in found["parties"] if n != found["sender"])]
        up = {peer.name: peer for peer in self._peers.connected()}
        holders = [up[name] for name in names if name in up]
        if holders:
            peer = holders[wanted.tries % len(holders)]
            wanted.tries += 1
            self._asked.add(envelope)
            self._outbox.send(peer.key, Channel.DATA, FrameKind.ENVELOPE_REQUEST, envelope)
        wait = PATIENCE_MS << min(wanted.tries // max(len(holders), 1), 5)
        wanted.due_ms = now_ms + min(wait, MAX_PATIENCE_MS)

    def serve(self, peer: Peer, payload: bytes) -> None:
        """Send a party the envelope that it asks for, if it is here. Raises DecodeError."""
        if len(payload) != HASH_BYTES:
            raise DecodeError("an envelope is asked for by 32 bytes")
        try:
            found = self._store.get(payload)
        except EnvelopeError as error:
            log.error("envelope cannot be served", problem=error.message)
            return
        if found is not None and peer.name in found.parties:
            self._outbox.send(peer.key, Channel.DATA, FrameKind.ENVELOPE, found.encode())

    def take(self, peer: Peer, payload: bytes, now_ms: int) -> None:
        """Keep an envelope that was asked for, and ask for the next. DecodeError if it is none."""
        found = Envelope.decode(payload)
        envelope = id_of(payload)
        if envelope not in self._missing:
            return
        anchor = envelopes.get(self._state(), envelope)
        if anchor is None:
            return
        stated = (anchor["sender"], anchor["parties"], anchor["commitment"])
        about = {"id": envelope.hex(), "sender": found.sender, "by": peer.name}
        try:
            if stated == (found.sender, found.parties, found.commitment):
                self._store.put(found)
                log.info("envelope received", **about)
            else:
                # The sender anchored these very bytes and said something else of them.
                self._store.erase(envelope)
                log.warning("envelope differs from its anchor", **about)
        except HomeError as error:
            # A full disk must not end the node for an envelope's sake; it is asked for again.
            log.error("envelope cannot be kept", problem=error.message, **about)
            return
        self._settle(envelope)
        self.tick(now_ms)

    def _settle(self, envelope: bytes) -> None:
        del self._missing[envelope]
        self._asked.discard(envelope)
        self._save()
        self.settled(envelope)

    def _save(self) -> None:
        try:
            missing = {envelope: wanted.number for envelope, wanted in self._missing.items()}
            self._store.save_cursor(self._number, missing)
        except HomeError as error:  # it only saves looking up again
            log.error("cursor of envelopes cannot be kept", problem=error.message)
