"""The demonstration, as a new user runs it: from another folder, and twice in one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

STEPS = {
    "ledger": (
        "four processes, joined over libp2p",
        "1200 rows",
        "verified offline",
        "is refused",
        "5 fields hidden",
        "kill -9",
        "All steps were verified.",
    ),
    "exchange": (
        "by the rule open",
        "by the rule automatic",
        "quota has 0 left",
        "P-9999 does not exist",
        "138***0001",
        "is revoked",
        "stands against it",
        "settled for-recipient",
        "copies under grant",
        "may not be used at this hour",
        "no permit for this purpose",
        "compared 60 rows with what is registered: passed",
        "cross-border",
        "access granted",
        "All steps were verified.",
    ),
    "supervision": (
        "to civil; by chance at most",
        "export under grant",
        "health (silent",
        "the measure suspend",
        "the recipient is under a sanction",
        "cannot decide",
        "civil may ask again",
        "all proved",
        "first past the deadline",
        "acknowledges late",
        "All steps were verified.",
    ),
}
AT_FIRST = {
    "ledger": (),
    "exchange": ("1 of 3 came, 2 left out", "Wang's row is gone"),
    "supervision": (),
}
"""What a folder sees once: people have withdrawn then."""


@pytest.mark.parametrize(
    ("part", "times"),
    [
        ("ledger", 2),
        ("exchange", 1),
        ("supervision", 1),
        pytest.param("exchange", 2, marks=pytest.mark.campaign),
        pytest.param("supervision", 2, marks=pytest.mark.campaign),
    ],
)
def test_a_demo_runs_and_runs_again_in_its_folder(tmp_path: Path, part: str, times: int) -> None:
    for time in range(times):
        done = subprocess.run(
            [sys.executable, "-m", "node", "demo", part, "--dir", str(tmp_path / "net")],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        for step in (*STEPS[part], *(AT_FIRST[part] if time == 0 else ())):
            assert step in done.stdout
        # Every node is stopped again.
        assert not list((tmp_path / "net").glob("*/*/rpc.sock"))
