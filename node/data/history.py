"""The past runs of a source: when, and how each ended; names and counts, never values."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from node.data.sealing import Sealer, SealError

KEPT = 100
"""Runs that are remembered, the latest."""


@dataclass(frozen=True, slots=True)
class Past:
    """A run: from and to (ms UTC), `state` (registered, unchanged, ready, stopped, failed).

    `problem` says why it failed, with the error's code.
    """

    began: int
    ended: int
    state: str
    version: int = 0
    rows: int = 0
    refused: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0
    problem: str = ""
    code: str = ""


class History:
    """The runs of one source, sealed in its folder under `collect`."""

    def __init__(self, folder: Path, master: bytes) -> None:
        self._path, self._what = folder / "history", f"history {folder.name}"
        self._sealer = Sealer(master)

    def all(self) -> list[Past]:
        """The latest first. One that is damaged counts as none: it is no evidence."""
        try:
            rows: Any = self._sealer.read(self._path, self._what) or []
        except SealError:
            return []
        return [Past(*row) for row in reversed(rows)]

    def note(self, past: Past) -> None:
        known = self.all()[: KEPT - 1]
        rows = [list(astuple(each)) for each in (*reversed(known), past)]
        self._sealer.write(self._path, self._what, rows)
