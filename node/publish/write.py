"""Publishing: a version of level L1 from the vault into files, in bounded memory."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

from consensus.codec import decode
from node.data import vault
from node.data.chain import Query
from node.data.commitment import Field
from node.data.standard import labels
from node.publish import proof, texts
from node.publish.profile import Profile
from node.publish.shelf import (
    INDEX,
    PROOF,
    STEP,
    TYPES,
    File,
    Publication,
    Shelf,
    ShelfError,
    path_of,
    why_closed,
)

BATCH_RECORDS, BATCH_CHARACTERS = 10_000, 8 << 20
Prove = Callable[[bytes], bytes]
"""Returns the proof of what the ledger's state holds at a key."""


def publish(
    shelf: Shelf, opened: vault.Version, query: Query, prove: Prove, told: Callable[[int], None]
) -> Publication:
    """Write a version's files and publish them, instead of earlier ones. Raises ShelfError.

    `prove` is called once it is clear that the version is open, before its records are read;
    `told` now and then with the number of records that are written.
    """
    head = opened.head
    title = f"{head.dataset} version {head.version}"
    closed = why_closed(query, head.dataset, head.version, head.commitment.hex())
    if closed is not None:
        raise ShelfError(f"{title} cannot be published: {closed}")
    state = prove(proof.state_key(head.dataset, head.version))
    name = f"{head.version}-{secrets.token_hex(4)}"
    folder = shelf.fresh(head.dataset, name)
    try:
        body: Any = decode(opened.standard)
        profiles = [Profile(f["name"], labels(body, f["name"]), f["type"]) for f in body["fields"]]
        erased = _write(folder, opened, state, profiles, told)
        wider = [(place, each) for place, each in enumerate(profiles) if each.needs_more]
        for values in opened.rows() if wider else ():
            for place, profile in wider:
                profile.add_again(values[place])
        made = Publication(
            head.dataset, head.version, head.commitment.hex(), time.time_ns() // 1_000_000,
            head.rows - len(erased), tuple(erased), tuple(each.to_json() for each in profiles),
            {each: _described(folder / path_of(each)) for each in (*TYPES, PROOF)}, name,
        )  # fmt: skip
        shelf.put(made)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise ShelfError(f"{title} cannot be published: {error.strerror}") from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return made


def _write(
    folder: Path, opened: vault.Version, state: bytes, profiles: list[Profile],
    told: Callable[[int], None],
) -> list[int]:  # fmt: skip
    """Write all files but the description; returns the rows that are erased."""
    erased = opened.erased()
    hidden = sorted(opened.places(row, 1)[0] for row in erased)
    hashes = [(place, opened.hash_at(place)) for place in hidden]
    names = opened.head.columns
    with ExitStack() as stack:

        def create(name: str) -> BinaryIO:
            return stack.enter_context((folder / name).open("xb"))

        seeds = create(PROOF)
        seeds.write(proof.head(opened.standard, hashes, state))
        writers: list[_Csv | _Json | _Parquet] = [
            _Csv(create("records.csv"), names),
            _Json(create("records.json"), create(INDEX), names),
            _Parquet(create("records.parquet"), names),
        ]
        for row, seed, values in opened.records():
            if row % BATCH_RECORDS == 0:
                told(row)
            seeds.write(seed)
            for profile, value in zip(profiles, values, strict=True):
                profile.add(value)
            for writer in writers:
                writer.add(values)
        for writer in writers:
            writer.end()
    return erased


class _Csv:
    def __init__(self, file: BinaryIO, names: Sequence[str]) -> None:
        self._file = file
        file.write(texts.csv_line(names))

    def add(self, values: list[Field]) -> None:
        self._file.write(texts.csv_line(values))

    def end(self) -> None:
        self._file.flush()


class _Json:
    """The index has the place of every STEP-th record, 8 bytes each."""

    def __init__(self, file: BinaryIO, index: BinaryIO, names: Sequence[str]) -> None:
        self._file, self._index, self._names = file, index, names
        self._count = 0
        file.write(b"[\n")

    def add(self, values: list[Field]) -> None:
        if self._count:
            self._file.write(b",\n")
        if self._count % STEP == 0:
            self._index.write(self._file.tell().to_bytes(8, "big"))
        self._file.write(texts.json_line(self._names, values))
        self._count += 1

    def end(self) -> None:
        self._file.write(b"\n]\n" if self._count else b"]\n")


class _Parquet:
    """Text in every column, as it is registered."""

    def __init__(self, file: BinaryIO, names: Sequence[str]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._schema = pa.schema([(name, pa.string()) for name in names])
        self._writer = pq.ParquetWriter(file, self._schema)
        self._rows: list[list[Field]] = []
        self._characters = 0

    def add(self, values: list[Field]) -> None:
        self._rows.append(values)
        self._characters += sum(len(value or "") for value in values)
        if len(self._rows) == BATCH_RECORDS or self._characters > BATCH_CHARACTERS:
            self._flush()

    def end(self) -> None:
        if self._rows:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        import pyarrow as pa

        columns = [pa.array(column, pa.string()) for column in zip(*self._rows, strict=True)]
        self._writer.write_batch(pa.record_batch(columns, schema=self._schema))
        self._rows, self._characters = [], 0


def _described(path: Path) -> File:
    """Make a file durable and say what it is."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(1 << 20):
            digest.update(data)
        os.fsync(file.fileno())
        return File(file.tell(), digest.hexdigest())
