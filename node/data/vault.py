"""Dataset versions kept encrypted in the owner's home.

A version is a folder: `head` (what was registered, and the wrapped key), `segments` (records with
their seeds, AES-256-GCM under the version's own key), `tree` (record hashes in tree order) and
`places` (each row's place in the tree). It is written beside and renamed when complete.
"""

from __future__ import annotations

import heapq
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from consensus.codec import (
    DecodeError,
    Value,
    decode,
    encode,
    expect_bytes,
    expect_int,
    expect_list,
    expect_text,
)
from consensus.crypto import HASH_BYTES, sha256
from node.data import commitment
from node.data.commitment import Field
from node.errors import MunimentError

FORMAT = 1
SEGMENT_RECORDS = 1_024
RUN_ENTRIES = 500_000
KEY_BYTES = 32
NONCE_BYTES = 12
MAX_SEGMENT_BYTES = 1 << 30
_ENTRY_BYTES = 2 * HASH_BYTES + 8
RandomBytes = Callable[[int], bytes]


class VaultError(MunimentError):
    """A version that is missing, damaged, or cannot be written."""

    code = "vault"


@dataclass(frozen=True, slots=True)
class Head:
    """What a version is, as its registration says it."""

    chain_id: bytes
    dataset: str
    version: int
    standard: bytes
    columns: tuple[str, ...]
    rows: int
    root: bytes
    wrapped_key: bytes

    @property
    def commitment(self) -> bytes:
        return commitment.commitment(
            self.chain_id, self.dataset, self.version, self.standard, self.rows, self.root
        )

    @property
    def associated(self) -> bytes:
        """What the wrapped key is sealed together with: all of the head but that key."""
        return encode(self._row())

    def _row(self) -> list[Value]:
        columns: Value = list(self.columns)
        return [
            FORMAT,
            self.chain_id,
            self.dataset,
            self.version,
            self.standard,
            columns,
            self.rows,
            self.root,
        ]

    def encode(self) -> bytes:
        return encode([*self._row(), self.wrapped_key])

    @classmethod
    def decode(cls, data: bytes) -> Head:
        row = expect_list(decode(data), "vault head", 9)
        expect_int(row[0], "vault format", FORMAT, FORMAT)
        columns = expect_list(row[5], "columns", max_length=commitment.MAX_FIELDS)
        return cls(
            expect_bytes(row[1], "chain id", HASH_BYTES),
            expect_text(row[2], "dataset", 256),
            expect_int(row[3], "version", 1),
            expect_bytes(row[4], "standard", HASH_BYTES),
            tuple(expect_text(column, "column", 1_024) for column in columns),
            expect_int(row[6], "rows"),
            expect_bytes(row[7], "root", HASH_BYTES),
            expect_bytes(row[8], "wrapped key", max_length=128),
        )


def column_names(standard: dict[str, Value]) -> tuple[str, ...]:
    """Return the names of a standard's fields in order. Raises DecodeError."""
    fields = expect_list(standard.get("fields"), "fields", max_length=commitment.MAX_FIELDS)
    return tuple(
        expect_text(field.get("name") if isinstance(field, dict) else None, "field name", 1_024)
        for field in fields
    )


def digest_of(standard: dict[str, Value]) -> bytes:
    """Return the digest that versions bind to."""
    return sha256(encode(standard))


def folder_of(vault: Path, dataset: str, version: int) -> Path:
    return vault / dataset.replace("/", "+") / str(version)


def write(
    folder: Path,
    chain_id: bytes,
    dataset: str,
    version: int,
    standard: dict[str, Value],
    rows: Iterable[list[Field]],
    master_key: bytes,
    random_bytes: RandomBytes = os.urandom,
) -> Head:
    """Encrypt and commit `rows` into `folder`, which must not exist; returns its head.

    Memory is bounded whatever the number of rows. A run that does not end leaves nothing behind.
    """
    if folder.exists():
        raise VaultError(f"{dataset} version {version} is in the vault already ({folder})")
    fresh = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        fresh.mkdir(parents=True, mode=0o700)
        key = random_bytes(KEY_BYTES)
        name = f"{dataset}|{version}".encode()
        count = _write_segments(fresh, AESGCM(key), name, rows, random_bytes)
        tree_root = _write_tree(fresh, count)
        body = encode(standard)
        columns = column_names(standard)
        bare = Head(chain_id, dataset, version, sha256(body), columns, count, tree_root, b"")
        nonce = random_bytes(NONCE_BYTES)
        sealed = AESGCM(master_key).encrypt(nonce, key, bare.associated)
        head = replace(bare, wrapped_key=nonce + sealed)
        _write_file(fresh / "standard", body)
        _write_file(fresh / "head", head.encode())
        fresh.rename(folder)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise VaultError(f"writing {folder} failed: {error.strerror}") from error
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return head


