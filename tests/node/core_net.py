"""A harness: whole nodes on real LevelDB, a seeded in-memory network that loses and delays."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Mapping
from itertools import permutations
from pathlib import Path

from consensus.crypto import Signer, sha256
from consensus.events import Now
from consensus.genesis import PURPOSES, Card, Genesis, Member
from consensus.messages import Vote
from consensus.validators import Parameters
from contracts.envelope import Call, Transaction
from contracts.system import VERSIONS
from node.clerk import Clerk, Duty
from node.core import Core, Keeping
from node.envelopes.store import EnvelopeStore
from node.journal_file import JournalFile
from node.ledger import Ledger
from node.mempool import Mempool
from node.outbox import Outgoing
from node.outcome import BlockFinal, Outcome, Refusal, TransactionDropped
from node.peers import Peers
from node.store import LevelDB, Store
from p2p.wire import FrameKind

WALL = 1_700_000_000_000
PARAMETERS = Parameters(delta_ms=100, delta_cap_ms=800, retry_ms=200, idle_ms=1_000)


class Host:
    """One machine: its keys, its disk, and the node that runs on it now."""

    def __init__(self, net: Net, name: str) -> None:
        self.net, self.name = net, name
        self.keys = {p: Signer(sha256(f"{name}/{p}".encode())) for p in PURPOSES}
        self.path = net.path / name
        self.path.mkdir(exist_ok=True)
        self.envelopes = EnvelopeStore(self.path / "envelopes")
        self.final: list[tuple[int, bytes]] = []
        self.dropped: list[TransactionDropped] = []
        self.votes: list[Vote] = []
        self.core: Core | None = None
        self.admitted: frozenset[bytes] = frozenset()
        self.skew_ms = 0
        self.keeping = Keeping()

    @property
    def now(self) -> Now:
        """What this machine's clocks say."""
        return Now(self.net.time, WALL + self.net.time + self.skew_ms)

    @property
    def key(self) -> bytes:
        return self.keys["node"].public_key

    def start(self) -> None:
        self.disk = LevelDB(self.path / "db")
        voting = self.keys["voting"].public_key
        path = self.path / "journal"
        exists = path.exists()
        self.journal = (
            JournalFile.open(path, voting) if exists else JournalFile.create(path, voting)
        )
        ledger = Ledger(self.net.genesis, Store(self.disk))
        self.core = Core(
            ledger,
            Mempool(10_000, 8 << 20),
            Peers.from_genesis(self.net.genesis, self.key, {}),
            name=self.name,
            signer=self.keys["voting"],
            restored=self.journal.restored,
            listeners=[self.hear],
            cut_off=lambda peer, reason: self.net.faults.append((self.name, reason)),
            keeping=self.keeping,
            envelopes=self.envelopes,
            clerk=Clerk(
                Duty(self.name, self.keys["node"], (voting,)), self.net.genesis.chain_id, VERSIONS
            ),
            admit=self.admit,
        )
        self.core.votes_seen = self.votes.append
        self.core.start(self.now)
        self.net.after_turn(self)

    def admit(self, peers: Mapping[bytes, object]) -> None:
        self.admitted = frozenset(peers)
        self.net.is_changed = True

    def hear(self, outcome: Outcome) -> None:
        match outcome:
            case BlockFinal(entry=entry):
                self.final += [(entry.header.height, t.txid) for t in entry.transactions]
            case TransactionDropped():
                self.dropped.append(outcome)

    def kill(self) -> None:
        """Stop as by kill -9: nothing is said to anybody, files stay as they are."""
        self.core = None
        self.net.up = {pair for pair in self.net.up if self.name not in pair}
        self.disk.close()
        self.journal.close()
        for other in self.net.hosts.values():
            if other.core is not None:
                other.core.peer_down(self.key, self.net.now)


