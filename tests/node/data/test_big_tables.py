"""Large CSV files are committed in bounded memory, and refused with the row where they break."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

COMMIT = """
import json, pathlib, sys
from node.data import standard, table, vault
from node.data.keyring import Keyring
path = pathlib.Path(sys.argv[1])
shape = table.inspect(path)
content = standard.draft("tax/big", "Big", shape.columns, 1)
def peak():
    return int(dict(line.split(":") for line in open("/proc/self/status"))["VmHWM"].split()[0])
before = peak()
rows = (row for row, _ in table.rows(path, shape))
ring = Keyring(path.parent, bytes(32))
head = vault.write(path.with_suffix(".vault"), bytes(32), "tax/big", 1, content, rows, ring)
after = peak()
print(json.dumps({"rows": head.rows, "kib": after - before, "root": head.commitment.hex()}))
"""


def write(path: Path, rows: int) -> None:
    """Embedded newlines, quotes and Chinese, as GB18030; one line in five has them."""
    with path.open("w", encoding="gb18030", newline="") as file:
        file.write("编号,名称,备注\n")
        for number in range(rows):
            note = '"两行\n""引号"""' if number % 5 == 0 else "x"
            file.write(f"{number},企业{number},{note}\n")


def commit(path: Path) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, "-c", COMMIT, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    found: dict[str, int] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("rows", [30_000, pytest.param(10_000_000, marks=pytest.mark.campaign)])
def test_memory_does_not_grow_with_the_table(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "big.csv"
    write(path, rows)
    found = commit(path)
    print(found)
    assert found["rows"] == rows
    assert found["kib"] < 96 << 10


def test_a_table_that_breaks_far_down_names_the_row(tmp_path: Path) -> None:
    path = tmp_path / "big.csv"
    write(path, 20_000)
    with path.open("a", encoding="gb18030") as file:
        file.write("1,2\n")
    done = subprocess.run(
        [sys.executable, "-c", COMMIT, str(path)], capture_output=True, text=True, check=False
    )
    assert "row 20002" in done.stderr
    assert "has 2 fields; the header has 3" in done.stderr
    assert not path.with_suffix(".vault").exists()
