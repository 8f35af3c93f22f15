"""Following finality without a node: from the genesis, or a trusted set, to any header.

Each epoch's last header names the next epoch's validator set, and the old set's finalization of
that header hands over. Within an epoch a finalization proves a header and, by parent hashes, all
its ancestors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from consensus.block import Header
from consensus.codec import Value, expect_list
from consensus.crypto import Kind
from consensus.messages import Certificate
from consensus.validators import ValidatorSet

MAX_EPOCH_STEPS = 1 << 16
MAX_HEADERS = 1 << 14


class ProofError(ValueError):
    """A proof that does not prove; the message says what is wrong."""

    code = "proof"


@dataclass(frozen=True, slots=True)
class EpochStep:
    """An epoch's last header, its finalization by that epoch's set, and the set that follows."""

    header: Header
    certificate: Certificate
    next_set: ValidatorSet

    def to_value(self) -> Value:
        return [self.header.to_value(), self.certificate.to_value(), self.next_set.to_value()]

    @classmethod
    def from_value(cls, value: Value) -> EpochStep:
        header, certificate, next_set = expect_list(value, "epoch step", 3)
        return cls(
            Header.from_value(header),
            Certificate.from_value(certificate),
            ValidatorSet.from_value(next_set),
        )


def follow_epochs(
    chain_id: bytes, first: ValidatorSet, steps: Sequence[EpochStep], epoch: int = 0
) -> ValidatorSet:
    """Return the set of epoch `epoch + len(steps)`, starting from `first`, the set of `epoch`.

    Raises ProofError naming the epoch whose hand-over does not hold.
    """
    current = first
    for step in steps:
        check_finalized(chain_id, current, epoch, [step.header], step.certificate)
        if step.header.next_set_hash is None:
            raise ProofError(f"the header that ends epoch {epoch} names no next validator set")
        if step.header.next_set_hash != step.next_set.hash:
            raise ProofError(f"the validator set after epoch {epoch} is not the one handed over to")
        current = step.next_set
        epoch += 1
    return current


def check_finalized(
    chain_id: bytes,
    validators: ValidatorSet,
    epoch: int,
    headers: Sequence[Header],
    certificate: Certificate,
) -> None:
    """Check that `certificate` finalizes the last of `headers`, each the parent of the next.

    Raises ProofError with the reason if it does not.
    """
    if not headers:
        raise ProofError("no header to prove")
    for header in headers:
        if header.chain_id != chain_id:
            raise ProofError(f"header of height {header.height} belongs to another chain")
    for parent, child in pairwise(headers):
        if child.parent != parent.digest or child.height != parent.height + 1:
            raise ProofError(f"header of height {child.height} does not follow its parent")
    last, statement = headers[-1], certificate.statement
    if last.epoch != epoch or last.set_hash != validators.hash:
        raise ProofError(f"header of height {last.height} is not of this epoch's validator set")
    if statement.kind is not Kind.FINALIZE:
        raise ProofError("the certificate is not a finalization")
    if statement.epoch != epoch or statement.digest != last.digest:
        raise ProofError(f"the certificate does not finalize the header of height {last.height}")
    if not certificate.is_valid(chain_id, validators):
        raise ProofError("the certificate lacks a quorum of valid signatures")
