"""A letter box: what faces the public can add to it, and only its owner can read.

What is put in is sealed to a public key (NaCl sealed box) at once. A box that its owner has not
opened, or that is full, takes nothing.
"""

from __future__ import annotations

import secrets
import time
from pathlib import Path

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

from node.errors import MunimentError
from node.home import atomic_write

MAX_WAITING = 1_000
MAX_BYTES = 128 << 10
_PUBLIC = "public"


class BoxError(MunimentError):
    """What is not in the box, or does not go in; `status` is what HTTP calls it."""

    code = "box"

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Box:
    """The side that faces the public."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def is_open(self) -> bool:
        return (self._folder / _PUBLIC).is_file()

    def add(self, data: bytes) -> str:
        """Seal and keep what was handed in; returns its id. Raises BoxError."""
        if len(data) > MAX_BYTES:
            raise BoxError(f"at most {MAX_BYTES >> 10} KiB are taken", 413)
        try:
            public = PublicKey((self._folder / _PUBLIC).read_bytes())
            waiting = sum(1 for _ in self._folder.glob("*.sealed"))
        except OSError as error:
            raise BoxError("nothing is taken here", 404) from error
        if waiting >= MAX_WAITING:
            raise BoxError("too much waits to be read; try again later", 503)
        name = f"{time.time_ns() // 1_000_000:013d}-{secrets.token_hex(6)}"
        atomic_write(self._folder / f"{name}.sealed", SealedBox(public).encrypt(data), 0o600)
        return name


class BoxOwner:
    """The side that reads. `secret`: 32 bytes."""

    def __init__(self, folder: Path, secret: bytes) -> None:
        self._folder, self._secret = folder, PrivateKey(secret)

    def open(self) -> None:
        """Let the public put something in from now on."""
        self._folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        atomic_write(self._folder / _PUBLIC, bytes(self._secret.public_key), 0o600)

    def ids(self) -> list[str]:
        """What waits, the oldest first."""
        return sorted(path.stem for path in self._folder.glob("*.sealed"))

    def read(self, name: str) -> bytes:
        """Raises BoxError."""
        try:
            return SealedBox(self._secret).decrypt(self._path(name).read_bytes())
        except CryptoError as error:
            raise BoxError(f"{name} is damaged or of another home; reject it") from error

    def remove(self, name: str) -> None:
        self._path(name).unlink()

    def _path(self, name: str) -> Path:
        if name not in self.ids():
            raise BoxError(f"nothing waits under {name!r}")
        return self._folder / f"{name}.sealed"
