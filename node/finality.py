"""What proves a header final to anybody who has the genesis: headers, a certificate, the epochs."""

from __future__ import annotations

from dataclasses import dataclass

from consensus.block import Header
from consensus.codec import Value, expect_list
from consensus.genesis import Genesis
from consensus.light import (
    MAX_EPOCH_STEPS,
    MAX_HEADERS,
    EpochStep,
    ProofError,
    check_finalized,
    follow_epochs,
)
from consensus.messages import Certificate
from consensus.validators import ValidatorSet
from node.errors import MunimentError
from node.store import Store


class NotHeldError(MunimentError):
    """A proof cannot be made here, or not yet; the message says where or when it can."""

    code = "not-held"


@dataclass(frozen=True, slots=True)
class Finality:
    """Consecutive headers, a finalization of the last one, and how the epochs led there."""

    headers: tuple[Header, ...]
    certificate: Certificate
    steps: tuple[EpochStep, ...]

    @classmethod
    def of(cls, store: Store, height: int, finalized: int | None = None) -> Finality:
        """Prove the headers from `height` up to the first finalized one at or above `finalized`.

        Raises NotHeldError.
        """
        lowest = store.kept_from()
        if 0 < height < lowest:
            raise NotHeldError(
                f"block {height} is not kept here any more (the lowest is {lowest}); "
                "ask the node of an archive"
            )
        found = store.finalization_from(height if finalized is None else finalized)
        if found is None:
            raise NotHeldError(
                f"the block after height {height} is not final yet; try again in a moment"
            )
        last, certificate = found
        headers = []
        for number in range(height, last + 1):
            full = store.block_at(number)
            if full is None:
                raise NotHeldError(f"block {number} is missing from the database; sync it anew")
            headers.append(full.block.header)
        steps = []
        for epoch in range(certificate.statement.epoch):
            step = store.epoch_step(epoch)
            if step is None:
                raise NotHeldError(f"the end of epoch {epoch} is missing; sync this home anew")
            steps.append(step)
        return cls(tuple(headers), certificate, tuple(steps))

    def to_values(self) -> list[Value]:
        """Three values, to be part of a proof file."""
        headers: Value = [header.to_value() for header in self.headers]
        steps: Value = [step.to_value() for step in self.steps]
        return [headers, self.certificate.to_value(), steps]

    @classmethod
    def from_values(cls, headers: Value, certificate: Value, steps: Value) -> Finality:
        rows = expect_list(headers, "headers", max_length=MAX_HEADERS)
        ends = expect_list(steps, "epoch steps", max_length=MAX_EPOCH_STEPS)
        return cls(
            tuple(Header.from_value(row) for row in rows),
            Certificate.from_value(certificate),
            tuple(EpochStep.from_value(row) for row in ends),
        )

    @property
    def epoch(self) -> int:
        """The epoch of the certificate."""
        return self.certificate.statement.epoch

    def check(self, genesis: Genesis) -> ValidatorSet:
        """Return the set that finalized the headers. Raises ProofError with the reason."""
        if len(self.steps) != self.epoch:
            raise ProofError(f"it needs the ends of {self.epoch} epochs and has {len(self.steps)}")
        chain_id = genesis.chain_id
        validators = follow_epochs(chain_id, genesis.validator_set, self.steps)
        check_finalized(chain_id, validators, self.epoch, self.headers, self.certificate)
        return validators

    def set_of(self, epoch: int, genesis: Genesis) -> ValidatorSet:
        """Return the set in force in `epoch`. Raises ProofError if that is not proven here."""
        if epoch > len(self.steps):
            raise ProofError("the transaction's epoch is later than the certificate's")
        return genesis.validator_set if epoch == 0 else self.steps[epoch - 1].next_set
