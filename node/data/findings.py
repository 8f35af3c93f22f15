"""Findings about sensitive data as the home keeps them, and what stewards decide on them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node.data.sealing import Sealer
from node.data.worker import Limits, Worker
from node.errors import MunimentError
from node.home import Home

HIGHEST = 4
_DOCUMENTS = (".txt", ".md", ".html", ".htm", ".docx", ".pdf")
_LIMITS = Limits(cpu_s=300, silence_s=120.0)


class DecisionError(MunimentError):
    """A decision about a field that there is not."""

    code = "decision"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something sensitive: field (empty: the whole), entity, level, how many, why."""

    field: str
    entity: str
    level: int
    count: int
    why: str


def look_at(path: Path) -> tuple[int, list[Finding]]:
    """Return a file's level and findings. What fails is graded highest, never lower."""
    from node.data.infer import profile

    try:
        if path.suffix.lower() not in _DOCUMENTS:
            findings = list(profile(path).findings)
            return max((each.level for each in findings), default=1), findings
        findings, level = [], HIGHEST
        with Worker("documents", {"path": str(path)}, _LIMITS) as worker:
            for frame in worker.frames():
                match frame:
                    case ["finding", str(), str(), int(), int(), str()]:
                        findings.append(Finding(*frame[1:]))
                    case ["level", int(found)]:
                        level = found
        return level, findings
    except MunimentError as error:
        return HIGHEST, [Finding("", "UNKNOWN", HIGHEST, 0, error.message)]


@dataclass(frozen=True, slots=True)
class Decision:
    """A steward's word on a field's level: when (ms UTC), and why."""

    field: str
    level: int
    reason: str
    time: int


class Decisions:
    """A source's decisions, sealed: a reason is free text and never leaves the home."""

    def __init__(self, home: Home, source: str, master: bytes) -> None:
        self._path = home.path / "collect" / source / "decisions"
        self._sealer = Sealer(master)
        self._what = f"decisions {source}"

    def all(self) -> list[Decision]:
        """The latest decision on each field."""
        rows: Any = self._sealer.read(self._path, self._what) or []
        return [Decision(*row) for row in rows]

    def decide(self, field: str, level: int, reason: str, known: list[str]) -> None:
        if field not in known:
            raise DecisionError(f"there is no field {field!r}; known are {', '.join(known)}")
        kept = [each for each in self.all() if each.field != field]
        kept.append(Decision(field, level, reason, time.time_ns() // 1_000_000))
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        rows = [[d.field, d.level, d.reason, d.time] for d in kept]
        self._sealer.write(self._path, self._what, rows)

    def levels(self) -> dict[str, int]:
        return {each.field: each.level for each in self.all()}
