"""Many seeds, on several processes, and what they have covered."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

from node.errors import MunimentError
from node.home import atomic_write
from simnet.adversaries import ADVERSARIES
from simnet.faults import FAULTS
from simnet.scenario import Scenario, vary
from simnet.world import Report, run

CAMPAIGN_S = 6
"""Virtual seconds of a seed under faults, unless told otherwise: many short runs find most."""
PATHS = (
    "restart",
    "cut at an operation",
    "unsynced bytes torn",
    "failed fsync",
    "write to a full disk",
    "slow sync",
    "damaged journal refused",
    "damaged database refused",
    "frame lost",
    "frame duplicated",
    "frame reordered",
    "frame want",
    "frame block_request",
    "frame block",
    "frame range_request",
    "frame range",
    "frame steps",
    "frame snapshot",
    "frame chunks",
    "joined by a snapshot",
    "wrong snapshot served",
    "blocks forgotten",
    "question for certificates",
    "question for views",
    "certificate nullify",
    "proposed again at the epoch's end",
    "epoch change",
    "run across changing sets",
    "validators changed",
    "parameters changed",
    "no first validator left",
    "member joined",
    "protocol version activated",
    "new release installed",
    "stopped for want of a version",
    "evidence acted",
    "evidence spared",
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
    """How often everything that can happen did, over all seeds so far. Adds up over runs."""

    seeds: set[int] = field(default_factory=set)
    failed: list[tuple[int, str]] = field(default_factory=list)
    fired: Counter[str] = field(default_factory=Counter)
    blocks: int = 0
    transactions: int = 0
    virtual_s: float = 0.0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    worst_recovery_views: int = 0

    def add(self, report: Report) -> None:
        self.seeds.add(report.seed)
        self.fired += report.fired
        self.blocks += report.height
        self.transactions += report.final
        self.virtual_s += report.virtual_ms / 1_000
        self.cpu_s += report.cpu_s
        self.worst_recovery_views = max(self.worst_recovery_views, report.recovery_views)
        if report.violation is not None:
            self.failed.append((report.seed, report.violation))

    def rows(self, scenario: Scenario) -> list[tuple[str, str, int]]:
        """(group, what, times) of everything that the scenario could have shown."""
        rows = [("fault", name, self.fired[f"fault {name}"]) for name in scenario.faults]
        rows += [("adversary", n, self.fired[f"adversary {n}"]) for n in scenario.adversaries]
        return rows + [("path", name, self.fired[name]) for name in PATHS]


class SavedError(MunimentError):
    """A file of results that cannot be gone on with; the message says why."""

    code = "campaign"


def save(path: Path, base: Scenario, coverage: Coverage) -> None:
    """Write results so far, so that a later run of the same code can go on from them."""
    values = {each.name: getattr(coverage, each.name) for each in fields(Coverage)}
    values["seeds"] = sorted(coverage.seeds)
    content = {"code": code_digest(), "scenario": asdict(base), "coverage": values}
    atomic_write(path, json.dumps(content).encode(), 0o644)


def load(path: Path, base: Scenario) -> Coverage:
    """Read results to go on from; none if there is no file. Raises SavedError."""
    if not path.exists():
        return Coverage()
    code, scenario, coverage = _read(path)
    if code != code_digest() or scenario != json.dumps(asdict(base)):
        raise SavedError(f"{path} holds results of other code or options; choose another file")
    return coverage


def add_up(paths: Sequence[Path]) -> Coverage:
    """Read saved results of the same code and options and add them. Raises SavedError."""
    total = Coverage()
    first: tuple[str, str] | None = None
    for path in paths:
        code, scenario, coverage = _read(path)
        if (code, scenario) != (first := first or (code, scenario)):
            raise SavedError(f"{path} holds results of other code or options than {paths[0]}")
        twice = total.seeds & coverage.seeds
        if twice:
            raise SavedError(f"{path} holds seed {min(twice)} as another file does already")
        total.seeds |= coverage.seeds
        total.failed += coverage.failed
        total.fired += coverage.fired
        for name in ("blocks", "transactions", "virtual_s", "cpu_s", "wall_s"):
            setattr(total, name, getattr(total, name) + getattr(coverage, name))
        worst = (total.worst_recovery_views, coverage.worst_recovery_views)
        total.worst_recovery_views = max(worst)
    return total


def _read(path: Path) -> tuple[str, str, Coverage]:
    """Return (digest of the code, scenario as JSON, results) of a saved file."""
    try:
        content = json.loads(path.read_text())
        values = content["coverage"]
        values["seeds"], values["fired"] = set(values["seeds"]), Counter(values["fired"])
        values["failed"] = [(seed, violation) for seed, violation in values["failed"]]
        return content["code"], json.dumps(content["scenario"]), Coverage(**values)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SavedError(f"{path} holds no results of a campaign: {error}") from error


def code_digest() -> str:
    """SHA-256 over the sources that a run depends on, in hexadecimal."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for package in ("consensus", "contracts", "node", "p2p", "simnet"):
        for file in sorted((root / package).rglob("*.py")):
            digest.update(f"{file.relative_to(root)}\n".encode() + file.read_bytes())
    return digest.hexdigest()


def all_faults(base: Scenario) -> Scenario:
    """The campaign's scenario unless told otherwise: every fault, every adversary."""
    return replace(base, faults=tuple(FAULTS), adversaries=tuple(ADVERSARIES))


def run_seed(task: tuple[Scenario, int]) -> Report:
    """Run one seed of a campaign. Its events are not kept: a replay shows them."""
    base, seed = task
    report = run(vary(base, seed), seed, keep=0)
    report.cause = None  # exceptions need not survive the way between processes
    return report


def run_seeds(base: Scenario, seeds: Iterable[int], jobs: int) -> Iterator[Report]:
    """Yield a report for each seed, in order of completion."""
    tasks = [(base, seed) for seed in seeds]
    if jobs == 1:
        yield from map(run_seed, tasks)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(jobs, maxtasksperchild=50) as pool:
        yield from pool.imap_unordered(run_seed, tasks)
