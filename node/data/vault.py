"""Dataset versions kept encrypted in the owner's home.

A version is a folder: `head` (what was registered), `segments` (records with their seeds, each
segment under a key of its own, AES-256-GCM), `keys` (those keys, sealed under the version's key,
which stands in the keyring), `tree` (record hashes in tree order) and `places` (each row's place in
the tree). It is written beside and renamed when complete.

Erasing a version destroys its key. Erasing a record seals its segment anew without it, and `keys`
under a new version key, so that an older copy of either file stays closed; its hash stays.
"""

from __future__ import annotations

import heapq
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import cbor2
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
from node.data.keyring import Keyring
from node.data.sealing import KEY_BYTES, NONCE_BYTES, Sealer, SealError
from node.errors import MunimentError
from node.home import atomic_write

FORMAT = 1
SEGMENT_RECORDS = 1_024
RUN_ENTRIES = 500_000
MAX_SEGMENT_BYTES = 1 << 30
_ENTRY_BYTES = 2 * HASH_BYTES + 8
_NONCE = bytes(NONCE_BYTES)
"""Each segment's key seals that segment only."""
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

    @property
    def commitment(self) -> bytes:
        return commitment.commitment(
            self.chain_id, self.dataset, self.version, self.standard, self.rows, self.root
        )

    @property
    def name(self) -> str:
        return name_of(self.dataset, self.version)

    def encode(self) -> bytes:
        columns: Value = list(self.columns)
        return encode(
            [FORMAT, self.chain_id, self.dataset, self.version, self.standard, columns, self.rows,
             self.root]
        )  # fmt: skip

    @classmethod
    def decode(cls, data: bytes) -> Head:
        row = expect_list(decode(data), "vault head", 8)
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


def name_of(dataset: str, version: int) -> str:
    """Return what a version's keys are named by."""
    return f"{dataset}|{version}"


def folder_of(vault: Path, dataset: str, version: int) -> Path:
    return vault / dataset.replace("/", "+") / str(version)


