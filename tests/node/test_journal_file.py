"""The vote journal on a real disk, damaged byte by byte, and on one that fails."""

from __future__ import annotations

import errno
import resource
from pathlib import Path

import pytest

from consensus.codec import encode
from consensus.crypto import Kind, Signer, sha256
from consensus.journal import SECTOR_BYTES, encode_batch
from consensus.messages import Statement, Vote
from node.files import OsFile, OsFiles
from node.journal_file import JournalFile, JournalFileError

SIGNER = Signer(bytes(range(32)))
KEY = SIGNER.public_key
BATCH = 2 * SECTOR_BYTES


def vote(view: int) -> Vote:
    statement = Statement(Kind.NOTARIZE, 1, view, view - 1, sha256(b"%d" % view))
    return Vote.create(statement, 0, SIGNER, bytes(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of a header and three batches of one vote each, every copy one sector."""
    path = tmp_path / "journal"
    journal = JournalFile.create(path, KEY)
    for view in (1, 2, 3):
        journal.append([vote(view)])
    journal.close()
    assert path.stat().st_size == 4 * BATCH
    return path


def views(path: Path) -> list[int]:
    journal = JournalFile.open(path, KEY)
    journal.close()
    return [record.statement.view for record in journal.restored if isinstance(record, Vote)]


def damage(path: Path, *offsets: int) -> None:
    data = bytearray(path.read_bytes())
    for offset in offsets:
        data[offset] ^= 0x40
    path.write_bytes(data)


def test_votes_come_back_and_more_can_follow(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    journal = JournalFile.open(path, KEY)
    assert journal.restored == [vote(1), vote(2), vote(3)]
    assert not journal.is_forgetful
    journal.append([vote(4), vote(5)])
    journal.close()
    assert views(path) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("cut", [1, 40, SECTOR_BYTES - 1, SECTOR_BYTES, BATCH - 1])
def test_a_torn_end_is_cut_or_completed(path: Path, cut: int) -> None:
    """With a whole first copy the batch was written; with less it never was, nor was it sent."""
    whole = path.read_bytes()
    path.write_bytes(whole[: 3 * BATCH + cut])
    if cut >= SECTOR_BYTES - 1:
        assert views(path) == [1, 2, 3]
        assert path.read_bytes() == whole
    else:
        assert views(path) == [1, 2]
        assert path.read_bytes() == whole[: 3 * BATCH]


@pytest.mark.parametrize("batch", [0, 1, 3])
@pytest.mark.parametrize("copy", [0, 1])
@pytest.mark.parametrize("place", [0, 9, 18, 30])
def test_one_bad_copy_is_repaired_by_the_other(
    path: Path, batch: int, copy: int, place: int
) -> None:
    whole = path.read_bytes()
    damage(path, batch * BATCH + copy * SECTOR_BYTES + place)
    assert views(path) == [1, 2, 3]
    assert path.read_bytes() == whole


@pytest.mark.parametrize("batch", [0, 1, 2])
def test_both_copies_bad_before_the_end_stop_the_node(path: Path, batch: int) -> None:
    damage(path, batch * BATCH + 30, batch * BATCH + SECTOR_BYTES + 30)
    before = path.read_bytes()
    with pytest.raises(JournalFileError, match=f"both copies of batch {batch} .* move it away"):
        JournalFile.open(path, KEY)
    assert path.read_bytes() == before


def test_both_copies_bad_at_the_end_are_a_torn_write(path: Path) -> None:
    damage(path, 3 * BATCH + 30, 3 * BATCH + SECTOR_BYTES + 30)
    assert views(path) == [1, 2]


def test_another_key_format_or_content_is_refused(path: Path) -> None:
    with pytest.raises(JournalFileError, match="another voting key"):
        JournalFile.open(path, bytes(32))
    path.write_bytes(encode_batch(0, encode([2, KEY, False])))
    with pytest.raises(JournalFileError, match="another voting key or format"):
        JournalFile.open(path, KEY)
    header = encode_batch(0, encode([1, KEY, False]))
    for payload in (b"\xff", encode([b"\xff"]), encode(7)):
        path.write_bytes(header + encode_batch(1, payload))
        with pytest.raises(JournalFileError, match="is damaged"):
            JournalFile.open(path, KEY)
    path.write_bytes(b"")
    with pytest.raises(JournalFileError, match="no header"):
        JournalFile.open(path, KEY)
    with pytest.raises(JournalFileError, match="exists already and will not be replaced"):
        JournalFile.create(path, KEY)


def test_rewriting_keeps_what_is_asked_and_the_flag(path: Path) -> None:
    journal = JournalFile.open(path, KEY)
    journal.rewrite(KEY, [vote(3)], forgetful=True)
    journal.append([vote(4)])
    journal.close()
    again = JournalFile.open(path, KEY)
    again.close()
    assert again.restored == [vote(3), vote(4)]
    assert again.is_forgetful
    assert [file.name for file in path.parent.iterdir()] == ["journal"]


class FailingFile(OsFile):
    """A real file on a disk whose next sync, and none after it, fails."""

    def __init__(self, fd: int, calls: list[str]) -> None:
        super().__init__(fd)
        self.calls = calls
        self.is_failing = False

    def write(self, offset: int, data: bytes) -> None:
        self.calls.append("write")
        super().write(offset, data)

    def sync(self) -> None:
        self.calls.append("sync")
        if self.is_failing:
            self.is_failing = False
            raise OSError(errno.EIO, "Input/output error")
        super().sync()


class FailingFiles(OsFiles):
    def __init__(self) -> None:
        self.calls: list[str] = []
        self.last: FailingFile | None = None

    def open(self, path: Path) -> FailingFile:
        self.last = FailingFile(super().open(path)._fd, self.calls)
        return self.last


def test_a_failed_sync_is_final(path: Path) -> None:
    """After a failed fsync the kernel may have dropped the pages: a second one proves nothing."""
    files = FailingFiles()
    journal = JournalFile.open(path, KEY, files=files)
    assert files.last is not None
    files.last.is_failing = True
    with pytest.raises(JournalFileError, match=r"Input/output error.*mend the disk"):
        journal.append([vote(4)])
    assert files.calls == ["write", "sync"]
    with pytest.raises(JournalFileError, match="failed before"):
        journal.append([vote(5)])
    with pytest.raises(JournalFileError, match="failed before"):
        journal.rewrite(KEY, [], forgetful=False)
    assert files.calls == ["write", "sync"]
    journal.close()


def test_a_full_disk_tears_nothing_that_was_durable(path: Path) -> None:
    whole = path.read_bytes()
    journal = JournalFile.open(path, KEY)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 100, before[1]))
    try:
        with pytest.raises(JournalFileError, match="the node stops"):
            journal.append([vote(4)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    journal.close()
    assert path.stat().st_size == len(whole) + 100
    assert views(path) == [1, 2, 3]
    assert path.read_bytes() == whole


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(JournalFileError, match="cannot be opened: No such file"):
        JournalFile.open(tmp_path / "none", KEY)
    with pytest.raises(JournalFileError, match="cannot be made: No such file"):
        JournalFile.create(tmp_path / "no" / "journal", KEY)
