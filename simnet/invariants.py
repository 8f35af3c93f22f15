"""What must hold in every run, whatever fails: checked at each event, and once more at the end.

An invariant that breaks raises Violation, which ends the run with its seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from consensus import merkle
from consensus.block import Header
from consensus.codec import DecodeError
from consensus.crypto import Kind
from consensus.machine import VIEWS_AHEAD, VIEWS_BEHIND
from consensus.messages import Proposal, Statement, Vote, is_conflict
from contracts.engine import query
from contracts.envelope import Transaction
from node.core import MAX_EVIDENCE
from node.journal_file import Record
from node.ledger import Entry, Ledger
from node.outcome import BlockFinal, Outcome, Refusal, TransactionDropped
from node.store import Store
from p2p.transport import Frame
from p2p.wire import FrameKind
from simnet.clock import elapsed_ms
from simnet.disk import Disk
from simnet.host import MEMPOOL_BYTES, MEMPOOL_COUNT, Host
from simnet.memory import read_message
from simnet.network import Endpoint
from simnet.release import NEXT_VERSIONS

CLOCK_TOLERANCE_MS = 500


class Violation(AssertionError):
    """An invariant does not hold."""

    def __init__(self, invariant: str, detail: str) -> None:
        super().__init__(f"{invariant}: {detail}")
        self.invariant = invariant
        self.detail = detail


@dataclass(frozen=True, slots=True)
class FinalBlock:
    """What the first node to report a height as final said of it."""

    header: Header
    state_root: bytes
    receipts_root: bytes
    by: str


@dataclass(slots=True)
class Submission:
    """A transaction that a node accepted from its operator."""

    transaction: Transaction
    host: Host
    life: int
    at_ms: int
    outcome: str | None = None
    final_at_ms: int = 0


class Invariants:
    """Watches all hosts of a run. Honest hosts must keep every promise; traitors none."""

    def __init__(self, hosts: Sequence[Host], fired: Counter[str]) -> None:
        self.hosts = hosts
        self.fired = fired
        self.chain: list[FinalBlock] = []
        self.submissions: dict[bytes, Submission] = {}
        self.committed: dict[bytes, int] = {}
        self._durable: set[tuple[str, Statement]] = set()
        self._reported: dict[str, int] = {}
        self._cast: dict[tuple[bytes, int, int, Kind], Statement] = {}
        self._seen: dict[tuple[str, int], dict[tuple[int, int, int], list[Vote]]] = {}
        self._owed: dict[tuple[str, int], set[tuple[int, int, int]]] = {}
        self._clock_ranges: list[int] = [0, 0]
        genesis = hosts[0].genesis
        self._chain_id = genesis.chain_id
        for host in hosts:
            host.on_outcome = self._take_outcome
            host.on_durable = self._take_durable
            host.on_receive = self._take_received
            host.endpoint.on_send = partial(self._take_sent, host)
            host.endpoint.on_cut_off = partial(self._take_cut_off, host)

    # Votes

    def _take_durable(self, host: Host, records: Sequence[Record]) -> None:
        for record in records:
            vote = record.vote if isinstance(record, Proposal) else record
            if isinstance(vote, Vote):
                self._durable.add((host.label, vote.statement))

    def _take_sent(self, host: Host, frame: Frame) -> None:
        """Persisted before sent; and never two conflicting votes of one honest key."""
        if not host.is_honest or frame.kind != FrameKind.CONSENSUS:
            return
        message = read_message(frame.payload)
        vote = message.vote if isinstance(message, Proposal) else message
        if not isinstance(vote, Vote):
            return
        core = host.core
        if core is None:
            raise Violation("a dead process is silent", host.label)
        own = core.machine.validators.index_of(host.identity.keys["voting"].public_key)
        if vote.signer != own or vote.statement.epoch != core.machine.epoch:
            return
        statement = vote.statement
        if (host.label, statement) not in self._durable:
            raise Violation("persisted before sent", f"{host.label} sent {_show(statement)}")
        key = host.identity.keys["voting"].public_key
        for kind in (Kind.NOTARIZE, Kind.NULLIFY, Kind.FINALIZE):
            other = self._cast.get((key, statement.epoch, statement.view, kind))
            if other is not None and is_conflict(
                Vote(other, vote.signer, b""), Vote(statement, vote.signer, b"")
            ):
                raise Violation(
                    "no honest key contradicts itself",
                    f"{host.label} sent {_show(other)} and {_show(statement)}",
                )
        self._cast[key, statement.epoch, statement.view, statement.kind] = statement

    def _take_received(self, host: Host, source: bytes, kind: int, payload: bytes) -> None:
        """Note votes that reach an honest node, to know which contradictions it must find."""
        core = host.core
        if not host.is_honest or kind != FrameKind.CONSENSUS or core is None:
            return
        try:
            message = read_message(payload)
        except DecodeError:
            return
        vote = message.vote if isinstance(message, Proposal) else message
        machine = core.machine
        if not isinstance(vote, Vote) or vote.statement.epoch != machine.epoch or not machine.view:
            return
        statement = vote.statement
        low, high = machine.finalized_view - VIEWS_BEHIND, machine.view + VIEWS_AHEAD
        if not max(low, 1) <= statement.view <= high:
            return
        is_leader = machine.validators.leader(statement.view) == vote.signer
        if isinstance(message, Proposal) and not is_leader:
            return
        seen = self._seen.setdefault((host.label, host.life), {})
        place = (statement.epoch, statement.view, vote.signer)
        votes = seen.setdefault(place, [])
        if vote in votes or len(votes) >= 4:
            return
        if not vote.is_valid(self._chain_id, machine.validators):
            return
        if any(is_conflict(other, vote) for other in votes):
            self._owed.setdefault((host.label, host.life), set()).add(place)
        votes.append(vote)

    def _take_cut_off(self, host: Host, peer: Endpoint, reason: str) -> None:
        other = next(h for h in self.hosts if h.endpoint is peer)
        if host.is_honest and other.is_honest:
            raise Violation(
                "no honest node is punished", f"{host.label} cut {other.label} off: {reason}"
            )
        self.fired["traitor cut off"] += 1

    # Blocks

    def _take_outcome(self, host: Host, outcome: Outcome) -> None:
        match outcome:
            case BlockFinal(entry=entry):
                if host.is_honest:
                    self._take_final(host, entry)
            case TransactionDropped(transaction=transaction, refusal=refusal):
                self._settle(host, transaction.txid, refusal.code)

    def _take_final(self, host: Host, entry: Entry) -> None:
        header = entry.header
        found = FinalBlock(header, entry.state_root, entry.receipts_root, host.label)
        height = header.height
        if height <= len(self.chain):
            known = self.chain[height - 1]
            if known.header.digest != header.digest:
                raise Violation(
                    "agreement", f"height {height} differs between {known.by} and {host.label}"
                )
            if (known.state_root, known.receipts_root) != (found.state_root, found.receipts_root):
                raise Violation(
                    "equal state roots", f"height {height}: {known.by} and {host.label} differ"
                )
        else:
            self._check_block(host, entry)
            self.chain.append(found)
        if height <= self._reported.get(host.label, 0):
            raise Violation("finality moves on", f"{host.label} reported {height} twice")
        self._reported[host.label] = height
        for transaction in entry.transactions:
            self._settle(host, transaction.txid, "final")

    def _check_block(self, host: Host, entry: Entry) -> None:
        """Judge a block that is final for the first time by rules written out once more here."""
        header, height = entry.header, entry.header.height
        if height != len(self.chain) + 1:
            raise Violation("validity", f"{host.label} finalized {height}, {len(self.chain)} known")
        parent = self.chain[-1] if self.chain else None
        core = host.core
        if core is None:
            raise Violation("a dead process is silent", host.label)
        genesis = host.genesis
        above = parent.header if parent else genesis.block.header
        validators = core.ledger.store.validator_set(header.epoch)
        if validators is None:
            raise Violation("validity", f"{host.label} has no validator set for {header.epoch}")
        parameters = validators.parameters
        self._require(header.set_hash == validators.hash, "validator set", height)
        self._require(header.parent == above.digest, "parent", height)
        self._require(header.chain_id == genesis.chain_id, "chain id", height)
        self._require(header.timestamp > above.timestamp, "timestamp above the parent's", height)
        if parent is not None:
            roots = (parent.state_root, parent.receipts_root)
            self._require((header.state_root, header.receipts_root) == roots, "roots", height)
        body = entry.full.block.body
        self._require(merkle.root(body) == header.transactions_root, "transactions root", height)
        self._require(tuple(t.wid for t in entry.transactions) == body, "bodies", height)
        self._require(len(body) <= parameters.max_block_transactions, "transaction count", height)
        size = sum(len(t.raw) for t in entry.transactions)
        self._require(size <= parameters.max_block_bytes, "block size", height)
        near = header.timestamp == above.timestamp + 1 or self._is_near(header.timestamp)
        self._require(near, "timestamp near some honest clock", height)
        for transaction in entry.transactions:
            self._require(transaction.is_signed(self._chain_id), "signature", height)
            window = parameters.replay_window
            in_window = height <= transaction.valid_until < height + window
            self._require(in_window, "replay window", height)
            self._require(transaction.txid not in self.committed, "no replay", height)
            self.committed[transaction.txid] = height

    def _is_near(self, timestamp: int) -> bool:
        """Whether some honest clock, of now or of the last minutes, was near that time."""
        low, high = self._clock_ranges
        drift = self.hosts[0].genesis.parameters.drift_ms + CLOCK_TOLERANCE_MS
        true = self.hosts[0].genesis.created + elapsed_ms()
        return true + low - drift - 120_000 <= timestamp <= true + high + drift

    def note_clocks(self) -> None:
        """Widen the range of what honest clocks have shown; called when one is changed."""
        for host in self.hosts:
            if host.is_honest:
                error = host.clock.error_ms
                self._clock_ranges = [
                    min(self._clock_ranges[0], error),
                    max(self._clock_ranges[1], error),
                ]

    @staticmethod
    def _require(holds: bool, what: str, height: int) -> None:
        if not holds:
            raise Violation("validity of final blocks", f"{what}, at height {height}")

    # Transactions

    def take_answer(self, host: Host, answer: Transaction | Refusal) -> None:
        """Note what a node said to a submission."""
        if isinstance(answer, Transaction):
            known = self.submissions.get(answer.txid)
            if known is None:
                submission = Submission(answer, host, host.life, elapsed_ms())
                self.submissions[answer.txid] = submission

    def _settle(self, host: Host, txid: bytes, outcome: str) -> None:
        submission = self.submissions.get(txid)
        if submission is None or submission.host is not host:
            return
        if submission.life == host.life and submission.outcome not in (None, outcome):
            raise Violation(
                "one outcome for a transaction",
                f"{txid.hex()[:12]} was {submission.outcome}, then {outcome}",
            )
        submission.outcome = outcome
        submission.final_at_ms = elapsed_ms()

    # All the time

    def check_bounds(self) -> None:
        """Memory and queues of every honest node stay bounded."""
        for host in self.hosts:
            core = host.core
            if core is None or not host.is_honest:
                continue
            pool = core.mempool
            self._bound(host, "mempool count", len(pool), MEMPOOL_COUNT)
            self._bound(host, "mempool bytes", pool.bytes, MEMPOOL_BYTES)
            for name, size, limit in core.sizes:
                self._bound(host, name, size, limit)

    @staticmethod
    def _bound(host: Host, what: str, size: int, limit: int) -> None:
        if size > limit:
            raise Violation("bounded memory", f"{what} of {host.label} is {size}, above {limit}")

    def check_restart(self, host: Host) -> None:
        """A process that starts again must still have what it reported as final."""
        core = host.core
        if core is None or not host.is_honest:
            return
        height = core.ledger.tip.header.height
        if height < self._reported.get(host.label, 0):
            raise Violation(
                "nothing final is lost",
                f"{host.label} reported {self._reported[host.label]}, restarts at {height}",
            )
        if height and core.ledger.tip.digest != self.chain[height - 1].header.digest:
            raise Violation("agreement", f"{host.label} restarts on another block at {height}")

    def forget_reports(self, host: Host) -> None:
        """A disk was wiped: what it reported is kept by the others alone."""
        self._reported.pop(host.label, None)

    def check_evidence(self) -> None:
        """Every contradiction whose both halves reached one honest process is found, and no other.

        What a node keeps of them is bounded; when it is full, none need be added.
        """
        honest = {h.identity.keys["voting"].public_key for h in self.hosts if h.is_honest}
        for host in self.hosts:
            core = host.core
            if core is None or not host.is_honest:
                continue
            found = {
                (e.first.statement.epoch, e.first.statement.view, e.first.signer)
                for e in core.evidence
            }
            missing = sorted(self._owed.get((host.label, host.life), set()) - found)
            if missing and len(found) < MAX_EVIDENCE:
                raise Violation("evidence is found", f"{host.label} lacks {missing[:3]}")
            for epoch, _, signer in sorted(found):
                validators = core.ledger.store.validator_set(epoch)
                if validators is not None and validators.validators[signer].key in honest:
                    name = validators.validators[signer].name
                    raise Violation("no honest node is accused", f"{host.label} accuses {name}")

    # At the end

    def check_end(self) -> None:
        """After the faults have stopped and the chain went on: everybody agrees, nothing hangs."""
        self.check_evidence()
        self._check_cases()
        alive = [h.core for h in self.hosts if h.core is not None and h.is_honest]
        low = min(core.ledger.tip.header.height for core in alive)
        for core in alive:
            store = core.ledger.store
            kept = max(1, store.kept_from())
            for height in range(kept, low + 1):
                if store.digest_at(height) != self.chain[height - 1].header.digest:
                    raise Violation("agreement", f"{core.name} stores another block at {height}")
            for txid, height in self.committed.items():
                place = store.place_of(txid)
                if kept <= height <= low and (place is None or place.height != height):
                    raise Violation("nothing final is lost", f"{core.name} lacks {txid.hex()[:12]}")
        for submission in self.submissions.values():
            host = submission.host
            if host.core is None or not host.is_honest or submission.life != host.life:
                continue
            if submission.outcome is None:
                raise Violation(
                    "every accepted transaction has an outcome",
                    f"{submission.transaction.txid.hex()[:12]} at {host.label}, valid until "
                    f"{submission.transaction.valid_until}, tip {low}",
                )

    def _check_cases(self) -> None:
        """No honest member stands accused in the chain."""
        honest = {host.name for host in self.hosts if host.is_honest}
        for host in self.hosts:
            if host.core is not None and host.is_honest:
                cases: Any = query(host.core.ledger.state(), 1, "evidence", "list", {})
                for case in cases:
                    if case["member"] in honest:
                        raise Violation("no honest node is accused", f"{case['member']} in a case")

    def check_history(self) -> None:
        """The chain executed once more, from genesis on an empty disk, gives the same roots."""
        archives = [h for h in self.hosts if h.is_honest and h.core is not None]
        archives = [h for h in archives if h.core and h.core.ledger.store.kept_from() <= 1]
        host = max(archives, key=lambda h: h.height, default=None)
        if host is None or host.core is None:
            return  # nobody honest has kept it all
        store = host.core.ledger.store
        again = Ledger(host.genesis, Store(Disk(Random(0), Counter())), versions=NEXT_VERSIONS)
        for height in range(1, host.height + 1):
            full, proof = store.block_at(height), store.finalization_from(height)
            if full is None or proof is None:
                raise Violation("nothing final is lost", f"{host.label} lacks block {height}")
            parameters = again.validators.parameters
            entry = again.execute(
                full, [Transaction.decode(raw, parameters, self._chain_id) for raw in full.raws]
            )
            known = self.chain[height - 1]
            if (entry.state_root, entry.receipts_root) != (known.state_root, known.receipts_root):
                raise Violation("equal state roots", f"height {height} differs when done again")
            if proof[0] == height:
                again.finalize(proof[1])


def _show(statement: Statement) -> str:
    digest = statement.digest.hex()[:8] or "-"
    return f"{statement.kind.name.lower()} {statement.epoch}/{statement.view} {digest}"
