"""Files that outsiders hand in: sealed as they arrive, waiting for a steward's word.

Whoever listens on the network holds a public key and the hashes of tokens, nothing else: it can add
to the inbox and cannot read from it. The secret key follows from the vault's master key. A file is
a key, sealed to the public key (NaCl sealed box), and chunks under that key (AES-256-GCM),
numbered, the last one marked. Opened, it stands in memory (memfd), never in a plain file.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

from node.data.sealing import KEY_BYTES, NONCE_BYTES, derive
from node.errors import MunimentError
from node.home import Home, atomic_write

MAX_UPLOAD_BYTES = 256 << 20
MAX_WAITING_BYTES = 2 << 30
MAX_WAITING = 1_000
MAX_NAME = 128
CHUNK_BYTES = 1 << 20
SUFFIXES = (
    ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".xlsx",
    ".txt", ".md", ".html", ".htm", ".docx", ".pdf",
)  # fmt: skip
_SEALED_KEY = 80
_DAY_MS = 86_400_000


class InboxError(MunimentError):
    """An upload that is not there or cannot be opened, or a sender that is not known."""

    code = "inbox"


class IntakeError(InboxError):
    """Why an upload is not taken; `status` is what HTTP calls it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Sender:
    """Who may hand in, for which source, until when (ms UTC). `digest`: SHA-256 of the token."""

    name: str
    source: str
    expires: int
    digest: str


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was handed in: its id, sender, the name it was given, time (ms UTC) and bytes."""

    id: str
    sender: str
    source: str
    name: str
    time: int
    size: int
    state: str

    @property
    def suffix(self) -> str:
        return Path(self.name).suffix.lower()


class Intake:
    """The side that faces the network: it can only add."""

    def __init__(self, home: Home) -> None:
        self._folder = home.path / "inbox"
        self._waiting = self._folder / "waiting"

    def sender_of(self, token: str) -> Sender:
        """Return whose token it is. Raises IntakeError."""
        digest = sha256(token.encode("utf-8", "replace")).hexdigest()
        for each in read_senders(self._folder):
            if secrets.compare_digest(each.digest, digest):
                if each.expires <= time.time_ns() // 1_000_000:
                    raise IntakeError(401, "the token has expired; ask for another")
                return each
        raise IntakeError(401, "the token is not known")

    def check_room(self) -> None:
        """Raises IntakeError if too much waits already."""
        files = list(self._waiting.glob("*"))
        if len(files) >= MAX_WAITING:
            raise IntakeError(503, "too many files wait for their check; try again later")
        if sum(file.stat().st_size for file in files) >= MAX_WAITING_BYTES:
            raise IntakeError(503, "the inbox is full; try again later")

    def begin(self, sender: Sender, name: str) -> Arrival:
        """Return what takes the bytes of one file. Raises IntakeError."""
        if not 0 < len(name) <= MAX_NAME or not name.isprintable() or name != Path(name).name:
            raise IntakeError(400, "the file's name cannot be used")
        if Path(name).suffix.lower() not in SUFFIXES:
            raise IntakeError(415, f"a file must be one of {', '.join(SUFFIXES)}")
        self.check_room()
        self._waiting.mkdir(mode=0o700, exist_ok=True)
        try:
            public = PublicKey((self._folder / "public").read_bytes())
        except OSError as error:
            raise IntakeError(503, "the inbox is not open") from error
        return Arrival(self._waiting, public, sender, name)


class Arrival:
    """One file on its way in, as a context: it counts once `complete` returns, else it is gone."""

    def __init__(self, folder: Path, public: PublicKey, sender: Sender, name: str) -> None:
        self.id = f"{time.time_ns() // 1_000_000:013d}-{secrets.token_hex(6)}"
        self._path = folder / f"{self.id}.part"
        self._final = folder / self.id
        key = os.urandom(KEY_BYTES)
        self._cipher = AESGCM(key)
        self._file = self._path.open("xb")
        self._file.write(SealedBox(public).encrypt(key))
        self._number, self.size = 0, 0
        self._digest = sha256()
        self._rest = bytearray()
        row = [sender.name, sender.source, name, time.time_ns() // 1_000_000]
        self._write(json.dumps(row).encode(), False)

    def add(self, data: bytes) -> None:
        """Take more bytes. Raises IntakeError if they are too many."""
        self.size += len(data)
        if self.size > MAX_UPLOAD_BYTES:
            raise IntakeError(413, f"a file has at most {MAX_UPLOAD_BYTES >> 20} MiB")
        self._digest.update(data)
        self._rest += data
        while len(self._rest) > CHUNK_BYTES:
            self._write(bytes(self._rest[:CHUNK_BYTES]), False)
            del self._rest[:CHUNK_BYTES]

    def complete(self) -> str:
        """Make the file durable; returns the SHA-256 of what was handed in."""
        self._write(bytes(self._rest), True)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._path.rename(self._final)
        return self._digest.hexdigest()

    def __enter__(self) -> Arrival:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)

    def _write(self, data: bytes, is_last: bool) -> None:
        nonce = self._number.to_bytes(NONCE_BYTES, "big")
        sealed = self._cipher.encrypt(nonce, data, _about(self.id, is_last))
        self._file.write(len(sealed).to_bytes(4, "big") + sealed)
        self._number += 1


def _about(upload: str, is_last: bool) -> bytes:
    return f"upload {upload} {'last' if is_last else 'more'}".encode()


def read_senders(folder: Path) -> list[Sender]:
    """Return who may hand in. Raises InboxError."""
    try:
        rows = json.loads((folder / "senders.json").read_bytes())
        return [Sender(**row) for row in rows]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        raise InboxError(
            f"{folder / 'senders.json'} is damaged; invite the senders anew"
        ) from error


class Inbox:
    """The steward's side: invites, looks, accepts, rejects."""

    def __init__(self, home: Home, master: bytes) -> None:
        self._folder = home.path / "inbox"
        self._secret = PrivateKey(derive(master, "inbox"))

    # Senders

    def senders(self) -> list[Sender]:
        return read_senders(self._folder)

    def invite(self, name: str, source: str, days: int) -> str:
        """Return a token for `name`, which is kept only as a hash; an older one ends."""
        token = secrets.token_urlsafe(32)
        expires = time.time_ns() // 1_000_000 + days * _DAY_MS
        digest = sha256(token.encode()).hexdigest()
        others = [each for each in self.senders() if each.name != name]
        self._keep([*others, Sender(name, source, expires, digest)])
        self.open_door()
        return token

    def open_door(self) -> None:
        """Put the public key where `Intake` seals files to it."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        atomic_write(self._folder / "public", bytes(self._secret.public_key), 0o600)

    def revoke(self, name: str) -> None:
        others = [each for each in self.senders() if each.name != name]
        if len(others) == len(self.senders()):
            raise InboxError(f"there is no sender {name!r}")
        self._keep(others)

    def _keep(self, senders: list[Sender]) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        rows = [{"name": s.name, "source": s.source, "expires": s.expires, "digest": s.digest}
                for s in senders]  # fmt: skip
        atomic_write(self._folder / "senders.json", json.dumps(rows).encode(), 0o600)

    # Uploads

    def uploads(self) -> list[Upload]:
        """Return what waits and what is accepted, the oldest first."""
        return [
            self._describe(path, state)
            for state in ("waiting", "accepted")
            for path in sorted((self._folder / state).glob("*"))
            if not path.name.endswith(".part")
        ]

    def accepted(self, source: str) -> list[Upload]:
        return [u for u in self.uploads() if u.state == "accepted" and u.source == source]

    def find(self, upload: str) -> Upload:
        found = next((each for each in self.uploads() if each.id == upload), None)
        if found is None:
            raise InboxError(f"there is no upload {upload!r}")
        return found

    def accept(self, upload: str) -> Upload:
        """Let a file into the next run of its source."""
        found = self.find(upload)
        target = self._folder / "accepted"
        target.mkdir(mode=0o700, exist_ok=True)
        self._path(found).rename(target / found.id)
        return found

    def remove(self, upload: str) -> None:
        """Destroy a file: rejected, or registered by now."""
        path = self._path(self.find(upload))
        with path.open("r+b") as file:
            file.write(bytes(_SEALED_KEY))  # without its key the rest is noise
            file.flush()
            os.fsync(file.fileno())
        path.unlink()

    def _path(self, upload: Upload) -> Path:
        return self._folder / upload.state / upload.id

    def _describe(self, path: Path, state: str) -> Upload:
        row: Any = json.loads(next(self._chunks(path)))
        sender, source, name, ms = row
        return Upload(path.name, sender, source, name, ms, path.stat().st_size, state)

    def _chunks(self, path: Path) -> Iterator[bytes]:
        """Yield what is sealed in a file, chunk by chunk. Raises InboxError."""
        try:
            with path.open("rb") as file:
                cipher = AESGCM(SealedBox(self._secret).decrypt(file.read(_SEALED_KEY)))
                size, number = path.stat().st_size, 0
                while True:
                    sealed = file.read(int.from_bytes(file.read(4), "big") & 0xFFFFFFF)
                    is_last = file.tell() == size
                    nonce = number.to_bytes(NONCE_BYTES, "big")
                    yield cipher.decrypt(nonce, sealed, _about(path.name, is_last))
                    number += 1
                    if is_last:
                        return
        except (CryptoError, InvalidTag, ValueError) as error:
            raise InboxError(f"{path} is damaged or of another home; reject it") from error
        except OSError as error:
            raise InboxError(f"{path} cannot be read: {error.strerror}") from error

    @contextmanager
    def opened(self, upload: Upload) -> Iterator[int]:
        """Give a descriptor of the plain file, in memory, for a worker to read."""
        descriptor = os.memfd_create("upload", os.MFD_CLOEXEC)
        try:
            chunks = self._chunks(self._path(upload))
            next(chunks)
            for data in chunks:
                os.write(descriptor, data)
            os.lseek(descriptor, 0, os.SEEK_SET)
            yield descriptor
        finally:
            os.close(descriptor)
