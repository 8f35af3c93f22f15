"""A first draft of a standard from a sample, for the steward to edit. Reading is a worker's."""

from __future__ import annotations

from pathlib import Path

from consensus.codec import DecodeError, Value, expect_list, expect_text
from node.data.standard import Guess, StandardError, draft
from node.data.types import TYPES
from node.data.worker import Limits, Worker

_LIMITS = Limits(cpu_s=300, silence_s=120.0)


def infer(identity: str, title: str, sample: Path, level: int = 1) -> dict[str, Value]:
    """Return a standard that the sample follows. Raises StandardError, WorkerError or a refusal."""
    source: dict[str, Value] = {"kind": "file", "path": str(sample)}
    guesses = []
    with Worker("profile", {"source": source}, _LIMITS) as worker:
        for frame in worker.frames():
            try:
                _, name, kind, found, codes, _, _ = frame
                chosen = expect_text(found or kind, "type", 64)
                listed = None if codes is None else expect_list(codes, "codes", max_length=4_096)
                guesses.append(
                    Guess(
                        expect_text(name, "column", 512),
                        chosen if chosen in TYPES else "text",
                        None if listed is None else tuple(map(str, listed)),
                    )
                )
            except (DecodeError, ValueError) as error:
                raise StandardError(f"the profile of {sample} cannot be used: {error}") from error
    return draft(identity, title, guesses, level)
