"""What a supervisor checks of an audited delivery: a sample that neither side could choose.

From the hash of a later final block and the recipient's secret follow `SAMPLE` delivered rows and
as many records that the filter left out. The owner opens them: the records under the registered
commitment, in the fields that matter, and the rows under the delivery's root. Then the filter and
the masks are run again. Everything here is a function of its arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from consensus import merkle
from consensus.codec import DecodeError, Value, encode, expect_bytes, expect_list
from consensus.crypto import HASH_BYTES, sha256
from node.data import commitment
from node.data.commitment import SALT_BYTES, Field
from node.exchange import audited, linked, rowmap
from node.exchange.filters import Filter
from node.exchange.linked import Opened, Shape
from node.exchange.rowmap import ERASED, FILTERED, OVER, SUPPRESSED, UNAUTHORISED, RowMap
from node.exchange.tree import RecordTree, root_of_proof

SAMPLE = 300
MAX_OPENING_BYTES = 15 << 20
Agrees = Callable[[list[list[Field]], list[list[Field]]], list[list[bool]]]
"""For registered and delivered columns of masked fields: which values fit the mask."""


class AuditError(DecodeError):
    """What the owner opened is not what it committed to; the message says how."""


@dataclass(frozen=True)
class Subject:
    """What is audited, as the chain has it.

    `commitment` is the registered version's, over `records` records; `root` is over the `rows`
    delivered; `map` is the digest of where they come from. `exact` and `masked` are the delivered
    fields, `destroyed` counts records that the chain calls so. `has_subjects` and `has_classes`
    allow records to be left out for these reasons.
    """

    delivery: int
    chain_id: bytes
    dataset: str
    version: int
    standard: bytes
    columns: int
    records: int
    commitment: bytes
    root: bytes
    rows: int
    reserved: int
    map: bytes
    exact: tuple[int, ...]
    masked: tuple[int, ...]
    filter: Filter | None
    destroyed: int
    has_subjects: bool
    has_classes: bool

    @property
    def delivered(self) -> tuple[int, ...]:
        return tuple(sorted((*self.exact, *self.masked)))

    @cached_property
    def shape(self) -> Shape:
        """Which fields of a record are opened: those delivered and those that the filter reads."""
        chosen = set() if self.filter is None else self.filter.indices
        return Shape(self.columns, tuple(sorted({*self.delivered, *chosen})), ())


@dataclass(frozen=True, slots=True)
class Sample:
    """Indices of delivered rows and places of records left out by the filter, both sorted."""

    rows: tuple[int, ...]
    omitted: tuple[int, ...]

    @property
    def size(self) -> int:
        return len(self.rows) + len(self.omitted)


@dataclass(frozen=True, slots=True)
class Finding:
    """What an audit showed: how much was looked at, what was wrong, what was left out why."""

    checked: int
    faults: tuple[str, ...]
    omitted: dict[str, int]


def draw(block: bytes, secret: bytes, delivery: int) -> bytes:
    """Return the seed of a delivery's sample."""
    return sha256(encode(["muniment sample", block, secret, delivery]))


def sample(seed: bytes, rows: RowMap, count: int) -> Sample:
    """Draw from `count` delivered rows and from those that the filter left out."""
    omitted = rows.omitted(FILTERED)
    chosen = _choose(seed + b"omitted", len(omitted))
    places = sorted(int(omitted[at]) for at in chosen)
    return Sample(tuple(sorted(_choose(seed + b"rows", count))), tuple(places))


def _choose(seed: bytes, count: int) -> list[int]:
    """Choose SAMPLE distinct numbers below `count`, or all of them."""
    if count <= SAMPLE:
        return list(range(count))
    found: dict[int, None] = {}
    for number in _numbers(seed):
        found[number % count] = None
        if len(found) == SAMPLE:
            return list(found)
    raise AssertionError("numbers do not end")


def _numbers(seed: bytes) -> Iterator[int]:
    """64-bit numbers; a remainder below 2**32 is uniform to within 2**-32."""
    counter = 0
    while True:
        block = sha256(seed + counter.to_bytes(8, "big"))
        yield from (int.from_bytes(block[at : at + 8], "big") for at in range(0, HASH_BYTES, 8))
        counter += 1


# The owner's side


def open_rows(tree: RecordTree, found: Sequence[tuple[int, bytes, Sequence[Field]]]) -> Value:
    """Open delivered rows, given as index, salt and values, under the tree over all rows."""
    rows: list[Value] = [[salt, list(values)] for _, salt, values in found]
    proof = tree.proof([index for index, _, _ in found]) if found else []
    return [rows, b"".join(proof)]


