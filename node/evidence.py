"""Contradictions of validators that this node has seen, kept durably: once for a key and epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from consensus.codec import DecodeError, decode, encode
from consensus.messages import Evidence
from node.store import Store, StoreError


@dataclass(frozen=True, slots=True)
class KeptEvidence:
    """Two votes of `validator` in `epoch` that contradict each other."""

    epoch: int
    validator: str
    voting_key: bytes
    evidence: Evidence

    def is_valid(self, store: Store, chain_id: bytes) -> bool:
        """Check both signatures again, against the validator set of their epoch."""
        validators = store.validator_set(self.epoch)
        return validators is not None and self.evidence.is_valid(chain_id, validators)


def keep_evidence(store: Store, voting_key: bytes, evidence: Evidence) -> bool:
    """Keep verified evidence; returns False if some of that key and epoch is kept already."""
    epoch = evidence.first.statement.epoch
    return store.put_evidence(epoch, voting_key, encode(evidence.to_value()))


def kept_evidence(store: Store) -> Iterator[KeptEvidence]:
    """All evidence that is kept, in order of epochs."""
    for epoch, key, data in store.evidence():
        try:
            evidence = Evidence.from_value(decode(data))
        except DecodeError as error:
            raise StoreError(f"stored evidence is damaged: {error}") from error
        validators = store.validator_set(epoch)
        names = [v.name for v in validators.validators if v.key == key] if validators else []
        yield KeptEvidence(epoch, names[0] if names else key.hex(), key, evidence)
