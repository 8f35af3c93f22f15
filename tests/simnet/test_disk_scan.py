"""A scan of the simulated database goes on while rows are written, as LevelDB's does."""

from __future__ import annotations

from sortedcontainers import SortedDict

from simnet.disk import SCAN_PAGE, _scan


def test_rows_may_go_while_they_are_scanned() -> None:
    count = SCAN_PAGE * 3
    rows = SortedDict({b"a/%03d" % number: b"x" for number in range(count)})
    rows[b"b/"] = b"another"
    found = []
    for key, _ in _scan(rows, b"a/", b"", lambda key: None):
        found.append(key)
        del rows[b"a/" + key]
    assert found == [b"%03d" % number for number in range(count)]
    assert list(rows) == [b"b/"]


def test_a_scan_goes_on_after_a_key() -> None:
    rows = SortedDict({b"a/%03d" % number: b"x" for number in range(100)})
    keys = [key for key, _ in _scan(rows, b"a/", b"041", lambda key: None)]
    assert keys == [b"%03d" % number for number in range(42, 100)]
