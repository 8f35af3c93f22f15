"""The proof of a published file: that its records are all that was registered, and nothing else.

A file: 16 bytes that say what it is, the length of a head (4 bytes), the head, then a seed of 32
bytes for each record in the order of the data file. The head is CBOR [standard, records that are
erased as [place in the tree, hash], state proof]. With values and seeds whoever checks makes the
commitment again (`node/data/commitment.py`), which must be the one in the ledger's state. All
fields are open, so the seeds tell nothing that the data file does not.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO

from consensus.codec import (
    DecodeError,
    decode,
    encode,
    expect_bytes,
    expect_int,
    expect_list,
    expect_text,
)
from consensus.crypto import HASH_BYTES, sha256
from consensus.genesis import Genesis
from contracts import checks
from node import state_proof
from node.data import commitment
from node.data.commitment import SEED_BYTES, Field
from node.data.vault import column_names
from node.errors import MunimentError
from node.publish.texts import READERS
from node.state_proof import StateReport

MAGIC = b"muniment open 1\n"
SUFFIX = ".proof"
MAX_HEAD_BYTES = 64 << 20
RUN = 250_000
"""Records that are sorted in memory at once."""
_ENTRY = 2 * HASH_BYTES
Erased = list[tuple[int, bytes]]


class PublicationError(MunimentError):
    """A published file that is not what was registered, or a proof that proves nothing."""

    code = "publication"


@dataclass(frozen=True, slots=True)
class Checked:
    """What a file was found to be: all records of a version but those `erased`."""

    report: StateReport
    registration: dict[str, Any]
    owner: str
    records: int
    erased: int


def head(standard: bytes, erased: Erased, state: bytes) -> bytes:
    """Return what a proof begins with; the seeds follow."""
    body = encode([standard, [list(each) for each in erased], state])
    return MAGIC + len(body).to_bytes(4, "big") + body


def state_key(dataset: str, version: int) -> bytes:
    """Where the ledger's state holds a registration."""
    return f"catalogue/version/{dataset}/".encode() + checks.number_key(version)


def explain(checked: Checked) -> dict[str, Any]:
    """What a check has shown, for people and programs."""
    report, args = checked.report, checked.registration
    names = ("height", "timestamp", "finalized_height", "validators", "epoch", "fault_model",
             "network")  # fmt: skip
    return {
        **{name: args[name] for name in ("dataset", "version", "title", "level")},
        "owner": checked.owner, "records": checked.records, "erased": checked.erased,
        **{name: getattr(report, name) for name in names},
        "signers": list(report.signers), "chain_id": report.chain_id.hex(),
    }  # fmt: skip


def is_one(path: Path) -> bool:
    """Whether a file claims to be such a proof."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def data_file_of(proof: Path) -> Path:
    """The data file that lies beside its proof."""
    return proof.with_suffix("")


def verify(proof: Path, data: Path, genesis: Genesis) -> Checked:
    """Check a data file by its proof against the genesis alone, in bounded memory.

    Raises PublicationError, StateProofError, RecordsError.
    """
    try:
        with proof.open("rb") as file, data.open("rb") as records:
            return _verify(file, records, data, genesis)
    except OSError as error:
        raise PublicationError(f"{error.filename} cannot be read: {error.strerror}") from error
    except DecodeError as error:
        raise PublicationError(f"the proof does not decode: {error}") from error


def _verify(proof: BinaryIO, records: BinaryIO, data: Path, genesis: Genesis) -> Checked:
    proof.read(len(MAGIC))
    size = int.from_bytes(proof.read(4), "big")
    if size > MAX_HEAD_BYTES:
        raise PublicationError(f"the proof's head claims {size} bytes")
    row = expect_list(decode(proof.read(size), max_bytes=MAX_HEAD_BYTES), "publication head", 3)
    standard = expect_bytes(row[0], "standard", max_length=MAX_HEAD_BYTES)
    report = state_proof.verify(expect_bytes(row[2], "state proof", max_length=size), genesis)
    owner, args = _registration(report)
    if sha256(standard) != args["standard"][2]:
        raise PublicationError("the proof's standard is not the registered one")
    body = decode(standard)
    names = column_names(body) if isinstance(body, dict) else ()
    erased = _erased(row[1], args["rows"])
    made = _hashed(_open_records(records, data, names), proof, len(names))
    root = commitment.root(_in_place(made, dict(erased), args["rows"]))
    found = commitment.commitment(
        genesis.chain_id, args["dataset"], args["version"], sha256(standard), args["rows"], root
    )
    if found != args["commitment"]:
        raise PublicationError(
            f"{data} is not what was registered: a value, a record or the proof was changed"
        )
    count = args["rows"] - len(erased)
    return Checked(report, args, owner, count, len(erased))


def _registration(report: StateReport) -> tuple[str, dict[str, Any]]:
    """Return owner and arguments of the registration that the ledger's state holds."""
    if report.value is None:
        raise PublicationError("the ledger holds no such version")
    owner, _, _, args = expect_list(decode(report.value), "registration", 4)
    if not isinstance(args, dict):
        raise PublicationError("the proof is of another part of the ledger's state")
    dataset = expect_text(args.get("dataset"), "dataset", 256)
    version = expect_int(args.get("version"), "version", 1)
    if report.key != state_key(dataset, version):
        raise PublicationError("the proof is of another part of the ledger's state")
    return expect_text(owner, "owner", 64), args


