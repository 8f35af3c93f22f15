"""Whole nodes that forget old blocks, and machines that come back to find them gone."""

from __future__ import annotations

import pytest

from simnet.scenario import Scenario, Strike
from simnet.world import run

SCENARIO = Scenario(
    duration_s=12,
    epoch_length=12,
    retention=65,
    script=(
        Strike(6_000, "wipe", 1_500, (1,)),
        Strike(9_000, "lose-database", 1_000, (1,)),
        Strike(10_060, "power", 200, (1,)),
    ),
)


@pytest.mark.parametrize("seed", [0])
def test_lost_machines_join_by_a_snapshot_even_if_cut_off_on_the_way(seed: int) -> None:
    report = run(SCENARIO, seed, keep=0)
    assert report.violation is None
    assert report.fired["joined by a snapshot"] >= 2


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(20))
def test_snapshots_under_every_fault(seed: int) -> None:
    faults = ("crash", "power", "cut-at-operation", "wipe", "lose-database", "loss", "partition",
              "flap", "slow-disk", "duplicate", "reorder")  # fmt: skip
    scenario = Scenario(
        duration_s=18,
        epoch_length=12,
        retention=65,
        faults=faults,
        adversaries=("sync-liar",) if seed % 3 else (),
        fault_gap_ms=2_500,
    )
    assert run(scenario, seed, keep=0).violation is None
