"""Traitors: machines that hold a member's keys and break the rules, alone or together.

Each runs a whole honest node and tampers with what it says: a traitor that keeps most rules is
the more dangerous one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, ClassVar

import trio

from consensus import merkle
from consensus.block import Block
from consensus.codec import DecodeError
from consensus.crypto import Kind
from consensus.machine import Machine
from consensus.messages import (
    Certificate,
    Message,
    Proposal,
    Statement,
    Vote,
    encode_message,
    nullify,
)
from contracts.envelope import Transaction
from node.mempool import Mempool
from p2p.transport import MAX_PAYLOAD_BYTES, Channel, Frame
from p2p.wire import (
    Blocks,
    Chunks,
    FrameKind,
    FullBlock,
    Range,
    RangeRequest,
    SnapshotOffer,
    Status,
    Steps,
    encode_transactions,
)
from simnet.clock import elapsed_ms, sleep_until_ms
from simnet.host import MEMPOOL_BYTES, MEMPOOL_COUNT, Host, Identity
from simnet.load import publish
from simnet.memory import read_message

if TYPE_CHECKING:
    from simnet.world import World


MAX_LATE_MS = 2_000


class Adversary:
    """A way to misbehave. Subclasses change what leaves the machine, or act on their own."""

    name: ClassVar[str]
    gap_ms: ClassVar[int] = 0
    """How often `act` is called; 0: never."""

    def __init__(self, world: World, host: Host, random: Random) -> None:
        self.world, self.host, self.random = world, host, random

    def fire(self) -> None:
        self.world.fired[f"adversary {self.name}"] += 1

    @property
    def others(self) -> list[bytes]:
        """Node keys of all other machines, in order of name."""
        return sorted({h.key for h in self.world.hosts if h.key != self.host.key})

    def tamper(self, frame: Frame) -> list[Frame]:
        """Return what is really sent in place of `frame`."""
        if frame.kind == FrameKind.CONSENSUS:
            message = read_message(frame.payload)
            return [
                Frame(frame.peer, frame.channel, frame.kind, encode_message(m))
                for m in self.say(frame.peer, message)
            ]
        return [frame]

    def say(self, peer: bytes, message: Message) -> Iterable[Message]:
        """Return what consensus messages `peer` gets in place of `message`."""
        return (message,)

    def act(self) -> None:
        """Do something unasked."""

    # What all of them can do

    def is_own(self, vote: Vote) -> bool:
        core = self.host.core
        if core is None or not core.is_started:
            return False
        return vote.signer == core.machine.validators.index_of(self.voting_key)

    @property
    def voting_key(self) -> bytes:
        return self.host.identity.keys["voting"].public_key

    def sign(self, statement: Statement, like: Vote) -> Vote:
        signer = self.host.identity.keys["voting"]
        return Vote.create(statement, like.signer, signer, self.host.genesis.chain_id)

    def send(self, peer: bytes, message: Message) -> None:
        payload = encode_message(message)
        self.put(peer, FrameKind.CONSENSUS, payload)

    def put(self, peer: bytes, kind: int, payload: bytes) -> None:
        channel = Channel.CONTROL if kind < 16 else Channel.BULK
        self.host.endpoint.put(Frame(peer, channel, kind, payload))

    def is_in_half(self, peer: bytes) -> bool:
        """Whether a peer is in the half that gets to hear another story."""
        return self.others.index(peer) % 2 == 0


class Equivocator(Adversary):
    """As leader, proposes one block to half of the others and another block to the rest.

    Sometimes a peer gets to see the other one as well, when the view may be long final.
    """

    name = "equivocating-leader"

    def say(self, peer: bytes, message: Message) -> Iterable[Message]:
        if not isinstance(message, Proposal) or not self.is_own(message.vote):
            return (message,)
        said, hidden = message, self._other(message)
        if self.is_in_half(peer):
            said, hidden = hidden, said
        self.fire()
        if self.random.randrange(4) == 0:
            at = elapsed_ms() + self.random.randint(1, MAX_LATE_MS)
            self.world.network.at(at, lambda: self._show(peer, hidden))
        return (said,)

    def _show(self, peer: bytes, proposal: Proposal) -> None:
        if self.host.is_running:
            self.send(peer, proposal)

    def _other(self, proposal: Proposal) -> Proposal:
        header = replace(proposal.block.header, timestamp=proposal.block.header.timestamp + 1)
        block = Block(header, proposal.block.body)
        statement = replace(proposal.vote.statement, digest=block.digest)
        return Proposal(self.sign(statement, proposal.vote), block, proposal.justification)


class DoubleVoter(Adversary):
    """Votes for what it is asked to, and for the contrary as well."""

    name = "double-voter"

    def say(self, peer: bytes, message: Message) -> Iterable[Message]:
        if not isinstance(message, Vote) or not self.is_own(message):
            return (message,)
        self.fire()
        s = message.statement
        if s.kind is Kind.NULLIFY:
            return (message,)
        if s.kind is Kind.FINALIZE:
            return (message, self.sign(nullify(s.epoch, s.view), message))
        known = [
            v.statement
            for v in self.world.coalition.votes
            if (v.statement.epoch, v.statement.view) == (s.epoch, s.view) and v.statement != s
        ]
        other = known[0] if known else replace(s, digest=bytes(32))
        return (message, self.sign(other, message))


class Withholder(Adversary):
    """Keeps its votes back, from everybody or from half."""

    name = "vote-withholder"

    def say(self, peer: bytes, message: Message) -> Iterable[Message]:
        if isinstance(message, Vote) and self.is_own(message):
            s = message.statement
            if s.view % 2 == 0 or self.is_in_half(peer):
                self.fire()
                return ()
        return (message,)


class Nullifier(Adversary):
    """Votes to skip every view at once, and goes on to vote for its block where that is legal."""

    name = "nullifier"

    def say(self, peer: bytes, message: Message) -> Iterable[Message]:
        if not isinstance(message, Vote) or not self.is_own(message):
            return (message,)
        s = message.statement
        if s.kind is Kind.FINALIZE:
            return ()
        self.fire()
        return (message, self.sign(nullify(s.epoch, s.view), message))


class BlockWithholder(Adversary):
    """Proposes blocks of transactions that only a subset can get, and serves no block."""

    name = "block-withholder"

    def tamper(self, frame: Frame) -> list[Frame]:
        if frame.kind in (FrameKind.BLOCK, FrameKind.RANGE):
            self.fire()
            return []
        if frame.kind == FrameKind.TRANSACTIONS and self.is_in_half(frame.peer):
            self.fire()
            return []
        return super().tamper(frame)

    def say(self, peer: bytes, message: Message) -> Iterable[Message]:
        if isinstance(message, Proposal) and self.is_own(message.vote) and self.is_in_half(peer):
            self.fire()
            return ()
        return (message,)


class InvalidLeader(Adversary):
    """Proposes blocks that break one rule each."""

    name = "invalid-block"
    _honest: Vote | None = None
    _wrong: Proposal

    def say(self, peer: bytes, message: Message) -> Iterable[Message]:
        if not isinstance(message, Proposal) or not self.is_own(message.vote):
            return (message,)
        if message.vote != self._honest:
            self._honest, self._wrong = message.vote, self._break(message)
        return (self._wrong,)

    def _break(self, message: Proposal) -> Proposal:
        """Break the rule whose turn it is, in the same way for everybody."""
        self.fire()
        header, body = message.block.header, message.block.body
        fault = message.vote.statement.view // max(1, self.world.scenario.nodes) % 8
        if fault == 0:
            header = replace(header, state_root=bytes(32))
        elif fault == 1:
            header = replace(header, timestamp=header.timestamp + 3_600_000)
        elif fault == 2:
            header = replace(header, receipts_root=bytes(32))
        elif fault == 3:
            header = replace(header, height=header.height + 1)
        elif fault == 4:
            body = (*body, *self._replayed())
            header = replace(header, transactions_root=merkle.root(body))
        elif fault == 5:
            body = tuple(self.random.randbytes(32) for _ in range(5_000))
            header = replace(header, transactions_root=merkle.root(body))
        elif fault == 6:
            body = (*body, self._expired(header.height))
            header = replace(header, transactions_root=merkle.root(body))
        else:
            header = replace(header, set_hash=bytes(32))
        block = Block(header, body)
        statement = replace(message.vote.statement, digest=block.digest)
        return Proposal(self.sign(statement, message.vote), block, message.justification)

    def _expired(self, height: int) -> bytes:
        """Hash of an own transaction that is too late by one block; its body is handed out."""
        identity = self.host.identity
        late = Transaction.create(
            identity.keys["member"],
            self.host.genesis.chain_id,
            identity.name,
            self.random.randbytes(16),
            height - 1,
            self.host.clock().wall,
            (publish(identity.name, self.random.randbytes(4).hex()),),
        )
        for peer in self.others:
            self.put(peer, FrameKind.TRANSACTIONS, encode_transactions([late.raw]))
        return late.wid

    def _replayed(self) -> tuple[bytes, ...]:
        """Hashes of transactions that are final already; their bodies are handed out as well."""
        final = [s for s in self.world.invariants.submissions.values() if s.outcome == "final"]
        chosen = final[-2:]
        payload = encode_transactions([s.transaction.raw for s in chosen])
        if payload:
            for peer in self.others:
                self.put(peer, FrameKind.TRANSACTIONS, payload)
        return tuple(s.transaction.wid for s in chosen)


class GapJumper(Adversary):
    """Proposes on the last final block, as if what was certified above it had been skipped."""

    name = "gap-jumper"

    def say(self, peer: bytes, message: Message) -> Iterable[Message]:
        core = self.host.core
        if core is None or not isinstance(message, Proposal) or not self.is_own(message.vote):
            return (message,)
        ledger, statement = core.ledger, message.vote.statement
        proof = core.machine.finalization
        view = core.machine.finalized_view
        if proof is None or proof.statement.digest != ledger.tip.digest:
            return (message,)
        if statement.parent_view <= view or ledger.tip.header.height >= core.machine.last_height:
            return (message,)
        self.fire()
        block = ledger.build(ledger.tip, self.host.name, message.block.header.timestamp, ())
        other = replace(statement, parent_view=view, digest=block.digest)
        return (Proposal(self.sign(other, message.vote), block, proof),)


class Garbler(Adversary):
    """Sends bytes that mean nothing, and frames longer than any may be."""

    name = "garbage"
    gap_ms = 900

    def act(self) -> None:
        peer = self.random.choice(self.others)
        self.fire()
        if self.random.randrange(8) == 0:
            self.put(peer, FrameKind.CONSENSUS, bytes(MAX_PAYLOAD_BYTES + 1))
        else:
            kind = self.random.choice([*FrameKind, 99])
            self.put(peer, kind, self.random.randbytes(self.random.randint(0, 400)))


class Replayer(Adversary):
    """Says again, much later and to anybody, what it once heard."""

    name = "replay"
    gap_ms = 40

    def act(self) -> None:
        heard = self.world.coalition.heard
        if heard:
            self.fire()
            self.send(self.random.choice(self.others), self.random.choice(heard))


class Censor(Adversary):
    """Leads, but leaves out the transactions of everybody else."""

    name = "censor"

    def __init__(self, world: World, host: Host, random: Random) -> None:
        super().__init__(world, host, random)
        host.make_mempool = lambda: _CensoringMempool(host.name, self.fire)


class _CensoringMempool(Mempool):
    def __init__(self, favourite: str, fire: Callable[[], None]) -> None:
        super().__init__(MEMPOOL_COUNT, MEMPOOL_BYTES)
        self._favourite, self._fire = favourite, fire

    def take(self, *args, **kwargs) -> list[Transaction]:  # type: ignore[no-untyped-def]
        self._fire()
        return [t for t in super().take(*args, **kwargs) if t.sender == self._favourite]


class SlowLoris(Adversary):
    """Says everything as late as it can without being skipped, and asks for the chain all day."""

    name = "slow-loris"
    gap_ms = 100

    def tamper(self, frame: Frame) -> list[Frame]:
        delta = self.host.genesis.parameters.delta_ms
        self.fire()
        at = elapsed_ms() + self.random.randint(delta // 2, 2 * delta)
        self.world.network.at(at, lambda: self._late(frame))
        return []

    def _late(self, frame: Frame) -> None:
        if self.host.is_running:
            self.host.endpoint.put(frame)

    def act(self) -> None:
        peer = self.random.choice(self.others)
        self.put(peer, FrameKind.RANGE_REQUEST, RangeRequest(1).encode())


class SyncLiar(Adversary):
    """Claims a chain that is far ahead, and serves wrong blocks and snapshots."""

    name = "sync-liar"

    def tamper(self, frame: Frame) -> list[Frame]:
        if frame.kind == FrameKind.STATUS and self.random.randrange(2):
            self.fire()
            status = Status.decode(frame.payload)
            ahead = self.random.randint(1, 50)
            snapshot = status.snapshot + ahead if status.snapshot else 0
            lie = replace(status, height=status.height + ahead, snapshot=snapshot)
            return [replace(frame, payload=lie.encode())]
        if frame.kind == FrameKind.RANGE:
            self.fire()
            return [replace(frame, payload=self._wrong_range(Range.decode(frame.payload)))]
        if frame.kind == FrameKind.BLOCK:
            self.fire()
            blocks = Blocks.decode(frame.payload).blocks
            wrong = tuple(_with_other_bytes(full) for full in blocks)
            return [replace(frame, payload=Blocks(wrong).encode())]
        part = self._wrong_snapshot(frame)
        if part is not None:
            self.fire()
            self.world.fired["wrong snapshot served"] += 1
            return [replace(frame, payload=part)]
        return super().tamper(frame)

    def _wrong_snapshot(self, frame: Frame) -> bytes | None:
        """A part of a snapshot with something wrong in it; None if the frame is none."""
        match frame.kind:
            case FrameKind.STEPS:
                steps = Steps.decode(frame.payload)
                if not steps.steps:
                    return None
                last = steps.steps[-1]
                last = replace(last, certificate=_short(last.certificate))
                return replace(steps, steps=(*steps.steps[:-1], last)).encode()
            case FrameKind.SNAPSHOT:
                offer = SnapshotOffer.decode(frame.payload)
                if not offer.manifest or offer.certificate is None:
                    return None
                if self.random.randrange(2):
                    return replace(offer, certificate=_short(offer.certificate)).encode()
                manifest = bytearray(offer.manifest)
                manifest[self.random.randrange(len(manifest))] ^= 1
                return replace(offer, manifest=bytes(manifest)).encode()
            case FrameKind.CHUNKS:
                chunks = Chunks.decode(frame.payload)
                if not chunks.cells or not chunks.cells[0]:
                    return None
                (key, value), *rows = chunks.cells[0]
                wrong = ((key, value + b"!"), *rows)
                return replace(chunks, cells=(wrong, *chunks.cells[1:])).encode()
            case _:
                return None

    def _wrong_range(self, found: Range) -> bytes:
        certificate = found.certificate
        if not found.blocks or certificate is None:
            return found.encode()
        choice = self.random.randrange(4)
        if choice == 0:
            found = Range(
                found.blocks[:-1], found.tail, found.certificate if found.blocks[1:] else None
            )
        elif choice == 1:
            blocks = tuple(_with_other_bytes(full) for full in found.blocks)
            found = replace(found, blocks=blocks)
        elif choice == 2:
            last = found.blocks[-1]
            header = replace(last.block.header, timestamp=last.block.header.timestamp + 1)
            forged = FullBlock(Block(header, last.block.body), last.raws)
            found = replace(found, blocks=(*found.blocks[:-1], forged))
        else:
            found = replace(found, certificate=_short(certificate))
        return found.encode()


def _with_other_bytes(full: FullBlock) -> FullBlock:
    """Change one byte of the last transaction's signature, if there is one."""
    if not full.raws:
        return full
    raw = full.raws[-1]
    return FullBlock(full.block, (*full.raws[:-1], raw[:-1] + bytes((raw[-1] ^ 1,))))


