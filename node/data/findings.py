"""Findings about sensitive data as the home keeps them, and what stewards decide on them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from node.data.chain import Query
from node.data.notes import note, tell
from node.data.rules import Rules, active, shipped
from node.data.sealing import Sealer, derive
from node.data.worker import Limits, Worker, WorkerError, descriptor_path
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
    """Something sensitive: field (empty: the whole), entity, level, how many, why (a note)."""

    field: str
    entity: str
    level: int
    count: int
    why: str


@dataclass(frozen=True, slots=True)
class Detectors:
    """What grading goes by: a pack of rules, and a home's text model (None: the release's)."""

    rules: Rules
    model: bytes | None = None

    @classmethod
    def of(cls, home: Home, query: Query, master: bytes) -> Detectors:
        """Return a home's detectors. Raises RulesError, SealError."""
        return cls(active(home, query), TextDecisions(home, master).model())

    def args(self) -> dict[str, Any]:
        """Return what a worker is handed."""
        own = None if self.rules.digest == shipped().digest else self.rules.data
        return {"rules": own, "model": self.model}


@dataclass(frozen=True, slots=True)
class Look:
    """What a file holds: level, findings, and for a document its features (see `texts`)."""

    level: int
    findings: tuple[Finding, ...]
    features: bytes = b""


def look_at(path: Path, detectors: Detectors | None = None, descriptor: int | None = None) -> Look:
    """Return a file's level and findings. What fails is graded highest, never lower.

    With a descriptor that is read, and the path only says what it is.
    """
    from node.data.infer import profile

    detectors = detectors or Detectors(shipped())
    try:
        if path.suffix.lower() not in _DOCUMENTS:
            found = profile(path, detectors, descriptor).findings
            return Look(max((each.level for each in found), default=1), found)
        findings: list[Finding] = []
        level, features = HIGHEST, b""
        args: dict[str, Any] = {"path": str(path), "suffix": path.suffix, **detectors.args()}
        if descriptor is not None:
            args["path"] = descriptor_path(descriptor)
        given = () if descriptor is None else (descriptor,)
        with Worker("documents", args, _LIMITS, given) as worker:
            for frame in worker.frames():
                match frame:
                    case ["finding", str(), str(), int(), int(), str()]:
                        findings.append(Finding(*frame[1:]))
                    case ["level", int(level), bytes(features)]:
                        pass
        return Look(level, tuple(findings), features)
    except MunimentError as error:
        return Look(HIGHEST, (Finding("", "UNKNOWN", HIGHEST, 0, note("failed", error.message)),))


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
        """Note a decision on a field, or on the combination of all (an empty name)."""
        if field and field not in known:
            raise DecisionError(f"there is no field {field!r}; known are {', '.join(known)}")
        kept = [each for each in self.all() if each.field != field]
        kept.append(Decision(field, level, reason, time.time_ns() // 1_000_000))
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        rows = [[d.field, d.level, d.reason, d.time] for d in kept]
        self._sealer.write(self._path, self._what, rows)

    def levels(self) -> dict[str, int]:
        return {each.field: each.level for each in self.all()}


class TextDecisions:
    """Stewards' decisions on documents, and the text model that is trained from them.

    Both are sealed. Of a document its digest and features are kept, not its text.
    """

    def __init__(self, home: Home, master: bytes) -> None:
        self._folder = home.path / "classify"
        self._sealer = Sealer(derive(master, "text decisions"))

    def _rows(self) -> list[Any]:
        rows: Any = self._sealer.read(self._folder / "decisions", "text decisions") or []
        return list(rows)

    def all(self) -> list[tuple[str, int, str, int]]:
        """The latest decision on each document: SHA-256, level, reason, time (ms UTC)."""
        return [(digest.hex(), level, reason, ms) for digest, level, reason, ms, _ in self._rows()]

    def decide(self, path: Path, level: int, reason: str, detectors: Detectors) -> Look:
        """Note the level of a document. Raises DecisionError if its text cannot be read."""
        look = look_at(path, detectors)
        if not look.features:
            why = tell(look.findings[0].why) if look.findings else "it holds no text"
            raise DecisionError(f"{path} cannot be decided on: {why}")
        digest = sha256(path.read_bytes()).digest()
        kept = [row for row in self._rows() if row[0] != digest]
        kept.append([digest, level, reason, time.time_ns() // 1_000_000, look.features])
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._sealer.write(self._folder / "decisions", "text decisions", kept)
        return look

    def model(self) -> bytes | None:
        """Return the home's own model, if one was trained."""
        found = self._sealer.read(self._folder / "texts.model", "text model")
        return found if isinstance(found, bytes) else None

    def train(self, count: int) -> Trained:
        """Train the home's model from `count` generated sentences and all decisions."""
        made = train([(row[1], row[4]) for row in self._rows()], count)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._sealer.write(self._folder / "texts.model", "text model", made.model)
        return made


@dataclass(frozen=True, slots=True)
class Trained:
    """A model; how many of a thousand held-out sentences, and decisions, it puts at their level."""

    model: bytes
    held_out: int
    decided: int


def train(decisions: list[tuple[int, bytes]], count: int) -> Trained:
    """Train in a worker. Raises WorkerError."""
    model, scores = b"", [0, 0]
    limits = Limits(memory_bytes=6 << 30, cpu_s=1_800, silence_s=1_800.0)
    with Worker("train", {"count": count}, limits) as worker:
        worker.feed([level, features] for level, features in decisions)
        for frame in worker.frames():
            match frame:
                case ["score", int(), int()]:
                    scores = frame[1:]
                case ["model", bytes(model)]:
                    pass
    if not model:
        raise WorkerError("the worker for train sent no model")
    return Trained(model, *scores)
