"""One machine: its keys, disk, clock and place in the network, and the node that runs on it now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random

import trio

from consensus.crypto import Signer, sha256
from consensus.events import Now
from consensus.genesis import PURPOSES, Card, Genesis
from contracts.system import VERSIONS, Versions
from node.clerk import Clerk, Duty
from node.core import Core, Keeping
from node.driver import Driver
from node.errors import MunimentError
from node.journal_file import JournalFile, Record
from node.ledger import Ledger
from node.mempool import Mempool
from node.outcome import Outcome
from node.peers import Peers
from node.store import Store
from simnet.clock import SimClock, elapsed_ms
from simnet.disk import Disk, PowerCut
from simnet.network import Network

JOURNAL = Path("/home/node/journal")
MEMPOOL_COUNT = 2_000
MEMPOOL_BYTES = 4 << 20
REWRITE_BYTES = 256 << 10
"""Journals are rewritten far sooner than in a real node, so that it happens in short runs."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A member's name and keys, made from the name alone."""

    name: str
    keys: dict[str, Signer]

    @classmethod
    def create(cls, name: str) -> Identity:
        return cls(name, {p: Signer(sha256(f"simnet/{name}/{p}".encode())) for p in PURPOSES})

    @property
    def card(self) -> Card:
        return Card.create(self.name, self.keys, ())


class Journal(JournalFile):
    """The real journal, which also tells what has become durable."""

    on_durable: Callable[[Sequence[Record]], None] = staticmethod(lambda records: None)

    on_rewritten: Callable[[], None] = staticmethod(lambda: None)

    def append(self, records: Sequence[Record]) -> None:
        super().append(records)
        self.on_durable(records)

    def rewrite(self, voting_key: bytes, records: Sequence[Record], *, forgetful: bool) -> None:
        super().rewrite(voting_key, records, forgetful=forgetful)
        self.on_rewritten()


class WatchedCore(Core):
    """The real core, which also tells what it takes in."""

    on_receive: Callable[[bytes, int, bytes], None] = staticmethod(lambda key, kind, payload: None)

    on_fired: Callable[[str], None] = staticmethod(lambda what: None)

    def receive(self, key: bytes, kind: int, payload: bytes, now: Now) -> None:
        self.on_receive(key, kind, payload)
        super().receive(key, kind, payload, now)

    def _adopt(self) -> None:
        super()._adopt()
        self.on_fired("joined by a snapshot")

    def end_turn(self, now: Now) -> None:
        was_forgetful, accusations = self._was_forgetful, self._accusations
        super().end_turn(now)
        self._was_forgetful, self._accusations = self.is_forgetful, len(self.evidence)
        if self._was_forgetful != was_forgetful:
            self.on_fired("votes forgotten" if self._was_forgetful else "votes recovered")
        if self._accusations > accusations:
            self.on_fired("evidence found")

    _was_forgetful = False
    _accusations = 0