def _short(certificate: Certificate) -> Certificate:
    """A certificate with one signature fewer."""
    if len(certificate.signers) < 2:
        return certificate
    return Certificate(certificate.statement, certificate.signers[:-1], certificate.signatures[:-1])


class Forger(Adversary):
    """Makes certificates of too few, repeated, borrowed or invented signatures.

    Each peer gets one of its own: the first one that it checks is the last one that it takes.
    """

    name = "certificate-forger"
    gap_ms = 150

    def act(self) -> None:
        core = self.host.core
        if core is None or not core.is_started:
            return
        index = core.machine.validators.index_of(self.voting_key)
        votes = [v for v in self.world.coalition.votes if v.statement.epoch == core.machine.epoch]
        if index is None or not votes:
            return
        self.fire()
        for peer in self.others:
            self.send(peer, self._forge(core.machine, index, votes))

    def _forge(self, machine: Machine, index: int, votes: Sequence[Vote]) -> Certificate:
        n = len(machine.validators.validators)
        statement = self.random.choice(votes[-20:]).statement
        match self.random.randrange(4):
            case 0 | 1:
                statement = nullify(machine.epoch, machine.view)
            case 2:  # of a block that nobody has
                digest, view = self.random.randbytes(32), machine.view
                statement = Statement(Kind.FINALIZE, machine.epoch, view, view - 1, digest)
            case _ if statement.kind is Kind.NOTARIZE:
                statement = replace(statement, kind=Kind.FINALIZE)
        own = self.sign(statement, Vote(statement, index, b""))
        choice = self.random.randrange(4)
        heard = [m for m in self.world.coalition.heard if isinstance(m, Certificate)]
        if choice == 3 and heard:  # a real certificate, of another view
            real = heard[-1]
            view = max(machine.view, real.statement.view + 1)
            return replace(real, statement=replace(real.statement, view=view))
        if choice == 0:  # the own signature in everybody's name
            return Certificate(statement, tuple(range(n)), (own.signature,) * n)
        if choice == 1:  # real signatures, made for other statements
            signatures = tuple(self.random.choice(votes).signature for _ in range(n))
            return Certificate(statement, tuple(range(n)), signatures)
        return Certificate(statement, (index,), (own.signature,))  # too few