def _write_segments(
    folder: Path,
    cipher: AESGCM,
    name: bytes,
    rows: Iterable[list[Field]],
    random_bytes: RandomBytes,
) -> int:
    """Write records to `segments`, and sorted runs of (order, record, row) beside it."""
    entries: list[bytes] = []
    runs = count = number = 0
    segment: list[Value] = []
    with (folder / "segments").open("wb") as file:
        for values in rows:
            seed = random_bytes(commitment.SEED_BYTES)
            order, record = commitment.order_key(seed), commitment.record(seed, values)
            entries.append(order + record + count.to_bytes(8, "big"))
            segment.append([seed, list(values)])
            count += 1
            if len(segment) == SEGMENT_RECORDS:
                _write_segment(file.write, cipher, name, number, segment)
                number, segment = number + 1, []
            if len(entries) == RUN_ENTRIES:
                _write_run(folder, runs, entries)
                runs, entries = runs + 1, []
        if segment:
            _write_segment(file.write, cipher, name, number, segment)
        file.flush()
        os.fsync(file.fileno())
    _write_run(folder, runs, entries)
    return count


def _write_segment(
    put: Callable[[bytes], int], cipher: AESGCM, name: bytes, number: int, segment: list[Value]
) -> None:
    """Nonces count segments: the key is this version's own."""
    nonce = number.to_bytes(NONCE_BYTES, "big")
    sealed = cipher.encrypt(nonce, encode(segment), name)
    put(len(sealed).to_bytes(4, "big") + sealed)


def _write_run(folder: Path, number: int, entries: list[bytes]) -> None:
    entries.sort()
    with (folder / f"run-{number}").open("wb") as file:
        file.writelines(entries)


def _write_tree(folder: Path, count: int) -> bytes:
    """Merge the runs into tree order; returns the root."""
    paths = sorted(folder.glob("run-*"))
    places = bytearray(8 * count) if count <= RUN_ENTRIES else None
    with (folder / "tree").open("wb") as tree, (folder / "places").open("w+b") as file:
        file.truncate(8 * count)

        def hashes() -> Iterator[bytes]:
            for place, entry in enumerate(heapq.merge(*map(_read_run, paths))):
                row = int.from_bytes(entry[64:], "big")
                data = place.to_bytes(8, "big")
                if places is None:
                    os.pwrite(file.fileno(), data, 8 * row)
                else:
                    places[8 * row : 8 * row + 8] = data
                record = entry[32:64]
                tree.write(record)
                yield record

        tree_root = commitment.root(hashes())
        if places is not None:
            file.write(places)
        for each in (tree, file):
            each.flush()
            os.fsync(each.fileno())
    for path in paths:
        path.unlink()
    return tree_root


