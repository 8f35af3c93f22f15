"""One run: hosts, network, load, faults and traitors, from a scenario and a seed."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import Any

import structlog
import trio

from consensus.crypto import Kind
from consensus.genesis import Genesis, Member
from consensus.messages import (
    Certificate,
    Proposal,
    Question,
    Statement,
    Vote,
)
from consensus.validators import Parameters
from contracts.engine import query
from contracts.state import StateReader
from contracts.system import members
from node.core import Keeping
from p2p.transport import Frame
from p2p.wire import FrameKind
from simnet.adversaries import ADVERSARIES, Coalition
from simnet.clock import START_MS, elapsed_ms, sleep_until_ms
from simnet.determinism import run_seeded
from simnet.faults import FAULTS, run_faults
from simnet.government import Government
from simnet.host import Host, Identity
from simnet.invariants import Invariants, Violation
from simnet.load import Load
from simnet.memory import read_message, remembered
from simnet.mutants import mutated
from simnet.network import Endpoint, Link, Network
from simnet.release import Release
from simnet.scenario import Scenario
from simnet.trace import Event, Trace

CHECK_MS = 500
KEPT_EVENTS = 4_000
SETTLE_MS = 3_000
SNAPSHOT_BEHIND = 16
LIVENESS_VIEWS = 12
"""Views without a block, at most, until each honest node has committed new work."""
LONGEST_VIEW = 3
"""No view lasts longer than so many times its longest timeout, three times the capped delta."""
SETTLE_VIEWS = 20


@dataclass(frozen=True, slots=True)
class Sample:
    """The state of a run at one time: `heights` are those of its machines, in their order."""

    at_ms: int
    view: int
    nullified_in_row: int
    heights: tuple[int, ...]


@dataclass(slots=True)
class Report:
    """What a run showed. Times are virtual and in ms, but for `wall_s` and `cpu_s`."""

    scenario: Scenario
    seed: int
    violation: str | None = None
    digest: str = ""
    events: int = 0
    height: int = 0
    epoch: int = 0
    views: int = 0
    nullified: int = 0
    submitted: int = 0
    final: int = 0
    virtual_ms: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    recovery_views: int = 0
    recovery_ms: int = 0
    latencies_ms: list[int] = field(default_factory=list)
    frames: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)
    fired: Counter[str] = field(default_factory=Counter)
    labels: tuple[str, ...] = ()
    timeline: list[Sample] = field(default_factory=list)
    tail: list[Event] = field(default_factory=list)
    cause: BaseException | None = None


def run(scenario: Scenario, seed: int, *, keep: int = KEPT_EVENTS) -> Report:
    """Run one seed to its end or to the first violation, which the report names."""
    scenario.check(tuple(FAULTS), tuple(ADVERSARIES))
    started, started_cpu = time.perf_counter(), time.process_time()
    world = World(scenario, seed, keep)
    with _silent_logs(), remembered(), mutated(scenario.mutant):
        run_seeded(seed, world.run)
    report = world.report
    report.wall_s = time.perf_counter() - started
    report.cpu_s = time.process_time() - started_cpu
    return report


@contextmanager
def _silent_logs() -> Iterator[None]:
    """Nodes log to nobody: the trace says more, and is the same in every run."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)


