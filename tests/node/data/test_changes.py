"""Changes in a live source that must not be, told apart from legitimate ones."""

from __future__ import annotations

import itertools
import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from node.data.changes import is_later
from node.data.source import SourceError, parse
from node.devnet import Devnet
from tests.node.data.conftest import Command

ROWS = 400


class Register:
    """A table of permits in SQLite that its department works on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = 1
        with self.write() as base:
            base.execute("CREATE TABLE permits(number TEXT PRIMARY KEY, fee TEXT, stamp TEXT)")
            rows = [(f"P-{n:04}", str(n), self.now()) for n in range(ROWS)]
            base.executemany("INSERT INTO permits VALUES(?, ?, ?)", rows)

    def now(self) -> str:
        self.clock += 1
        return f"2026-11-01T{self.clock // 3600:02}:{self.clock // 60 % 60:02}:{self.clock % 60:02}"

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=30)) as base, base:
            yield base

    def work(self, base: sqlite3.Connection, first: int) -> None:
        """What a department does all day: change a record, add one; each sets the stamp."""
        base.execute("UPDATE permits SET fee = fee || '0', stamp = ? WHERE number = ?",
                     (self.now(), f"P-{first % 200:04}"))  # fmt: skip
        base.execute("INSERT INTO permits VALUES(?, '1', ?)", (f"N-{first:04}", self.now()))


@pytest.fixture
def register(tmp_path: Path, command: Command) -> Any:
    made = Register(tmp_path / "permits.db")
    standard = {
        "id": "tax/live", "version": 1, "title": "Permits",
        "schema": {"type": "object", "properties": {"number": {"type": "string"}}},
        "fields": [
            {"name": name, "type": kind, "unit": None, "codes": None, "level": 1,
             "class": "general", "mask": None}
            for name, kind in (("number", "code"), ("fee", "integer"), ("stamp", "datetime"))
        ],
    }  # fmt: skip
    file = tmp_path / "live.json"
    file.write_text(json.dumps(standard))
    if not any(row["id"] == "tax/live" for row in command("standard", "list")):
        command("standard", "publish", str(file))
    return made


def declare(command: Command, register: Register, name: str, *more: str) -> None:
    command(
        "source", "add", name, "kind=sql", f"url=sqlite:///{register.path}", "table=permits",
        "standard=tax/live", "title=Permits", "key=number", "order=number", *more,
        plain=True,
    )  # fmt: skip


def scan(net: Devnet, name: str, *options: str) -> Any:
    """Scan; one that finds something ends with status 1, and prints what it found."""
    home = str(net.home("tax").path)
    done = subprocess.run(
        [sys.executable, "-m", "node", "source", "scan", name, *options, "--home", home, "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    found = json.loads(done.stdout)
    assert done.returncode == (found["alerts"] > 0)
    return found


def test_a_changed_row_under_an_old_stamp_and_a_deleted_one_are_named(
    register: Register, command: Command, net: Devnet
) -> None:
    declare(command, register, "live", "changes=mutable", "change_stamp=stamp")
    assert command("collect", "run", "live")["rows"] == ROWS
    first = scan(net, "live")
    assert (first["rows"], first["alerts"], first["stale"]) == (ROWS, 0, 0)

    over = threading.Event()

    def work() -> None:
        with register.write() as base:
            for number in itertools.count(1_000):
                register.work(base, number)
                base.commit()
                if over.wait(0.002):
                    return

    with register.write() as base:
        for number in range(50):
            register.work(base, number)
        base.execute("UPDATE permits SET fee = '1' WHERE number = 'P-0333'")
        base.execute("DELETE FROM permits WHERE number = 'P-0222'")
    busy = threading.Thread(target=work)
    busy.start()
    try:
        found = scan(net, "live", "--plain", "--purpose", "integrity")
    finally:
        over.set()
        busy.join()
    assert sorted(found["named"]) == [["old-stamp", "P-0333"], ["removed", "P-0222"]]
    assert found["counts"]["changed"] >= 50
    assert found["stale"] >= 52

    # It is told once: this scan is what the next one is compared with.
    assert scan(net, "live")["alerts"] == 0


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ("frozen", {"added": 1, "changed": 1, "removed": 1}),
        ("append-only", {"changed": 1, "removed": 1}),
    ],
)
def test_what_may_not_change_is_declared(
    register: Register, command: Command, net: Devnet, changes: str, named: dict[str, int]
) -> None:
    declare(command, register, f"live-{changes}", f"changes={changes}")
    command("collect", "run", f"live-{changes}")
    with register.write() as base:
        base.execute("INSERT INTO permits VALUES('N-1', '1', ?)", (register.now(),))
        base.execute("UPDATE permits SET fee = '7' WHERE number = 'P-0001'")
        base.execute("DELETE FROM permits WHERE number = 'P-0002'")
    # The first scan compares with the registered version.
    found = scan(net, f"live-{changes}")
    assert found["since"] is None
    kinds = [kind for kind, _ in found["named"]]
    assert {kind: kinds.count(kind) for kind in kinds} == named
    assert all("P-000" not in row for _, row in found["named"])  # veiled unless asked for


def test_a_declaration_is_checked() -> None:
    content = {"standard": "tax/live", "title": "x", "path": "y", "changes": "never"}
    with pytest.raises(SourceError, match="changes must be one of"):
        parse("live", content, "live.toml")


@pytest.mark.parametrize(
    ("stamp", "than", "later"),
    [
        ("2026-11-02", "2026-11-01", True),
        ("2026-11-01", "2026-11-01", False),
        ("10", "9", True),
        ("9", "10", False),
        ("1", "", True),
    ],
)
def test_stamps_are_times_or_numbers(stamp: str, than: str, later: bool) -> None:
    assert is_later(stamp, than) is later
