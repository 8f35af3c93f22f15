"""The log of plain reads of the vault: who, what, which rows, why; chained, so that none is lost.

An entry's head is SHA-256 over the head before and the entry, which holds 16 random bytes so that
an anchored head tells nothing. Heads are anchored on the chain (`contracts/system/anchors.py`).
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from consensus.codec import encode, expect_bytes, expect_list
from node.data.sealing import Log, Sealer, SealError, derive

NAME = "access"
"""What the log is called where it is anchored."""
GENESIS = bytes(32)


@dataclass(frozen=True, slots=True)
class Access:
    """One plain read: time (ms UTC), operator, dataset, version, first and last row, purpose."""

    time: int
    operator: str
    dataset: str
    version: int
    first: int
    last: int
    purpose: str


class AccessLog:
    """The access log of one home, sealed; several processes may write to it at a time."""

    def __init__(self, vault: Path, master: bytes) -> None:
        self._path = vault / "access.log"
        self._log = Log(self._path, Sealer(derive(master, "access log")), "access")

    def note(
        self, operator: str, dataset: str, version: int, rows: tuple[int, int], purpose: str
    ) -> None:
        """Add an entry, durably, before what it tells of is shown."""
        row = [time.time_ns() // 1_000_000, operator, dataset, version, *rows, purpose]
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._path.with_name("access.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            count, head = self.head()
            salt = os.urandom(16)
            self._log.append(count, [*row, salt, _chain(head, [*row, salt])])

    def head(self) -> tuple[int, bytes]:
        """Return how many entries there are, and the digest that chains them."""
        places = self._log.places()
        if not places:
            return 0, GENESIS
        last = expect_list(self._log.read(len(places) - 1, places[-1]), "access")
        return len(places), expect_bytes(last[-1], "head", 32)

    def __iter__(self) -> Iterator[Access]:
        for entry in self._log:
            fields: Any = entry
            yield Access(*fields[:-2])

    def faults(self, anchors: Sequence[tuple[int, bytes]]) -> Iterator[str]:
        """Yield a sentence for each place where the log is not what it was when anchored."""
        heads, head = {0: GENESIS}, GENESIS
        try:
            for count, entry in enumerate(self._log, 1):
                *row, claimed = expect_list(entry, "access")
                head = heads[count] = _chain(head, row)
                if head != claimed:
                    yield f"{self._path}: entry {count} does not follow the one before"
                    return
        except SealError as error:
            yield f"{self._path}: entry {len(heads)} cannot be read: {error.message}"
        for count, anchored in anchors:
            if heads.get(count) != anchored:
                yield f"{self._path} is not the log that was anchored at {count} entries"


def _chain(head: bytes, row: list[Any]) -> bytes:
    return sha256(head + encode(row)).digest()