def write(
    folder: Path,
    chain_id: bytes,
    dataset: str,
    version: int,
    standard: dict[str, Value],
    rows: Iterable[list[Field]],
    keyring: Keyring,
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
        count, keys = _write_segments(fresh, name_of(dataset, version), rows, random_bytes)
        tree_root = _write_tree(fresh, count)
        body = encode(standard)
        columns = column_names(standard)
        head = Head(chain_id, dataset, version, sha256(body), columns, count, tree_root)
        _write_file(fresh / "standard", body)
        _write_file(fresh / "head", head.encode())
        _seal_keys(fresh, head, "segments", keys, keyring, random_bytes)
        fresh.rename(folder)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise VaultError(f"writing {folder} failed: {error.strerror}") from error
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return head


def _seal_keys(
    folder: Path,
    head: Head,
    segments: str,
    keys: list[bytes],
    keyring: Keyring,
    random_bytes: RandomBytes = os.urandom,
) -> str:
    """Write `keys` under a fresh version key, which the keyring holds first; returns its name."""
    name, key = f"{head.name}|{random_bytes(8).hex()}", random_bytes(KEY_BYTES)
    keyring.put({name: key})
    sealed = Sealer(key).seal(_keys_of(head, name, segments), b"".join(keys))
    atomic_write(folder / "keys", encode([name, segments, sealed]), 0o600)
    return name


def _keys_of(head: Head, name: str, segments: str) -> str:
    """What segment keys are sealed together with: all of the head, and where segments stand."""
    return f"segment keys {name} {segments} {sha256(head.encode()).hex()}"


def _write_segments(
    folder: Path, name: str, rows: Iterable[list[Field]], random_bytes: RandomBytes
) -> tuple[int, list[bytes]]:
    """Write records to `segments`, and sorted runs of (order, record, row) beside it.

    Returns how many records there are, and the segments' keys.
    """
    entries: list[bytes] = []
    keys: list[bytes] = []
    runs = count = 0
    segment: list[bytes] = []
    order_key, commit = commitment.order_key, commitment.commit
    size = commitment.SEED_BYTES
    seeds = b""
    with (folder / "segments").open("wb") as file:
        for values in rows:
            at = size * len(segment)
            if not at:
                seeds = random_bytes(size * SEGMENT_RECORDS)
            seed = seeds[at : at + size]
            record, body = commit(seed, values)
            entries.append(order_key(seed) + record + count.to_bytes(8, "big"))
            segment.append(body)
            count += 1
            if len(segment) == SEGMENT_RECORDS:
                keys.append(_write_segment(file.write, name, len(keys), segment, random_bytes))
                segment = []
            if len(entries) == RUN_ENTRIES:
                _write_run(folder, runs, entries)
                runs, entries = runs + 1, []
        if segment:
            keys.append(_write_segment(file.write, name, len(keys), segment, random_bytes))
        file.flush()
        os.fsync(file.fileno())
    _write_run(folder, runs, entries)
    return count, keys


def _write_segment(
    put: Callable[[bytes], int],
    name: str,
    number: int,
    records: list[bytes],
    random_bytes: RandomBytes = os.urandom,
) -> bytes:
    """Seal encoded records under a key of their own, which is returned."""
    key = random_bytes(KEY_BYTES)
    plain = commitment.array_head(len(records)) + b"".join(records)
    sealed = AESGCM(key).encrypt(_NONCE, plain, _segment_of(name, number))
    put(len(sealed).to_bytes(4, "big") + sealed)
    return key


def _segment_of(name: str, number: int) -> bytes:
    return f"{name}|{number}".encode()


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
        while block := file.read(_ENTRY_BYTES * SEGMENT_RECORDS):
            for at in range(0, len(block), _ENTRY_BYTES):
                yield block[at : at + _ENTRY_BYTES]


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise VaultError(f"{path} cannot be read: {error.strerror}") from error


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
    """A version in the vault, opened with the keyring. Raises VaultError."""

    def __init__(self, folder: Path, keyring: Keyring) -> None:
        self.folder = folder
        try:
            self.head = Head.decode(_read(folder / "head"))
        except DecodeError as error:
            raise VaultError(f"{folder / 'head'} is damaged: {error}") from error
        self.standard = _read(folder / "standard")
        if sha256(self.standard) != self.head.standard:
            raise VaultError(f"{folder / 'standard'} differs from the registered standard")
        self.key_name, self._segments, self._keys = self._open_keys(keyring)

    def _open_keys(self, keyring: Keyring) -> tuple[str, Path, list[bytes]]:
        path = self.folder / "keys"
        try:
            row = expect_list(decode(_read(path)), "keys", 3)
            name, segments = expect_text(row[0], "name", 512), expect_text(row[1], "segments", 32)
            key = keyring.get(name)
            if key is None:
                raise VaultError(f"{path}: the key is destroyed, or missing from the keyring")
            sealed = expect_bytes(row[2], "segment keys", max_length=len(_read(path)))
            joined = Sealer(key).open(_keys_of(self.head, name, segments), sealed)
            data = expect_bytes(joined, "segment keys", max_length=len(sealed))
        except (DecodeError, SealError) as error:
            raise VaultError(
                f"{path} or the head beside it is damaged, or of another home"
            ) from error
        keys = [data[at : at + KEY_BYTES] for at in range(0, len(data), KEY_BYTES)]
        return name, self.folder / segments, keys

    def segments(self) -> Iterator[tuple[int, list[Value]]]:
        """Yield (number, records) of each segment. Raises VaultError naming a damaged one."""
        return self.segments_from(0)

    def segments_from(self, first: int) -> Iterator[tuple[int, list[Value]]]:
        """Yield (number, records) of segment `first` and those after it. Raises VaultError."""
        for number, place, sealed in self._frames(first):
            yield number, self._open_segment(number, place, sealed)

    def _frames(self, first: int = 0) -> Iterator[tuple[int, int, bytes]]:
        """Yield number, place and ciphertext of segments; shorter where the file is cut."""
        with _open(self._segments) as file:
            for _ in range(first):
                file.seek(int.from_bytes(file.read(4), "big"), os.SEEK_CUR)
            for number in range(first, len(self._keys)):
                place = file.tell()
                length = int.from_bytes(file.read(4), "big")
                yield number, place, file.read(min(length, MAX_SEGMENT_BYTES))

    def _open_segment(self, number: int, place: int, sealed: bytes) -> list[Value]:
        name = _segment_of(self.head.name, number)
        try:
            plain = AESGCM(self._keys[number]).decrypt(_NONCE, sealed, name)
            return expect_list(decode(plain, max_bytes=len(plain)), "segment")
        except (InvalidTag, ValueError) as error:
            first = number * SEGMENT_RECORDS + 1
            last = min(self.head.rows, first + SEGMENT_RECORDS - 1)
            raise VaultError(
                f"{self._segments}: segment {number} (rows {first} to {last}, bytes {place} to "
                f"{place + 4 + len(sealed)}) is damaged; restore the version from a backup"
            ) from error

    def records(self) -> Iterator[tuple[int, bytes, list[Field]]]:
        """Yield row (from 1), seed and values of each record that is not erased."""
        row = 0
        for _, records in self.segments():
            for record in records:
                row += 1
                if record is not None:
                    yield (row, *open_record(record))

    def rows(self) -> Iterator[list[Field]]:
        """Yield the values of each record in the order of rows. Raises VaultError."""
        return (values for _, _, values in self.records())

    def record(self, row: int) -> Record:
        """Return the record of data row `row`, counted from 1. Raises VaultError."""
        if not 1 <= row <= self.head.rows:
            raise VaultError(f"{self.head.dataset} has rows 1 to {self.head.rows}, not {row}")
        wanted, offset = divmod(row - 1, SEGMENT_RECORDS)
        found = self._open_segment(wanted, *self._frame(wanted))[offset]
        if found is None:
            raise VaultError(f"row {row} of {self.head.dataset} is erased")
        seed, values = open_record(found)
        (place,) = self.places(row, 1)
        return Record(seed, tuple(values), place, self._path(place))

    def opened(self, row: int) -> tuple[bytes, list[Field]] | None:
        """Return seed and values of data row `row` (from 1), None if erased. Raises VaultError.

        Quick: what the key authenticates was encoded here, so it is not checked once more.
        """
        number, offset = divmod(row - 1, SEGMENT_RECORDS)
        _, sealed = self._frame(number)
        try:
            name = _segment_of(self.head.name, number)
            records = cbor2.loads(AESGCM(self._keys[number]).decrypt(_NONCE, sealed, name))
        except InvalidTag as error:
            raise VaultError(f"{self._segments}: segment {number} is damaged") from error
        return None if records[offset] is None else open_record(records[offset])

    def _frame(self, wanted: int) -> tuple[int, bytes]:
        """Return place and ciphertext of one segment."""
        _, place, sealed = next(self._frames(wanted))
        return place, sealed

    def places(self, row: int, count: int) -> list[int]:
        """Return the places in the tree of `count` rows from `row` (from 1) on."""
        with _open(self.folder / "places") as file:
            file.seek(8 * (row - 1))
            data = file.read(8 * count)
        return [int.from_bytes(data[at : at + 8], "big") for at in range(0, len(data), 8)]

    def hashes(self) -> bytes:
        """Return all record hashes in the order of the tree, 32 bytes each."""
        return _read(self.folder / "tree")

    def hash_at(self, place: int) -> bytes:
        """Return the hash of the record at a place in the tree."""
        return next(self._hashes(place, place + 1))

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
        with _open(self.folder / "tree") as file:
            file.seek(HASH_BYTES * low)
            for _ in range(high - low):
                yield file.read(HASH_BYTES)

    def erased(self) -> list[int]:
        """Return the rows whose records are erased."""
        return [
            number * SEGMENT_RECORDS + at + 1
            for number, records in self.segments()
            for at, record in enumerate(records)
            if record is None
        ]

    def verify(self) -> None:
        """Read everything and recompute the root. Raises VaultError naming the first damage."""
        for damage in self.damages():
            raise VaultError(damage)

    def damages(self) -> Iterator[str]:
        """Read everything; yield a sentence for each damage, with file, rows and bytes."""
        is_tree_whole = commitment.root(self._hashes(0, self.head.rows)) == self.head.root
        if not is_tree_whole:
            yield f"{self.folder / 'tree'} differs from the registered root"
        segments = -(-self.head.rows // SEGMENT_RECORDS)
        if len(self._keys) != segments:
            yield f"{self.folder / 'keys'} has {len(self._keys)} keys for {segments} segments"
        with _open(self.folder / "places") as places, _open(self.folder / "tree") as tree:
            for number, place, sealed in self._frames():
                try:
                    records = self._open_segment(number, place, sealed)
                except VaultError as error:
                    yield error.message
                    continue
                first = number * SEGMENT_RECORDS
                found = os.pread(places.fileno(), 8 * len(records), 8 * first)
                for index, record in enumerate(records):
                    row, at = first + index + 1, int.from_bytes(found[8 * index :][:8], "big")
                    if record is None:
                        continue
                    byte = HASH_BYTES * min(at, self.head.rows)
                    hashed = os.pread(tree.fileno(), HASH_BYTES, byte)  # no buffer: in any order
                    if hashed == commitment.record(*open_record(record)):
                        continue
                    name, byte = ("places", 8 * (row - 1)) if is_tree_whole else ("tree", 32 * at)
                    yield (
                        f"{self.folder / name}: row {row} (segment {number}) differs from the "
                        f"tree, at byte {byte}"
                    )

    def erase(self, rows: Iterable[int], keyring: Keyring) -> None:
        """Erase records, so that no older copy of the files opens them. May be repeated."""
        known = set(self.erased())
        wanted = {row for row in rows if row not in known}
        if not all(1 <= row <= self.head.rows for row in wanted):
            raise VaultError(f"{self.head.dataset} has rows 1 to {self.head.rows}")
        if wanted:
            self._rewrite(wanted, keyring)
        # What a run that was killed half-way left is removed by the next one.
        others = [name for name in keyring.all() if name.rpartition("|")[0] == self.head.name]
        keyring.destroy(name for name in others if name != self.key_name)
        for path in self.folder.glob("segments*"):
            if path != self._segments:
                path.unlink()

    def _rewrite(self, wanted: set[int], keyring: Keyring) -> None:
        """Copy segments, those that hold `wanted` under fresh keys; then switch to the copy."""
        _, _, generation = self._segments.name.partition(".")
        fresh = self.folder / f"segments.{int(generation or 0) + 1}"
        keys = list(self._keys)
        touched = {(row - 1) // SEGMENT_RECORDS for row in wanted}
        with fresh.open("wb") as file:
            for number, place, sealed in self._frames():
                if number not in touched:
                    file.write(len(sealed).to_bytes(4, "big") + sealed)
                    continue
                first = number * SEGMENT_RECORDS + 1
                records = self._open_segment(number, place, sealed)
                left = [None if first + at in wanted else r for at, r in enumerate(records)]
                keys[number] = _write_segment(
                    file.write, self.head.name, number, [encode(record) for record in left]
                )
            file.flush()
            os.fsync(file.fileno())
        self.key_name = _seal_keys(self.folder, self.head, fresh.name, keys, keyring)
        self._segments, self._keys = fresh, keys


def open_record(record: Value) -> tuple[bytes, list[Field]]:
    """Return seed and values of a record that a segment holds."""
    seed, values = expect_list(record, "record", 2)
    row = [v if isinstance(v, str) else None for v in expect_list(values, "row")]
    return expect_bytes(seed, "seed", commitment.SEED_BYTES), row


def erase(vault: Path, dataset: str, version: int, keyring: Keyring) -> None:
    """Destroy a version's keys, then remove its files. May be repeated."""
    name = name_of(dataset, version)
    keyring.destroy(each for each in keyring.all() if each.rpartition("|")[0] == name)
    shutil.rmtree(folder_of(vault, dataset, version), ignore_errors=True)
