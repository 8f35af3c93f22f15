"""The vote journal on disk: append, one fsync, rewrite when it has grown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

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
from node.files import File, Files, OsFiles

Record = Vote | Certificate | Proposal

REWRITE_BYTES = 32 << 20
FORMAT = 1
_DISK = OsFiles()


class JournalFileError(MunimentError):
    """The journal cannot be read or written. Never retried: a lost vote could be contradicted."""

    code = "journal"


class JournalFile:
    """The votes and certificates of one voting key, durable before they are sent.

    The first batch names the format and the key, so that another member's journal, or one that
    was made later than the key, is not taken for this one.
    """

    def __init__(
        self,
        path: Path,
        files: Files,
        file: File,
        payloads: Sequence[bytes],
        records: list[Record],
        *,
        is_forgetful: bool,
    ) -> None:
        self._path = path
        self._files = files
        self._file = file
        self._batches = len(payloads)
        self._bytes = file.size()
        self._has_failed = False
        self.rewrite_bytes = REWRITE_BYTES
        self.restored = records
        self.is_forgetful = is_forgetful

    @classmethod
    def create(
        cls, path: Path, voting_key: bytes, *, forgetful: bool = False, files: Files = _DISK
    ) -> Self:
        """Make an empty journal for `voting_key`; refuses to replace one.

        `forgetful`: the key may have voted before; kept until it is safe to vote again.
        """
        try:
            file = files.create(path)
        except FileExistsError as error:
            raise JournalFileError(f"{path} exists already and will not be replaced") from error
        except OSError as error:
            raise JournalFileError(f"{path} cannot be made: {error.strerror}") from error
        journal = cls(path, files, file, (), [], is_forgetful=forgetful)
        journal._append(encode([FORMAT, voting_key, forgetful]))
        files.sync_folder(path.parent)
        return journal

    @classmethod
    def open(cls, path: Path, *voting_keys: bytes, files: Files = _DISK) -> Self:
        """Read a journal, repair single bad copies, cut a torn end.

        It was begun for one of `voting_keys`, which are all of the same home.
        """
        try:
            file = files.open(path)
        except OSError as error:
            raise JournalFileError(f"{path} cannot be opened: {error.strerror}") from error
        try:
            size = file.size()
            found = scan(file.read_all())
            for offset, data in found.repairs:
                file.write(offset, data)
            if found.end != size:
                file.truncate(found.end)
            if found.repairs or found.end != size:
                file.sync()
            forgetful, records = _decode_records(found.payloads, voting_keys)
        except (JournalError, DecodeError) as error:
            file.close()
            raise JournalFileError(
                f"{path} is damaged ({error}); move it away: the node then observes until it is "
                "safe to vote again"
            ) from error
        except OSError as error:
            file.close()
            raise JournalFileError(f"{path} cannot be read: {error.strerror}") from error
        return cls(path, files, file, found.payloads, records, is_forgetful=forgetful)

    def append(self, records: Sequence[Record]) -> None:
        """Make `records` durable. A failure is final: the caller must stop the process."""
        self._append(encode([encode_message(record) for record in records]))

    def _append(self, payload: bytes) -> None:
        self._require_sound()
        data = encode_batch(self._batches, payload)
        try:
            self._file.write(self._bytes, data)
            self._file.sync()
        except OSError as error:
            self._has_failed = True
            raise JournalFileError(
                f"writing {self._path} failed ({error.strerror}); the node stops so that it "
                "cannot forget a vote: mend the disk and start again"
            ) from error
        self._batches += 1
        self._bytes += len(data)

    def _require_sound(self) -> None:
        """After a failed sync nobody knows what is on the disk; a later one proves nothing."""
        if self._has_failed:
            raise JournalFileError(f"writing {self._path} failed before; start the node again")

    @property
    def is_large(self) -> bool:
        return self._bytes >= self.rewrite_bytes

    def rewrite(self, voting_key: bytes, records: Sequence[Record], *, forgetful: bool) -> None:
        """Replace the file, atomically, by one that holds only `records`."""
        self._require_sound()
        files, fresh = self._files, self._path.with_suffix(".new")
        try:
            files.remove(fresh)
            replacement = JournalFile.create(fresh, voting_key, forgetful=forgetful, files=files)
            if records:
                replacement.append(records)
            files.replace(fresh, self._path)
            files.sync_folder(self._path.parent)
        except OSError as error:
            self._has_failed = True
            raise JournalFileError(f"rewriting {self._path} failed: {error.strerror}") from error
        self._file.close()
        self._file = replacement._file
        self._batches, self._bytes = replacement._batches, replacement._bytes
        self.is_forgetful = forgetful

    def close(self) -> None:
        self._file.close()


def _decode_records(
    payloads: Sequence[bytes], voting_keys: Sequence[bytes]
) -> tuple[bool, list[Record]]:
    if not payloads:
        raise DecodeError("no header")
    form, key, forgetful = expect_list(decode(payloads[0]), "journal header", 3)
    if form != FORMAT or expect_bytes(key, "key", PUBLIC_KEY_BYTES) not in voting_keys:
        raise DecodeError("it belongs to another voting key or format")
    records: list[Record] = []
    for payload in payloads[1:]:
        for row in expect_list(decode(payload, max_bytes=len(payload)), "batch"):
            message = decode_message(expect_bytes(row, "record"))
            if not isinstance(message, Vote | Certificate | Proposal):
                raise DecodeError("a record is neither vote, certificate nor proposal")
            records.append(message)
    return forgetful is True, records