def _erased(value: Any, rows: int) -> Erased:
    found = []
    for each in expect_list(value, "erased", max_length=rows):
        place, digest = expect_list(each, "erased record", 2)
        at = expect_int(place, "place", 0, rows - 1)
        found.append((at, expect_bytes(digest, "hash", HASH_BYTES)))
    if [at for at, _ in found] != sorted({at for at, _ in found}):
        raise PublicationError("the proof names an erased record twice")
    return found


def _open_records(file: BinaryIO, path: Path, names: Sequence[str]) -> Iterator[list[Field]]:
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return _read_parquet(path, names)
    if suffix not in READERS:
        raise PublicationError(f"{path}: a published file is .csv, .json or .parquet")
    return READERS[suffix](file, names)


def _read_parquet(path: Path, names: Sequence[str]) -> Iterator[list[Field]]:
    from node.data.worker import Worker

    with Worker("rows", {"path": str(path.absolute()), "columns": list(names)}) as worker:
        for _, rows in worker.frames():
            yield from rows


def _hashed(
    records: Iterable[list[Field]], proof: BinaryIO, width: int
) -> Iterator[tuple[bytes, bytes]]:
    """Yield the order and the hash of each record, by the seeds that remain in the proof."""
    for number, values in enumerate(records, 1):
        seed = proof.read(SEED_BYTES)
        if len(seed) != SEED_BYTES or len(values) != width:
            raise PublicationError(f"record {number} is more than was registered")
        yield commitment.order_key(seed), commitment.record(seed, values)
    if proof.read(1):
        raise PublicationError("records that were registered are missing from the file")


def _in_place(
    made: Iterable[tuple[bytes, bytes]], erased: dict[int, bytes], rows: int
) -> Iterator[bytes]:
    """Yield record hashes in the order of the tree; erased ones keep their places."""
    ordered = _sorted(made)
    for place in range(rows):
        digest = erased.get(place) or next(ordered, None)
        if digest is None:
            raise PublicationError("records that were registered are missing from the file")
        yield digest
    if next(ordered, None) is not None:
        raise PublicationError("there are more records than were registered")


def _sorted(made: Iterable[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """Sort by order keys outside of memory, and yield the hashes."""
    with ExitStack() as stack:
        runs: list[Iterator[bytes]] = []
        entries: list[bytes] = []
        for key, digest in made:
            entries.append(key + digest)
            if len(entries) == RUN:
                runs.append(_spill(stack, entries))
                entries = []
        for entry in heapq.merge(*runs, sorted(entries)):
            yield entry[HASH_BYTES:]


def _spill(stack: ExitStack, entries: list[bytes]) -> Iterator[bytes]:
    file = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
    file.writelines(sorted(entries))
    file.seek(0)
    return _entries(file)


def _entries(file: IO[bytes]) -> Iterator[bytes]:
    while entry := file.read(_ENTRY):
        yield entry
