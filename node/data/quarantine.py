"""Records that were refused, sealed, with what is wrong; and the steward's corrections.

A correction belongs to a refused record by the keyed digest of its values: a source that is read
whole each time shows the record again, and the correction takes its place. Where only news are
read, refused records stay here until they are corrected.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from consensus.codec import Value, encode, expect_list
from node.data.commitment import Field
from node.data.sealing import Log, Sealer, derive, destroy_file, fresh_key, load_key
from node.errors import MunimentError

LOT = 256
MAX_REFUSED = 1_000_000


class QuarantineError(MunimentError):
    """A record that is not in quarantine, or a correction that does not fit it."""

    code = "quarantine"


@dataclass(frozen=True, slots=True)
class Refused:
    """A refused record: its number in the source, the field and what is wrong with it (a note).

    `values` are those of the standard's fields; none if the record could not be read at all.
    """

    row: int
    field: str
    reason: str
    values: tuple[Field, ...]


def _refused(value: Any) -> Refused:
    row, field, reason, values = value
    return Refused(row, field, reason, tuple(values))


class Quarantine:
    """The refused records of one source. `keeps`: those of earlier runs stay."""

    def __init__(self, folder: Path, master: bytes, keeps: bool) -> None:
        self._folder, self._master, self._keeps = folder, master, keeps
        self._digest_key = derive(master, f"quarantine {folder.name}")
        self._sealer: Sealer | None = None
        self._known: dict[str, Any] | None = None

    def _open(self) -> Sealer:
        if self._sealer is None:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            key = self._folder / "key"
            made = load_key(key, self._master) if key.exists() else fresh_key(key, self._master)
            self._sealer = made
        return self._sealer

    def __iter__(self) -> Iterator[Refused]:
        """The records that wait."""
        if not (self._folder / "rows").exists():
            return
        for lot in Log(self._folder / "rows", self._open(), "refused"):
            yield from (_refused(each) for each in expect_list(lot, "refused"))

    def digest(self, values: Sequence[Field]) -> str:
        data = encode(list(values))
        return blake2b(data, key=self._digest_key, digest_size=11).hexdigest()

    def _corrections(self) -> dict[str, Any]:
        """Digest of the refused values -> [corrected values, applied]."""
        if self._known is None:
            found = self._open().read(self._folder / "corrections", "corrections")
            self._known = found if isinstance(found, dict) else {}
        return self._known

    def has_corrections(self) -> bool:
        """Whether corrections wait to be applied."""
        if not (self._folder / "corrections").exists():
            return False
        return any(not applied for _, applied in self._corrections().values())

    def correction(self, values: Sequence[Field]) -> list[Field] | None:
        """Return what replaces a refused record, if the steward has corrected it."""
        found = self._corrections().get(self.digest(values)) if values else None
        return None if found is None else list(found[0])

    def correct(self, names: Sequence[str], row: int, changes: dict[str, Field]) -> None:
        """Note what fields of a refused record should be. Raises QuarantineError."""
        record = next((each for each in self if each.row == row), None)
        if record is None:
            raise QuarantineError(f"record {row} is not in quarantine")
        if not record.values:
            raise QuarantineError(f"record {row} could not be read; correct it in the source")
        fixed = self.correction(record.values) or list(record.values)
        for name, value in changes.items():
            if name not in names:
                raise QuarantineError(f"there is no field {name!r}; known are {', '.join(names)}")
            fixed[names.index(name)] = value
        known = self._corrections()
        known[self.digest(record.values)] = [fixed, False]
        self._open().write(self._folder / "corrections", "corrections", known)

    def clear(self) -> int:
        """Destroy every refused record and correction; returns how many waited."""
        waited = sum(1 for _ in self)
        if (self._folder / "key").exists():
            destroy_file(self._folder / "key")
        shutil.rmtree(self._folder, ignore_errors=True)
        self._sealer = self._known = None
        return waited

    @contextmanager
    def fresh(self) -> Iterator[Refusals]:
        """Gather the refused records of a run; they count once `settle` is called."""
        path = self._folder / "rows.new"
        path.unlink(missing_ok=True)
        refusals = Refusals(Log(path, self._open(), "refused"))
        if self._keeps:
            for record in self:
                if self.correction(record.values) is None:
                    refusals.add(record)
        yield refusals
        refusals.flush()

    def released(self) -> list[tuple[int, list[Field]]]:
        """Return corrected records of earlier runs, which their source will not show again."""
        if not self._keeps:
            return []
        found = ((each.row, self.correction(each.values)) for each in self)
        return [(row, fixed) for row, fixed in found if fixed is not None]

    def settle(self) -> None:
        """Take the last run's refused records for those that wait. May be repeated."""
        fresh = self._folder / "rows.new"
        if not fresh.exists():
            return
        known = self._corrections()
        if known:
            kept = {} if self._keeps else {key: [row, True] for key, (row, _) in known.items()}
            self._open().write(self._folder / "corrections", "corrections", kept)
            self._known = kept
        fresh.replace(self._folder / "rows")


class Refusals:
    """Refused records on their way into the log, in lots."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._lot: list[Value] = []
        self._lots = 0
        self.count = 0

    def add(self, each: Refused) -> None:
        self.count += 1
        if self.count > MAX_REFUSED:
            raise QuarantineError(f"more than {MAX_REFUSED} records are refused; see the standard")
        self._lot.append([each.row, each.field, each.reason, list(each.values)])
        if len(self._lot) == LOT:
            self.flush()

    def flush(self) -> None:
        # An empty first lot makes the file, so that "none refused" replaces what was before.
        if self._lot or not self._lots:
            self._log.append(self._lots, self._lot)
            self._lots, self._lot = self._lots + 1, []
