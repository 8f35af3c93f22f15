"""What happened, in order: a running hash of everything, and the lines where they are wanted."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass

from simnet.clock import elapsed_ms


@dataclass(frozen=True, slots=True)
class Event:
    """`source` and `target` are labels of hosts; target is empty for what concerns one alone."""

    at_ms: int
    kind: str
    detail: str
    source: str = ""
    target: str = ""

    def __str__(self) -> str:
        arrow = f" -> {self.target}" if self.target else ""
        return f"{self.at_ms / 1_000:9.3f}  {self.source}{arrow:<10}  {self.kind}  {self.detail}"


class Trace:
    """Hashes every event; keeps the last `keep` of them."""

    def __init__(self, keep: int) -> None:
        self.events: deque[Event] = deque(maxlen=keep)
        self.count = 0
        self._hash = hashlib.sha256()

    def note(self, kind: str, detail: str, source: str = "", target: str = "") -> None:
        at_ms = elapsed_ms()
        self.count += 1
        self._hash.update(f"{at_ms} {source} {target} {kind} {detail}\n".encode())
        if self.events.maxlen:
            self.events.append(Event(at_ms, kind, detail, source, target))

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()
