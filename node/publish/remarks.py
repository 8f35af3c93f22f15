"""What the public says of open data: sealed as it arrives, shown once a steward has accepted it.

Whoever listens holds a public key and can only add. The secret key follows from the vault's master
key. What is accepted stands beside the published files, with the department's answer.
"""

from __future__ import annotations

import json
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from node.data.sealing import derive
from node.errors import MunimentError
from node.home import atomic_write
from node.publish.box import Box, BoxOwner

MAX_TEXT, MAX_NAME, MAX_ANSWER = 2_000, 100, 2_000
"""Characters."""
MAX_SHOWN = 500
"""Remarks that are kept of one dataset; the oldest give way."""


class RemarkError(MunimentError):
    """A remark that cannot be taken or found."""

    code = "remark"


@dataclass(frozen=True, slots=True)
class Remark:
    """What somebody says of a dataset. `name` is what they call themselves; `time`: ms UTC."""

    dataset: str
    text: str
    name: str
    time: int
    answer: str = ""


def box_of(folder: Path) -> Box:
    return Box(folder / "remarks")


def hand_in(folder: Path, dataset: str, text: str, name: str) -> str:
    """Put a remark where it waits for a steward; returns its id. Raises RemarkError, BoxError."""
    text, name = _printable(text), " ".join(_printable(name).split())
    if not text or len(text) > MAX_TEXT:
        raise RemarkError(f"say something, in at most {MAX_TEXT} characters")
    if len(name) > MAX_NAME:
        raise RemarkError(f"a name has at most {MAX_NAME} characters")
    made = Remark(dataset, text, name, time.time_ns() // 1_000_000)
    return box_of(folder).add(json.dumps(asdict(made), ensure_ascii=False).encode())


def _printable(text: str) -> str:
    """Without what could steer the terminal that it is read on."""
    return "".join(map(_shown_as, text)).strip()


def _shown_as(character: str) -> str:
    if character == "\n" or character.isprintable():
        return character
    is_space = character in "\t\r" or unicodedata.category(character).startswith("Z")
    return " " if is_space else "\ufffd"


def shown(folder: Path, dataset: str) -> list[Remark]:
    """Accepted remarks of a dataset, the latest first."""
    try:
        rows = json.loads(_file(folder, dataset).read_bytes())
        return [Remark(**row) for row in rows]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        raise RemarkError(f"{_file(folder, dataset)} is damaged; remove it") from error


def _file(folder: Path, dataset: str) -> Path:
    return folder / dataset.replace("/", "+") / "remarks"


class Moderator:
    """The steward's side."""

    def __init__(self, folder: Path, master: bytes) -> None:
        self._folder = folder
        self._owner = BoxOwner(folder / "remarks", derive(master, "remarks"))

    def open(self) -> None:
        """Let the public hand in remarks from now on."""
        self._owner.open()

    def waiting(self) -> Iterator[tuple[str, Remark]]:
        """Yield ids and remarks, the oldest first. Raises BoxError."""
        for each in self._owner.ids():
            yield each, self.find(each)

    def find(self, remark: str) -> Remark:
        return Remark(**json.loads(self._owner.read(remark)))

    def accept(self, remark: str, answer: str) -> Remark:
        """Show a remark to everybody, with an answer if there is one."""
        if len(answer) > MAX_ANSWER:
            raise RemarkError(f"an answer has at most {MAX_ANSWER} characters")
        found = replace(self.find(remark), answer=answer.strip())
        path = _file(self._folder, found.dataset)
        path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        rows = [asdict(each) for each in (found, *shown(self._folder, found.dataset))]
        atomic_write(path, json.dumps(rows[:MAX_SHOWN], ensure_ascii=False).encode(), 0o600)
        self._owner.remove(remark)
        return found

    def reject(self, remark: str) -> None:
        self._owner.remove(remark)
