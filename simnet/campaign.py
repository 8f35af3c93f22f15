"""Many seeds, on several processes, and what they have covered."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from simnet.adversaries import ADVERSARIES
from simnet.faults import FAULTS
from simnet.scenario import Scenario, vary
from simnet.world import Report, run

PATHS = (
    "restart",
    "cut at an operation",
    "unsynced bytes torn",
    "failed fsync",
    "write to a full disk",
    "slow sync",
    "damaged journal refused",
    "frame lost",
    "frame duplicated",
    "frame reordered",
    "frame want",
    "frame block_request",
    "frame block",
    "frame range_request",
    "frame range",
    "question for certificates",
    "question for views",
    "certificate nullify",
    "proposed again at the epoch's end",
    "epoch change",
    "journal rewritten",
    "votes forgotten",
    "votes recovered",
    "evidence found",
    "traitor cut off",
    "refused: expired",
    "refused: replayed",
    "refused: signature",
)
"""What else a campaign must have gone through, beside each fault and adversary."""


@dataclass(slots=True)
class Coverage:
    """How often everything that can happen did, over all seeds so far."""

    seeds: int = 0
    failed: list[tuple[int, str]] = field(default_factory=list)
    fired: Counter[str] = field(default_factory=Counter)
    blocks: int = 0
    transactions: int = 0
    virtual_s: float = 0.0
    cpu_s: float = 0.0
    worst_recovery_views: int = 0

    def add(self, report: Report) -> None:
        self.seeds += 1
        self.fired += report.fired
        self.blocks += report.height
        self.transactions += report.final
        self.virtual_s += report.virtual_ms / 1_000
        self.cpu_s += report.wall_s
        self.worst_recovery_views = max(self.worst_recovery_views, report.recovery_views)
        if report.violation is not None:
            self.failed.append((report.seed, report.violation))

    def rows(self, scenario: Scenario) -> list[tuple[str, str, int]]:
        """(group, what, times) of everything that the scenario could have shown."""
        rows = [("fault", name, self.fired[f"fault {name}"]) for name in scenario.faults]
        rows += [("adversary", n, self.fired[f"adversary {n}"]) for n in scenario.adversaries]
        return rows + [("path", name, self.fired[name]) for name in PATHS]


def all_faults(base: Scenario) -> Scenario:
    """The campaign's scenario unless told otherwise: every fault, every adversary."""
    return replace(base, faults=tuple(FAULTS), adversaries=tuple(ADVERSARIES))


def run_seed(task: tuple[Scenario, int]) -> Report:
    """Run one seed of a campaign. Its events are not kept: a replay shows them."""
    base, seed = task
    report = run(vary(base, seed), seed, keep=0)
    report.cause = None  # exceptions need not survive the way between processes
    return report


def run_seeds(base: Scenario, seeds: range, jobs: int) -> Iterator[Report]:
    """Yield a report for each seed, in order of completion."""
    tasks = [(base, seed) for seed in seeds]
    if jobs == 1:
        yield from map(run_seed, tasks)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(jobs, maxtasksperchild=50) as pool:
        yield from pool.imap_unordered(run_seed, tasks)
