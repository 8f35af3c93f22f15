"""What a server sends under a grant in linked mode: the version's records, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hmac import digest
from typing import Any

from consensus.codec import Value
from contracts.masks import Use, parse
from contracts.system.deliveries.header import Header
from node.data.commitment import Field
from node.data.vault import SEGMENT_RECORDS, Version, open_record
from node.data.worker import Limits, Worker
from node.exchange.coverage import Coverage
from node.exchange.linked import Opened, Shape, batches, pack
from node.exchange.tree import RecordTree

CHUNK_BYTES = 1 << 20
"""About how much text goes into a chunk."""
WHOLE_SHARE = 4
"""From one in so many records on the list of all record hashes is shorter than their paths."""
MASK_LIMITS = Limits(memory_bytes=1 << 30, silence_s=60.0)
Masks = tuple[tuple[int, Use], ...]


def masks_of(grant: dict[str, Any]) -> Masks:
    """Return field and mask of each field that a grant masks."""
    return tuple((index, parse(mask, f"field {index}")) for index, mask in grant["fields"] if mask)


def shape_of(grant: dict[str, Any], count: int) -> Shape:
    """Return what goes out of a version's `count` fields."""
    masked = tuple(index for index, _ in masks_of(grant))
    exact = tuple(index for index, _ in grant["fields"] if index not in masked)
    return Shape(count, exact, masked)


def grant_key(master: bytes, chain_id: bytes, grant: int) -> bytes:
    """Return the key of a grant's masks, as `node.data.masks.grant_key`, without its libraries."""
    return digest(master, f"muniment masks {chain_id.hex()} {grant}".encode() + b"\x01", "sha256")


def is_whole(reserved: int, rows: int, by_subject: bool) -> bool:
    """Whether the list of all record hashes goes out, instead of paths with each chunk.

    Where subjects decide, how many rows go out is not known before.
    """
    return not by_subject and reserved * WHOLE_SHARE >= rows


class Masker:
    """A worker that masks columns; it holds the grant's key and nothing else."""

    def __init__(self, masks: Masks, columns: Sequence[str], key: bytes) -> None:
        uses: list[Value] = [[use.id, use.version, dict(use.params)] for _, use in masks]
        names: list[Value] = [columns[index] for index, _ in masks]
        args: dict[str, Value] = {
            "names": names, "masks": uses, "key": key, "mark": None, "classes": None,
        }  # fmt: skip
        self._indices = [index for index, _ in masks]
        self._worker = Worker("mask", args, MASK_LIMITS)
        self._frames = self._worker.frames()

    def apply(self, records: Sequence[Opened]) -> list[list[Field]]:
        """Return the masked columns. Raises WorkerError, or what the worker refused."""
        self._worker.send([[record.values[index] for record in records] for index in self._indices])
        return next(self._frames)[1]  # type: ignore[no-any-return]

    def stop(self) -> None:
        self._worker.stop()


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk, with the header that its server signs; `places` are those of its records."""

    header: Header
    body: bytes
    places: tuple[int, ...]


class Source:
    """Chunks of one delivery. For one thread at a time; `close` it in the end.

    With a `coverage` only those records go out that it covers.
    """

    def __init__(
        self,
        version: Version,
        grant: dict[str, Any],
        reserved: int,
        key: bytes,
        coverage: Coverage | None = None,
    ) -> None:
        self._version, self._reserved, self._coverage = version, reserved, coverage
        masks = masks_of(grant)
        self.shape = shape_of(grant, len(version.head.columns))
        self.by_subject = coverage is not None
        self.is_whole = is_whole(reserved, version.head.rows, self.by_subject)
        self.hashes = version.hashes()
        self._tree = None if self.is_whole else RecordTree(self.hashes)
        self._masker = Masker(masks, version.head.columns, key) if masks else None

    def close(self) -> None:
        if self._masker is not None:
            self._masker.stop()

    def refresh(self) -> bool:
        """Whether subjects decided otherwise meanwhile, so that chunks have to be made anew."""
        return self._coverage is not None and self._coverage.refresh()

    def chunks(self, after: Header) -> Iterator[Chunk]:
        """Yield the chunks that follow `after`; the last one may be empty."""
        header = after
        runs = self._runs(after.position, self._reserved - after.rows)
        records, position = next(runs, ([], self._version.head.rows))
        while not header.is_last:
            following = next(runs, None)
            body = self._pack(records)
            is_last = following is None
            header = header.next(body, len(records), position, is_last=is_last)
            yield Chunk(header, body, tuple(record.place for record in records))
            if following is not None:
                records, position = following

    def _runs(self, position: int, room: int) -> Iterator[tuple[list[Opened], int]]:
        """Yield records from `position` on, and the position after them, until `room` are out."""
        first, offset = divmod(position, SEGMENT_RECORDS)
        for number, segment in self._version.segments_from(first):
            start = number * SEGMENT_RECORDS + (offset if number == first else 0)
            end = number * SEGMENT_RECORDS + len(segment)
            places = self._version.places(start + 1, end - start)
            rows = segment[start - number * SEGMENT_RECORDS :]
            opened = [
                (start + at + 1, record)
                for at, (place, row) in enumerate(zip(places, rows, strict=True))
                if row is not None and self._covers(record := Opened(place, *open_record(row)))
            ]
            taken = 0
            for run in batches([record for _, record in opened], CHUNK_BYTES):
                run = run[:room]
                taken += len(run)
                room -= len(run)
                yield run, end if taken == len(opened) else opened[taken - 1][0]
                if not room:
                    return

    def _covers(self, record: Opened) -> bool:
        return self._coverage is None or self._coverage.covers(record.values)

    def _pack(self, records: Sequence[Opened]) -> bytes:
        masked = [] if self._masker is None or not records else self._masker.apply(records)
        if not records:
            masked = [[] for _ in self.shape.masked]
        proof = None
        if self._tree is not None:
            proof = self._tree.proof(sorted(record.place for record in records)) if records else []
        return pack(self.shape, records, masked, proof)