class Net:
    def __init__(
        self,
        path: Path,
        names: str = "abcd",
        seed: int = 1,
        parameters: Parameters = PARAMETERS,
        keeping: Keeping | None = None,
        asleep: str = "",
        observers: str = "",
    ) -> None:
        self.path, self.random = path, random.Random(seed)
        self.time, self.counter, self.loss = 0, 0, 0.0
        self.queue: list[tuple[int, int, str, bytes, int, bytes]] = []
        self.faults: list[tuple[str, str]] = []
        self.cut: set[frozenset[str]] = set()
        self.block_ms = 0
        """How long a link is busy with a frame that holds blocks."""
        self.busy: dict[tuple[str, str], int] = {}
        self.up: set[tuple[str, str]] = set()
        self.is_changed = False
        self.alter: Callable[[str, Outgoing], bytes] = lambda sender, out: out.payload
        """What a frame's payload becomes on its way."""
        self.hosts = {name: Host(self, name) for name in names}
        members = [
            Member(
                Card.create(h.name, h.keys, ()),
                roles=("observer",) if h.name in observers else ("supervisor", "validator"),
            )
            for h in self.hosts.values()
        ]
        self.genesis = Genesis("test", WALL, tuple(members), parameters)
        self.genesis.check()
        for host in self.hosts.values():
            host.keeping = keeping or host.keeping
            if host.name not in asleep:
                host.start()

    def connect(self) -> None:
        """Let those who admit each other be connected, and nobody else."""
        self.is_changed = False
        alive = [host for host in self.hosts.values() if host.core is not None]
        for one, other in permutations(alive, 2):
            if one.core is None or other.core is None:
                continue
            pair = (one.name, other.name)
            is_up = other.key in one.admitted and one.key in other.admitted
            if is_up and pair not in self.up and self.linked(one, other):
                self.up.add(pair)
                one.core.peer_up(other.key, one.now)
                self.after_turn(one)
            elif not is_up and pair in self.up:
                self.up.discard(pair)
                one.core.peer_down(other.key, one.now)

    @property
    def now(self) -> Now:
        return Now(self.time, WALL + self.time)

    def linked(self, a: Host, b: Host) -> bool:
        return frozenset((a.name, b.name)) not in self.cut

    def after_turn(self, host: Host) -> None:
        core = host.core
        assert core is not None
        core.end_turn(host.now)
        if self.is_changed:
            self.connect()
        if core.records:
            host.journal.append(core.records)
            core.records = []
        names = {h.key: h.name for h in self.hosts.values()}
        for out in core.outbox.take():
            to = self.hosts[names[out.peer]]
            if (host.name, to.name) not in self.up:
                continue
            if self.random.random() >= self.loss and self.linked(host, to):
                self.counter += 1
                at = self.time + self.random.randint(1, 15)
                if out.kind in (FrameKind.BLOCK, FrameKind.RANGE):
                    link = (host.name, to.name)
                    at = self.busy[link] = max(at, self.busy.get(link, 0)) + self.block_ms
                item = (
                    at,
                    self.counter,
                    to.name,
                    host.key,
                    int(out.kind),
                    self.alter(host.name, out),
                )
                heapq.heappush(self.queue, item)

    def run(self, duration: int) -> None:
        end = self.time + duration
        while self.time < end:
            alive = [h for h in self.hosts.values() if h.core is not None]
            due = [h.core.deadline_ms for h in alive if h.core is not None]
            times = due + ([self.queue[0][0]] if self.queue else [])
            self.time = max(self.time, min([*times, end]))
            while self.queue and self.queue[0][0] <= self.time:
                _, _, name, sender, kind, payload = heapq.heappop(self.queue)
                host = self.hosts[name]
                if host.core is not None:
                    host.core.receive(sender, kind, payload, host.now)
                    self.after_turn(host)
            for host in alive:
                if host.core is not None and host.core.deadline_ms <= self.time:
                    host.core.tick(host.now)
                    self.after_turn(host)
            if not times or min(times) >= end:
                self.time = end

    def make(self, name: str, *calls: Call, valid_for: int = 100) -> Transaction:
        """Sign a transaction of one member; without calls it publishes a new standard."""
        host = self.hosts[name]
        assert host.core is not None
        return Transaction.create(
            host.keys["member"],
            self.genesis.chain_id,
            name,
            self.random.randbytes(16),
            host.core.ledger.tip.header.height + valid_for,
            WALL + self.time,
            calls or (publish(name, self.random.randbytes(4).hex()),),
        )

    def submit(self, name: str, *calls: Call, valid_for: int = 100) -> Transaction | Refusal:
        host = self.hosts[name]
        assert host.core is not None
        transaction = self.make(name, *calls, valid_for=valid_for)
        found = host.core.submit(transaction.raw, self.now)
        self.after_turn(host)
        return found

    def close(self) -> None:
        for host in self.hosts.values():
            if host.core is not None:
                host.kill()

    def heights(self) -> list[int]:
        return [h.core.ledger.tip.header.height for h in self.hosts.values() if h.core is not None]

    def check(self) -> None:
        """Same digest at every common height, same state at the same tip, nothing twice."""
        alive = [h.core.ledger for h in self.hosts.values() if h.core is not None]
        low = min(ledger.tip.header.height for ledger in alive)
        for height in range(low + 1):
            assert len({ledger.store.digest_at(height) for ledger in alive}) == 1
        at_low = [x for x in alive if x.tip.header.height == low]
        assert len({ledger.state_root for ledger in at_low}) == 1
        for host in self.hosts.values():
            assert len({txid for _, txid in host.final}) == len(host.final)
        cast: dict[tuple[int, int, int, int], Vote] = {}
        for host in self.hosts.values():
            for vote in host.votes:
                s = vote.statement
                known = cast.setdefault((vote.signer, s.epoch, s.view, int(s.kind)), vote)
                assert known.statement == s, "a validator contradicts itself"


def publish(owner: str, name: str, version: int = 1) -> Call:
    field = {
        "name": "code", "type": "text", "unit": None, "codes": None,
        "level": 1, "class": "general", "mask": None,
    }  # fmt: skip
    return Call(
        "standards",
        "publish",
        {
            "id": f"{owner}/s{name}",
            "version": version,
            "title": "A standard",
            "schema": {"type": "object"},
            "fields": [field],
        },
    )
