"""Prepares a delivery in audited mode: chosen, masked, marked, shuffled, then frozen on disk.

The root over all rows stands on the chain before the first one goes out, so they are fixed before,
and stay so however often the stream is cut. The folder `prepared/DELIVERY` is sealed under a key of
its own (`key`, wrapped by the master key): `rows` has them chunk by chunk in the order in which
they go out, `leaves` their hashes, `map` where they come from, and `plan`, written last, the rest.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from typing import Any

from consensus.codec import Value
from node.data import commitment
from node.data.commitment import SALT_BYTES, Field
from node.data.sealing import Log, Sealer, fresh_key
from node.data.vault import SEGMENT_RECORDS, Version, open_record
from node.data.worker import Worker
from node.exchange import audited, rowmap
from node.exchange.copies import erase
from node.exchange.coverage import Coverage
from node.exchange.filters import Filter
from node.exchange.linked import MAX_RECORDS, Opened, batches
from node.exchange.rowmap import FILTERED, OVER, SUPPRESSED, UNAUTHORISED, RowMap
from node.exchange.source import CHUNK_BYTES, MASK_LIMITS, masks_of
from node.exchange.watch import NotServedError

BUCKET_RECORDS = 1 << 16
"""About how many rows are shuffled in memory at a time."""
_CLASS_BYTES = 16


@dataclass(frozen=True, slots=True)
class Terms:
    """What a delivery is made by. `alike`: fields that make the classes of k-anonymity."""

    grant: dict[str, Any]
    reserved: int
    key: bytes
    mark: bytes | None
    filter: Filter | None
    coverage: Coverage | None
    alike: tuple[int, ...]

    @property
    def delivered(self) -> list[int]:
        return [index for index, _ in self.grant["fields"]]


class Preparation:
    """Prepares one delivery; for one thread."""

    def __init__(self, folder: Path, master: bytes, version: Version, terms: Terms) -> None:
        erase(folder)  # what a run left that was cut off
        folder.mkdir(parents=True, mode=0o700)
        self._folder, self._version, self._terms = folder, version, terms
        self._sealer = fresh_key(folder / "key", master)
        self._map = RowMap.blank(version.head.rows)
        self._classes: Counter[bytes] = Counter()
        self._marked: Counter[str] = Counter()
        buckets = range(-(-version.head.rows // BUCKET_RECORDS))
        self._buckets = [_Bucket(folder / f"bucket-{n}", self._sealer) for n in buckets]

    def run(self) -> None:
        self._choose()
        chunks = _Chunks(self._folder, self._sealer)
        for row in self._shuffled():
            place = row[1]
            if self._terms.reserved == chunks.rows:
                self._map.entries[place] = OVER
                continue
            self._map.entries[place] = chunks.rows
            chunks.add(row)
        root = chunks.close()
        entries, salt = self._map.encode(), os.urandom(rowmap.SALT_BYTES)
        self._sealer.write(self._folder / "map", "map", [salt, entries])
        digest = rowmap.digest(salt, self._terms.key, entries)
        marked: Value = dict(self._marked)
        plan = [root, chunks.rows, digest, chunks.firsts, self._version.key_name, marked]
        self._sealer.write(self._folder / "plan", "plan", plan)

    def _choose(self) -> None:
        """Sort all records into those that go out, masked, and the reasons for the others."""
        version = self._version
        masker = _Masker(self._terms, version.head.columns)
        try:
            for number, segment in version.segments():
                first = number * SEGMENT_RECORDS + 1
                places = version.places(first, len(segment))
                chosen = []
                for at, (place, record) in enumerate(zip(places, segment, strict=True)):
                    if record is None:
                        continue
                    opened = Opened(place, *open_record(record))
                    reason = self._reason(opened.values)
                    if reason is None:
                        chosen.append((first + at, opened))
                    else:
                        self._map.entries[place] = reason
                self._mask(masker, chosen)
        finally:
            masker.stop()
        for bucket in self._buckets:
            bucket.flush()

    def _reason(self, values: Sequence[Field]) -> int | None:
        terms = self._terms
        if terms.filter is not None and not terms.filter.chooses(values):
            return FILTERED
        if terms.coverage is not None and not terms.coverage.covers(values):
            return UNAUTHORISED
        return None

    def _mask(self, masker: _Masker, chosen: Sequence[tuple[int, Opened]]) -> None:
        subjects = () if self._terms.coverage is None else self._terms.coverage.fields
        at = 0
        for run in batches([opened for _, opened in chosen], CHUNK_BYTES):
            columns, counts, classes = masker.apply(run)
            self._marked.update(dict(counts))
            for values, name, record in zip(zip(*columns, strict=True), classes, run, strict=True):
                self._classes[name] += 1
                who: list[Value] = [[index, record.values[index]] for index in subjects]
                row: list[Value] = [chosen[at][0], record.place, name, who, list(values)]
                self._buckets[_random.randrange(len(self._buckets))].add(row)
                at += 1

    def _shuffled(self) -> Iterator[list[Any]]:
        k = self._terms.grant["k"] if self._terms.alike else 0
        small = {name for name, rows in self._classes.items() if rows < k}
        left = self._classes.total() - sum(self._classes[name] for name in small)
        if k and left > self._terms.reserved:
            raise NotServedError(
                "quota", f"groups of {k} alike need the whole result, {left} rows, at once"
            )
        for bucket in self._buckets:
            rows = bucket.take()
            _random.shuffle(rows)
            for row in rows:
                if row[2] in small:
                    self._map.entries[row[1]] = SUPPRESSED
                else:
                    yield row


_random = SystemRandom()


class _Masker:
    """A worker that masks and marks all delivered columns, and names each row's class."""

    def __init__(self, terms: Terms, columns: Sequence[str]) -> None:
        masks = {index: use.to_value() for index, use in masks_of(terms.grant)}
        self._fields = terms.delivered
        alike: Value = [columns[index] for index in terms.alike] or None
        self._has_classes = alike is not None
        args: dict[str, Value] = {
            "names": [columns[index] for index in self._fields],
            "masks": [masks.get(index) for index in self._fields],
            "key": terms.key, "mark": terms.mark, "classes": alike,
        }  # fmt: skip
        self._worker = Worker("mask", args, MASK_LIMITS)
        self._frames = self._worker.frames()

    def apply(self, records: Sequence[Opened]) -> tuple[list[list[Field]], Any, list[bytes]]:
        """Return delivered columns, counts of marked values, and the class of each row."""
        self._worker.send([[record.values[index] for record in records] for index in self._fields])
        _, columns, counts, joined = next(self._frames)
        if not self._has_classes:
            return columns, counts, [b""] * len(records)
        starts = range(0, len(joined), _CLASS_BYTES)
        return columns, counts, [joined[at : at + _CLASS_BYTES] for at in starts]

    def stop(self) -> None:
        self._worker.stop()


