"""The demonstration, as a new user runs it: from another folder, and twice in one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

STEPS = (
    "four processes, joined over libp2p",
    "1200 rows",
    "verified offline",
    "is refused",
    "5 fields hidden",
    "kill -9",
    "All steps were verified.",
)


def test_demo_runs_twice_in_one_folder(tmp_path: Path) -> None:
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "node", "demo", "--dir", str(tmp_path / "net")],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        for step in STEPS:
            assert step in done.stdout
        # Every node is stopped again.
        assert not list((tmp_path / "net").glob("*/rpc.sock"))
