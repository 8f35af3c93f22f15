"""The few file operations that the vote journal needs, so that a simulated disk can stand in."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Protocol


class File(Protocol):
    """An open file. Every method may raise OSError."""

    def size(self) -> int: ...

    def read_all(self) -> bytes: ...

    def write(self, offset: int, data: bytes) -> None:
        """Write all of `data` or raise; durable only after `sync`."""

    def truncate(self, size: int) -> None: ...

    def sync(self) -> None: ...

    def close(self) -> None: ...


class Files(Protocol):
    """A file system. Every method may raise OSError."""

    def create(self, path: Path) -> File:
        """Make a new file readable by its owner alone; FileExistsError if there is one."""

    def open(self, path: Path) -> File: ...

    def replace(self, old: Path, new: Path) -> None:
        """Rename atomically, over what is there; durable after `sync_folder`."""

    def remove(self, path: Path) -> None:
        """Remove a file if there is one."""

    def sync_folder(self, path: Path) -> None: ...


class OsFile:
    """File on a descriptor of the operating system."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def read_all(self) -> bytes:
        parts = []
        offset, size = 0, self.size()
        while offset < size:
            part = os.pread(self._fd, min(size - offset, 8 << 20), offset)
            if not part:
                break
            parts.append(part)
            offset += len(part)
        return b"".join(parts)

    def write(self, offset: int, data: bytes) -> None:
        if os.pwrite(self._fd, data, offset) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def truncate(self, size: int) -> None:
        os.ftruncate(self._fd, size)

    def sync(self) -> None:
        os.fdatasync(self._fd)

    def close(self) -> None:
        os.close(self._fd)


class OsFiles:
    """Files of the operating system."""

    def create(self, path: Path) -> OsFile:
        return OsFile(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))

    def open(self, path: Path) -> OsFile:
        return OsFile(os.open(path, os.O_RDWR | os.O_CLOEXEC))

    def replace(self, old: Path, new: Path) -> None:
        old.replace(new)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def sync_folder(self, path: Path) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
