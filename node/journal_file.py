"""The vote journal on disk: append, one fsync, rewrite when it has grown."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from consensus.codec import DecodeError, decode, encode, expect_bytes, expect_list
from consensus.crypto import PUBLIC_KEY_BYTES
from consensus.journal import JournalError, encode_batch, scan
from consensus.messages import (
    Certificate,
    Proposal,
    Vote,
    decode_message,
    encode_message,
)
from node.errors import MunimentError

Record = Vote | Certificate | Proposal

REWRITE_BYTES = 32 << 20
FORMAT = 1


class JournalFileError(MunimentError):
    """The journal cannot be read or written. Never retried: a lost vote could be contradicted."""

    code = "journal"


class JournalFile:
    """The votes and certificates of one voting key, durable before they are sent.

    The first batch names the format and the key, so that another member's journal, or one that
    was made later than the key, is not taken for this one.
    """

    def __init__(
        self, path: Path, fd: int, batches: int, records: list[Record], *, is_forgetful: bool
    ) -> None:
        self._path = path
        self._fd = fd
        self._batches = batches
        self._bytes = os.fstat(fd).st_size
        self.restored = records
        self.is_forgetful = is_forgetful

    @classmethod
    def create(cls, path: Path, voting_key: bytes, *, forgetful: bool = False) -> JournalFile:
        """Make an empty journal for `voting_key`; refuses to replace one.

        `forgetful`: the key may have voted before; kept until it is safe to vote again.
        """
        fd = _open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        journal = cls(path, fd, 0, [], is_forgetful=forgetful)
        journal._append(encode([FORMAT, voting_key, forgetful]))
        _sync_folder(path.parent)
        return journal

    @classmethod
    def open(cls, path: Path, voting_key: bytes) -> JournalFile:
        """Read a journal, repair single bad copies, cut a torn end."""
        fd = _open(path, os.O_RDWR)
        try:
            size = os.fstat(fd).st_size
            found = scan(_read_all(fd, size))
            for offset, data in found.repairs:
                os.pwrite(fd, data, offset)
            if found.end != size:
                os.ftruncate(fd, found.end)
            if found.repairs or found.end != size:
                os.fsync(fd)
            forgetful, records = _decode_records(found.payloads, voting_key)
        except (JournalError, DecodeError) as error:
            os.close(fd)
            raise JournalFileError(
                f"{path} is damaged ({error}); move it away: the node then observes until it is "
                "safe to vote again"
            ) from error
        except OSError as error:
            os.close(fd)
            raise JournalFileError(f"{path} cannot be read: {error.strerror}") from error
        return cls(path, fd, len(found.payloads), records, is_forgetful=forgetful)

    def append(self, records: Sequence[Record]) -> None:
        """Make `records` durable. A failure is final: the caller must stop the process."""
        self._append(encode([encode_message(record) for record in records]))

    def _append(self, payload: bytes) -> None:
        data = encode_batch(self._batches, payload)
        try:
            written = os.pwrite(self._fd, data, self._bytes)
            if written != len(data):
                raise OSError(28, "no space left on device")
            os.fdatasync(self._fd)
        except OSError as error:
            raise JournalFileError(
                f"writing {self._path} failed ({error.strerror}); the node stops so that it "
                "cannot forget a vote: mend the disk and start again"
            ) from error
        self._batches += 1
        self._bytes += len(data)

    @property
    def is_large(self) -> bool:
        return self._bytes >= REWRITE_BYTES

    def rewrite(self, voting_key: bytes, records: Sequence[Record], *, forgetful: bool) -> None:
        """Replace the file, atomically, by one that holds only `records`."""
        fresh = self._path.with_suffix(".new")
        try:
            fresh.unlink(missing_ok=True)
            replacement = JournalFile.create(fresh, voting_key, forgetful=forgetful)
            if records:
                replacement.append(records)
            fresh.replace(self._path)
            _sync_folder(self._path.parent)
        except OSError as error:
            raise JournalFileError(f"rewriting {self._path} failed: {error.strerror}") from error
        os.close(self._fd)
        self._fd = replacement._fd
        self._batches, self._bytes = replacement._batches, replacement._bytes
        self.is_forgetful = forgetful

    def close(self) -> None:
        os.close(self._fd)


def _decode_records(payloads: Sequence[bytes], voting_key: bytes) -> tuple[bool, list[Record]]:
    if not payloads:
        raise DecodeError("no header")
    form, key, forgetful = expect_list(decode(payloads[0]), "journal header", 3)
    if form != FORMAT or expect_bytes(key, "key", PUBLIC_KEY_BYTES) != voting_key:
        raise DecodeError("it belongs to another voting key or format")
    records: list[Record] = []
    for payload in payloads[1:]:
        for row in expect_list(decode(payload, max_bytes=len(payload)), "batch"):
            message = decode_message(expect_bytes(row, "record"))
            if not isinstance(message, Vote | Certificate | Proposal):
                raise DecodeError("a record is neither vote, certificate nor proposal")
            records.append(message)
    return forgetful is True, records


def _open(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise JournalFileError(f"{path} exists already and will not be replaced") from error
    except OSError as error:
        raise JournalFileError(f"{path} cannot be opened: {error.strerror}") from error


def _read_all(fd: int, size: int) -> bytes:
    parts = []
    offset = 0
    while offset < size:
        part = os.pread(fd, min(size - offset, 8 << 20), offset)
        if not part:
            break
        parts.append(part)
        offset += len(part)
    return b"".join(parts)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
