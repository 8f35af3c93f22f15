"""The database on a disk that rots."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.store import LevelDB, StoreError


def test_rotted_rows_are_refused_and_never_read_as_others(tmp_path: Path) -> None:
    rows = {b"k%04d" % i: bytes([i % 251]) * 200 for i in range(2_000)}
    database = LevelDB(tmp_path)
    database.write(rows.items(), sync=True)
    database._db.compact_range()
    database.close()
    (table,) = tmp_path.glob("*.ldb")
    content = bytearray(table.read_bytes())
    content[len(content) // 2] ^= 4
    table.write_bytes(content)

    database = LevelDB(tmp_path)
    refused = 0
    for key, value in rows.items():
        try:
            assert database.get(key) == value
        except StoreError:
            refused += 1
    assert 0 < refused < 100  # the rows of one block of LevelDB's
    with pytest.raises(StoreError, match="database is damaged"):
        list(database.scan(b"k"))
    database.close()
