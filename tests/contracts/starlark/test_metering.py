"""Outcome and gas are part of the protocol: the same in every process, under every hash seed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
GOLDEN = "90b0070eaf7dd1e24fbc39af7150db78f2e6d3af96f86c42e0df7209ba83d37a"
"""Another digest is another protocol version."""


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_random_contracts_end_alike_everywhere(hash_seed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.fuzz", "--programs", "300", "--gas", "20000"],
        env={**os.environ, "PYTHONHASHSEED": hash_seed}, cwd=ROOT, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout.split()[-1] == GOLDEN