class Twin(Adversary):
    """Two machines with one set of keys, each of which thinks that it is the only one."""

    name = "twin"
    gap_ms = 1_000

    def __init__(self, world: World, host: Host, random: Random) -> None:
        super().__init__(world, host, random)
        # The other one keeps all rules by itself: together they contradict each other.
        twin = Host(
            Identity.create(host.name),
            host.genesis,
            world.network,
            Random(random.random()),
            world.fired,
            label=f"{host.label}-twin",
        )
        twin.is_traitor = True
        world.hosts.append(twin)

    def act(self) -> None:
        self.fire()


KINDS: tuple[type[Adversary], ...] = (
    Equivocator,
    DoubleVoter,
    Withholder,
    Nullifier,
    BlockWithholder,
    InvalidLeader,
    GapJumper,
    Garbler,
    Replayer,
    Censor,
    SlowLoris,
    SyncLiar,
    Forger,
    Twin,
)
ADVERSARIES = {kind.name: kind for kind in KINDS}
MAX_HEARD = 2_000


class Coalition:
    """The traitors of a run; what one hears, all know."""

    def __init__(self, world: World, random: Random) -> None:
        self._world, self._random = world, random
        self.members: list[Adversary] = []
        self.votes: list[Vote] = []
        self.heard: list[Message] = []

    def recruit(self) -> None:
        """Turn up to f machines, each to its own way of misbehaving."""
        world, random = self._world, self._random
        names = world.scenario.adversaries
        budget = world.scenario.traitor_budget
        if not names or not budget:
            return
        count = random.randint(1, budget)
        for host in random.sample(world.hosts, count):
            host.is_traitor = True
            adversary = ADVERSARIES[random.choice(names)](world, host, random)
            host.endpoint.tamper = adversary.tamper
            self.members.append(adversary)

    def start(self, nursery: trio.Nursery) -> None:
        for host in self._world.hosts:
            if host.is_traitor:
                host.on_receive = self._hear
        for adversary in self.members:
            if adversary.gap_ms:
                nursery.start_soon(self._act, adversary)

    async def _act(self, adversary: Adversary) -> None:
        while True:
            await sleep_until_ms(elapsed_ms() + self._random.randint(1, 2 * adversary.gap_ms))
            if adversary.host.is_running:
                adversary.act()

    def _hear(self, host: Host, source: bytes, kind: int, payload: bytes) -> None:
        if kind != FrameKind.CONSENSUS:
            return
        try:
            message = read_message(payload)
        except DecodeError:
            return
        if isinstance(message, Vote):
            self.votes = [*self.votes[-200:], message]
        if len(self.heard) < MAX_HEARD:
            self.heard.append(message)
        else:
            self.heard[self._random.randrange(MAX_HEARD)] = message
