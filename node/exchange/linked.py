"""Chunks of linked mode: every exact field with its opening, of all others only the leaf.

A masked field has its leaf and a value that the owner asserts. From all leaves of a record follows
its hash, which stands in the tree that the version's registration commits to. A chunk is columnar:
[places, salts, leaves, columns, proof], where `places` are u64 for each record, `salts` 16 bytes
for each exact field and `leaves` 32 for each other field of each record, `columns` the values of
each delivered field, and `proof` joins what `tree.RecordTree.proof` gives, or is null where the
recipient holds the whole tree.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256, shake_256

from consensus.codec import DecodeError, Value, decode, encode, expect_bytes, expect_list
from consensus.crypto import HASH_BYTES
from node.data.commitment import SALT_BYTES, Field, encode_field

MAX_RECORDS = 1_024
MAX_BODY_BYTES = 16 << 20
PLACE_BYTES = 8


@dataclass(frozen=True)
class Shape:
    """Which of a version's `count` fields go out: `exact` and `masked` are indices, sorted."""

    count: int
    exact: tuple[int, ...]
    masked: tuple[int, ...]

    @cached_property
    def delivered(self) -> tuple[int, ...]:
        return tuple(sorted((*self.exact, *self.masked)))

    @cached_property
    def hidden(self) -> tuple[int, ...]:
        """Fields of which the leaf goes out."""
        return tuple(index for index in range(self.count) if index not in self.exact)


@dataclass(frozen=True, slots=True)
class Opened:
    """A record as the vault holds it, with its place in the tree."""

    place: int
    seed: bytes
    values: Sequence[Field]


@dataclass(frozen=True, slots=True)
class Received:
    """What a chunk holds: record hashes by place, delivered columns, the proof if there is one."""

    records: dict[int, bytes]
    columns: tuple[list[Field], ...]
    proof: list[bytes] | None

    @property
    def rows(self) -> int:
        return len(self.records)


_MARKS = [index.to_bytes(2, "big") for index in range(1_025)]


def pack(
    shape: Shape,
    records: Sequence[Opened],
    asserted: Sequence[Sequence[Field]],
    proof: Sequence[bytes] | None,
) -> bytes:
    """Return the body of a chunk; `asserted` are the columns of the masked fields."""
    salt_bytes = SALT_BYTES * shape.count
    exact = [(SALT_BYTES * i, SALT_BYTES * (i + 1)) for i in shape.exact]
    hidden = [(i, SALT_BYTES * i, SALT_BYTES * (i + 1), _MARKS[i]) for i in shape.hidden]
    salts: list[bytes] = []
    leaves: list[bytes] = []
    for record in records:
        salt = shake_256(record.seed).digest(salt_bytes)
        values = record.values
        salts += [salt[low:high] for low, high in exact]
        leaves += [
            sha256(b"\x10" + salt[low:high] + mark + encode_field(values[i])).digest()
            for i, low, high, mark in hidden
        ]
    masked = dict(zip(shape.masked, asserted, strict=True))
    columns: list[Value] = [
        [*masked[i]] if i in masked else [record.values[i] for record in records]
        for i in shape.delivered
    ]
    places = b"".join([record.place.to_bytes(PLACE_BYTES, "big") for record in records])
    joined = None if proof is None else b"".join(proof)
    return encode([places, b"".join(salts), b"".join(leaves), columns, joined])


