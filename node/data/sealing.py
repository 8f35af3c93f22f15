"""Sealed files: AES-256-GCM under a key of their own, which the member's master key wraps.

Destroying the small key file makes everything that was sealed under it unreadable. A log is a
sequence of sealed chunks; a crash leaves at most a cut last chunk, which is not read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from consensus.codec import DecodeError, Value, decode, encode
from node.errors import MunimentError
from node.home import atomic_write

KEY_BYTES = 32
NONCE_BYTES = 12
MAX_CHUNK_BYTES = 128 << 20


class SealError(MunimentError):
    """A sealed file that is damaged, or not of this home."""

    code = "sealed"


def derive(master: bytes, purpose: str) -> bytes:
    """Return a key for one purpose; keyed BLAKE2b (RFC 7693) as a pseudo-random function."""
    return blake2b(purpose.encode(), key=master, digest_size=KEY_BYTES).digest()


class Sealer:
    """Seals values with what they are, so that one cannot stand for another."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, what: str, value: object) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, encode(value), what.encode())

    def open(self, what: str, data: bytes) -> Value:
        """Raises SealError."""
        try:
            plain = self._cipher.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], what.encode())
            return decode(plain, max_bytes=MAX_CHUNK_BYTES)
        except (InvalidTag, ValueError, DecodeError) as error:
            raise SealError(f"{what} is damaged or sealed under another key") from error

    def write(self, path: Path, what: str, value: object) -> None:
        """Write one sealed value, wholly or not at all."""
        atomic_write(path, self.seal(what, value), 0o600)

    def read(self, path: Path, what: str) -> Value:
        """Return the value of `write`, null if there is no file. Raises SealError."""
        try:
            return self.open(what, path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SealError(f"{path} cannot be read: {error.strerror}") from error


def destroy_file(path: Path) -> None:
    """Overwrite a small file before it is unlinked."""
    with path.open("r+b") as file:
        file.write(bytes(os.fstat(file.fileno()).st_size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()


def fresh_key(path: Path, master: bytes) -> Sealer:
    """Make a key, wrapped in the file `path`, and return its sealer."""
    key = os.urandom(KEY_BYTES)
    Sealer(master).write(path, f"key {path.name}", key)
    return Sealer(key)


def load_key(path: Path, master: bytes) -> Sealer:
    """Return the sealer whose wrapped key is in `path`. Raises SealError."""
    key = Sealer(master).read(path, f"key {path.name}")
    if not isinstance(key, bytes) or len(key) != KEY_BYTES:
        raise SealError(f"{path} is missing or damaged; what it sealed cannot be read")
    return Sealer(key)


class Log:
    """Sealed chunks, one after the other, each bound to its place."""

    def __init__(self, path: Path, sealer: Sealer, what: str) -> None:
        self._path, self._sealer, self._what = path, sealer, what

    def append(self, number: int, value: object) -> None:
        """Append chunk `number`, durably. Chunks are numbered from 0 without gaps."""
        sealed = self._sealer.seal(f"{self._what} {number}", value)
        with self._path.open("ab") as file:
            file.write(len(sealed).to_bytes(4, "big") + sealed)
            file.flush()
            os.fsync(file.fileno())

    def places(self) -> list[int]:
        """Return where chunks begin, after cutting off one that a crash left incomplete."""
        found: list[int] = []
        if not self._path.exists():
            return found
        size = self._path.stat().st_size
        with self._path.open("r+b") as file:
            at = 0
            while len(head := file.read(4)) == 4:
                after = at + 4 + int.from_bytes(head, "big")
                if after > size:
                    break
                found.append(at)
                file.seek(after)
                at = after
            file.truncate(at)
        return found

    def read(self, number: int, place: int) -> Value:
        """Return chunk `number`, which begins at `place`. Raises SealError."""
        with self._path.open("rb") as file:
            file.seek(place)
            size = int.from_bytes(file.read(4), "big")
            if size > MAX_CHUNK_BYTES:
                raise SealError(f"{self._what} {number} is damaged")
            return self._sealer.open(f"{self._what} {number}", file.read(size))

    def __iter__(self) -> Iterator[Value]:
        for number, place in enumerate(self.places()):
            yield self.read(number, place)
