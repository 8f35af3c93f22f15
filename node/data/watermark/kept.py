"""The owner's book of marks, sealed in its home: which delivery has which key and columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from consensus.codec import expect_int, expect_list, expect_text
from node.data.sealing import Log, Sealer, derive
from node.data.watermark.candidate import Candidate
from node.home import Home


@dataclass(frozen=True, slots=True)
class Marked:
    """A delivery of one's own that carries a mark. `time` is in ms UTC."""

    candidate: Candidate
    grant: int
    dataset: str
    version: int
    recipient: str
    time: int


class Marks:
    """Entries are added before the first chunk of a delivery leaves, and never changed."""

    def __init__(self, home: Home, master: bytes) -> None:
        self._log = Log(home.marks, Sealer(derive(master, "marks of deliveries")), "mark")

    def add(self, entry: Marked) -> None:
        """Write an entry, durably, unless its delivery has one. One process of a home serves."""
        if any(known.candidate.delivery == entry.candidate.delivery for known in self):
            return
        value = [entry.candidate.to_value(), entry.grant, entry.dataset, entry.version,
                 entry.recipient, entry.time]  # fmt: skip
        self._log.append(len(self._log.places()), value)

    def __iter__(self) -> Iterator[Marked]:
        """Yield all entries in order. Raises SealError."""
        for value in self._log:
            row = expect_list(value, "mark", 6)
            yield Marked(
                Candidate.of(row[0]),
                expect_int(row[1], "grant", 1),
                expect_text(row[2], "dataset", 256),
                expect_int(row[3], "version", 1),
                expect_text(row[4], "recipient", 256),
                expect_int(row[5], "time"),
            )
