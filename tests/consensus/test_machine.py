"""The Simplex machine under a seeded network of loss, delay, crashes and a traitor."""

from __future__ import annotations

import heapq
import random
from dataclasses import replace

import pytest

from consensus import merkle
from consensus.block import NO_HASH, Block, Header
from consensus.crypto import Kind, Signer, sha256
from consensus.events import (
    Accuse,
    Amnesia,
    Blame,
    Broadcast,
    Build,
    Built,
    Check,
    Checked,
    Event,
    Execute,
    Executed,
    Finalized,
    Now,
    Persist,
    Receive,
    Recovered,
    Reply,
    Send,
    Start,
    Tick,
    Work,
)
from consensus.machine import Machine
from consensus.messages import (
    Certificate,
    Message,
    Proposal,
    Statement,
    Vote,
    decode_message,
    encode_message,
    nullify,
)
from consensus.validators import Parameters, Validator, ValidatorSet

CHAIN = sha256(b"test chain")
PARAMETERS = Parameters(delta_ms=100, delta_cap_ms=800, retry_ms=200, epoch_length=1000)


def make_set(n: int, parameters: Parameters) -> tuple[list[Signer], ValidatorSet, Block]:
    signers = [Signer(sha256(b"%d" % i)) for i in range(n)]
    names = [f"m{i:03}" for i in range(n)]
    validators = ValidatorSet(
        tuple(Validator(name, s.public_key) for name, s in zip(names, signers, strict=True)),
        parameters,
    )
    header = Header(
        1, CHAIN, 0, 0, NO_HASH, 1_000_000, "", merkle.EMPTY_ROOT, NO_HASH, merkle.EMPTY_ROOT,
        validators.hash, validators.hash,
    )  # fmt: skip
    return signers, validators, Block(header, ())


class Node:
    """A machine with a journal and an instant ledger that fetches blocks from the others."""

    def __init__(self, net: Net, index: int) -> None:
        self.net, self.index = net, index
        self.journal: list[Vote | Certificate | Proposal] = []
        self.blocks: dict[bytes, Block] = {net.anchor.digest: net.anchor}
        self.final: list[bytes] = [net.anchor.digest]
        self.seen: list[str] = []
        self.alive = True
        self.generation = 0
        self.start(forgetful=False)

    def start(self, *, forgetful: bool) -> None:
        self.generation += 1
        certificates = [r for r in self.journal if isinstance(r, Certificate)]
        finals = [c for c in certificates if c.statement.digest == self.final[-1]]
        finals = [c for c in finals if c.statement.kind is Kind.FINALIZE]
        self.machine = Machine(
            CHAIN,
            0,
            self.net.validators,
            self.net.anchor,
            self.net.signers[self.index],
            tip=self.blocks[self.final[-1]],
            finalization=finals[-1] if finals else None,
            forgetful=forgetful,
        )
        self.machine.restore(self.journal)
        self.alive = True
        self.give(Start())
        self.give(Work(self.net.busy))
        for block in list(self.blocks.values()):
            if block.header.height > self.machine.tip.header.height:
                self.give(Executed(block))

    def give(self, event: Event) -> None:
        if not self.alive:
            return
        now = Now(self.net.time, 1_000_000 + self.net.time)
        outbox: list[tuple[int, Message]] = []
        pending = [event]
        while pending:
            for effect in self.machine.step(pending.pop(0), now):
                match effect:
                    case Persist(record=record):
                        self.journal.append(record)
                    case Broadcast(message=message):
                        outbox += [(i, message) for i in range(self.net.n) if i != self.index]
                    case Send(signers=signers, message=message):
                        outbox += [(i, message) for i in signers if i != self.index]
                    case Reply(peer=peer, message=message):
                        outbox.append((peer[0], message))
                    case Build(view=view, parent=parent):
                        pending.append(Built(view, self.net.build(self.index, parent)))
                    case Check(proposal=proposal):
                        block = proposal.block
                        self.net.all_blocks[block.digest] = block
                        pending.append(Checked(proposal.vote.statement.view, block.digest, None))
                    case Execute(digest=digest):
                        pending += [Executed(b) for b in self.fetch(digest)]
                    case Finalized(certificate=certificate):
                        self.finalize(certificate)
                    case Accuse() | Blame() | Amnesia() | Recovered():
                        self.seen.append(type(effect).__name__)
        for to, message in outbox:
            self.net.post(self.index, to, message)
        self.net.wake(self)

    def fetch(self, digest: bytes) -> list[Block]:
        chain = []
        while digest not in self.blocks:
            block = self.net.all_blocks[digest]
            chain.append(block)
            digest = block.header.parent
        for block in reversed(chain):
            self.blocks[block.digest] = block
        return list(reversed(chain)) or [self.blocks[digest]]

    def finalize(self, certificate: Certificate) -> None:
        digest = certificate.statement.digest
        self.fetch(digest)
        added = []
        while digest != self.final[-1]:
            added.append(digest)
            digest = self.blocks[digest].header.parent
            assert self.blocks[digest].header.height >= len(self.final) - 1, "forked"
        self.final += reversed(added)


