"""What was prepared for a delivery in audited mode: its chunks, and what an audit opens of it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

from consensus.codec import expect_bytes, expect_list
from contracts.system.deliveries.header import Header
from node.data.commitment import Field
from node.data.sealing import Log, SealError, load_key
from node.data.vault import Version
from node.exchange import audited
from node.exchange.coverage import Coverage
from node.exchange.rowmap import RowMap
from node.exchange.source import Chunk
from node.exchange.tree import RecordTree


@dataclass(frozen=True, slots=True)
class Row:
    """A frozen row: data row and place of its record, salt, its record's subjects, its values."""

    number: int
    place: int
    salt: bytes
    subjects: Sequence[Sequence[Any]]
    values: Sequence[Field]


class Prepared:
    """Opens the folder that `Preparation` made. Raises SealError if it is not complete.

    `marked` counts the values of each column that carry the delivery's mark.
    """

    def __init__(self, folder: Path, master: bytes) -> None:
        self.folder = folder
        self._sealer = load_key(folder / "key", master)
        found: Any = self._sealer.read(folder / "plan", "plan")
        if found is None:
            raise SealError(f"{folder} was not prepared to the end")
        self.root, self.rows, self.digest, self.firsts, self.key_name, self.marked = found
        self._log = Log(folder / "rows", self._sealer, "rows")
        self._places = self._log.places()

    @cached_property
    def tree(self) -> RecordTree:
        return RecordTree((self.folder / "leaves").read_bytes())

    def chunk(self, number: int) -> list[Row]:
        """Return the rows of chunk `number`, from 0."""
        found: Any = self._log.read(number, self._places[number])
        return [Row(*row) for row in found]

    def rows_at(self, indices: Sequence[int]) -> Iterator[Row]:
        """Yield the rows at sorted indices; each chunk is opened once."""
        for number, some in groupby(indices, lambda index: bisect_right(self.firsts, index) - 1):
            rows = self.chunk(number)
            yield from (rows[index - self.firsts[number]] for index in some)

    def map(self) -> tuple[bytes, bytes]:
        """Return the map's salt and entries."""
        row = expect_list(self._sealer.read(self.folder / "map", "map"), "map", 2)
        salt, entries = (expect_bytes(each, "map", max_length=1 << 34) for each in row)
        return salt, entries

    def places(self, records: int) -> list[int]:
        """Return the place that each row comes from."""
        found: list[int] = RowMap.decode(self.map()[1], records, self.rows).places().tolist()
        return found


class AuditedSource:
    """Chunks of one delivery, as `Source` has them. For one thread at a time.

    Rows that must not go out any more, since their subjects or the owner changed their mind, are
    withheld: of them only the leaf goes.
    """

    is_whole = False
    hashes = b""

    def __init__(self, prepared: Prepared, version: Version, width: int,
                 coverage: Coverage | None) -> None:  # fmt: skip
        self._prepared, self._width, self._coverage = prepared, width, coverage
        self._columns = len(version.head.columns)
        self.by_subject = coverage is not None
        is_same = version.key_name == prepared.key_name
        self._erased = frozenset[int]() if is_same else frozenset(version.erased())

    def close(self) -> None:
        """Nothing is held open."""

    def refresh(self) -> bool:
        return self._coverage is not None and self._coverage.refresh()

    def chunks(self, after: Header) -> Iterator[Chunk]:
        """Yield the chunks that follow `after`; a delivery of no rows has one that is empty."""
        header, count = after, max(1, len(self._prepared.firsts))
        for number in range(after.number, count):
            rows = self._prepared.chunk(number) if self._prepared.rows else []
            start = header.position
            withheld = {at for at, row in enumerate(rows) if self._is_withheld(row)}
            proof = self._prepared.tree.proof(range(start, start + len(rows))) if rows else []
            body = audited.pack(
                [(row.salt, row.values) for row in rows], self._width, withheld, proof
            )
            shown = tuple(row.place for at, row in enumerate(rows) if at not in withheld)
            header = header.next(body, len(shown), start + len(rows), is_last=number == count - 1)
            yield Chunk(header, body, shown)

    def _is_withheld(self, row: Row) -> bool:
        if row.number in self._erased:
            return True
        if self._coverage is None:
            return False
        values: list[Field] = [None] * self._columns
        for index, value in row.subjects:
            values[index] = value
        return not self._coverage.covers(values)
