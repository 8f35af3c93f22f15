"""The Simplex state machine of one epoch: `step(event, now) -> effects`, no IO, no clock.

Protocol: Chan and Pass, "Simplex Consensus: A Simple and Fast Consensus Protocol" (2023), with
the certification step and the repair of commonware's simplex. The rules are in
docs/consensus.md; a comment such as (R3) names the one a branch implements.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import assert_never

from consensus.block import Block
from consensus.crypto import Kind, Signer
from consensus.events import (
    Accuse,
    Amnesia,
    Blame,
    Broadcast,
    Build,
    Built,
    Check,
    Checked,
    Effect,
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
from consensus.messages import (
    MAX_QUESTION_VIEWS,
    Certificate,
    Evidence,
    Proposal,
    Question,
    Statement,
    ViewReport,
    Vote,
    is_conflict,
    nullify,
)
from consensus.validators import ValidatorSet

VIEWS_AHEAD = 64
"""Votes and proposals further ahead of the current view are not kept; certificates are."""
VIEWS_BEHIND = 64
"""Votes this far below the last finalized view are kept, to catch late contradictions."""
INACTIVE_VIEWS = 16
"""A leader that no vote was seen of for so many views is not waited for."""
MAX_DOUBLINGS = 16


@dataclass(slots=True)
class _Round:
    """All that is known of one view."""

    view: int
    proposal: Proposal | None = None
    fault: str | None = None
    has_equivocation: bool = False
    is_checking: bool = False
    is_checked: bool = False
    is_building: bool = False
    is_certified: bool = False
    votes: dict[Statement, dict[int, Vote]] = field(default_factory=dict)
    cast: dict[tuple[Kind, int], Vote] = field(default_factory=dict)
    accused: set[int] = field(default_factory=set)
    notarization: Certificate | None = None
    nullification: Certificate | None = None
    finalization: Certificate | None = None
    own: dict[Kind, Vote] = field(default_factory=dict)


class Machine:
    """One validator (or an observer, without a signer) in one epoch.

    `anchor` is the previous epoch's last block, which stands at view 0. `tip` and `finalization`
    are the last finalized block of this epoch and its certificate, if there is one. With
    `forgetful` the journal may lack votes of this key: nothing is signed until it is safe (R11).
    """

    def __init__(
        self,
        chain_id: bytes,
        epoch: int,
        validators: ValidatorSet,
        anchor: Block,
        signer: Signer | None,
        *,
        tip: Block | None = None,
        finalization: Certificate | None = None,
        forgetful: bool = False,
        delta_ms: int | None = None,
    ) -> None:
        parameters = validators.parameters
        self.chain_id = chain_id
        self.epoch = epoch
        self.validators = validators
        self.last_height = anchor.header.height + parameters.epoch_length
        self._signer = signer
        self._index = validators.index_of(signer.public_key) if signer else None
        self._delta = max(parameters.delta_ms, delta_ms or 0)
        self._tip = tip or anchor
        self._finalization = finalization
        self.finalized_view = finalization.statement.view if finalization else 0
        self._executed: dict[bytes, Block] = {self._tip.digest: self._tip}
        self._rounds: dict[int, _Round] = {}
        self.view = 0
        self._admission: Certificate | None = None
        self._nullified_in_row = 0
        self._last_seen = [0] * len(validators.validators)
        self._work_since: int | None = None
        self._is_observing = forgetful and self._index is not None
        self._reports: dict[bytes, int] = {}
        self._safe_above: int | None = None
        self._asked: set[int] = set()
        self._entered = self._leader_at = self._advance_at = self._retry_at = 0
        self._propose_at = 0
        self._now = Now(0, 0)
        self._effects: list[Effect] = []

    # What others may read

    @property
    def deadline(self) -> int:
        """When Tick is next due, on the monotonic clock in ms."""
        due = self._retry_at
        current = self._rounds[self.view]
        if not current.own.keys() & {Kind.NULLIFY, Kind.FINALIZE} and self._may_sign:
            due = min(due, self._advance_at)
            if current.proposal is None:
                due = min(due, self._leader_at)
        will_propose = self._is_leader and not current.is_building and not current.own
        if will_propose and self._propose_at > self._now.monotonic:
            due = min(due, self._propose_at)
        return due

    @property
    def is_observing(self) -> bool:
        return self._is_observing

    @property
    def is_validator(self) -> bool:
        return self._index is not None

    @property
    def nullified_in_row(self) -> int:
        """Views that were skipped since the last one that was not."""
        return self._nullified_in_row

    @property
    def open_views(self) -> int:
        """How many views something is kept of."""
        return len(self._rounds)

    @property
    def tip(self) -> Block:
        """The highest finalized block that is executed."""
        return self._tip

    @property
    def finalization(self) -> Certificate | None:
        """The highest finalization of this epoch."""
        return self._finalization

    @property
    def live_records(self) -> list[Vote | Certificate | Proposal]:
        """What a rewritten journal must hold: the finalization, and what stands above it."""
        records: list[Vote | Certificate | Proposal] = []
        if self._finalization is not None:
            records.append(self._finalization)
        for view in sorted(self._rounds):
            if view <= self.finalized_view:
                continue
            current = self._rounds[view]
            if current.proposal is not None and current.proposal.vote.signer == self._index:
                records.append(current.proposal)
            records.extend(current.own.values())
            records.extend(
                c for c in (current.notarization, current.nullification) if c is not None
            )
        return records

    def latest_messages(self) -> list[Vote | Certificate | Proposal]:
        """What a peer that was away needs to join this view: its admission and the own votes."""
        messages: list[Vote | Certificate | Proposal] = []
        if self._finalization is not None:
            messages.append(self._finalization)
        if self._admission is not None and self._admission is not self._finalization:
            messages.append(self._admission)
        current = self._rounds.get(self.view)
        if current is not None:
            proposal = current.proposal
            if proposal is not None and proposal.vote.signer == self._index:
                messages.append(proposal)
            messages.extend(current.own.values())
        return messages

    # Input

    def restore(self, records: Iterable[Vote | Certificate | Proposal]) -> None:
        """Take back what an earlier process persisted, before Start. Signatures are not checked."""
        for record in records:
            match record:
                case Vote():
                    self._restore_vote(record)
                case Proposal():
                    self._restore_vote(record.vote)
                    self._round(record.vote.statement.view).proposal = record
                case Certificate(statement=statement):
                    if statement.view <= self.finalized_view:
                        continue
                    self._set_certificate(self._round(statement.view), record)
                    if statement.kind is Kind.FINALIZE:
                        self._finalization = record
                        self.finalized_view = statement.view
                case _:
                    assert_never(record)

    def _restore_vote(self, vote: Vote) -> None:
        current = self._round(vote.statement.view)
        current.own[vote.statement.kind] = vote
        self._note(current, vote)

    def step(self, event: Event, now: Now) -> list[Effect]:
        """Take one input and return what is to be done, in order. Pure but for this object."""
        self._now = now
        self._effects = []
        match event:
            case Start():
                self._enter(self.finalized_view + 1, self._finalization)
                for view in sorted(self._rounds):
                    self._certify(self._rounds[view])
                final = self._finalization
                if final is not None and final.statement.digest != self._tip.digest:
                    self._finalize(final)  # known from the journal, but not in the database
                if self._is_observing:
                    self._emit(Broadcast(Question(self.epoch, (), report=True)))
            case Receive(peer=peer, message=message):
                self._receive(peer, message)
            case Built(view=view, block=block):
                self._propose(view, block)
            case Checked(view=view, digest=digest, fault=fault):
                self._take_verdict(view, digest, fault)
            case Executed(block=block):
                self._take_executed(block)
            case Work(waiting=waiting):
                self._take_work(waiting)
            case Tick():
                self._take_tick()
            case _:
                assert_never(event)
        self._progress()
        return self._effects

    def _receive(self, peer: bytes, message: object) -> None:
        match message:
            case Vote(statement=statement):
                if self._take_vote(message, peer) and statement.kind is Kind.NULLIFY:
                    self._help(peer, statement.view)
            case Proposal():
                self._take_proposal(message, peer)
            case Certificate():
                self._take_certificate(message, peer)
            case Question():
                self._answer(peer, message)
            case ViewReport():
                self._take_report(peer, message)

    # Votes, certificates, proposals

    def _take_vote(self, vote: Vote, peer: bytes | None = None) -> bool:
        """Count a vote if it is new, in the window and valid. Returns whether it is known now.

        `peer` sent it, unless it is the own one. Honest nodes send nothing on that they have not
        verified, so one that sends a wrong signature is to blame for it, whoever is named in it.
        """
        statement = vote.statement
        low, high = self.finalized_view - VIEWS_BEHIND, self.view + VIEWS_AHEAD
        if statement.epoch != self.epoch or not max(low, 1) <= statement.view <= high:
            return False
        current = self._round(statement.view)
        known = current.cast.get((statement.kind, vote.signer))
        if known is not None and known.statement == statement:
            return True
        if known is not None and vote.signer in current.accused:
            return False  # a third contradiction adds nothing, and memory stays bounded
        if not vote.is_valid(self.chain_id, self.validators):
            if peer is not None:
                self._emit(Blame(peer, "a vote that its signer has not signed"))
            return False
        self._note(current, vote)
        votes = current.votes.setdefault(statement, {})
        votes[vote.signer] = vote
        if len(votes) == self.validators.quorum:
            self._learn(Certificate.create(votes.values()), formed=True)
        return True

    def _note(self, current: _Round, vote: Vote) -> None:
        """Remember a valid vote; look for contradictions and for forgotten votes of the own key."""
        statement, signer = vote.statement, vote.signer
        self._last_seen[signer] = max(self._last_seen[signer], statement.view)
        for kind in (Kind.NOTARIZE, Kind.NULLIFY, Kind.FINALIZE):
            other = current.cast.get((kind, signer))
            if other is not None and is_conflict(other, vote):
                self._accuse(current, other, vote)
        current.cast.setdefault((statement.kind, signer), vote)
        if signer == self._index and current.own.get(statement.kind) != vote:
            self._forget(statement.view)

    def _accuse(self, current: _Round, first: Vote, second: Vote) -> None:
        if first.signer == self.validators.leader(current.view):
            current.has_equivocation |= first.statement.kind is second.statement.kind
        if first.signer not in current.accused:
            current.accused.add(first.signer)
            self._emit(Accuse(Evidence(first, second)))

    def _take_certificate(self, certificate: Certificate, peer: bytes) -> None:
        statement = certificate.statement
        if statement.epoch != self.epoch or statement.view <= self.finalized_view:
            return
        current = self._rounds.get(statement.view)
        if current is not None and _get_certificate(current, statement.kind) is not None:
            return
        if certificate.is_valid(self.chain_id, self.validators):
            self._learn(certificate, formed=False)
        else:
            self._emit(Blame(peer, "a certificate that no quorum has signed"))

    def _learn(self, certificate: Certificate, *, formed: bool) -> None:
        """Act on a valid certificate that may be new."""
        statement = certificate.statement
        current = self._round(statement.view)
        if statement.view <= self.finalized_view:
            return
        if _get_certificate(current, statement.kind) is not None:
            return
        self._set_certificate(current, certificate)
        self._emit(Persist(certificate))
        if formed:
            self._hand_on(certificate)
        else:
            for vote in certificate.votes:
                self._note(current, vote)
        if statement.kind is Kind.NOTARIZE:
            self._certify(current)
        elif statement.kind is Kind.FINALIZE:
            self._finalize(certificate)

    def _hand_on(self, certificate: Certificate) -> None:
        """Tell of a certificate that is complete here: a vote may have reached us alone (R13)."""
        view, leader_of = certificate.statement.view, self.validators.leader
        match certificate.statement.kind:
            case Kind.NOTARIZE if leader_of(view + 1) != self._index:
                self._emit(Send((leader_of(view + 1),), certificate))
            case Kind.FINALIZE if leader_of(view) == self._index:
                self._emit(Broadcast(certificate))
            case Kind.NULLIFY:
                self._emit(Broadcast(certificate))

    def _set_certificate(self, current: _Round, certificate: Certificate) -> None:
        match certificate.statement.kind:
            case Kind.NOTARIZE:
                current.notarization = certificate
            case Kind.NULLIFY:
                current.nullification = certificate
            case Kind.FINALIZE:
                current.finalization = certificate

    def _take_proposal(self, proposal: Proposal, peer: bytes) -> None:
        vote = proposal.vote
        if vote.signer != self.validators.leader(vote.statement.view):
            return
        justification = proposal.justification
        if justification is not None and justification.statement.kind is not Kind.NULLIFY:
            self._take_certificate(justification, peer)
        # Counted even where all is final: it may contradict the leader's other proposal.
        if not self._take_vote(vote, peer) or vote.statement.view <= self.finalized_view:
            return
        current = self._round(vote.statement.view)
        notarized = current.notarization
        if notarized is not None and notarized.statement != vote.statement:
            return  # a certificate overrides whatever else the leader proposed (R5)
        if current.proposal is None:
            current.proposal = proposal

    # Blocks

    def _certify(self, current: _Round) -> None:
        """Ask for execution of a notarized block, or take note that it is executed (R6)."""
        certificate = current.notarization
        if certificate is None or current.is_certified:
            return
        statement = certificate.statement
        proposal = current.proposal
        if proposal is not None and proposal.vote.statement != statement:
            proposal = current.proposal = None
            current.is_checking = current.is_checked = False
        if statement.digest in self._executed:
            current.is_certified = True
            return
        block = proposal.block if proposal is not None else None
        self._emit(Execute(current.view, statement.digest, block, certificate.signers))

    def _take_executed(self, block: Block) -> None:
        finalization = self._finalization
        if finalization is not None and finalization.statement.digest == block.digest:
            self._tip = block
        elif block.header.height <= self._tip.header.height:
            return
        self._executed[block.digest] = block
        for view in sorted(self._rounds):
            current = self._rounds[view]
            certificate = current.notarization
            if certificate is not None and certificate.statement.digest == block.digest:
                current.is_certified = True
        if self.view:
            self._set_timers()
        self._prune()

    def _finalize(self, certificate: Certificate) -> None:
        """Take a finalization: it overrides everything at or below its view (R8)."""
        statement = certificate.statement
        self._finalization = certificate
        self.finalized_view = statement.view
        block = self._executed.get(statement.digest)
        if block is not None:
            self._tip = block
        else:
            proposal = self._round(statement.view).proposal
            has_block = proposal is not None and proposal.block.digest == statement.digest
            self._emit(
                Execute(
                    statement.view,
                    statement.digest,
                    proposal.block if proposal is not None and has_block else None,
                    certificate.signers,
                )
            )
        self._emit(Finalized(certificate))
        if self.view:
            self._set_timers()
        self._check_recovery()
        self._prune()

    def _prune(self) -> None:
        floor = self.finalized_view - VIEWS_BEHIND
        for view in [view for view in self._rounds if view < min(floor, self.view)]:
            del self._rounds[view]
        low = self._tip.header.height
        for digest in [d for d, b in self._executed.items() if b.header.height < low]:
            del self._executed[digest]

    # Progress through views

    def _progress(self) -> None:
        """Apply every rule that has become applicable, until none is."""
        effects = -1
        while self.view and effects != len(self._effects):
            effects = len(self._effects)
            while self._leave_view():
                continue
            if self._may_sign:
                self._vote_finalize()
                self._try_propose()
                self._try_notarize()
                self._join_nullify()

    def _leave_view(self) -> bool:
        """Enter the view after the highest one that is decided, at once from any distance (R8)."""
        for view in sorted(self._rounds, reverse=True):
            if view < self.view:
                return False
            current = self._rounds[view]
            certificate = current.finalization or current.nullification
            if certificate is None and current.is_certified:
                certificate = current.notarization
            if certificate is not None:
                self._enter(view + 1, certificate)
                return True
        return False

    def _enter(self, view: int, admission: Certificate | None) -> None:
        if admission is not None:
            skipped = admission.statement.kind is Kind.NULLIFY
            self._nullified_in_row = self._nullified_in_row + 1 if skipped else 0
        self.view = view
        self._admission = admission
        self._entered = self._now.monotonic
        self._asked.clear()
        current = self._round(view)
        self._certify(current)
        delta = self._patient_delta
        self._retry_at = self._entered + max(self.validators.parameters.retry_ms, delta)
        self._set_timers()

    @property
    def _patient_delta(self) -> int:
        """The delay bound, doubled for each view skipped in a row up to the governed cap (R9)."""
        grown = self._delta << min(self._nullified_in_row, MAX_DOUBLINGS)
        return max(self._delta, min(grown, self.validators.parameters.delta_cap_ms))

    @property
    def _is_leader_inactive(self) -> bool:
        leader = self.validators.leader(self.view)
        if leader == self._index or self.view <= INACTIVE_VIEWS:
            return False
        return self._last_seen[leader] < self.view - INACTIVE_VIEWS

    def _set_timers(self) -> None:
        """Set when to propose and when to give up on the leader; idle chains wait longer (R10).

        Called again when the parent becomes final or work arrives, which change the answer.
        """
        delta = self._patient_delta
        start, slack = self._entered, 0
        parameters = self.validators.parameters
        parent = self._find_parent()
        if parent is not None and parent[1].body:
            # The fuller the last block, the more the next one gains from gathering for a while.
            filled = min(len(parent[1].body), parameters.max_block_transactions)
            start += parameters.interval_ms * filled // parameters.max_block_transactions
        elif parent is not None:
            # Nothing to confirm. A final parent needs no successor until something happens; one
            # that is not final yet gets one soon, in case its votes were lost.
            is_final = parent[1].digest == self._tip.digest
            start += parameters.idle_ms if is_final else delta
            if self._work_since is not None and self._work_since < start:
                start = max(self._work_since, self._entered)
                # The leader may not have that work yet: it gets one leader timeout to receive it.
                slack = 2 * delta if start > self._entered else 0
        self._propose_at = start
        self._leader_at = self._entered if self._is_leader_inactive else start + slack + 2 * delta
        self._advance_at = start + slack + 3 * delta

    def _take_work(self, waiting: bool) -> None:
        if not waiting:
            self._work_since = None
        elif self._work_since is None:
            self._work_since = self._now.monotonic
        if self.view:
            self._set_timers()

    def _find_parent(self) -> tuple[int, Block, list[int]] | None:
        """Return (view, block, missing views) of the parent to build on, or None if unknown (R1).

        The parent is the highest certified view; the missing are views above it that lack a
        nullification.
        """
        missing: list[int] = []
        for view in range(self.view - 1, self.finalized_view, -1):
            current = self._rounds.get(view)
            if current is not None and current.is_certified and current.notarization is not None:
                block = self._executed.get(current.notarization.statement.digest)
                return None if block is None else (view, block, missing)
            if current is None or current.nullification is None:
                missing.append(view)
        if self._finalization is not None:
            digest = self._finalization.statement.digest
            return (
                None
                if digest not in self._executed
                else (
                    self.finalized_view,
                    self._executed[digest],
                    missing,
                )
            )
        return (0, self._tip, missing)

    # Proposing

    @property
    def _may_sign(self) -> bool:
        return self._index is not None and not self._is_observing

    @property
    def _is_leader(self) -> bool:
        return self._may_sign and self.validators.leader(self.view) == self._index

    def _try_propose(self) -> None:
        current = self._rounds[self.view]
        if not self._is_leader or current.is_building or current.own or current.proposal:
            return
        parent = self._find_parent()
        if parent is None:
            return
        view, block, missing = parent
        if missing:
            self._ask_for(missing)
            return
        if block.header.height == self.last_height:
            # Nothing is built on an epoch's last block: it is proposed again until final (R12).
            if block.digest != self._tip.digest:
                self._send_proposal(current, view, block)
            return
        if self._now.monotonic >= self._propose_at:
            current.is_building = True
            self._emit(Build(self.view, block, max(0, self._nullified_in_row - 1)))

    def _propose(self, view: int, block: Block) -> None:
        current = self._rounds.get(view)
        if view != self.view or current is None or current.own or not self._may_sign:
            return
        parent = self._find_parent()
        if parent is None or parent[1].digest != block.header.parent or parent[2]:
            current.is_building = False
            return
        self._send_proposal(current, parent[0], block)

    def _send_proposal(self, current: _Round, parent_view: int, block: Block) -> None:
        parent = self._rounds.get(parent_view)
        proof = None if parent is None else parent.notarization
        if proof is None and parent_view == self.finalized_view:
            proof = self._finalization
        statement = Statement(Kind.NOTARIZE, self.epoch, current.view, parent_view, block.digest)
        vote = self._sign(statement)
        proposal = Proposal(vote, block, proof)
        current.proposal = proposal
        current.own[Kind.NOTARIZE] = vote
        self._emit(Persist(proposal))
        self._emit(Broadcast(proposal))
        self._take_vote(vote)

    # Voting

    def _sign(self, statement: Statement) -> Vote:
        if self._signer is None or self._index is None or statement.view <= self.finalized_view:
            raise AssertionError("signing without a key or at a view that is final")
        return Vote.create(statement, self._index, self._signer, self.chain_id)

    def _cast(self, current: _Round, statement: Statement) -> None:
        vote = self._sign(statement)
        current.own[statement.kind] = vote
        self._emit(Persist(vote))
        self._emit(Broadcast(vote))
        self._take_vote(vote)

    def _try_notarize(self) -> None:
        """Vote for the proposal of the current view once every condition holds (R2 to R4)."""
        current = self._rounds.get(self.view)
        if current is None or current.proposal is None or current.own or current.has_equivocation:
            return
        statement = current.proposal.vote.statement
        if statement.parent_view < self.finalized_view:
            current.fault = "parent is below the last finalized view"
        parent = None if current.fault else self._get_parent(statement)
        if parent is not None and not current.is_checked:
            current.fault = self._find_fault(current.proposal, parent)
            if current.fault is None and parent.digest == statement.digest:
                current.is_checked = True  # proposed again: was checked when it was new (R12)
            elif current.fault is None and not current.is_checking:
                current.is_checking = True
                self._emit(Check(current.proposal))
        if current.fault is not None:
            self._nullify(current)
        elif current.is_checked:
            self._cast(current, statement)

    def _get_parent(self, statement: Statement) -> Block | None:
        """Return the executed parent once it is certified and the gap nullified; ask if not."""
        view = statement.parent_view
        missing = [
            w
            for w in range(view + 1, statement.view)
            if w not in self._rounds or self._rounds[w].nullification is None
        ]
        if view == self.finalized_view:
            digest = self._finalization.statement.digest if self._finalization else None
            parent = self._tip if digest in (None, self._tip.digest) else None
        else:
            certificate = self._rounds[view].notarization if view in self._rounds else None
            if certificate is None:
                missing.append(view)
                parent = None
            else:
                parent = self._executed.get(certificate.statement.digest)
        if missing:
            self._ask_for(missing)
            return None
        return parent

    def _find_fault(self, proposal: Proposal, parent: Block) -> str | None:
        """Check what needs no state: the header's place in the chain and its timestamp (R3)."""
        header, above = proposal.block.header, parent.header
        if above.height == self.last_height:
            same = proposal.block.digest == parent.digest
            return None if same else "builds on the last block of an epoch"
        leader = self.validators.validators[proposal.vote.signer].name
        expected = (
            self.validators.parameters.version,
            self.chain_id,
            self.epoch,
            above.height + 1,
            parent.digest,
            leader,
            self.validators.hash,
        )
        if expected != (
            header.version,
            header.chain_id,
            header.epoch,
            header.height,
            header.parent,
            header.proposer,
            header.set_hash,
        ):
            return "header does not fit its place in the chain"
        if (header.next_set_hash is not None) != (header.height == self.last_height):
            return "the next validator set stands in an epoch's last header and only there"
        drift = self.validators.parameters.drift_ms
        is_minimal = header.timestamp == above.timestamp + 1
        is_near = abs(header.timestamp - self._now.wall) <= drift
        if header.timestamp <= above.timestamp or not (is_minimal or is_near):
            return "timestamp is not above the parent's or too far from the clock"
        return None

    def _take_verdict(self, view: int, digest: bytes, fault: str | None) -> None:
        current = self._rounds.get(view)
        if current is None or current.proposal is None or not current.is_checking:
            return
        if current.proposal.block.digest != digest:
            return  # the proposal was replaced by a certificate meanwhile
        current.is_checking = False
        current.is_checked = fault is None
        current.fault = fault

    def _vote_finalize(self) -> None:
        """Vote finalize for every certified view in which nothing speaks against it (R7)."""
        for view in sorted(v for v in self._rounds if self.finalized_view < v < self.view):
            current = self._rounds[view]
            if not current.is_certified or current.notarization is None:
                continue
            if Kind.NULLIFY in current.own or Kind.FINALIZE in current.own:
                continue
            if current.has_equivocation:
                continue
            s = current.notarization.statement
            self._cast(current, Statement(Kind.FINALIZE, s.epoch, s.view, s.parent_view, s.digest))
            if view <= self.finalized_view:
                return

    def _nullify(self, current: _Round) -> None:
        if Kind.NULLIFY not in current.own and Kind.FINALIZE not in current.own:
            self._cast(current, nullify(self.epoch, current.view))

    def _join_nullify(self) -> None:
        """Give up on a view with those who did, once one of them must be honest.

        More than n - q validators gave up, so the leader's block may not gather a quorum. Safe
        like any timeout, and it spares a returning validator its own.
        """
        current = self._rounds.get(self.view)
        if current is None:
            return
        votes = current.votes.get(nullify(self.epoch, self.view), {})
        if len(votes) > len(self.validators.validators) - self.validators.quorum:
            self._nullify(current)

    # Time

    def _take_tick(self) -> None:
        if not self.view:
            return
        now, current = self._now.monotonic, self._rounds[self.view]
        is_late = now >= self._advance_at or (
            now >= self._leader_at and current.proposal is None and not current.is_building
        )
        if is_late and self._may_sign:
            self._nullify(current)
        if now >= self._retry_at:
            self._retry_at = now + max(self.validators.parameters.retry_ms, self._patient_delta)
            self._retry(current)

    def _retry(self, current: _Round) -> None:
        """Say again what may be lost: own votes here, and what admitted to this view (R9)."""
        self._asked.clear()
        if self._is_observing:
            self._emit(Broadcast(Question(self.epoch, (), report=True)))
        if self._admission is not None and self._now.monotonic >= self._advance_at:
            self._emit(Broadcast(self._admission))
        proposal = current.proposal
        is_mine = proposal is not None and proposal.vote.signer == self._index
        if is_mine and proposal is not None and Kind.NULLIFY not in current.own:
            self._emit(Broadcast(proposal))
        for vote in current.own.values():
            self._emit(Broadcast(vote))
        self._certify(current)
        if self._finalization is not None:
            digest = self._finalization.statement.digest
            if digest not in self._executed:
                holders = self._finalization.signers
                self._emit(Execute(self.finalized_view, digest, None, holders))

    # Repair

    def _ask_for(self, views: list[int]) -> None:
        """Ask for certificates of `views`: the current leader first, everybody on a retry."""
        wanted = tuple(sorted(set(views) - self._asked))[:MAX_QUESTION_VIEWS]
        if not wanted:
            return
        self._asked.update(wanted)
        question = Question(self.epoch, wanted)
        leader = self.validators.leader(self.view)
        if leader != self._index and self._now.monotonic < self._leader_at:
            self._emit(Send((leader,), question))
        else:
            self._emit(Broadcast(question))

    def _answer(self, peer: bytes, question: Question) -> None:
        answers: list[Certificate] = []
        if any(view <= self.finalized_view for view in question.views):
            # At or below a finalization no other certificate matters any more.
            answers.extend(c for c in (self._finalization,) if c is not None)
        for view in question.views:
            current = self._rounds.get(view)
            if view > self.finalized_view and current is not None:
                answers.extend(
                    c for c in (current.notarization, current.nullification) if c is not None
                )
        for certificate in answers:
            self._emit(Reply(peer, certificate))
        if question.report and self.view and not self._is_observing:
            admission = self._admission if self.view > 1 else None
            if self.view == 1 or admission is not None:
                self._emit(Reply(peer, ViewReport(self.epoch, self.view, admission)))

    def _help(self, peer: bytes, view: int) -> None:
        """Tell a peer that gives up on a view how the view went on here (R13)."""
        if view < self.view and self._round(view).nullification is None:
            self._answer(peer, Question(self.epoch, (view,)))

    # Forgotten votes

    def _forget(self, view: int) -> None:
        """The own key voted here and the journal does not know: sign nothing more (R11)."""
        if view <= self.finalized_view or self._is_observing:
            return
        self._is_observing = True
        self._reports.clear()
        self._safe_above = None
        self._emit(Amnesia())
        self._emit(Broadcast(Question(self.epoch, (), report=True)))

    def _take_report(self, peer: bytes, report: ViewReport) -> None:
        if not self._is_observing or report.epoch != self.epoch:
            return
        admission = report.admission
        if admission is not None:
            if not admission.is_valid(self.chain_id, self.validators):
                self._emit(Blame(peer, "a report that no quorum admits"))
                return
            self._take_certificate(admission, peer)
        self._reports[peer] = max(report.view, self._reports.get(peer, 0))
        if len(self._reports) >= self.validators.quorum:
            # A view that we voted in was admitted by a quorum's votes of the view before; one of
            # those voters is among the reporters, so our votes are at most one view further.
            self._safe_above = max(self._reports.values())
        self._check_recovery()

    def _check_recovery(self) -> None:
        if not self._is_observing or self._safe_above is None:
            return
        if self.finalized_view > self._safe_above:
            self._is_observing = False
            self._emit(Recovered())

    # Small things

    def _round(self, view: int) -> _Round:
        current = self._rounds.get(view)
        if current is None:
            current = self._rounds[view] = _Round(view)
        return current

    def _emit(self, effect: Effect) -> None:
        self._effects.append(effect)


def _get_certificate(current: _Round, kind: Kind) -> Certificate | None:
    match kind:
        case Kind.NOTARIZE:
            return current.notarization
        case Kind.NULLIFY:
            return current.nullification
        case _:
            return current.finalization
