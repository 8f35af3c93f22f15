"""Backups of the vault's keys: files of their own that expire, and that erasures reach.

A backup of versions (ciphertext) is harmless without keys, so keys are backed up apart, for a
limited time. The home remembers its key backups: those it can reach lose a key when it is erased,
and are overwritten when they expire; for copies elsewhere, `restore` refuses them from then on.
"""

from __future__ import annotations

import time
from collections.abc import Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consensus.codec import DecodeError, decode, encode, expect_bytes, expect_int, expect_list
from node.data.keyring import Keyring
from node.data.sealing import Sealer, SealError, derive, destroy_file
from node.home import HomeError, atomic_write

FORMAT = 1
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class KeyBackup:
    """A key backup that was made: where, until when (ms UTC), and the names of its keys."""

    path: str
    expires: int
    names: tuple[str, ...]


class KeyBackups:
    """The key backups of one home."""

    def __init__(self, vault: Path, master: bytes) -> None:
        self._path = vault / "key-backups"
        self._keyring = Keyring(vault, master)
        self._sealer = Sealer(derive(master, "key backup"))

    def all(self) -> list[KeyBackup]:
        rows: Any = self._sealer.read(self._path, "key backups") or []
        return [KeyBackup(path, expires, tuple(names)) for path, expires, names in rows]

    def make(self, path: Path, days: int) -> KeyBackup:
        """Write a backup of every key, good for `days`."""
        self.prune()
        keys = self._keyring.all()
        made = KeyBackup(str(path.absolute()), _now() + days * DAY_MS, tuple(keys))
        self._write(made, keys)
        self._remember([*(each for each in self.all() if each.path != made.path), made])
        return made

    def read(self, path: Path) -> dict[str, bytes]:
        """Return the keys of a backup. Raises SealError, also if it has expired."""
        try:
            row = expect_list(decode(path.read_bytes()), "key backup", 3)
            expect_int(row[0], "key backup format", FORMAT, FORMAT)
            expires = expect_int(row[1], "expiry")
            rows: Any = self._sealer.open(f"key backup {expires}", expect_bytes(row[2], "keys"))
        except OSError as error:
            raise SealError(f"{path} cannot be read: {error.strerror}") from error
        except DecodeError as error:
            raise SealError(f"{path} is not a key backup, or is damaged") from error
        if expires <= _now():
            raise SealError(f"{path} expired on {day(expires)}; take a younger key backup")
        return {str(name): bytes(key) for name, key in rows}

    def prune(self) -> None:
        """Overwrite and remove the backups that have expired."""
        gone = [each for each in self.all() if each.expires <= _now()]
        for each in gone:
            with suppress(OSError):
                destroy_file(Path(each.path))
        if gone:
            self._remember([each for each in self.all() if each not in gone])

    def forget(self, names: Set[str]) -> None:
        """Take erased keys out of every backup that can be reached."""
        kept = []
        for each in self.all():
            if names & set(each.names):
                with suppress(SealError, HomeError):
                    keys = self.read(Path(each.path))
                    left = {name: key for name, key in keys.items() if name not in names}
                    each = KeyBackup(each.path, each.expires, tuple(left))
                    self._write(each, left)
            kept.append(each)
        if kept:
            self._remember(kept)

    def holding(self, prefix: str) -> list[KeyBackup]:
        """Return the backups that hold keys whose names begin so."""
        return [b for b in self.all() if any(name.startswith(prefix) for name in b.names)]

    def _write(self, backup: KeyBackup, keys: dict[str, bytes]) -> None:
        path = Path(backup.path)
        sealed = self._sealer.seal(f"key backup {backup.expires}", list(keys.items()))
        if path.exists():
            destroy_file(path)
        atomic_write(path, encode([FORMAT, backup.expires, sealed]), 0o600)

    def _remember(self, backups: list[KeyBackup]) -> None:
        rows = [[each.path, each.expires, list(each.names)] for each in backups]
        self._sealer.write(self._path, "key backups", rows)


def _now() -> int:
    return time.time_ns() // 1_000_000


def day(ms: int) -> str:
    """Return the day of a time, in UTC."""
    return time.strftime("%Y-%m-%d", time.gmtime(ms // 1_000))
