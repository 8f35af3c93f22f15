"""The keys of the vault's versions, in one file under a key that changes with every erasure.

The file holds a ring key, sealed under the member's master key, and the versions' keys, sealed
under the ring key. To erase a key, the others are sealed anew under a fresh ring key and the old
file is overwritten: ciphertext that stands in backups stays closed, since backups of the vault
hold no keys. Backups of keys are files of their own, and expire (`node/data/backup.py`).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from consensus.codec import (
    DecodeError,
    decode,
    encode,
    expect_bytes,
    expect_list,
    expect_text,
)
from node.data.sealing import KEY_BYTES, Sealer, SealError, destroy_file
from node.home import atomic_write

_RING, _KEYS = "ring key", "version keys"


class Keyring:
    """The version keys of one home, by name; several processes may use it at a time."""

    def __init__(self, vault: Path, master: bytes) -> None:
        self._path = vault / "keyring"
        self._sealer = Sealer(master)

    def all(self) -> dict[str, bytes]:
        """Return every key by its name. Raises SealError."""
        try:
            ring, keys = expect_list(decode(self._path.read_bytes()), "keyring", 2)
        except FileNotFoundError:
            return {}
        except (OSError, DecodeError) as error:
            raise SealError(f"{self._path} is damaged; restore it from a key backup") from error
        if not isinstance(ring, bytes) or not isinstance(keys, bytes):
            raise SealError(f"{self._path} is damaged; restore it from a key backup")
        found = self._sealer.open(_RING, ring)
        opened = Sealer(found).open(_KEYS, keys) if isinstance(found, bytes) else None
        if not isinstance(opened, list):
            raise SealError(f"{self._path} is damaged; restore it from a key backup")
        pairs = (expect_list(each, "version key", 2) for each in opened)
        return {expect_text(n, "name", 512): expect_bytes(k, "key", KEY_BYTES) for n, k in pairs}

    def get(self, name: str) -> bytes | None:
        return self.all().get(name)

    def put(self, keys: Mapping[str, bytes]) -> None:
        """Add keys, durably."""
        with self._locked():
            self._write({**self.all(), **keys})

    def destroy(self, names: Iterable[str]) -> None:
        """Make it impossible to read what was sealed under these keys."""
        with self._locked():
            known = self.all()
            gone = known.keys() & set(names)
            if gone:
                self._write({name: key for name, key in known.items() if name not in gone})

    def _write(self, keys: dict[str, bytes]) -> None:
        """Replace the file, and overwrite the bytes of the one before."""
        ring = os.urandom(KEY_BYTES)
        data = encode(
            [self._sealer.seal(_RING, ring), Sealer(ring).seal(_KEYS, list(keys.items()))]
        )
        old = self._path.with_name("keyring.old")
        if self._path.exists() and not old.exists():
            old.hardlink_to(self._path)
        atomic_write(self._path, data, 0o600)
        if old.exists():
            destroy_file(old)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._path.with_name("keyring.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