class Host:
    """A machine that can crash and start again; `life` counts the processes it has run."""

    def __init__(
        self,
        identity: Identity,
        genesis: Genesis,
        network: Network,
        random: Random,
        fired: Counter[str],
        *,
        label: str,
    ) -> None:
        self.identity = identity
        self.genesis = genesis
        self.label = label
        self.random = random
        self.fired = fired
        self.clock = SimClock()
        self.disk = Disk(random, fired)
        self.disk.on_slow = self._be_busy
        self.endpoint = network.add(identity.keys["node"].public_key)
        self.endpoint.before_send = self.disk.operate
        self.endpoint.busy_until_ms = lambda: self.clock.busy_until_ms
        self.is_traitor = False
        self.is_excused = False
        self.versions: Versions = VERSIONS
        self.keeping = Keeping()
        self.is_dying = False
        self.life = 0
        self.core: WatchedCore | None = None
        self.driver: Driver | None = None
        self.stopped_by = ""
        self.on_started: Callable[[Host], None] = lambda host: None
        self.on_stopped: Callable[[Host], None] = lambda host: None
        self.on_outcome: Callable[[Host, Outcome], None] = lambda host, outcome: None
        self.on_receive: Callable[[Host, bytes, int, bytes], None] = lambda *frame: None
        self.on_durable: Callable[[Host, Sequence[Record]], None] = lambda host, records: None
        self.make_mempool: Callable[[], Mempool] = lambda: Mempool(MEMPOOL_COUNT, MEMPOOL_BYTES)
        self._start = trio.Event()
        self._scope = trio.CancelScope()
        self._wants_power_cut = False

    @property
    def name(self) -> str:
        return self.identity.name

    @property
    def key(self) -> bytes:
        return self.endpoint.key

    @property
    def is_honest(self) -> bool:
        """Whether every promise of the protocol binds it."""
        return not self.is_traitor and not self.is_excused

    @property
    def is_running(self) -> bool:
        return self.core is not None

    @property
    def is_voting(self) -> bool:
        """Whether its process is past its start, and has a machine."""
        return self.core is not None and self.core.is_started

    @property
    def height(self) -> int:
        """Of its last final block; 0 while it is down."""
        return self.core.ledger.tip.header.height if self.core is not None else 0

    def _be_busy(self, ms: int) -> None:
        self.clock.busy_until_ms = max(self.clock.busy_until_ms, elapsed_ms()) + ms

    def _count(self, what: str) -> None:
        self.fired[what] += 1

    # What faults do to it

    def start(self) -> None:
        self._start.set()

    def kill(self, *, power: bool = False) -> None:
        """End the process at its next await, as by kill -9 or by a loss of power."""
        if not self.is_running:
            return
        self.is_dying = True
        self._wants_power_cut |= power
        self.clock.resume()
        self._scope.cancel()

    def lose_database(self) -> None:
        """Lose the database and keep the files; the process must be down.

        An archive that has lost its blocks is none any more: others may have forgotten them.
        """
        self.disk.lose_database()
        if self.keeping.is_archive:
            self.keeping = replace(self.keeping, is_archive=False, makes_snapshots=True)

    # Life

    async def run(self) -> None:
        """Run one process after the other, each from `start` to its end."""
        while True:
            await self._start.wait()
            self._start = trio.Event()
            with trio.CancelScope() as self._scope:
                self.stopped_by = await self._run_process()
            if self._scope.cancelled_caught:
                self.stopped_by = "power" if self._wants_power_cut else "kill"
            self.core = self.driver = None
            self.endpoint.is_running = False
            self.endpoint.network.reconnect()
            if self.stopped_by == "power":
                self.disk.lose_power()
            else:
                self.disk.keep_all()
            self.disk.cut_after = None
            self._wants_power_cut = self.is_dying = False
            self.on_stopped(self)

    async def _run_process(self) -> str:
        """Run the node until it fails; returns what ended it. A bug's exception goes on."""
        try:
            with _single_cause():
                await self._run_node()
        except PowerCut:
            return "power"
        except MunimentError as error:
            return f"{error.code}: {error.message}"
        raise AssertionError("a node runs until it is stopped")

    async def _run_node(self) -> None:
        self.life += 1
        voting = self.identity.keys["voting"]
        journal = self._open_journal(voting.public_key)
        journal.rewrite_bytes = REWRITE_BYTES
        journal.on_durable = partial(self.on_durable, self)
        journal.on_rewritten = partial(self._count, "journal rewritten")
        # A cut between the sync and its return leaves votes that are durable, told of only now.
        self.on_durable(self, journal.restored)
        node = self.identity.keys["node"]
        duty = Duty(self.name, node, [voting.public_key])
        store = Store(self.disk)
        ledger = Ledger(self.genesis, store, cache_bytes=1 << 20, versions=self.versions)
        self.core = core = WatchedCore(
            ledger,
            self.make_mempool(),
            Peers.from_genesis(self.genesis, self.key, {}),
            name=self.name,
            signer=voting,
            restored=journal.restored,
            forgetful=journal.is_forgetful,
            listeners=[lambda outcome: self.on_outcome(self, outcome)],
            cut_off=self.endpoint.cut_off,
            keeping=self.keeping,
            clerk=Clerk(duty, self.genesis.chain_id, self.versions),
            admit=self.endpoint.admit,
        )
        core.on_fired = self._count
        core.on_receive = partial(self.on_receive, self)
        self.driver = Driver(core, self.endpoint, journal, self.clock, voting.public_key)
        async with trio.open_nursery() as nursery:
            await nursery.start(self.endpoint.run)
            self.on_started(self)
            await nursery.start(self.driver.run)

    def _open_journal(self, voting_key: bytes) -> Journal:
        """As the daemon does; only the very first process finds no journal and no votes either."""
        if JOURNAL in self.disk.files:
            return Journal.open(JOURNAL, voting_key, files=self.disk)
        forgetful = self.life > 1
        return Journal.create(JOURNAL, voting_key, forgetful=forgetful, files=self.disk)


class _single_cause:
    """Take the one exception out of trio's groups; a power cut outranks what it caused."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, BaseExceptionGroup):
            return
        leaves = list(_leaves(error))
        for wanted in (PowerCut, MunimentError):
            for leaf in leaves:
                if isinstance(leaf, wanted):
                    raise leaf
        if len(leaves) == 1:
            raise leaves[0]


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
