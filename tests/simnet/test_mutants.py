"""The checker can fail: each fault put into the protocol is found within a few seeds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simnet.mutants import MUTANTS
from simnet.scenario import Scenario
from simnet.world import run

SEEDS = 12
CALM = Scenario(duration_s=6)
SPLIT = replace(CALM, faults=("partition", "latency", "loss"), fault_gap_ms=500)
CRASHES = replace(CALM, faults=("crash", "power", "cut-at-operation"), fault_gap_ms=300)
WHERE = {
    "quorum-off-by-one": replace(SPLIT, adversaries=("equivocating-leader", "double-voter")),
    "finalize-after-nullify": SPLIT,
    "vote-before-persist": CALM,
    "gap-not-checked": replace(CALM, adversaries=("gap-jumper",)),
    "timestamp-not-checked": replace(CALM, adversaries=("invalid-block",)),
    "forgets-votes": CRASHES,
    "commits-on-notarization": CALM,
    "replay-window-off": replace(CALM, adversaries=("invalid-block",)),
    "not-bound-to-view": replace(CALM, adversaries=("certificate-forger",)),
    "sync-without-proof": replace(CRASHES, adversaries=("sync-liar",)),
    "certificate-of-too-few": replace(CALM, adversaries=("certificate-forger",)),
    "unsigned-votes": replace(CALM, adversaries=("certificate-forger",)),
    "evidence-dropped": replace(CALM, adversaries=("equivocating-leader",)),
    "finality-not-synced": replace(CRASHES, faults=("power", "blackout")),
    "journal-not-synced": replace(CRASHES, faults=("power", "blackout")),
    "replays-accepted": CALM,
}


SEED = {
    "finalize-after-nullify": 4,
    "gap-not-checked": 2,
    "commits-on-notarization": 5,
    "sync-without-proof": 1,
    "certificate-of-too-few": 3,
    "evidence-dropped": 8,
}
"""The first seed that finds a mutant, where it is not 0: `make campaign` searches from 0."""


def test_every_mutant_has_its_scenario() -> None:
    assert sorted(WHERE) == sorted(MUTANTS)


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_caught(name: str) -> None:
    scenario, seed = WHERE[name], SEED.get(name, 0)
    assert run(replace(scenario, mutant=name), seed, keep=0).violation is not None
    assert run(scenario, seed, keep=0).violation is None


@pytest.mark.campaign
@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_caught_within_a_few_seeds(name: str) -> None:
    for seed in range(SEEDS):
        violation = run(replace(WHERE[name], mutant=name), seed, keep=0).violation
        if violation is not None:
            print(f"{name}: seed {seed}: {violation}")
            return
    pytest.fail(f"{name} was not caught within {SEEDS} seeds")
