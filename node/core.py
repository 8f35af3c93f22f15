"""A node without IO loops: frames, submissions and time in; frames and outcomes out.

The driver feeds it and carries out what it leaves in `records` (journal first) and `outbox`
(after the journal is durable). The simulator drives the same class, byte for byte.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

import structlog

from consensus.block import MAX_BODY_ITEMS, Block
from consensus.codec import DecodeError
from consensus.crypto import Signer, sha256
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
    Evidence,
    Message,
    Proposal,
    Question,
    ViewReport,
    Vote,
    decode_message,
    encode_message,
)
from consensus.validators import ValidatorSet
from contracts.envelope import Transaction
from contracts.system import members
from node.allowance import Allowance
from node.clerk import PATIENCE_HEIGHTS, Clerk
from node.door import Door
from node.envelopes.courier import Courier
from node.envelopes.store import MAX_MISSING, EnvelopeStore
from node.errors import MunimentError
from node.evidence import keep_evidence, kept_evidence
from node.fetch import MAX_HELD_BLOCKS, Fetcher
from node.gossip import Gossip, overlay
from node.ledger import Ledger, full_block_of
from node.mempool import Mempool
from node.outbox import Outbox
from node.outcome import BlockFinal, Outcome, Refusal
from node.peers import Peer, Peers
from node.prune import Pruner
from node.snapshot import Maker, serve_chunks, serve_offer, serve_steps
from node.state_sync import StateSync
from node.sync import MAX_LOTS, Sync
from p2p.transport import Channel
from p2p.wire import (
    BlockRequest,
    Blocks,
    ChunkRequest,
    Chunks,
    FrameKind,
    FullBlock,
    Range,
    RangeRequest,
    SnapshotOffer,
    SnapshotRequest,
    Status,
    Steps,
    StepsRequest,
    decode_transactions,
)

SYNC_KINDS = frozenset(
    (
        FrameKind.STATUS,
        FrameKind.BLOCK,
        FrameKind.RANGE,
        FrameKind.STEPS,
        FrameKind.SNAPSHOT,
        FrameKind.CHUNKS,
    )
)
"""All that is taken from a peer that the settings name and the state does not know."""
QUESTIONS = frozenset(
    (
        FrameKind.WANT,
        FrameKind.BLOCK_REQUEST,
        FrameKind.RANGE_REQUEST,
        FrameKind.STEPS_REQUEST,
        FrameKind.SNAPSHOT_REQUEST,
        FrameKind.CHUNK_REQUEST,
        FrameKind.ENVELOPE_REQUEST,
    )
)
"""Small frames with large answers; beyond a peer's allowance they get none."""
STATUS_MS = 1_000
CAUGHT_UP_BLOCKS = 32
"""A node that is no further behind follows a busy chain: an observer is never quite level."""
CHORES_MS = 25
BUSY_CHORES_MS = 100
"""Between two slices of work that can wait, on an idle chain and on a busy one."""
MAX_EARLY_MESSAGES = 256
MAX_EVIDENCE = 256
MAX_OPEN_VIEWS = 2_000
"""More views than this without a finalization are a fault of the network, not of the memory."""

log = structlog.get_logger("node")


class VersionError(MunimentError):
    """The network has gone on to a protocol version that this release does not execute."""

    code = "version"


@dataclass(frozen=True, slots=True)
class Keeping:
    """What this node keeps and makes, beside what the network agreed on.

    An archive forgets no block and never starts from a snapshot. Others fetch a snapshot when it
    is `snapshot_behind` heights ahead, or when nobody has the blocks any more.
    """

    is_archive: bool = False
    makes_snapshots: bool = False
    snapshot_behind: int = 1 << 40


_OBSERVER = Signer(bytes(32))