def unpack(shape: Shape, body: bytes) -> Received:
    """Compute the records' hashes from what was sent. Raises DecodeError."""
    row = expect_list(decode(body, max_bytes=MAX_BODY_BYTES), "chunk", 5)
    places = expect_bytes(row[0], "places", max_length=PLACE_BYTES * MAX_RECORDS)
    count, rest = divmod(len(places), PLACE_BYTES)
    if rest:
        raise DecodeError("places are of 8 bytes each")
    salts = expect_bytes(row[1], "salts", SALT_BYTES * len(shape.exact) * count, MAX_BODY_BYTES)
    leaves = expect_bytes(row[2], "leaves", HASH_BYTES * len(shape.hidden) * count, MAX_BODY_BYTES)
    columns = columns_of(row[3], len(shape.delivered), count)
    proof = None
    if row[4] is not None:
        joined = expect_bytes(row[4], "proof", max_length=MAX_BODY_BYTES)
        proof = [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]
        if proof and len(proof[-1]) != HASH_BYTES:
            raise DecodeError("hashes are of 32 bytes each")
    hashes = _hashes(shape, count, salts, leaves, columns)
    numbers = [
        int.from_bytes(places[at : at + PLACE_BYTES], "big")
        for at in range(0, len(places), PLACE_BYTES)
    ]
    found = dict(zip(numbers, hashes, strict=True))
    if len(found) != count:
        raise DecodeError("a record is there twice")
    return Received(found, columns, proof)


def blank(shape: Shape, body: bytes, rows: Collection[int]) -> bytes:
    """Return the body without salts, leaves and values of `rows`, counted from 0.

    Places and proof stay: of a record they tell nothing. What it then says is proved no more.
    """
    places, salts, leaves, columns, proof = expect_list(
        decode(body, max_bytes=MAX_BODY_BYTES), "chunk", 5
    )
    cleared = []
    for data, size in (
        (salts, SALT_BYTES * len(shape.exact)),
        (leaves, HASH_BYTES * len(shape.hidden)),
    ):
        made = bytearray(expect_bytes(data, "part", max_length=MAX_BODY_BYTES))
        for row in rows:
            made[size * row : size * (row + 1)] = bytes(size)
        cleared.append(bytes(made))
    emptied: list[Value] = [
        [None if row in rows else cell for row, cell in enumerate(expect_list(column, "column"))]
        for column in expect_list(columns, "columns")
    ]
    return encode([places, *cleared, emptied, proof])


def columns_of(value: Value, width: int, count: int) -> tuple[list[Field], ...]:
    """Return `width` columns of `count` fields each. Raises DecodeError."""
    columns: list[list[Field]] = []
    for column in expect_list(value, "columns", width):
        cells = expect_list(column, "column", count)
        if not all(cell is None or type(cell) is str for cell in cells):
            raise DecodeError("a field must be text or null")
        columns.append(cells)  # type: ignore[arg-type]
    return tuple(columns)


def _hashes(
    shape: Shape,
    count: int,
    salts: bytes,
    leaves: bytes,
    columns: Sequence[list[Field]],
) -> list[bytes]:
    """Compute, field by field, the leaves that were opened; then the hash of each record."""
    by_field: list[list[bytes]] = []
    exact, hidden = len(shape.exact), len(shape.hidden)
    opened = closed = 0
    for index in range(shape.count):
        if index in shape.exact:
            mark = _MARKS[index]
            step = SALT_BYTES * exact
            starts = range(SALT_BYTES * opened, SALT_BYTES * exact * count, step)
            cells = columns[shape.delivered.index(index)]
            by_field.append(
                [
                    sha256(
                        b"\x10" + salts[at : at + SALT_BYTES] + mark + encode_field(cell)
                    ).digest()
                    for at, cell in zip(starts, cells, strict=True)
                ]
            )
            opened += 1
        else:
            starts = range(HASH_BYTES * closed, HASH_BYTES * hidden * count, HASH_BYTES * hidden)
            by_field.append([leaves[at : at + HASH_BYTES] for at in starts])
            closed += 1
    head = b"\x11" + _MARKS[shape.count]
    join = b"".join
    return [sha256(head + join(record)).digest() for record in zip(*by_field, strict=True)]


def batches(records: Sequence[Opened], max_bytes: int) -> list[list[Opened]]:
    """Cut records into runs of at most MAX_RECORDS and about `max_bytes` of text, one at least."""
    runs: list[list[Opened]] = []
    size = max_bytes
    for record in records:
        length = sum(len(value) for value in record.values if value is not None)
        if size + length > max_bytes or len(runs[-1]) == MAX_RECORDS:
            runs.append([])
            size = 0
        runs[-1].append(record)
        size += length
    return runs