def _read_run(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while entry := file.read(_ENTRY_BYTES):
            yield entry


def _open(path: Path) -> BinaryIO:
    return path.open("rb")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise VaultError(f"{path} cannot be read: {error.strerror}") from error


def _write_file(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a version: its seed, values, place in the tree and proof."""

    seed: bytes
    values: tuple[Field, ...]
    place: int
    path: tuple[bytes, ...]


class Version:
    """A version in the vault, opened with the member's master key."""

    def __init__(self, folder: Path, master_key: bytes) -> None:
        self._folder = folder
        try:
            self.head = Head.decode((folder / "head").read_bytes())
        except OSError as error:
            raise VaultError(f"{folder} is not in the vault: {error.strerror}") from error
        except DecodeError as error:
            raise VaultError(f"{folder / 'head'} is damaged: {error}") from error
        self._name = f"{self.head.dataset}|{self.head.version}".encode()
        self.standard = _read(folder / "standard")
        if sha256(self.standard) != self.head.standard:
            raise VaultError(f"{folder / 'standard'} differs from the registered standard")
        nonce, sealed = self.head.wrapped_key[:NONCE_BYTES], self.head.wrapped_key[NONCE_BYTES:]
        try:
            self._cipher = AESGCM(AESGCM(master_key).decrypt(nonce, sealed, self.head.associated))
        except (InvalidTag, ValueError) as error:
            raise VaultError(
                f"the vault key does not open {folder}, or its head is damaged"
            ) from error

    def segments(self) -> Iterator[tuple[int, list[Value]]]:
        """Yield (number, records) of each segment. Raises VaultError naming a damaged one."""
        with (self._folder / "segments").open("rb") as file:
            number = 0
            while size := file.read(4):
                length = int.from_bytes(size, "big")
                sealed = file.read(length) if length <= MAX_SEGMENT_BYTES else b""
                yield number, self._open_segment(number, sealed)
                number += 1

    def _open_segment(self, number: int, sealed: bytes) -> list[Value]:
        nonce = number.to_bytes(NONCE_BYTES, "big")
        first = number * SEGMENT_RECORDS + 1
        try:
            plain = self._cipher.decrypt(nonce, sealed, self._name)
            return expect_list(decode(plain, max_bytes=len(plain)), "segment")
        except (InvalidTag, ValueError) as error:
            raise VaultError(
                f"{self._folder / 'segments'}: segment {number} (from row {first} on) is damaged; "
                "restore the version from a backup"
            ) from error

    def rows(self) -> Iterator[list[Field]]:
        """Yield the values of each record in the order of rows. Raises VaultError."""
        for _, records in self.segments():
            for pair in records:
                _, values = expect_list(pair, "record", 2)
                yield [v if isinstance(v, str) else None for v in expect_list(values, "row")]

    def record(self, row: int) -> Record:
        """Return the record of data row `row`, counted from 1. Raises VaultError."""
        if not 1 <= row <= self.head.rows:
            raise VaultError(f"{self.head.dataset} has rows 1 to {self.head.rows}, not {row}")
        wanted, offset = divmod(row - 1, SEGMENT_RECORDS)
        for number, records in self.segments():
            if number == wanted:
                seed, values = expect_list(records[offset], "record", 2)
                with (self._folder / "places").open("rb") as file:
                    file.seek(8 * (row - 1))
                    place = int.from_bytes(file.read(8), "big")
                return Record(
                    expect_bytes(seed, "seed", commitment.SEED_BYTES),
                    tuple(v if isinstance(v, str) else None for v in expect_list(values, "row")),
                    place,
                    self._path(place),
                )
        raise VaultError(f"{self._folder / 'segments'} is cut short before row {row}")

    def _path(self, place: int) -> tuple[bytes, ...]:
        """Return the audit path of the record at `place`: roots of the sibling subtrees."""
        path: list[bytes] = []
        low, high = 0, self.head.rows
        while high - low > 1:
            split = low + (1 << (high - low - 1).bit_length() - 1)
            if place < split:
                path.append(commitment.root(self._hashes(split, high)))
                high = split
            else:
                path.append(commitment.root(self._hashes(low, split)))
                low = split
        return tuple(reversed(path))

    def _hashes(self, low: int, high: int) -> Iterator[bytes]:
        with (self._folder / "tree").open("rb") as file:
            file.seek(HASH_BYTES * low)
            for _ in range(high - low):
                yield file.read(HASH_BYTES)

    def verify(self) -> None:
        """Read everything and recompute the root. Raises VaultError naming what is damaged."""
        row = 0
        with (
            (self._folder / "places").open("rb") as places,
            (self._folder / "tree").open("rb") as tree,
        ):
            for number, records in self.segments():
                for pair in records:
                    seed, values = expect_list(pair, "record", 2)
                    fields = [v if isinstance(v, str) else None for v in expect_list(values, "row")]
                    row += 1
                    tree.seek(HASH_BYTES * int.from_bytes(places.read(8), "big"))
                    found = commitment.record(expect_bytes(seed, "seed"), fields)
                    if tree.read(HASH_BYTES) != found:
                        raise VaultError(f"row {row} (segment {number}) differs from the tree")
        if row != self.head.rows:
            raise VaultError(f"{self._folder} holds {row} rows of {self.head.rows}")
        if commitment.root(self._hashes(0, row)) != self.head.root:
            raise VaultError(f"{self._folder / 'tree'} differs from the registered root")