class Net:
    def __init__(
        self, n: int, seed: int, parameters: Parameters = PARAMETERS, loss: float = 0.0
    ) -> None:
        self.random = random.Random(seed)
        self.n, self.loss, self.time, self.counter = n, loss, 0, 0
        self.certificates = 0
        self.signers, self.validators, self.anchor = make_set(n, parameters)
        self.all_blocks = {self.anchor.digest: self.anchor}
        self.queue: list[tuple[int, int, int, object]] = []
        self.cut: set[tuple[int, int]] = set()
        self.busy = True
        self.votes: dict[tuple[int, int, Kind], set[Statement]] = {}
        self.nodes: list[Node] = []
        for index in range(n):
            self.nodes.append(Node(self, index))

    def build(self, index: int, parent: Block) -> Block:
        self.counter += 1
        body = (sha256(b"tx%d" % self.counter),) if self.busy else ()
        header = parent.header
        height = header.height + 1
        is_last = height == self.nodes[0].machine.last_height if self.nodes else False
        block = Block(
            Header(
                1, CHAIN, 0, height, parent.digest,
                max(1_000_000 + self.time, header.timestamp + 1),
                self.validators.validators[index].name, merkle.root(body), NO_HASH,
                merkle.EMPTY_ROOT, self.validators.hash,
                self.validators.hash if is_last else None,
            ),
            body,
        )  # fmt: skip
        self.all_blocks[block.digest] = block
        return block

    def post(self, sender: int, to: int, message: Message) -> None:
        self.certificates += isinstance(message, Certificate)
        if isinstance(message, Vote | Proposal):
            vote = message.vote if isinstance(message, Proposal) else message
            s = vote.statement
            self.votes.setdefault((vote.signer, s.view, s.kind), set()).add(s)
        if self.random.random() < self.loss or (sender, to) in self.cut:
            return
        delay = self.random.randint(1, 40)
        self.put(self.time + delay, (to, sender, encode_message(message)))

    def put(self, at: int, item: object) -> None:
        self.counter += 1
        heapq.heappush(self.queue, (at, self.counter, 0, item))

    def wake(self, node: Node) -> None:
        self.put(max(self.time + 1, node.machine.deadline), (node.index, node.generation))

    def run(self, duration: int) -> None:
        end = self.time + duration
        due: dict[int, int] = {}
        while self.queue and self.queue[0][0] <= end:
            self.time, _, _, item = heapq.heappop(self.queue)
            match item:
                case (int(index), int(generation)):
                    node = self.nodes[index]
                    ripe = node.generation == generation and node.machine.deadline <= self.time
                    if ripe and due.get(index) != self.time:
                        due[index] = self.time
                        node.give(Tick())
                case (int(to), int(sender), bytes(data)):
                    self.nodes[to].give(Receive(bytes([sender]), decode_message(data)))
        self.time = end

    def check(self) -> None:
        chains = [node.final for node in self.nodes]
        longest = max(chains, key=len)
        for chain in chains:
            assert chain == longest[: len(chain)], "two nodes finalized different blocks"
        for (signer, view, kind), statements in self.votes.items():
            assert len(statements) == 1, f"validator {signer} contradicts itself in view {view}"
            if kind is Kind.FINALIZE:
                assert (signer, view, Kind.NULLIFY) not in self.votes

    @property
    def heights(self) -> list[int]:
        return [len(node.final) - 1 for node in self.nodes]


