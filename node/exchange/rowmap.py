"""Where an audited delivery's rows come from: for each place of the tree, a row or why none.

The map has four bytes for each record of the version, so it is complete by its form. The chain
holds its digest together with a salt and the key of the masks; supervisors see all of it.
"""

from __future__ import annotations

import numpy as np

from consensus.codec import DecodeError, encode
from consensus.crypto import sha256

SALT_BYTES = 32
FILTERED, ERASED, UNAUTHORISED, SUPPRESSED, OVER = range(0xFFFF_FFFF, 0xFFFF_FFFA, -1)
REASONS = {FILTERED: "filtered", ERASED: "erased", UNAUTHORISED: "unauthorised",
           SUPPRESSED: "suppressed", OVER: "over"}  # fmt: skip
"""Why a record became no row: the filter, erasure, its subject, a small class, the quota."""
MAX_RECORDS = 1 << 31
_DTYPE = np.dtype(">u4")


class RowMap:
    """Entries by place. A row's entry is its index in the delivery."""

    def __init__(self, entries: np.ndarray) -> None:
        self.entries = entries

    @classmethod
    def blank(cls, records: int) -> RowMap:
        """Return a map on which every record is erased, to be filled in."""
        return cls(np.full(records, ERASED, dtype=_DTYPE))

    @classmethod
    def decode(cls, data: bytes, records: int, rows: int) -> RowMap:
        """Raises DecodeError unless each of `rows` rows comes from one of `records` records."""
        if len(data) != _DTYPE.itemsize * records:
            raise DecodeError("the map does not have one entry for each record")
        found = cls(np.frombuffer(data, dtype=_DTYPE))
        is_row = found.entries < MAX_RECORDS
        named = np.sort(found.entries[is_row])
        if not np.array_equal(named, np.arange(rows)):
            raise DecodeError("the map does not name each delivered row once")
        if not np.isin(found.entries[~is_row], list(REASONS)).all():
            raise DecodeError("the map leaves a record out for a reason that there is not")
        return found

    def encode(self) -> bytes:
        return self.entries.astype(_DTYPE).tobytes()

    def places(self) -> np.ndarray:
        """Return the place that each row comes from, in the order of rows."""
        chosen = np.flatnonzero(self.entries < MAX_RECORDS)
        found: np.ndarray = chosen[np.argsort(self.entries[chosen])]
        return found

    def omitted(self, reason: int) -> np.ndarray:
        """Return the places that were left out for a reason."""
        found: np.ndarray = np.flatnonzero(self.entries == reason)
        return found

    def counts(self) -> dict[str, int]:
        """Return how many records were left out for each reason that occurs."""
        found = {name: int((self.entries == code).sum()) for code, name in REASONS.items()}
        return {name: count for name, count in found.items() if count}


def digest(salt: bytes, key: bytes, entries: bytes) -> bytes:
    """Return what the chain holds of a map; `key` is that of the masks."""
    return sha256(encode(["muniment rows", salt, key, entries]))
