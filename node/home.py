"""A node's home folder: where everything stands, who may read it, and one process at a time."""

from __future__ import annotations

import fcntl
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from node.errors import MunimentError

MIN_FREE_BYTES = 64 << 20


class HomeError(MunimentError):
    """The home folder is missing, in use, or not writable; the message says what to do."""

    code = "home"


@dataclass(frozen=True, slots=True)
class Home:
    """Paths within a home folder."""

    path: Path

    @property
    def settings(self) -> Path:
        return self.path / "settings.toml"

    @property
    def genesis(self) -> Path:
        return self.path / "genesis.json"

    def aside(self, name: str, chain_id: bytes) -> Path:
        """Where something of an earlier chain is kept: `db-1a2b3c4d`, for example."""
        return self.path / f"{name}-{chain_id[:4].hex()}"

    @property
    def card(self) -> Path:
        return self.path / "card.json"

    @property
    def database(self) -> Path:
        return self.path / "db"

    @property
    def notices(self) -> Path:
        """How far notices have been sent."""
        return self.path / "notices.cursor"

    @property
    def trace(self) -> Path:
        """The index of events by what they are about; it can be made anew."""
        return self.path / "trace.db"

    @property
    def watch(self) -> Path:
        """What `muniment supervise` remembers."""
        return self.path / "watch.cbor"

    @property
    def journal(self) -> Path:
        return self.path / "journal"

    @property
    def vault(self) -> Path:
        return self.path / "vault"

    @property
    def sources(self) -> Path:
        """Declarations of where data comes from."""
        return self.path / "sources"

    @property
    def envelopes(self) -> Path:
        """Sealed record bodies that this member is a party to."""
        return self.path / "envelopes"

    @property
    def ballots(self) -> Path:
        """Salts of votes that are still to be shown, encrypted."""
        return self.path / "ballots"

    @property
    def marks(self) -> Path:
        """Which of one's own deliveries carries which mark, sealed."""
        return self.path / "marks"

    @property
    def registrar(self) -> Path:
        """A registrar's register of persons and their authorisations, encrypted."""
        return self.path / "registrar"

    @property
    def letters(self) -> Path:
        """Letters of subjects to a registrar, sealed, and sealed answers."""
        return self.path / "letters"

    @property
    def escrow(self) -> Path:
        """Ciphertext that is kept for other members, and answers to challenges of it."""
        return self.path / "escrow"

    @property
    def socket(self) -> Path:
        return self.path / "rpc.sock"

    @property
    def desk_socket(self) -> Path:
        """Where pages ask for what lies under the department's keys."""
        return self.path / "desk.sock"

    @property
    def copies(self) -> Path:
        """What other members have delivered, sealed; never part of a backup."""
        return self.path / "copies"

    @property
    def exported(self) -> Path:
        """Files that were written for operators of what others have delivered; plain."""
        return self.path / "exported"

    @property
    def served(self) -> Path:
        """For each delivery served, the last header that its recipient has signed."""
        return self.path / "served"

    @property
    def delivered(self) -> Path:
        """For deliveries that subjects authorise, which record went out as which row, sealed."""
        return self.path / "delivered"

    @property
    def prepared(self) -> Path:
        """Deliveries in audited mode as they go out, sealed; until they are over and audited."""
        return self.path / "prepared"

    @property
    def data_socket(self) -> Path:
        """Where local processes exchange streams with other members."""
        return self.path / "data.sock"

    @property
    def passphrase(self) -> Path:
        """Present in trial networks only; elsewhere the passphrase is not kept in the home."""
        return self.path / "passphrase"

    @property
    def open(self) -> Path:
        """Open data as files for everybody, and what the public says of it, sealed."""
        return self.path / "open"

    @property
    def keys(self) -> Path:
        return self.path / "keys"

    @property
    def operators(self) -> Path:
        """Keys of operators, each under the operator's own passphrase."""
        return self.path / "operators"

    def key(self, purpose: str) -> Path:
        return self.keys / f"{purpose}.key"

    def create(self) -> None:
        """Make the folders, readable by the owner only. Refuses a folder that holds anything."""
        try:
            if (self.path / "keys").exists():
                raise HomeError(f"{self.path} is a node's home already; choose another folder")
            if self.path.exists() and next(self.path.iterdir(), None) is not None:
                raise HomeError(f"{self.path} is not empty; choose another folder")
            for folder in (self.path, self.path / "keys", self.vault):
                folder.mkdir(parents=True, exist_ok=True)
                folder.chmod(0o700)
        except OSError as error:
            raise HomeError(f"{self.path} cannot be made: {error.strerror}") from error

    def require(self) -> None:
        """Raise HomeError unless this is a home with space left on its disk."""
        if self.path.is_dir() and not os.access(self.path, os.R_OK | os.X_OK):
            raise HomeError(f"{self.path} cannot be read; it belongs to another user")
        if not self.settings.exists():
            raise HomeError(f"{self.path} is not a node's home; make one with: muniment init")
        if not os.access(self.path, os.W_OK):
            raise HomeError(f"{self.path} is read-only; the node must be able to write there")
        free = shutil.disk_usage(self.path).free
        if free < MIN_FREE_BYTES:
            raise HomeError(
                f"the disk of {self.path} has {free >> 20} MiB left; "
                f"free at least {MIN_FREE_BYTES >> 20} MiB"
            )

    def lock(self, process: str = "node") -> int:
        """Take the home for this process; returns a descriptor that holds the lock while open.

        Of each kind of process there is one at a time.
        """
        path = self.path / ("lock" if process == "node" else f"{process}.lock")
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise HomeError(f"{path} cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(fd, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(fd)
            raise HomeError(f"{self.path} is in use by the {process} with pid {pid}") from None
        os.ftruncate(fd, 0)
        os.pwrite(fd, str(os.getpid()).encode(), 0)
        return fd


def atomic_write(path: Path, data: bytes, mode: int) -> None:
    """Write a file that is there wholly or not at all, also after a crash."""
    fresh = path.with_name(path.name + ".new")
    try:
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.chmod(mode)
        fresh.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise HomeError(f"{path} cannot be written: {error.strerror}") from error