@pytest.mark.parametrize("n", [2, 3, 4, 7])
def test_commits_in_the_good_case(n: int) -> None:
    net = Net(n, seed=n)
    net.run(3_000)
    net.check()
    assert min(net.heights) > 20
    assert all(node.machine.nullified_in_row == 0 for node in net.nodes)


def test_full_blocks_are_given_time_to_fill_and_nobody_gives_up_on_their_leaders() -> None:
    heights = []
    for capacity in (1, 2, 1_000):
        paced = replace(PARAMETERS, interval_ms=1_000, max_block_transactions=capacity)
        net = Net(4, seed=1, parameters=paced)
        net.run(20_000)
        net.check()
        assert all(node.machine.nullified_in_row == 0 for node in net.nodes)
        heights.append(min(net.heights))
    full, half, light = heights
    assert 15 <= full <= 20
    assert 28 <= half <= 40
    assert light > 200


def test_idle_chain_is_quiet_and_wakes_at_once() -> None:
    net = Net(4, seed=1)
    net.busy = False
    for node in net.nodes:
        node.give(Work(False))
    net.run(1_000)
    quiet = net.heights
    net.run(5_000)
    assert max(net.heights) <= max(quiet) + 1
    net.busy = True
    for node in net.nodes:
        node.give(Work(True))
    before = max(net.heights)
    net.run(300)
    assert min(net.heights) > before
    net.check()


def test_certificates_go_to_those_who_need_them() -> None:
    """The next leader hears of a notarization, and everybody from one of a finalization (R13)."""
    net = Net(7, seed=1)
    net.run(5_000)
    net.check()
    assert 0 < net.certificates <= 2 * (net.n - 1) * max(n.machine.view for n in net.nodes)


def test_votes_that_reach_one_validator_alone_stop_nobody() -> None:
    """One is down, and what another says never reaches a third."""
    net = Net(4, seed=5)
    net.run(500)
    net.nodes[2].alive = False
    net.cut = {(3, 1)}
    before = max(net.heights)
    net.run(20_000)
    net.check()
    assert min(net.heights[i] for i in (0, 1, 3)) > before + 20


def test_who_gives_up_on_a_view_is_told_how_it_went_on() -> None:
    net = Net(4, seed=2)
    net.run(500)
    machine = net.nodes[0].machine
    view = machine.view - 1
    vote = Vote.create(nullify(0, view), 3, net.signers[3], CHAIN)
    for _ in range(2):  # it says so again when the answer was lost
        effects = machine.step(Receive(b"\x03", vote), Now(net.time, net.time))
        (reply,) = (effect for effect in effects if isinstance(effect, Reply))
        assert reply.peer == b"\x03"
        assert isinstance(reply.message, Certificate)
        assert reply.message.statement.view >= view


@pytest.mark.parametrize("seed", range(6))
def test_loss_and_crashes_lose_nothing(seed: int) -> None:
    net = Net(4, seed=seed, loss=0.05)
    for _ in range(25):
        net.run(net.random.randint(50, 600))
        victim = net.random.choice(net.nodes)
        victim.alive = False
        net.run(net.random.randint(1, 800))
        victim.start(forgetful=False)
        net.check()
    net.loss = 0.0
    before = max(net.heights)
    net.run(6_000)
    net.check()
    assert min(net.heights) > before


def test_all_crash_at_once() -> None:
    net = Net(4, seed=3)
    for _ in range(20):
        net.run(net.random.randint(20, 400))
        for node in net.nodes:
            node.alive = False
        net.run(100)
        for node in net.nodes:
            node.start(forgetful=False)
    before = max(net.heights)
    net.run(4_000)
    net.check()
    assert min(net.heights) > before


def test_two_of_four_stop_and_resume_with_the_third() -> None:
    net = Net(4, seed=5)
    net.run(1_000)
    net.nodes[0].alive = net.nodes[1].alive = False
    net.run(500)
    stopped = net.heights
    net.run(20_000)
    assert net.heights == stopped
    net.nodes[0].start(forgetful=False)
    net.run(5_000)
    net.check()
    assert net.heights[0] > max(stopped) + 3


