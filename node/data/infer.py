"""A first draft of a standard from a sample, for the steward to edit. Reading is a worker's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consensus.codec import Value
from node.data.findings import Detectors, Finding
from node.data.rules import shipped
from node.data.source import format_of
from node.data.standard import RESTRICTED, Guess, draft
from node.data.types import TYPES
from node.data.worker import Limits, Worker, WorkerError, descriptor_path

_LIMITS = Limits(cpu_s=300, silence_s=120.0)


@dataclass(frozen=True, slots=True)
class Profile:
    """What a sample of a file looks like."""

    guesses: tuple[Guess, ...]
    findings: tuple[Finding, ...]


def profile(
    sample: Path, detectors: Detectors | None = None, descriptor: int | None = None
) -> Profile:
    """Look at the first records of a file. Raises WorkerError or what the reader refused."""
    detectors = detectors or Detectors(shipped())
    source: dict[str, Value] = {"kind": "file", "path": str(sample)}
    if descriptor is not None:
        source |= {"path": descriptor_path(descriptor), "format": format_of(sample.name)}
    given = () if descriptor is None else (descriptor,)
    findings: list[Finding] = []
    guesses: list[Guess] = []
    with Worker("profile", {"source": source, **detectors.args()}, _LIMITS, given) as worker:
        for frame in worker.frames():
            match frame:
                case ["finding", str(), str(), int(), int(), str()]:
                    findings.append(Finding(*frame[1:]))
                case ["column", str(name), str(kind), codes, int(), int()] if kind in TYPES:
                    guesses.append(_guess(name, kind, codes, findings))
                case _:
                    raise WorkerError(f"the profile of {sample} is not as it should be")
    return Profile(tuple(guesses), tuple(findings))


def _guess(name: str, kind: str, codes: Any, findings: list[Finding]) -> Guess:
    """The level is that of the worst thing in the column.

    What stands in a restricted column never becomes a code list, which is published.
    """
    level = max((each.level for each in findings if each.field == name), default=1)
    kept = codes is not None and max(level, TYPES[kind].level) < RESTRICTED
    return Guess(name, kind, tuple(map(str, codes)) if kept else None, level)


def infer(identity: str, title: str, sample: Path, level: int = 1) -> dict[str, Value]:
    """Return a standard that the sample follows. Raises StandardError, WorkerError or a refusal."""
    return draft(identity, title, profile(sample).guesses, level)