class _Bucket:
    """Rows in no order, on disk but for the latest."""

    def __init__(self, path: Path, sealer: Sealer) -> None:
        self._path, self._log = path, Log(path, sealer, path.name)
        self._rows: list[list[Value]] = []
        self._size = self._count = 0

    def add(self, row: list[Value]) -> None:
        self._rows.append(row)
        self._size += _size(row)
        if self._size >= CHUNK_BYTES:
            self.flush()

    def flush(self) -> None:
        if self._rows:
            self._log.append(self._count, self._rows)
            self._count += 1
        self._rows, self._size = [], 0

    def take(self) -> list[list[Any]]:
        """Return all rows and forget them."""
        found: list[Any] = [row for rows in self._log for row in rows]  # type: ignore[union-attr]
        self._path.unlink(missing_ok=True)
        return found


def _size(row: list[Any]) -> int:
    return 64 + sum(len(value) for value in row[4] if value is not None)


class _Chunks:
    """Writes rows with their salts and leaves in the order in which they go out."""

    def __init__(self, folder: Path, sealer: Sealer) -> None:
        self._log = Log(folder / "rows", sealer, "rows")
        self._leaves = (folder / "leaves").open("w+b")
        self._rows: list[list[Value]] = []
        self._size = self.rows = 0
        self.firsts: list[Value] = []

    def add(self, row: list[Any]) -> None:
        size = _size(row)
        if self._rows and (self._size + size > CHUNK_BYTES or len(self._rows) == MAX_RECORDS):
            self._flush()
        salt = os.urandom(SALT_BYTES)
        self._leaves.write(audited.leaf(salt, row[4]))
        self._rows.append([*row[:2], salt, *row[3:]])
        self._size += size
        self.rows += 1

    def _flush(self) -> None:
        self._log.append(len(self.firsts), self._rows)
        self.firsts.append(self.rows - len(self._rows))
        self._rows, self._size = [], 0

    def close(self) -> bytes:
        """Return the root over all rows."""
        if self._rows:
            self._flush()
        with self._leaves as file:
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            return commitment.root(iter(lambda: file.read(32), b""))
