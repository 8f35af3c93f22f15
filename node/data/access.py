"""The log of plain reads of the vault: who, what, which rows, why; chained, so that none is lost.

An entry's digest covers two halves, what was read and who read it why, each with a salt of its own,
so that a log can be shown in part: an entry whole, or only what was read, or only its digest
(docs/adr/0020). A head is SHA-256 over the head before and the digest; heads are anchored on the
chain (`contracts/system/anchors.py`), which salts keep from telling anything.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from consensus.codec import (
    DecodeError,
    Value,
    encode,
    expect_bytes,
    expect_int,
    expect_list,
    expect_text,
)
from node.data.sealing import Log, Sealer, SealError, derive

NAME = "access"
"""What the log is called where it is anchored."""
GENESIS = bytes(32)
SALT_BYTES = 16
MAX_PURPOSE = 1_000
"""Characters that are kept of a purpose."""
MAX_TEXT_BYTES = 4 * MAX_PURPOSE
MOST = 1 << 53


@dataclass(frozen=True, slots=True)
class Place:
    """What was read: dataset, version (0: not registered yet), first and last row."""

    dataset: str
    version: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Access:
    """One plain read: time (ms UTC), who, what, why; `delivery` is 0 if it was for none."""

    time: int
    operator: str
    dataset: str
    version: int
    first: int
    last: int
    purpose: str
    delivery: int = 0

    @property
    def place(self) -> Place:
        return Place(self.dataset, self.version, self.first, self.last)


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry with its salt, as its log holds it."""

    access: Access
    salt: bytes

    @property
    def digest(self) -> bytes:
        return sha256(self._what + self._who).digest()

    @property
    def _what(self) -> bytes:
        return _digest_of(self.access.place, _salt(self.salt, b"what"))

    @property
    def _who(self) -> bytes:
        access = self.access
        row: Value = [access.time, access.operator, access.purpose, access.delivery]
        return sha256(_salt(self.salt, b"who") + encode(row)).digest()

    # What of it is shown; `read` is the inverse.

    def whole(self) -> list[Value]:
        return [self.salt, *(getattr(self.access, name) for name in Access.__slots__)]

    def only_place(self) -> Value:
        """Shows what was read, not by whom and why."""
        place = self.access.place
        row: list[Value] = [place.dataset, place.version, place.first, place.last]
        return [_salt(self.salt, b"what"), row, self._who]


def read(shown: Value) -> tuple[bytes, Access | Place | None]:
    """Return the digest of an entry that is shown in some form, and what of it is shown.

    Raises DecodeError.
    """
    if isinstance(shown, bytes):
        return expect_bytes(shown, "digest", 32), None
    row = expect_list(shown, "entry", max_length=9)
    if len(row) == 3:
        salt, place = expect_bytes(row[0], "salt", SALT_BYTES), _place(expect_list(row[1], "place"))
        who = expect_bytes(row[2], "digest", 32)
        return sha256(_digest_of(place, salt) + who).digest(), place
    entry = _entry(row)
    return entry.digest, entry.access


def follow(head: bytes, digest: bytes) -> bytes:
    """Return the head after an entry."""
    return sha256(head + digest).digest()


def _place(row: Sequence[Value]) -> Place:
    if len(row) != 4:
        raise DecodeError("place: must be dataset, version, first and last row")
    numbers = [expect_int(each, "number", 0, MOST) for each in row[1:]]
    return Place(expect_text(row[0], "dataset", MAX_TEXT_BYTES), *numbers)


def _entry(row: Sequence[Value]) -> Entry:
    if len(row) != 9:
        raise DecodeError("entry: is not of this release")
    place = _place(row[3:7])
    access = Access(
        expect_int(row[1], "time", 0, MOST),
        expect_text(row[2], "operator", MAX_TEXT_BYTES, 0),
        place.dataset, place.version, place.first, place.last,
        expect_text(row[7], "purpose", MAX_TEXT_BYTES, 0),
        expect_int(row[8], "delivery", 0, MOST),
    )  # fmt: skip
    return Entry(access, expect_bytes(row[0], "salt", SALT_BYTES))


def _digest_of(place: Place, salt: bytes) -> bytes:
    row: Value = [place.dataset, place.version, place.first, place.last]
    return sha256(salt + encode(row)).digest()


def _salt(salt: bytes, half: bytes) -> bytes:
    return sha256(salt + half).digest()[:SALT_BYTES]


class AccessLog:
    """The access log of one home, sealed; several processes may write to it at a time."""

    def __init__(self, vault: Path, master: bytes) -> None:
        self._path = vault / "access.log"
        self._log = Log(self._path, Sealer(derive(master, "access log")), "access")

    def note(
        self,
        operator: str,
        dataset: str,
        version: int,
        rows: tuple[int, int],
        purpose: str,
        delivery: int = 0,
    ) -> None:
        """Add an entry, durably, before what it tells of is shown."""
        now = time.time_ns() // 1_000_000
        why = purpose[:MAX_PURPOSE]
        access = Access(now, operator, dataset, version, *rows, why, delivery)
        entry = Entry(access, os.urandom(SALT_BYTES))
        with self._alone():
            count, head = self._head()
            self._log.append(count, [entry.whole(), follow(head, entry.digest)])

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other writers out; a reader, too, would take half an entry for a crash's."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._path.with_name("access.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def head(self) -> tuple[int, bytes]:
        """Return how many entries there are, and the digest that chains them."""
        with self._alone():
            return self._head()

    def _head(self) -> tuple[int, bytes]:
        places = self._log.places()
        if not places:
            return 0, GENESIS
        last = expect_list(self._log.read(len(places) - 1, places[-1]), "access", 2)
        return len(places), expect_bytes(last[1], "head", 32)

    def __iter__(self) -> Iterator[Access]:
        for entry, _ in self.entries():
            yield entry.access

    def entries(self, after: int = 0) -> Iterator[tuple[Entry, bytes]]:
        """Yield the entries there are now but the first `after`, with the heads kept with them.

        Raises SealError.
        """
        with self._alone():
            places = self._log.places()
        for number, place in enumerate(places[after:], after):
            try:
                row = expect_list(self._log.read(number, place), "access", 2)
                entry = _entry(expect_list(row[0], "entry", max_length=9))
                yield entry, expect_bytes(row[1], "head", 32)
            except DecodeError as error:
                raise SealError(f"{self._path}: entry {number + 1}: {error}") from error

    def faults(self, anchors: Sequence[tuple[int, bytes]]) -> Iterator[str]:
        """Yield a sentence for each place where the log is not what it was when anchored."""
        heads, head = {0: GENESIS}, GENESIS
        try:
            for count, (entry, claimed) in enumerate(self.entries(), 1):
                head = heads[count] = follow(head, entry.digest)
                if head != claimed:
                    yield f"{self._path}: entry {count} does not follow the one before"
                    return
        except SealError as error:
            yield f"{self._path}: entry {len(heads)} cannot be read: {error.message}"
        for count, anchored in anchors:
            if heads.get(count) != anchored:
                yield f"{self._path} is not the log that was anchored at {count} entries"