class Core:
    """The whole node but its loops. Not thread-safe; every method takes the current time."""

    def __init__(
        self,
        ledger: Ledger,
        mempool: Mempool,
        peers: Peers,
        *,
        name: str,
        signer: Signer,
        restored: Sequence[Vote | Certificate | Proposal] = (),
        forgetful: bool = False,
        delta_ms: int | None = None,
        listeners: Sequence[Callable[[Outcome], None]] = (),
        cut_off: Callable[[bytes, str], None] = lambda peer, reason: None,
        keeping: Keeping = Keeping(),
        envelopes: EnvelopeStore | None = None,
        clerk: Clerk | None = None,
        spare_signers: Sequence[Signer] = (),
        admit: Callable[[Mapping[bytes, tuple[str, ...]]], None] = lambda peers: None,
    ) -> None:
        self.ledger = ledger
        self.mempool = mempool
        self.peers = peers
        self.name = name
        self.outbox = Outbox()
        self._allowance = Allowance()
        self.records: list[Vote | Certificate | Proposal] = []
        self.evidence: list[Evidence] = []
        self.votes_seen: Callable[[Vote], None] | None = None
        self._signers = (signer, *spare_signers)
        self._clerk = clerk
        self._has_errands = False
        self._admit_peers = admit
        self._revision = -1
        self._restored = list(restored)
        # The journal may know more than a database that was lost or restored from a backup:
        # what was signed in the epochs before its last one is not in it any more.
        self._sign_from_epoch = max(map(_epoch_of, restored), default=0)
        self._forgetful = forgetful
        self._delta_ms = delta_ms
        self._listeners = list(listeners)
        self._cut_off = cut_off
        self._chain_id = ledger.genesis.chain_id
        self._eager_names: frozenset[str] = frozenset()
        self.gossip = Gossip(mempool, self.outbox, relays=False)
        self.door = Door(ledger, mempool, self.gossip, self._tell)
        self.fetcher = Fetcher(self.outbox, peers, ledger, self.door.get)
        self.state_sync = StateSync(
            self.outbox,
            peers,
            ledger,
            behind=keeping.snapshot_behind,
            is_archive=keeping.is_archive,
        )
        self.sync = Sync(self.outbox, peers, ledger, lambda: self.state_sync.is_active)
        self.maker = Maker(ledger.store)
        self.pruner = Pruner(ledger, self.maker, is_archive=keeping.is_archive)
        self._makes_snapshots = keeping.makes_snapshots
        self._chores_ms = 0
        for kept in kept_evidence(ledger.store):
            self.evidence.append(kept.evidence)
            if clerk is not None:
                clerk.accuse(kept.voting_key, kept.evidence)
        self.courier: Courier | None = None
        if envelopes is not None:
            self.courier = Courier(name, envelopes, self.outbox, peers, ledger.state)
        self._now = Now(0, 0)
        self._events: deque[Event] = deque()
        self._checking: Proposal | None = None
        self._asked_ms = 0
        self._pinned: dict[bytes, FullBlock] = {}
        self._final: Certificate | None = None
        self._early: list[tuple[bytes, Message]] = []
        self._next_status_ms = 0
        self._was_working = False
        self.machine: Machine
        self.is_started = False
        self.final_at_ms = 0
        self.clock_skew_ms = 0
        """The own clock less the timestamp of the last block, when that was news."""

    @property
    def is_forgetful(self) -> bool:
        """Whether the own key may have cast votes that the journal does not know."""
        return self._forgetful

    @property
    def live_records(self) -> list[Vote | Certificate | Proposal] | None:
        """What a rewritten journal must hold; None while that would forget the epoch (R11)."""
        if self.machine.finalization is None and not self._forgetful:
            return None
        return [*self.machine.live_records, *self._restored]

    @property
    def sizes(self) -> list[tuple[str, int, int]]:
        """(name, items, limit) of everything here that others could make grow."""
        return [
            ("views", self.machine.open_views, MAX_OPEN_VIEWS),
            ("executed blocks", self.ledger.unfinal_blocks, MAX_OPEN_VIEWS),
            ("pinned blocks", len(self._pinned), MAX_OPEN_VIEWS),
            ("fetched blocks", self.fetcher.held, MAX_HELD_BLOCKS),
            ("fetched ranges", self.sync.held, MAX_LOTS),
            ("early messages", len(self._early), MAX_EARLY_MESSAGES),
            ("evidence", len(self.evidence), MAX_EVIDENCE),
            ("fetched transactions", self.door.fetched, MAX_BODY_ITEMS),
            ("missing envelopes", self.courier.missing if self.courier else 0, MAX_MISSING),
        ]

    # Life

    def start(self, now: Now) -> None:
        """Enter consensus from what the store and the journal hold."""
        self._now = now
        self.final_at_ms = now.wall
        self._start_epoch()
        self.is_started = True
        self._run()
        if self.courier is not None:
            self.courier.look(now.monotonic)

    def _start_epoch(self) -> None:
        ledger = self.ledger
        epoch, validators = ledger.epoch, ledger.validators
        self._require_version()
        self._follow_members(drop=True)
        anchor = ledger.store.block_at(ledger.anchor_height)
        if anchor is None:
            raise AssertionError("the block before the epoch is missing")
        found = ledger.store.finalization_from(ledger.tip.header.height)
        is_inside = ledger.tip.header.height > ledger.anchor_height
        self.machine = Machine(
            self._chain_id,
            epoch,
            validators,
            anchor.block,
            self._find_signer(validators) if epoch >= self._sign_from_epoch else None,
            tip=ledger.tip if is_inside else None,
            finalization=found[1] if found and is_inside else None,
            forgetful=self._forgetful,
            delta_ms=self._delta_ms,
        )
        self.machine.restore([r for r in self._restored if _epoch_of(r) == epoch])
        self._restored = [r for r in self._restored if _epoch_of(r) > epoch]
        self._events.clear()
        self._checking = None
        self._was_working = False
        self.fetcher.reset()
        self._events.append(Start())
        self._reload()
        self._events.extend(
            Receive(peer, message) for peer, message in self._early if _epoch_of(message) == epoch
        )
        self._early = []
        if self._makes_snapshots and not is_inside and ledger.anchor_height:
            self.maker.begin(ledger.anchor_height, ledger.state_root, self._now.monotonic)
        log.info("epoch", epoch=epoch, height=ledger.tip.header.height)

    def _require_version(self) -> None:
        """Stop, with everything final stored, before a height whose rules are not known here."""
        version, known = self.ledger.validators.parameters.version, sorted(self.ledger.versions)
        if version not in known:
            raise VersionError(
                f"from height {self.ledger.anchor_height + 1} on the network executes protocol "
                f"version {version}; this release executes {', '.join(map(str, known))}. Install "
                "one that has it and start again: the node goes on where it stopped"
            )

    def _find_signer(self, validators: ValidatorSet) -> Signer | None:
        """The own key that votes in `validators`, if one does."""
        for signer in self._signers:
            if validators.index_of(signer.public_key) is not None:
                return signer
        return None

    def _follow_members(self, *, drop: bool) -> None:
        """Let peers, gossip and waiting transactions follow the members of the final state."""
        ledger = self.ledger
        state = ledger.state()
        self._has_errands = True
        self._revision = members.revision(state)
        records = members.list_all(state)
        for key in self.peers.follow(records, self.name, ledger.tip.header.height, drop=drop):
            self.sync.forget(key)
        self.peers.set_validators(ledger.validators)
        names = [self.name, *sorted({peer.name for peer in self.peers.by_key.values()})]
        self._eager_names = overlay(names, self.name, self._chain_id)
        voters = {validator.name for validator in ledger.validators.validators}
        if self.name in voters:
            # Whoever leads needs what waits at the others soon: validators are always linked.
            self._eager_names |= voters - {self.name}
        self.gossip.relays = len(self._eager_names) < len(names) - 1
        self._admit_peers({peer.key: peer.addresses for peer in self.peers.by_key.values()})
        self.door.drop_inadmissible()

    def _reload(self) -> None:
        """Execute again what was executed before a restart and is not final yet."""
        for digest in self.ledger.store.pending():
            full = self.ledger.store.block(digest)
            if full is None or self.ledger.is_known(digest):
                continue
            if self.ledger.is_known(full.block.header.parent):
                transactions = self._decode_all(full)
                self.ledger.execute(full, transactions)
                self._events.append(Executed(full.block))

    @property
    def deadline_ms(self) -> int:
        """When `tick` is next due, on the monotonic clock."""
        if self.sync.has_work:
            return self._now.monotonic
        due = [self.machine.deadline, self._next_status_ms]
        parts = (self.gossip, self.fetcher, self.state_sync)
        due += [d for d in (part.deadline_ms for part in parts) if d is not None]
        if self._has_chores:
            due.append(self._chores_ms + self._chores_gap_ms)
        if self.door.missing:
            due.append(self._asked_ms + self.ledger.validators.parameters.delta_ms)
        if self.courier is not None and self.courier.deadline_ms is not None:
            due.append(self.courier.deadline_ms)
        return min(due)

    def tick(self, now: Now) -> None:
        """Let time pass: timers of the machine, repairs, status."""
        self._now = now
        if now.monotonic >= self.machine.deadline:
            self._events.append(Tick())
        if self.door.missing and now.monotonic >= (
            self._asked_ms + self.ledger.validators.parameters.delta_ms
        ):
            self._ask_for_bodies(everyone=True)
        if now.monotonic >= self._next_status_ms:
            self._next_status_ms = now.monotonic + STATUS_MS
            self._send_status([peer.key for peer in self.peers.connected()])
            self.gossip.repair(now.monotonic, [peer.key for peer in self.peers.members_up()])
        if self._is_catching_up:
            self.fetcher.reset()  # ranges bring it, without signatures to check again
        self.fetcher.tick(now.monotonic)
        self.state_sync.tick(now.monotonic)
        self.sync.tick(now.monotonic)
        if self.sync.has_work:
            self._execute_range()
        if now.monotonic >= self._chores_ms + self._chores_gap_ms:
            self._chores_ms = now.monotonic
            self._do_chores()
        if self.courier is not None:
            self.courier.tick(now.monotonic)
        self._run()

    @property
    def _chores_gap_ms(self) -> int:
        return BUSY_CHORES_MS if self._was_working else CHORES_MS

    @property
    def _has_chores(self) -> bool:
        return self.maker.is_working or self.pruner.has_work

    def _do_chores(self) -> None:
        """A little of what can wait: the next snapshot, or blocks that need not be kept."""
        if self.maker.is_working:
            self.maker.step()
        elif self.pruner.has_work:
            self.pruner.step()

    def end_turn(self, now: Now) -> None:
        """Push what has gathered; called once after each batch of inputs."""
        self._now = now
        if self._has_errands:
            self._run_errands(now)
        eager: list[bytes] = []
        lazy: list[bytes] = []
        for peer in self.peers.members_up():
            (eager if peer.name in self._eager_names else lazy).append(peer.key)
        self.gossip.flush(now.monotonic, eager, lazy)
        self._notice_work()
        self._run()

    def _run_errands(self, now: Now) -> None:
        """Submit what the node has to tell the chain, once it has caught up."""
        height = self.ledger.tip.header.height
        is_alone = bool(self.peers.by_key) and not self.peers.connected()
        is_waiting = is_alone or self._forgetful or self.state_sync.is_active
        if self._clerk is None or is_waiting:
            return
        if self._is_behind(CAUGHT_UP_BLOCKS):
            return
        self._has_errands = False
        epoch = self.ledger.epoch
        for transaction in self._clerk.write(self.ledger.state(), epoch, height, now.wall):
            refused = self.submit(transaction.raw, now)
            if isinstance(refused, Refusal):
                log.warning("the node's own transaction is refused", reason=refused.reason)

    @property
    def _is_catching_up(self) -> bool:
        """Whether final blocks come first: new transactions and blocks are for later."""
        return self.sync.is_catching_up and self._is_behind(1)

    def _is_behind(self, blocks: int) -> bool:
        """Whether an honest validator is further ahead than `blocks`; no single peer can say so."""
        validators = self.ledger.validators
        reached = self.peers.surely_reached(len(validators.validators) - validators.quorum)
        return reached > self.ledger.tip.header.height + blocks

    def _notice_work(self) -> None:
        """Tell the machine when transactions begin to wait, and when none do any more."""
        working = len(self.mempool) > self.ledger.unfinal_transactions
        if working != self._was_working:
            self._was_working = working
            self._events.append(Work(working))

    # Peers

    def peer_up(self, key: bytes, now: Now) -> None:
        self._now = now
        peer = self.peers.by_key.get(key)
        if peer is not None:
            peer.is_up, peer.status = True, None
            self._send_status([key])
            if peer.is_pinned:
                return
            self.gossip.greet(key)
            if self.courier is not None:
                self.courier.hurry(now.monotonic)
            if self.machine.is_validator and self.machine.view:
                # What it missed may be all that it needs to go on.
                for message in self.machine.latest_messages():
                    self._send_consensus([key], message)

    def peer_down(self, key: bytes, now: Now) -> None:
        self._now = now
        peer = self.peers.by_key.get(key)
        if peer is not None:
            peer.is_up = False
            self.sync.forget(key)
            self.state_sync.forget(key)

    def _send_status(self, keys: Sequence[bytes]) -> None:
        tip = self.ledger.tip
        status = Status(
            tip.header.height,
            tip.header.epoch,
            tip.digest,
            len(self.mempool),
            self.ledger.store.kept_from(),
            self.maker.height,
        )
        self.outbox.send_all(keys, Channel.CONTROL, FrameKind.STATUS, status.encode())

    # Frames

    def receive(self, key: bytes, kind: int, payload: bytes, now: Now) -> None:
        """Take one frame. Bytes that do not decode cut the peer off and change nothing."""
        self._now = now
        peer = self.peers.by_key.get(key)
        if peer is None or (peer.is_pinned and kind not in SYNC_KINDS):
            return
        try:
            if kind in QUESTIONS:
                self._answer(peer, kind, payload)
            else:
                self._dispatch(peer, kind, payload)
        except DecodeError as error:
            self._blame(key, kind, str(error))
        self._run()

    def _answer(self, peer: Peer, kind: int, payload: bytes) -> None:
        """Answer a question that the peer's allowance covers; others it asks again elsewhere."""
        now_ms, before = self._now.monotonic, self.outbox.asked_to_send
        if self._allowance.has_left(peer.key, now_ms):
            self._dispatch(peer, kind, payload)
            self._allowance.spend(peer.key, self.outbox.asked_to_send - before, now_ms)

    def _blame(self, key: bytes, kind: int, problem: str) -> None:
        name = self.peers.by_key[key].name if key in self.peers.by_key else "a former member"
        log.warning("peer sent garbage", peer=name, kind=kind, problem=problem)
        self._cut_off(key, problem)

    def _dispatch(self, peer: Peer, kind: int, payload: bytes) -> None:
        match kind:
            case FrameKind.CONSENSUS:
                self._take_message(peer, decode_message(payload))
            case FrameKind.STATUS:
                peer.status = Status.decode(payload)
                self.state_sync.consider(self._now.monotonic)
                self.sync.consider(self._now.monotonic)
            case FrameKind.TRANSACTIONS:
                self._take_transactions(peer, decode_transactions(payload))
            case FrameKind.HAVE:
                if not self._is_catching_up:
                    self.gossip.take_have(peer.key, payload, self.door.is_held)
            case FrameKind.WANT:
                self.gossip.take_want(peer.key, payload, self._find_raw)
            case FrameKind.BLOCK_REQUEST:
                self._serve_block(peer, BlockRequest.decode(payload))
            case FrameKind.BLOCK:
                self._take_blocks(peer, Blocks.decode(payload))
            case FrameKind.RANGE_REQUEST:
                self.sync.serve(peer.key, RangeRequest.decode(payload))
                self._send_status([peer.key])  # it asks on up to the height that it knows of
            case FrameKind.RANGE:
                self.sync.take(peer.key, Range.decode(payload), self._now.monotonic)
            case FrameKind.STEPS_REQUEST:
                steps = serve_steps(self.ledger.store, StepsRequest.decode(payload))
                self.outbox.send(peer.key, Channel.BULK, FrameKind.STEPS, steps.encode())
            case FrameKind.STEPS:
                self.state_sync.take_steps(peer.key, Steps.decode(payload), self._now.monotonic)
            case FrameKind.SNAPSHOT_REQUEST:
                request = SnapshotRequest.decode(payload)
                offer = serve_offer(self.ledger.store, self.maker, request)
                self.outbox.send(peer.key, Channel.BULK, FrameKind.SNAPSHOT, offer.encode())
            case FrameKind.SNAPSHOT:
                found = SnapshotOffer.decode(payload)
                self.state_sync.take_offer(peer.key, found, self._now.monotonic)
            case FrameKind.CHUNK_REQUEST:
                asked = ChunkRequest.decode(payload)
                chunks = serve_chunks(self.maker, asked, self._now.monotonic)
                self.outbox.send(peer.key, Channel.BULK, FrameKind.CHUNKS, chunks.encode())
            case FrameKind.CHUNKS:
                self.state_sync.take_chunks(peer.key, Chunks.decode(payload), self._now.monotonic)
            case FrameKind.ENVELOPE_REQUEST if self.courier is not None:
                self.courier.serve(peer, payload)
            case FrameKind.ENVELOPE if self.courier is not None:
                self.courier.take(peer, payload, self._now.monotonic)
            case _:
                raise DecodeError(f"unknown frame kind {kind}")

    def _take_message(self, peer: Peer, message: Message) -> None:
        epoch, current = _epoch_of(message), self.machine.epoch
        if self.votes_seen is not None:
            for vote in _votes_of(message):
                self.votes_seen(vote)
        if epoch > current:
            self._early = [*self._early[-MAX_EARLY_MESSAGES + 1 :], (peer.key, message)]
            return
        if epoch < current:
            self._answer_past(peer, epoch, message)
            return
        if isinstance(message, ViewReport) and peer.index is None:
            return
        self._events.append(Receive(peer.key, message))

    def _answer_past(self, peer: Peer, epoch: int, message: Message) -> None:
        """Tell a peer that speaks of an ended epoch how that ended; certificates need no answer."""
        self._send_status([peer.key])  # it will fetch what follows as blocks
        step = self.ledger.store.epoch_step(epoch)
        if step is not None and not isinstance(message, Certificate):
            self._send_consensus([peer.key], step.certificate)

    # The machine

    def _run(self) -> None:
        """Feed waiting events to the machine until nothing is left."""
        while self._events:
            for effect in self.machine.step(self._events.popleft(), self._now):
                match effect:
                    case Persist(record=record):
                        self.records.append(record)
                    case Broadcast(message=message):
                        self._send_consensus(self.peers.validator_keys(), message)
                    case Send(signers=signers, message=message):
                        keys = [self.peers.key_of(index) for index in signers]
                        self._send_consensus([key for key in keys if key is not None], message)
                    case Reply(peer=key, message=reply):
                        self._send_consensus([key], reply)
                    case Build():
                        self._build(effect)
                    case Check(proposal=proposal):
                        self._check(proposal)
                    case Execute():
                        self._execute(effect)
                    case Finalized(certificate=certificate):
                        self._final = certificate
                    case Accuse(evidence=evidence):
                        self._keep_evidence(evidence)
                    case Blame(peer=key, problem=problem):
                        self._blame(key, FrameKind.CONSENSUS, problem)
                    case Amnesia():
                        log.warning("votes of the own key are unknown to the journal; observing")
                        self._forgetful = True
                    case Recovered():
                        log.info("every forgotten vote is below a finalization; voting again")
                        self._forgetful = False
                    case _:
                        assert_never(effect)
            self._finalize()
            # A validator that is alone makes blocks without leaving this loop: it must hear here
            # that nothing waits, or it goes on making empty ones.
            self._notice_work()

    def _send_consensus(self, keys: Sequence[bytes], message: Message) -> None:
        payload = encode_message(message)
        self.outbox.send_all(keys, Channel.CONTROL, FrameKind.CONSENSUS, payload)

    def _keep_evidence(self, evidence: Evidence) -> None:
        accused = self.ledger.validators.validators[evidence.first.signer].name
        log.error("validator contradicts itself", name=accused, view=evidence.first.statement.view)
        if len(self.evidence) < MAX_EVIDENCE:
            self.evidence.append(evidence)
        key = self.ledger.validators.validators[evidence.first.signer].key
        keep_evidence(self.ledger.store, key, evidence)
        if self._clerk is not None:
            self._clerk.accuse(key, evidence)
            self._has_errands = True

    def _build(self, effect: Build) -> None:
        parameters = self.ledger.validators.parameters
        height = effect.parent.header.height + 1
        recent = self.ledger.txids_above_tip(effect.parent.digest)
        taken = self.mempool.take(
            parameters.max_block_transactions >> effect.halvings,
            parameters.max_block_bytes >> effect.halvings,
            height,
            recent,
        )
        state = self.ledger.state(effect.parent.digest)
        admitted = self.ledger.filter_admissible(state, taken, height)
        self.door.has_stale |= len(admitted) < len(taken)
        block = self.ledger.build(effect.parent, self.name, self._now.wall, admitted)
        self._pin(full_block_of(block, admitted))
        self._events.append(Built(effect.view, block))

    # Proposals

    def _check(self, proposal: Proposal) -> None:
        self._checking = proposal
        self.door.missing = {wid for wid in proposal.block.body if self.door.get(wid) is None}
        if self.door.missing:
            self._ask_for_bodies(everyone=False)
        else:
            self._give_verdict()

    def _ask_for_bodies(self, *, everyone: bool) -> None:
        """Ask the leader for bodies first, any validator after that."""
        proposal = self._checking
        if proposal is None:
            self.door.missing = set()
            return
        self._asked_ms = self._now.monotonic
        leader = self.peers.key_of(proposal.vote.signer)
        keys = self.peers.validator_keys() if everyone or leader is None else [leader]
        for key in keys:
            self.gossip.want(key, sorted(self.door.missing))

    def _give_verdict(self) -> None:
        proposal, self._checking = self._checking, None
        if proposal is None:
            return
        block = proposal.block
        transactions = self._bodies(block)
        if transactions is None:
            return
        fault = self.ledger.find_fault(block, transactions, self.mempool)
        if fault is None:
            self._pin(full_block_of(block, transactions))
        else:
            log.warning("proposal refused", height=block.header.height, problem=fault)
        self._events.append(Checked(proposal.vote.statement.view, block.digest, fault))

    def _bodies(self, block: Block) -> list[Transaction] | None:
        found: list[Transaction] = []
        for wid in block.body:
            transaction = self.door.get(wid)
            if transaction is None:
                return None
            found.append(transaction)
        return found

    def _pin(self, full: FullBlock) -> None:
        """Hold a block's bodies, and serve them, until a finalization at or above its height."""
        self._pinned[full.block.digest] = full

    # Blocks

    def _execute(self, effect: Execute) -> None:
        block = effect.block
        if block is not None and self.ledger.is_known(block.header.parent):
            transactions = self._bodies(block)
            if transactions is not None:
                self._store_executed(full_block_of(block, transactions), transactions)
                return
        if not self._is_catching_up:  # or ranges come first; the machine asks again
            self.fetcher.want(effect.view, effect.digest, effect.holders, self._now.monotonic)

    def _store_executed(self, full: FullBlock, transactions: Sequence[Transaction]) -> None:
        self.ledger.execute(full, transactions)
        self.ledger.store.put_executed(full)
        self._events.append(Executed(full.block))

    def _serve_block(self, peer: Peer, request: BlockRequest) -> None:
        self.fetcher.serve(peer.key, request, self._find_block)

    def _find_block(self, digest: bytes) -> FullBlock | None:
        entry = self.ledger.entry(digest)
        if entry is not None:
            return entry.full
        return self._pinned.get(digest) or self.ledger.store.block(digest)

    def _take_blocks(self, peer: Peer, blocks: Blocks) -> None:
        if self.state_sync.take_blocks(peer.key, blocks, self._now.monotonic):
            self._adopt()
            return
        for full in self.fetcher.take(blocks, self._now.monotonic):
            transactions = self._decode_all(full)
            for transaction in transactions:
                held = self.door.get(transaction.wid)
                if held is None and not transaction.is_signed(self._chain_id):
                    raise DecodeError("a block carries a transaction with a wrong signature")
            self._store_executed(full, transactions)

    def _adopt(self) -> None:
        """Go on from a fetched snapshot, as a node that has just started there."""
        self.maker.stop()
        self.state_sync.adopt()
        self.pruner.may_have_leftovers = True
        self.fetcher.reset()
        self.sync.reset()
        self._pinned, self._final = {}, None
        height = self.ledger.tip.header.height
        log.info("state taken from a snapshot", height=height)
        self.door.skip_to(height)
        self._start_epoch()
        self._send_status([peer.key for peer in self.peers.connected()])
        self.sync.progress(self._now.monotonic)

    def _execute_range(self) -> None:
        """Execute one answer of final blocks: one a turn, so that votes do not wait for long."""
        taken = self.sync.next()
        if taken is None:
            return
        key, found = taken
        try:
            self.sync.check(found)
            for full in found.blocks:
                if not self.ledger.is_known(full.block.digest):
                    self._store_final(full)
        except DecodeError as error:
            self._blame(key, FrameKind.RANGE, str(error))
            return
        certificate = found.certificate
        if certificate is None:
            return
        if certificate.statement.view < self.machine.finalized_view:
            # The journal knew a later finalization than the database, whose block is yet to come.
            self._settle(certificate)
        else:
            self._events.append(Receive(key, certificate))

    def _store_final(self, full: FullBlock) -> None:
        """Execute a block that is proven final: its signatures are not checked again."""
        header = full.block.header
        if (header.state_root, header.receipts_root) != self.ledger.results(header.parent):
            raise AssertionError(
                f"own results at height {header.height - 1} differ from the final chain's"
            )
        self._store_executed(full, self._decode_all(full))

    def _decode_all(self, full: FullBlock) -> list[Transaction]:
        """Raises DecodeError if the bytes are not the transactions that the body names."""
        parameters = self.ledger.validators.parameters
        found: list[Transaction] = []
        for wid, raw in zip(full.block.body, full.raws, strict=True):
            held = self.door.get(wid)
            if sha256(raw) != wid:  # also where it is held: these bytes are stored and served
                raise DecodeError("a block carries another transaction than it names")
            if held is None:
                held = Transaction.decode(raw, parameters, self._chain_id)
            found.append(held)
        return found

    # Finality

    def _finalize(self) -> None:
        certificate = self._final
        if certificate is not None and self._settle(certificate):
            self._final = None

    def _settle(self, certificate: Certificate) -> bool:
        """Make the certified block final if it is held; returns whether it is."""
        if not self.ledger.is_known(certificate.statement.digest):
            return False
        entries = self.ledger.finalize(certificate)
        self.fetcher.settle(certificate.statement.view)
        self.door.settle(entries)
        for entry in entries:
            self._tell(BlockFinal(entry))
        tip = self.ledger.tip
        self.final_at_ms = self._now.wall
        if not self.sync.is_active and not self.peers.ahead_of(tip.header.height):
            self._watch_clock(self._now.wall - tip.header.timestamp)
        height = tip.header.height
        self._pinned = {d: f for d, f in self._pinned.items() if f.block.header.height > height}
        self.door.expire(height)
        if entries:
            self._send_status([p.key for p in self.peers.connected() if p.index is None])
            self.sync.progress(self._now.monotonic)
            if self.courier is not None:
                self.courier.look(self._now.monotonic)
        if height == self.machine.last_height:
            self._start_epoch()
        elif members.revision(self.ledger.state()) != self._revision or self.peers.has_stop(height):
            self._follow_members(drop=False)
        elif self.door.has_stale:
            self.door.drop_inadmissible()
        self._has_errands |= height % PATIENCE_HEIGHTS == 0
        return True

    def _watch_clock(self, skew_ms: int) -> None:
        """Say it once when the own clock and the network's time part by more than is allowed."""
        drift_ms = self.ledger.validators.parameters.drift_ms
        if abs(skew_ms) > drift_ms >= abs(self.clock_skew_ms):
            log.error("the clock of this machine is off; set it right", by_s=skew_ms / 1_000)
        self.clock_skew_ms = skew_ms

    def _tell(self, outcome: Outcome) -> None:
        for listener in self._listeners:
            listener(outcome)

    def listen(self, listener: Callable[[Outcome], None]) -> None:
        """Call `listener` with each outcome from now on."""
        self._listeners.append(listener)

    # Transactions

    def submit(self, raw: bytes, now: Now) -> Transaction | Refusal:
        """Take a transaction from this member's own operators."""
        self._now = now
        return self.door.submit(raw, now.monotonic)

    def _take_transactions(self, peer: Peer, raws: Sequence[bytes]) -> None:
        self.door.take_batch(peer.key, raws, self._now.monotonic, only_missing=self._is_catching_up)
        if self._checking is not None and not self.door.missing:
            self._give_verdict()

    def _find_raw(self, wid: bytes) -> bytes | None:
        transaction = self.door.get(wid)
        if transaction is not None:
            return transaction.raw
        for full in self._pinned.values():
            place = full.block.places.get(wid)
            if place is not None:
                return full.raws[place]
        return None


def _epoch_of(message: Message) -> int:
    match message:
        case Vote() | Certificate():
            return message.statement.epoch
        case Proposal():
            return message.vote.statement.epoch
        case Question() | ViewReport():
            return message.epoch
        case _:
            assert_never(message)


def _votes_of(message: Message) -> Sequence[Vote]:
    match message:
        case Vote():
            return (message,)
        case Proposal():
            return (message.vote,)
        case Certificate():
            return message.votes
        case _:
            return ()
