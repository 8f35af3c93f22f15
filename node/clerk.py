"""What a node tells the chain by itself, signed with its node key: readiness, and evidence.

A member's node says `ready`, with the protocol versions that its release executes, once it has
caught up; that lets it validate. Votes that contradict each other are reported so that they act
without anybody's attention.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from consensus.codec import Value, encode
from consensus.crypto import Signer, sha256
from consensus.messages import Evidence
from contracts.api import NODE
from contracts.envelope import NONCE_BYTES, Call, Transaction
from contracts.state import StateReader
from contracts.system import evidence as evidence_contract
from contracts.system import members

MAX_ACCUSATIONS = 256
PATIENCE_HEIGHTS = 32
"""Something that is not in the chain after so many heights is said again."""


@dataclass(frozen=True, slots=True)
class Duty:
    """The node's keys: which one signs, and which ones vote."""

    name: str
    signer: Signer
    voting_keys: Collection[bytes]


class Clerk:
    """Decides what is to be said; the core submits it. `versions` are those of the release."""

    def __init__(self, duty: Duty, chain_id: bytes, versions: Collection[int]) -> None:
        self._duty = duty
        self._chain_id = chain_id
        self._versions: list[Value] = [*sorted(versions)]
        self._accusations: dict[bytes, tuple[bytes, Evidence]] = {}
        self._said: dict[bytes, int] = {}

    def accuse(self, key: bytes, evidence: Evidence) -> None:
        """Remember evidence against the voting key `key` until it is in the chain."""
        place = evidence_contract.case_key(key, evidence.first.statement.epoch)
        if len(self._accusations) < MAX_ACCUSATIONS:
            self._accusations.setdefault(place, (key, evidence))

    def write(self, state: StateReader, epoch: int, height: int, time_ms: int) -> list[Transaction]:
        """Return what is to be submitted on the final state at `height`; `time_ms` is UTC."""
        record = members.get(state, self._duty.name)
        if record is None or record["status"] != members.ACTIVE:
            return []
        if record["node_key"] != self._duty.signer.public_key:
            return []
        self._said = {c: h for c, h in self._said.items() if height < h + PATIENCE_HEIGHTS}
        calls = [*self._readiness(record), *self._reports(state, epoch)]
        return [
            transaction
            for call in calls
            if (transaction := self._sign(call, height, time_ms)) is not None
        ]

    def _readiness(self, record: dict[str, Any]) -> list[Call]:
        is_validator = members.VALIDATOR in record["roles"]
        if not is_validator or record["ready"] == self._versions:
            return []
        if record["voting_key"] not in self._duty.voting_keys:
            return []
        return [Call(members.NAME, "ready", {"versions": self._versions})]

    def _reports(self, state: StateReader, epoch: int) -> list[Call]:
        """What is known of, or too old to be taken, is forgotten."""
        oldest = epoch - evidence_contract.MAX_AGE_EPOCHS
        self._accusations = {
            place: (key, evidence)
            for place, (key, evidence) in self._accusations.items()
            if (accused := evidence.first.statement.epoch) > oldest
            and not evidence_contract.is_known(state, key, accused)
        }
        return [
            Call(evidence_contract.NAME, "report", {"key": key, "evidence": evidence.to_value()})
            for key, evidence in self._accusations.values()
        ]

    def _sign(self, call: Call, height: int, time_ms: int) -> Transaction | None:
        content = sha256(encode([call.contract, call.method, call.args]))
        if content in self._said:
            return None
        self._said[content] = height
        signer = self._duty.signer
        nonce = sha256(signer.public_key + content + height.to_bytes(8, "big"))[:NONCE_BYTES]
        return Transaction.create(
            signer,
            self._chain_id,
            f"{self._duty.name}/{NODE}",
            nonce,
            height + PATIENCE_HEIGHTS,
            time_ms,
            (call,),
        )
