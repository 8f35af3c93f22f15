"""One seed is one run, on any machine: traces are compared byte for byte."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
from simnet.adversaries import ADVERSARIES
from simnet.faults import FAULTS
from simnet.scenario import Scenario, vary
from simnet.world import run
base = Scenario(duration_s=6, faults=tuple(FAULTS), adversaries=tuple(ADVERSARIES))
for seed in (3, 4, 9):
    report = run(vary(base, seed), seed)
    print(seed, report.events, report.height, report.digest, report.violation)
"""


def run_with(hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return "\n".join(line for line in done.stdout.splitlines() if line[0].isdigit())


def test_a_seed_gives_the_same_trace_in_processes_with_other_hash_seeds() -> None:
    first = run_with("1")
    assert len(first.splitlines()) == 3
    assert first == run_with("2") == run_with("4711")
