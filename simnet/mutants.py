"""Faults put into the protocol on purpose, to show that the invariants would find them.

Each mutant replaces one function of the node by a subtly wrong one for the time of a context.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from consensus.block import Block
from consensus.codec import encode
from consensus.crypto import Kind
from consensus.machine import Machine
from consensus.messages import Certificate, Proposal, Statement, Vote
from consensus.validators import ValidatorSet
from contracts import engine
from contracts.codes import Code
from contracts.engine import Rejection
from node import ledger as node_ledger
from node import sync as node_sync
from node.core import Core, _epoch_of
from node.driver import Driver
from node.ledger import Ledger
from node.store import Store
from simnet.disk import Disk, SimFile

Patch = tuple[Any, str, Any]


def _quorum_off_by_one() -> list[Patch]:
    return [(ValidatorSet, "quorum", property(lambda self: 2 * len(self.validators) // 3))]


def _finalize_after_nullify() -> list[Patch]:
    original = Machine._vote_finalize

    def vote(self: Machine) -> None:
        hidden = {}
        for view, current in self._rounds.items():
            if current.is_certified and Kind.NULLIFY in current.own:
                hidden[view] = current.own.pop(Kind.NULLIFY)
        original(self)
        for view, nullify in hidden.items():
            if view in self._rounds:
                self._rounds[view].own[Kind.NULLIFY] = nullify

    return [(Machine, "_vote_finalize", vote)]


def _vote_before_persist() -> list[Patch]:
    original = Driver._carry_out

    async def carry_out(self: Driver) -> None:
        for out in self.core.outbox.take():
            self._transport.send(out.peer, out.channel, out.kind, out.payload)
        await original(self)

    return [(Driver, "_carry_out", carry_out)]


def _gap_not_checked() -> list[Patch]:
    original = Machine._get_parent

    def get_parent(self: Machine, statement: Statement) -> Any:
        return original(self, replace(statement, view=statement.parent_view + 1))

    return [(Machine, "_get_parent", get_parent)]


def _timestamp_not_checked() -> list[Patch]:
    original = Machine._find_fault

    def find_fault(self: Machine, proposal: Proposal, parent: Any) -> str | None:
        fault = original(self, proposal, parent)
        return None if fault is not None and fault.startswith("timestamp") else fault

    return [(Machine, "_find_fault", find_fault)]


def _forgets_votes() -> list[Patch]:
    original = Machine.restore

    def restore(self: Machine, records: Any) -> None:
        original(self, [record for record in records if isinstance(record, Certificate)])

    return [(Machine, "restore", restore), (Machine, "_forget", lambda self, view: None)]


def _commits_on_notarization() -> list[Patch]:
    original = Machine._certify

    def certify(self: Machine, current: Any) -> None:
        original(self, current)
        proof = current.notarization
        if proof is not None and proof.statement.view > self.finalized_view:
            self._finalize(replace(proof, statement=replace(proof.statement, kind=Kind.FINALIZE)))

    return [(Machine, "_certify", certify)]


def _replay_window_off() -> list[Patch]:
    original = engine.check_admission

    def check(*args: Any) -> Rejection | None:
        rejection = original(*args)
        if rejection is not None and rejection.code in (Code.EXPIRED, Code.TOO_FAR_AHEAD):
            return None
        return rejection

    return [(node_ledger, "check_admission", check)]


def _not_bound_to_view() -> list[Patch]:
    def encoded(self: Statement) -> bytes:
        return encode([self.epoch, self.digest])

    return [(Statement, "encoded", property(encoded))]


def _sync_without_proof() -> list[Patch]:
    original = Core._execute_range

    def execute_range(self: Core) -> None:
        _, found = self.sync._waiting[0]
        original(self)
        certificate = found.certificate
        if certificate is not None and self.ledger.is_known(found.blocks[-1].block.digest):
            statement = replace(certificate.statement, digest=found.blocks[-1].block.digest)
            self._final = replace(certificate, statement=statement)

    return [
        (node_sync, "check_finalized", lambda *args: None),
        (Core, "_execute_range", execute_range),
    ]


def _certificate_of_too_few() -> list[Patch]:
    def is_valid(self: Certificate, chain_id: bytes, validators: ValidatorSet) -> bool:
        return all(vote.is_valid(chain_id, validators) for vote in self.votes)

    return [(Certificate, "is_valid", is_valid)]


def _unsigned_votes() -> list[Patch]:
    return [(Vote, "is_valid", lambda self, chain_id, validators: True)]


def _evidence_dropped() -> list[Patch]:
    return [(Machine, "_accuse", lambda self, current, first, second: None)]


def _finality_not_synced() -> list[Patch]:
    def write(self: Store, batch: Any) -> None:
        self._disk.write(batch, sync=False)

    return [(Store, "write", write)]


def _journal_not_synced() -> list[Patch]:
    return [(SimFile, "sync", lambda self: None)]


def _replays_accepted() -> list[Patch]:
    return [(Store, "is_committed", lambda self, txid: False)]


def _timeouts_not_capped() -> list[Patch]:
    delta = property(lambda self: self._delta << self._nullified_in_row)
    return [(Machine, "_patient_delta", delta)]


def _rot_not_noticed() -> list[Patch]:
    def get(self: Disk, key: bytes) -> bytes | None:
        value: bytes | None = self.rows.get(key)
        if value and key in self.rotten:
            self.met_rot = True
            value = bytes((value[0] ^ 1,)) + value[1:]
        return value

    return [(Disk, "get", get)]


def _journal_of_one_epoch() -> list[Patch]:
    original = Core.__init__

    def init(self: Core, *args: Any, restored: Any = (), **options: Any) -> None:
        original(self, *args, **options)
        self._restored = [r for r in restored if _epoch_of(r) == self.ledger.epoch]

    return [(Core, "__init__", init)]


def _stale_validator_set() -> list[Patch]:
    original = Ledger._set_tip

    def set_tip(self: Ledger, block: Block) -> None:
        before: ValidatorSet | None = getattr(self, "validators", None)
        original(self, block)
        if before is not None and before.validators != self.validators.validators:
            self.validators = before

    return [(Ledger, "_set_tip", set_tip)]


MUTANTS: dict[str, Callable[[], list[Patch]]] = {
    "quorum-off-by-one": _quorum_off_by_one,
    "finalize-after-nullify": _finalize_after_nullify,
    "vote-before-persist": _vote_before_persist,
    "gap-not-checked": _gap_not_checked,
    "timestamp-not-checked": _timestamp_not_checked,
    "forgets-votes": _forgets_votes,
    "commits-on-notarization": _commits_on_notarization,
    "replay-window-off": _replay_window_off,
    "not-bound-to-view": _not_bound_to_view,
    "sync-without-proof": _sync_without_proof,
    "certificate-of-too-few": _certificate_of_too_few,
    "unsigned-votes": _unsigned_votes,
    "evidence-dropped": _evidence_dropped,
    "finality-not-synced": _finality_not_synced,
    "journal-not-synced": _journal_not_synced,
    "replays-accepted": _replays_accepted,
    "timeouts-not-capped": _timeouts_not_capped,
    "rot-not-noticed": _rot_not_noticed,
    "journal-of-one-epoch": _journal_of_one_epoch,
    "stale-validator-set": _stale_validator_set,
}


@contextmanager
def mutated(name: str) -> Iterator[None]:
    """Let the protocol be wrong in the named way; nothing if the name is empty."""
    patches = MUTANTS[name]() if name else []
    before = [(owner, attribute, owner.__dict__[attribute]) for owner, attribute, _ in patches]
    for owner, attribute, value in patches:
        setattr(owner, attribute, value)
    try:
        yield
    finally:
        for owner, attribute, value in before:
            setattr(owner, attribute, value)