class World:
    """Everything of one run."""

    def __init__(self, scenario: Scenario, seed: int, keep: int) -> None:
        self.scenario = scenario
        self.random = Random(f"faults/{seed}")
        self.load_random = Random(f"load/{seed}")
        self.fired: Counter[str] = Counter()
        self.trace = Trace(keep)
        self.report = Report(scenario, seed, fired=self.fired)
        self.release = Release(self)
        self.base_link = Link(scenario.latency_ms, scenario.jitter_ms)
        self.fault_end_ms = scenario.duration_s * 1_000
        self._faulty: set[str] = set()
        self._seed = seed
        self._proposed: dict[bytes, int] = {}
        self._top_views: dict[int, int] = {}
        self._skipped: set[tuple[int, int]] = set()

    def _build(self) -> None:
        scenario, seed = self.scenario, self._seed
        self.network = Network(Random(f"network/{seed}"), self.fired)
        identities = [Identity.create(f"m{i:03}") for i in range(scenario.nodes + scenario.spare)]
        parameters = Parameters(
            fault_model=scenario.fault_model,
            epoch_length=scenario.epoch_length,
            delta_ms=200,
            delta_cap_ms=1_600,
            retry_ms=400,
            idle_ms=2_000,
            drift_ms=10_000,
            replay_window=40 if scenario.retention else 60,
            retention=scenario.retention,
        )
        founders = tuple(
            Member(identity.card, roles=("validator",) if i < scenario.nodes else ("observer",))
            for i, identity in enumerate(identities)
            if i < scenario.nodes + max(1, scenario.spare - 1)  # the last one joins by vote
        )
        self.genesis = Genesis("simnet", START_MS, founders, parameters)
        self.hosts = [
            Host(
                identity,
                self.genesis,
                self.network,
                Random(f"host/{seed}/{i}"),
                self.fired,
                label=identity.name,
            )
            for i, identity in enumerate(identities)
        ]
        if scenario.retention:
            for host in self.hosts:
                is_archive = host is self.hosts[0]
                host.keeping = Keeping(is_archive, not is_archive, SNAPSHOT_BEHIND)
        self.coalition = Coalition(self, Random(f"traitors/{seed}"))
        self.coalition.recruit()
        self._faulty.update(host.label for host in self.hosts if host.is_traitor)
        for link in self.network.links.values():
            link.latency_ms, link.jitter_ms = scenario.latency_ms, scenario.jitter_ms
        self.invariants = Invariants(self.hosts, self.fired)
        self.network.on_deliver = self._note_delivery
        for host in self.hosts:
            host.on_started = self._note_start
            host.on_stopped = self._note_stop

    def take_faulty(self, chosen: Sequence[Host] = ()) -> Host | None:
        """Choose an honest machine to forget or rot, within the budget of f; None if it is used."""
        usable = [h for h in chosen or self.hosts if not h.is_traitor]
        if len(self._faulty) >= self.scenario.traitor_budget:
            usable = [h for h in usable if h.label in self._faulty]
        if not usable:
            self.fired["fault not allowed: too many are faulty"] += 1
            return None
        host = self.random.choice(usable)
        self._faulty.add(host.label)
        return host

    # Running

    async def run(self) -> None:
        self._build()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.network.run)
                for host in self.hosts:
                    nursery.start_soon(host.run)
                    host.start()
                await self._run_phases()
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            self._note_failure(group)
        self._summarise()

    async def _run_phases(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Load(self).run)
            if self.scenario.spare:
                nursery.start_soon(Government(self).run)
            if self.scenario.upgrade:
                nursery.start_soon(self.release.run)
            nursery.start_soon(self._watch)
            self.coalition.start(nursery)
            await run_faults(self)
            await sleep_until_ms(max(self.fault_end_ms, elapsed_ms()))
            await self._recover()
            nursery.cancel_scope.cancel()
        self.invariants.check_bounds()
        self.invariants.check_end()
        self.invariants.check_history()

    async def _watch(self) -> None:
        while True:
            await sleep_until_ms(elapsed_ms() + CHECK_MS)
            self.invariants.check_bounds()
            self.invariants.check_evidence()
            machines = [h.core.machine for h in self.hosts if h.core and h.is_voting]
            if machines:
                top = max(machines, key=lambda m: (m.epoch, m.view))
                heights = tuple(host.height for host in self.hosts)
                self.report.timeline.append(
                    Sample(elapsed_ms(), top.view, top.nullified_in_row, heights)
                )

    async def _recover(self) -> None:
        """Faults have stopped: within LIVENESS_VIEWS views each honest node commits new work."""
        if self.scenario.upgrade:
            await self.release.finish()
        for host in self.hosts:
            host.clock.resume()
            host.clock.mend()
            host.disk.cut_after, host.disk.is_full, host.disk.fails_sync = None, False, False
            host.disk.sync_ms = 0
            host.disk.mend_rows()
            if not host.is_running:
                host.start()
        for connection in self.network.connections.values():
            connection.cuts = 0
        base = self.base_link
        for link in self.network.links.values():
            link.latency_ms, link.jitter_ms = base.latency_ms, base.jitter_ms
            link.loss_bp = link.duplicate_bp = link.reorder_bp = link.bytes_per_ms = 0
            link.is_silent = False
            link.last_at_ms = link.free_at_ms = 0  # what is stuck on the way holds up nothing new
        self.network.reconnect()
        self.trace.note("phase", "faults stop")
        await sleep_until_ms(elapsed_ms() + SETTLE_MS)
        begun_ms, begun_views = elapsed_ms(), self._top_view()
        load = Load(self)
        for host in self.hosts:
            if host.is_honest:
                load.submit_sound(host)
        goal = len(self.invariants.chain) + 2
        limit_ms = begun_ms + LIVENESS_VIEWS * 3 * self.genesis.parameters.delta_cap_ms
        view, view_ms = begun_views, begun_ms
        while not self._is_level(goal):
            await self._wait_for_progress(limit_ms, f"height {goal}")
            if self._top_view() != view:
                view, view_ms = self._top_view(), elapsed_ms()
            if elapsed_ms() - view_ms > LONGEST_VIEW * 3 * self.genesis.parameters.delta_cap_ms:
                raise Violation("liveness", f"stays in one view, {self._heights}")
            if self._top_view() - begun_views > LIVENESS_VIEWS + self._height_gained(goal):
                raise Violation("liveness", f"height {goal} takes too many views: {self._heights}")
        self.report.recovery_ms = elapsed_ms() - begun_ms
        self.report.recovery_views = self._top_view() - begun_views
        limit_ms = elapsed_ms() + SETTLE_VIEWS * 3 * self.genesis.parameters.delta_cap_ms
        while not self._is_settled():
            await self._wait_for_progress(limit_ms, "an outcome of all that was accepted")

    async def _wait_for_progress(self, limit_ms: int, goal: str) -> None:
        if elapsed_ms() > limit_ms:
            raise Violation("liveness", f"waits for {goal}: {self._heights}")
        await sleep_until_ms(elapsed_ms() + 20)

    @property
    def _heights(self) -> str:
        return ", ".join(f"{h.label} {h.height}" for h in self._members)

    @property
    def _members(self) -> list[Host]:
        """Honest machines that the others have let in."""
        honest = [host for host in self.hosts if host.is_honest]
        best = max(honest, key=lambda host: host.height)
        if best.core is None:
            return honest
        state = best.core.ledger.state()
        return [host for host in honest if members.get(state, host.name) is not None]

    def _height_gained(self, goal: int) -> int:
        """Views that were not wasted: a node far behind needs time, and the others go on."""
        return max(0, len(self.invariants.chain) - goal)

    def _top_view(self) -> int:
        """Views that honest nodes have spoken of so far, over all epochs."""
        return sum(self._top_views.values())

    def _is_level(self, goal: int) -> bool:
        """Whether every honest node runs and has at least `goal` final blocks."""
        return all(host.height >= goal for host in self._members)

    def _is_settled(self) -> bool:
        return all(
            submission.outcome is not None
            for submission in self.invariants.submissions.values()
            if submission.host.is_honest and submission.life == submission.host.life
        )

    # Noting

    def _note_start(self, host: Host) -> None:
        self.trace.note("start", f"life {host.life}", host.label)
        self.invariants.check_restart(host)

    def _note_stop(self, host: Host) -> None:
        self.trace.note("stop", host.stopped_by, host.label)
        self.fired[f"stopped by {host.stopped_by.split(':')[0]}"] += 1

    def _note_delivery(self, source: Endpoint, target: Endpoint, frame: Frame) -> None:
        sender, receiver = self.hosts[source.index], self.hosts[target.index]
        self.trace.note(*self._describe(frame, sender), sender.label, receiver.label)

    def _note_view(self, statement: Statement) -> None:
        top = self._top_views.get(statement.epoch, 0)
        self._top_views[statement.epoch] = max(top, statement.view)

    def _describe(self, frame: Frame, sender: Host) -> tuple[str, str]:
        """(kind, detail) for the trace; counts the paths that a run took."""
        try:
            kind = FrameKind(frame.kind)
        except ValueError:
            return "garbage", f"{len(frame.payload)} bytes"
        if kind is not FrameKind.CONSENSUS:
            self.fired[f"frame {kind.name.lower()}"] += 1
            return kind.name.lower(), f"{len(frame.payload)} bytes"
        try:
            message = read_message(frame.payload)
        except ValueError:
            return "garbage", f"{len(frame.payload)} bytes"
        match message:
            case Vote(statement=s, signer=signer):
                if sender.is_honest:
                    self._note_view(s)
                detail = f"{s.epoch}/{s.view} {s.digest.hex()[:8]} of {signer}"
                return s.kind.name.lower(), detail
            case Certificate(statement=s):
                self.fired[f"certificate {s.kind.name.lower()}"] += 1
                if s.kind is Kind.NULLIFY and sender.is_honest:
                    self._skipped.add((s.epoch, s.view))
                return f"certificate {s.kind.name.lower()}", f"{s.epoch}/{s.view}"
            case Proposal(vote=vote, block=block):
                s = vote.statement
                first = self._proposed.setdefault(block.digest, s.view)
                if first != s.view:
                    self.fired["proposed again at the epoch's end"] += 1
                count = len(block.body)
                detail = f"{s.epoch}/{s.view} {block.digest.hex()[:8]} height {block.header.height}"
                return "proposal", f"{detail} with {count}"
            case Question(views=views, report=report):
                self.fired["question for certificates" if views else "question for views"] += 1
                return "question", f"{list(views)} report={report}"
            case _:
                return "view report", f"{message.epoch}/{message.view}"

    def _note_failure(self, group: BaseExceptionGroup[BaseException]) -> None:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, KeyboardInterrupt):
            raise error
        if isinstance(error, Violation):
            self.report.violation = str(error)
        else:
            self.report.violation = f"a node failed: {type(error).__name__}: {error}"
            self.report.cause = error
        self.trace.note("violation", self.report.violation)

    def _summarise(self) -> None:
        report, invariants = self.report, self.invariants
        self._count_epochs()
        report.digest, report.events = self.trace.digest, self.trace.count
        report.tail = list(self.trace.events)
        report.labels = tuple(host.label for host in self.hosts)
        report.height = len(invariants.chain)
        report.epoch = invariants.chain[-1].header.epoch if invariants.chain else 0
        report.virtual_ms = elapsed_ms()
        report.views, report.nullified = self._top_view(), len(self._skipped)
        done = [s for s in invariants.submissions.values() if s.outcome == "final"]
        report.submitted, report.final = len(invariants.submissions), len(done)
        report.latencies_ms = sorted(s.final_at_ms - s.at_ms for s in done)
        traffic = self.network.traffic
        report.frames = {_frame_name(k): v for k, v in sorted(traffic.frames.items())}
        report.bytes = {_frame_name(k): v for k, v in sorted(traffic.bytes.items())}

    def _count_epochs(self) -> None:
        """Count the epochs and how their validators and parameters changed."""
        honest = [host for host in self.hosts if host.is_honest and host.core is not None]
        best = max(honest, key=lambda host: host.height, default=None)
        sets = [self.genesis.validator_set]
        while best is not None and best.core is not None:
            following = best.core.ledger.store.validator_set(len(sets))
            if following is None:
                break
            sets.append(following)
        for before, after in pairwise(sets):
            self.fired["epoch change"] += 1
            self.fired["validators changed"] += before.validators != after.validators
            self.fired["parameters changed"] += before.parameters != after.parameters
            changed = before.parameters.version != after.parameters.version
            self.fired["protocol version activated"] += changed
        founders = sets[0].validators
        self.fired["run across changing sets"] += any(s.validators != founders for s in sets)
        replaced = any(set(founders).isdisjoint(each.validators) for each in sets)
        self.fired["no first validator left"] += replaced
        cores = [host.core for host in honest if host.core is not None]
        self.fired["blocks forgotten"] += any(c.ledger.store.kept_from() > 1 for c in cores)
        if best is not None and best.core is not None:
            self._count_decisions(best.core.ledger.state())

    def _count_decisions(self, state: StateReader) -> None:
        self.fired["member joined"] += len(members.list_all(state)) > len(self.genesis.members)
        cases: Any = query(state, 1, "evidence", "list", {})
        for case in cases:
            self.fired[f"evidence {case['status']}"] += 1


def _frame_name(kind: int) -> str:
    try:
        return FrameKind(kind).name.lower()
    except ValueError:
        return "garbage"