def test_partition_heals() -> None:
    net = Net(4, seed=8)
    net.run(1_000)
    net.cut = {(a, b) for a in (0, 1) for b in (2, 3)} | {(b, a) for a in (0, 1) for b in (2, 3)}
    net.run(10_000)
    stopped = max(net.heights)
    net.cut = set()
    net.run(5_000)
    net.check()
    assert min(net.heights) > stopped + 3


def test_epoch_ends_with_its_last_block() -> None:
    net = Net(4, seed=2, parameters=replace(PARAMETERS, epoch_length=10), loss=0.1)
    net.run(30_000)
    net.loss = 0.0
    net.run(5_000)
    net.check()
    assert net.heights == [10] * 4


def test_forgotten_journal_observes_until_safe() -> None:
    net = Net(4, seed=4)
    net.run(1_000)
    victim = net.nodes[2]
    victim.alive = False
    victim.journal.clear()
    victim.start(forgetful=True)
    assert victim.machine.is_observing
    net.run(3_000)
    assert not victim.machine.is_observing
    assert "Recovered" in victim.seen
    net.check()


def test_restored_backup_is_noticed() -> None:
    net = Net(4, seed=6)
    net.run(400)
    victim = net.nodes[1]
    backup = list(victim.journal), list(victim.final)
    net.run(2_000)
    victim.alive = False
    victim.journal, victim.final = backup
    victim.start(forgetful=False)
    net.run(4_000)
    net.check()
    assert max(net.heights) == min(net.heights) or max(net.heights) - min(net.heights) < 5


def test_equivocating_leader_is_accused_and_skipped() -> None:
    net = Net(4, seed=7)
    net.run(500)
    net.nodes[0].alive = False
    signer = net.signers[0]
    for node in net.nodes[1:]:
        base = node.machine
        view = next(v for v in range(base.view + 1, base.view + 9) if v % 4 == 0)
        for content in (b"a", b"b"):
            statement = Statement(Kind.NOTARIZE, 0, view, view - 1, sha256(content))
            vote = Vote.create(statement, 0, signer, CHAIN)
            node.give(Receive(b"\x00", vote))
        assert node.seen == ["Accuse"]
    before = max(net.heights)
    net.run(5_000)
    net.check()
    assert max(net.heights) > before + 5


def test_nullify_beside_finalize_is_evidence() -> None:
    net = Net(4, seed=9)
    net.run(300)
    machine = net.nodes[1].machine
    view = machine.view + 2
    for statement in (
        Statement(Kind.FINALIZE, 0, view, view - 1, sha256(b"x")),
        nullify(0, view),
    ):
        vote = Vote.create(statement, 3, net.signers[3], CHAIN)
        net.nodes[1].give(Receive(b"\x03", vote))
    assert "Accuse" in net.nodes[1].seen


def test_wrong_signature_and_wrong_epoch_are_ignored_and_who_sent_the_first_is_blamed() -> None:
    net = Net(4, seed=10)
    net.run(300)
    node = net.nodes[1]
    view = node.machine.view
    good = Vote.create(nullify(0, view), 3, net.signers[3], CHAIN)
    quorum = [Vote.create(nullify(0, view), i, net.signers[i], CHAIN) for i in (0, 2, 3)]
    forged = Certificate.create([*quorum[:2], replace(good, signature=bytes(64))])
    other_epoch = Vote.create(nullify(1, view), 3, net.signers[3], CHAIN)
    far_view = Vote.create(nullify(0, view + 10_000), 3, net.signers[3], CHAIN)
    for bad, seen in (
        (replace(good, signature=bytes(64)), ["Blame"]),
        (replace(good, signer=2), ["Blame"]),
        (replace(good, signer=200), ["Blame"]),
        (forged, ["Blame"]),
        (other_epoch, []),
        (far_view, []),
    ):
        node.seen.clear()
        node.give(Receive(b"\x03", bad))
        assert node.seen == seen
        assert not node.machine._rounds[view].votes.get(nullify(0, view))
        assert node.machine.view == view