def open_records(subject: Subject, tree: RecordTree, found: Sequence[Opened]) -> list[bytes]:
    """Open records, sorted by place, in the fields that matter, chunk by chunk."""
    return [
        linked.pack(subject.shape, run, [], tree.proof([record.place for record in run]))
        for run in linked.batches(found, MAX_OPENING_BYTES // 16)
    ]


# The supervisor's side


def read_map(subject: Subject, salt: bytes, key: bytes, entries: bytes) -> RowMap:
    """Return the map, if it is the one committed to and can be one. Raises AuditError."""
    if rowmap.digest(salt, key, entries) != subject.map:
        raise AuditError("the map or the masks' key is not what was committed to")
    try:
        found = RowMap.decode(entries, subject.records, subject.rows)
    except DecodeError as error:
        raise AuditError(str(error)) from error
    for reason, allowed in (
        (ERASED, len(found.omitted(ERASED)) <= subject.destroyed),
        (FILTERED, subject.filter is not None),
        (UNAUTHORISED, subject.has_subjects),
        (SUPPRESSED, subject.has_classes),
        (OVER, subject.rows == subject.reserved),
    ):
        if not allowed and len(found.omitted(reason)):
            raise AuditError(f"records are left out as {rowmap.REASONS[reason]}, and cannot be")
    return found


def judge(
    subject: Subject, rows: RowMap, wanted: Sample, opened: tuple[Value, Value], agrees: Agrees
) -> Finding:
    """Check what was opened, as `open_rows` and `open_records` give it. Raises AuditError.

    An error means that the owner did not open what it has committed to; a fault is one row that is
    not what it had to be.
    """
    try:
        delivered = _read_rows(subject, wanted, opened[0])
        places = rows.places()
        from_rows = [int(places[index]) for index in wanted.rows]
        records = _read_records(subject, sorted({*from_rows, *wanted.omitted}), opened[1])
    except AuditError:
        raise
    except DecodeError as error:
        raise AuditError(str(error)) from error
    registered = [records[place] for place in from_rows]
    faults = [
        *_wrong_rows(subject, wanted.rows, registered, delivered, agrees),
        *_wrongly_omitted(subject, [(place, records[place]) for place in wanted.omitted]),
    ]
    return Finding(wanted.size, tuple(faults), rows.counts())


def _read_rows(subject: Subject, wanted: Sample, value: Value) -> list[list[Field]]:
    rows, joined = expect_list(value, "opened rows", 2)
    found = expect_list(rows, "rows", len(wanted.rows))
    leaves, values = {}, []
    for index, row in zip(wanted.rows, found, strict=True):
        salt, cells = expect_list(row, "row", 2)
        [columns] = zip(*linked.columns_of(_as_columns(cells), len(subject.delivered), 1),
                        strict=True)  # fmt: skip
        values.append(list(columns))
        leaves[index] = audited.leaf(expect_bytes(salt, "salt", SALT_BYTES), values[-1])
    if leaves:
        proof = _hashes(joined)
        if root_of_proof(leaves, subject.rows, proof) != subject.root:
            raise AuditError("the rows opened are not those that were delivered")
    elif not wanted.rows and subject.rows == 0 and subject.root != merkle.EMPTY_ROOT:
        raise AuditError("the root of no rows is another one")
    return values


def _as_columns(cells: Value) -> Value:
    return [[cell] for cell in expect_list(cells, "values")]


def _hashes(joined: Value) -> list[bytes]:
    data = expect_bytes(joined, "proof", max_length=MAX_OPENING_BYTES)
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def _read_records(subject: Subject, places: Sequence[int], value: Value) -> dict[int, list[Field]]:
    """Return all fields of records by place; those that were not opened are null."""
    found: dict[int, list[Field]] = {}
    for each in expect_list(value, "records", max_length=len(places)):
        received = linked.unpack(subject.shape, expect_bytes(each, "records", max_length=1 << 24))
        if found.keys() & received.records:
            raise AuditError("a record was opened twice")
        root = root_of_proof(received.records, subject.records, received.proof or [])
        made = commitment.commitment(
            subject.chain_id, subject.dataset, subject.version, subject.standard, subject.records,
            root,
        )  # fmt: skip
        if made != subject.commitment:
            raise AuditError("the records opened are not those registered")
        for place, values in zip(received.records, zip(*received.columns, strict=True),
                                 strict=True):  # fmt: skip
            row: list[Field] = [None] * subject.columns
            for index, cell in zip(subject.shape.exact, values, strict=True):
                row[index] = cell
            found[place] = row
    if sorted(found) != list(places):
        raise AuditError("other records were opened than were drawn")
    return found


def _wrong_rows(
    subject: Subject, indices: Sequence[int], registered: Sequence[list[Field]],
    delivered: Sequence[list[Field]], agrees: Agrees,
) -> Iterator[str]:  # fmt: skip
    """Yield a sentence for each row that is not what filter and masks make of its record."""
    at = {index: place for place, index in enumerate(subject.delivered)}
    before = [[row[index] for row in registered] for index in subject.masked]
    after = [[row[at[index]] for row in delivered] for index in subject.masked]
    fits = agrees(before, after) if registered and subject.masked else []
    for number, (index, record, row) in enumerate(zip(indices, registered, delivered, strict=True)):
        wrong = [each for each in subject.exact if record[each] != row[at[each]]]
        wrong += [f for f, column in zip(subject.masked, fits, strict=False) if not column[number]]
        if subject.filter is not None and not subject.filter.chooses(record):
            yield f"row {index + 1} does not fit the filter"
        elif wrong:
            named = ", ".join(map(str, sorted(wrong)))
            yield f"row {index + 1} is not its record in field {named}"


def _wrongly_omitted(subject: Subject, omitted: Sequence[tuple[int, list[Field]]]) -> Iterator[str]:
    for place, record in omitted:
        if subject.filter is not None and subject.filter.chooses(record):
            yield f"record {place} fits the filter and was left out"
