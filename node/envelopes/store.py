"""The envelopes of a home, in files: the wrapped keys apart from the bodies.

`ID.body` is the encrypted record, `ID.key` the rest; without the latter nobody reads the former,
so that erasing an envelope destroys its small key file, and copies of bodies do no harm. `ID.gone`
stays: what was erased or refused is not fetched again. `ID.draft` marks what waits to be anchored.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from consensus.codec import (
    DecodeError,
    Value,
    decode,
    encode,
    expect_bytes,
    expect_int,
    expect_list,
)
from node.envelopes.sealed import Envelope, EnvelopeError, id_of
from node.home import HomeError, atomic_write

MAX_MISSING = 1_000
_KEY, _BODY, _GONE, _DRAFT = ".key", ".body", ".gone", ".draft"


class EnvelopeStore:
    """Used by the daemon and by commands at once: every file appears wholly or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, envelope: bytes, suffix: str) -> Path:
        return self._folder / (envelope.hex() + suffix)

    def _make_folder(self) -> None:
        """Raises HomeError, as every writing method does."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise HomeError(f"{self._folder} cannot be made: {error.strerror}") from error

    def put(self, envelope: Envelope) -> bytes:
        """Keep an envelope, durably; returns its id."""
        self._make_folder()
        found = id_of(envelope.encode())
        if not self._path(found, _GONE).exists():
            atomic_write(self._path(found, _BODY), envelope.body, 0o600)
            keys = replace(envelope, body=b"").encode()
            atomic_write(self._path(found, _KEY), keys, 0o600)
        return found

    def has(self, envelope: bytes) -> bool:
        """Whether an envelope is here, or is not wanted any more."""
        return self._path(envelope, _KEY).exists() or self.is_gone(envelope)

    def state_of(self, envelope: bytes) -> str:
        """Return `here`, `erased` (what was refused too) or `missing`."""
        if self.is_gone(envelope):
            return "erased"
        return "here" if self.has(envelope) else "missing"

    def is_gone(self, envelope: bytes) -> bool:
        return self._path(envelope, _GONE).exists()

    def get(self, envelope: bytes) -> Envelope | None:
        """Return an envelope, or None if it is not here. Raises EnvelopeError if it is damaged."""
        if self.is_gone(envelope):
            return None
        path = self._path(envelope, _KEY)
        try:
            keys = Envelope.decode(path.read_bytes())
            found = replace(keys, body=self._path(envelope, _BODY).read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, DecodeError) as error:
            raise EnvelopeError(f"{path} is damaged: {error}") from error
        if id_of(found.encode()) != envelope:
            raise EnvelopeError(f"{path} is damaged: it is not the envelope of its name")
        return found

    def discard(self, envelope: bytes) -> None:
        """Forget an envelope that was never anchored."""
        for suffix in (_KEY, _BODY, _DRAFT):
            self._path(envelope, suffix).unlink(missing_ok=True)

    def mark_draft(self, envelope: bytes) -> None:
        """Note that an envelope was sealed now, and that nobody has signed its anchor yet."""
        self._path(envelope, _DRAFT).touch(0o600)

    def settle_draft(self, envelope: bytes) -> None:
        """Note that an envelope is anchored."""
        self._path(envelope, _DRAFT).unlink(missing_ok=True)

    def drafts(self) -> list[tuple[bytes, int]]:
        """Envelopes that are marked as drafts, with when they were sealed (ms UTC)."""
        return [(bytes.fromhex(path.stem), path.stat().st_mtime_ns // 1_000_000)
                for path in sorted(self._folder.glob(f"*{_DRAFT}"))]  # fmt: skip

    def ids(self) -> list[bytes]:
        """Ids of the envelopes that are here or were erased, sorted."""
        names = {p.stem for p in self._folder.glob("*") if p.suffix in (_KEY, _GONE)}
        return [bytes.fromhex(name) for name in sorted(names)]

    def erase(self, envelope: bytes) -> None:
        """Destroy the keys of an envelope, then its body; it never comes back."""
        self._make_folder()
        atomic_write(self._path(envelope, _GONE), b"", 0o600)
        path = self._path(envelope, _KEY)
        try:
            if path.exists():
                with path.open("r+b") as file:
                    file.write(bytes(path.stat().st_size))
                    file.flush()
                    os.fsync(file.fileno())
                path.unlink()
            self._path(envelope, _BODY).unlink(missing_ok=True)
        except OSError as error:
            raise HomeError(f"{path} cannot be erased: {error.strerror}") from error

    def finish_erasures(self) -> None:
        """Erase what a crash has left of envelopes whose erasure had begun."""
        for envelope in self.ids():
            if self.is_gone(envelope) and self._path(envelope, _KEY).exists():
                self.erase(envelope)

    # How far the own envelopes were looked up

    def load_cursor(self) -> tuple[int, dict[bytes, int]]:
        """Return the number looked up last, and the ids that were missing, with their numbers."""
        try:
            row = expect_list(decode((self._folder / "cursor").read_bytes()), "cursor", 2)
            missing: dict[bytes, int] = {}
            for item in expect_list(row[1], "missing", max_length=MAX_MISSING):
                number, envelope = expect_list(item, "missing", 2)
                missing[expect_bytes(envelope, "id")] = expect_int(number, "number")
            return expect_int(row[0], "number"), missing
        except (OSError, DecodeError):
            return 0, {}  # looking them all up again does no harm

    def save_cursor(self, number: int, missing: dict[bytes, int]) -> None:
        self._make_folder()
        rows: Value = [[place, envelope] for envelope, place in missing.items()]
        atomic_write(self._folder / "cursor", encode([number, rows]), 0o600)
