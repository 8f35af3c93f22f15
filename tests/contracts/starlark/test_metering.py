"""Outcome and gas are part of the protocol: the same in every process, under every hash seed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
GOLDEN = "36d6e075d38455fea0ca25563af66dc7799c8682c7ed576bac63935a1f90d081"
"""Another digest is another protocol version."""


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_random_contracts_end_alike_everywhere(hash_seed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.fuzz", "--programs", "300", "--gas", "20000"],
        env={**os.environ, "PYTHONHASHSEED": hash_seed}, cwd=ROOT, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout.split()[-1] == GOLDEN
