"""Bounds on strangers: handshakes under way, connections and failures of one address."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import trio

from p2p.limits import Limits

_MINUTE_S = 60.0


class GateClosedError(Exception):
    """Too many of something; the connection is dropped without an answer."""


@dataclass(slots=True)
class _Source:
    connections: int = 0
    handshakes: int = 0
    failures: deque[float] = field(default_factory=deque)  # trio times of the last minute


class Gate:
    """Counts inbound connections by remote address."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._handshakes = 0
        self._sources: OrderedDict[str, _Source] = OrderedDict()

    @contextmanager
    def connection(self, address: str) -> Iterator[None]:
        """Hold one connection of `address`. Raises GateClosedError."""
        source = self._get_source(address)
        oldest = trio.current_time() - _MINUTE_S
        while source.failures and source.failures[0] < oldest:
            source.failures.popleft()
        if len(source.failures) >= self._limits.max_failures_per_minute:
            raise GateClosedError(f"too many failed handshakes from {address}")
        if source.connections >= self._limits.max_connections_per_address:
            raise GateClosedError(f"too many connections from {address}")
        source.connections += 1
        try:
            yield
        finally:
            source.connections -= 1

    @contextmanager
    def handshake(self, address: str) -> Iterator[None]:
        """Hold one of the handshakes under way; one that raises counts as failed."""
        source = self._get_source(address)
        if self._handshakes >= self._limits.max_handshakes:
            raise GateClosedError("too many handshakes under way")
        if source.handshakes >= self._limits.max_handshakes_per_address:
            raise GateClosedError(f"too many handshakes under way with {address}")
        self._handshakes += 1
        source.handshakes += 1
        try:
            yield
        except Exception:
            source.failures.append(trio.current_time())
            raise
        finally:
            self._handshakes -= 1
            source.handshakes -= 1

    def _get_source(self, address: str) -> _Source:
        source = self._sources.get(address)
        if source is None:
            source = self._sources[address] = _Source()
            self._forget_idle()
        self._sources.move_to_end(address)
        return source

    def _forget_idle(self) -> None:
        """Keep the table bounded: forget the address seen least recently that holds nothing."""
        if len(self._sources) <= self._limits.max_addresses_watched:
            return
        idle = next((a for a, s in self._sources.items() if not s.connections), None)
        if idle is not None:
            del self._sources[idle]
