"""The checker can fail: each fault put into the protocol is found within a few seeds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simnet.mutants import MUTANTS
from simnet.scenario import Scenario, Strike
from simnet.world import run

SEEDS = 12
ALL = (0, 1, 2, 3)
CALM = Scenario(duration_s=6)
SPLIT = replace(CALM, faults=("partition", "latency", "loss"), fault_gap_ms=500)
LATE = replace(CALM, faults=("latency", "one-way"), fault_gap_ms=300)
CRASHES = replace(CALM, faults=("crash", "power", "cut-at-operation"), fault_gap_ms=300)
SLOW = replace(
    CALM,
    duration_s=600,
    load_tps=1,
    script=(
        Strike(1_000, "latency", 599_000, ALL, 60_000),
        Strike(590_000, "loss", 10_000, ALL, 10_000),
    ),
)
WITHOUT_DATABASE = replace(
    CALM,
    duration_s=8,
    epoch_length=12,
    script=(Strike(2_500, "lose-database", 300, (1,)), Strike(4_500, "lose-database", 300, (1,))),
)
WHERE = {
    "quorum-off-by-one": replace(CALM, script=(Strike(1_000, "partition", 3_000, (0, 1)),)),
    "finalize-after-nullify": LATE,
    "vote-before-persist": CALM,
    "gap-not-checked": replace(SPLIT, adversaries=("gap-jumper",)),
    "timestamp-not-checked": replace(CALM, adversaries=("invalid-block",)),
    "forgets-votes": CRASHES,
    "commits-on-notarization": replace(SPLIT, adversaries=("vote-withholder", "nullifier")),
    "replay-window-off": replace(CALM, adversaries=("invalid-block",)),
    "not-bound-to-view": replace(CALM, adversaries=("certificate-forger",)),
    "sync-without-proof": replace(
        CALM, faults=("wipe", "partition", "crash"), fault_gap_ms=300, adversaries=("sync-liar",)
    ),
    "certificate-of-too-few": replace(CALM, adversaries=("certificate-forger",)),
    "unsigned-votes": replace(CALM, adversaries=("certificate-forger",)),
    "evidence-dropped": replace(CALM, adversaries=("equivocating-leader",)),
    "finality-not-synced": replace(CRASHES, faults=("power", "blackout")),
    "journal-not-synced": replace(CRASHES, faults=("power", "blackout")),
    "replays-accepted": CALM,
    "timeouts-not-capped": SLOW,
    "rot-not-noticed": replace(CALM, faults=("rot-database",), fault_gap_ms=500),
    "journal-of-one-epoch": WITHOUT_DATABASE,
    "stale-validator-set": replace(CALM, spare=2, epoch_length=8),
}


def test_every_mutant_has_its_scenario() -> None:
    assert sorted(WHERE) == sorted(MUTANTS)


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_caught_and_the_node_is_not(name: str) -> None:
    scenario = WHERE[name]
    for seed in range(SEEDS):
        violation = run(replace(scenario, mutant=name), seed, keep=0).violation
        if violation is not None:
            print(f"{name}: seed {seed}: {violation}")
            assert run(scenario, seed, keep=0).violation is None
            return
    pytest.fail(f"{name} was not caught within {SEEDS} seeds")
