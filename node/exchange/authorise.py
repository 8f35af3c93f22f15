"""Which of an owner's records its subjects authorise: batches opened, checked, and asked.

What the registrar sealed counts only if it is what the chain commits to, to the latest revision.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from consensus import merkle
from consensus.codec import decode, encode, expect_bytes, expect_int, expect_list
from consensus.crypto import HASH_BYTES
from contracts.system.subjects import NAME
from contracts.system.subjects.batches import MAX_COUNT
from node.data.chain import Query
from node.envelopes.content import Content
from node.errors import MunimentError
from node.exchange.consent import (
    ENTRIES_KIND,
    FORMAT,
    SALT_BYTES,
    STATES_KIND,
    Authorisation,
    AuthoriseError,
    Scope,
    count_of,
    derived,
    leaves_of,
    read_fields,
    refer,
    state_leaf,
    states_of,
)

OpenEnvelope = Callable[[bytes], Content]


@dataclass(frozen=True)
class Batch:
    """A batch whose leaves and states are those that stand on chain.

    `forged` counts entries without a valid signature for this batch, and those that claim a
    reference or key that another entry has too: they authorise nothing.
    """

    scope: Scope
    key: bytes
    seed: bytes
    entries: tuple[Authorisation, ...]
    revision: int
    state_seed: bytes
    withdrawn: frozenset[int]

    @classmethod
    def open(cls, chain_id: bytes, row: dict[str, Any], open_envelope: OpenEnvelope) -> Batch:
        """Open what the registrar sealed for a batch; `row` is what the chain says of it.

        Raises AuthoriseError if it is not what the chain commits to.
        """
        scope = Scope.of(chain_id, row)

        def read(envelope: str, kind: str) -> dict[str, str]:
            return read_fields(open_envelope(bytes.fromhex(envelope)), kind, scope.batch)

        try:
            entries: list[Authorisation] = []
            key = seed = b""
            for envelope in row["parts"]:
                fields = read(envelope, ENTRIES_KIND)
                key, seed = bytes.fromhex(fields["key"]), bytes.fromhex(fields["seed"])
                rows = expect_list(decode(base64.b64decode(fields["entries"])), "entries")
                entries += map(Authorisation.from_value, rows)
            fields = read(row["envelope"], STATES_KIND)
            places = expect_list(decode(base64.b64decode(fields["withdrawn"])), "withdrawn")
            withdrawn = frozenset(expect_int(p, "place", 0, MAX_COUNT - 1) for p in places)
            made = cls(scope, key, seed, tuple(entries), row["revision"],
                       bytes.fromhex(fields["seed"]), withdrawn)  # fmt: skip
        except (KeyError, ValueError) as error:
            raise AuthoriseError(f"an envelope of batch {scope.batch} is damaged") from error
        made._check(row)
        return made

    def _check(self, row: dict[str, Any]) -> None:
        if merkle.root_of_hashes(self.leaves).hex() != row["root"]:
            raise AuthoriseError(f"batch {self.scope.batch} is not what the chain commits to")
        if merkle.root_of_hashes(self.states).hex() != row["states"]:
            raise AuthoriseError(
                f"the states of batch {self.scope.batch} are not those of revision {self.revision}"
            )

    @cached_property
    def leaves(self) -> list[bytes]:
        return leaves_of(self.entries, self.seed)

    @cached_property
    def states(self) -> list[bytes]:
        return states_of(count_of(len(self.entries)), self.state_seed, self.withdrawn)

    @cached_property
    def _places(self) -> dict[bytes, int]:
        claims = Counter(each for entry in self.entries for each in (entry.reference, entry.key))
        return {
            entry.reference: place
            for place, entry in enumerate(self.entries)
            if claims[entry.reference] == claims[entry.key] == 1 and entry.is_valid(self.scope)
        }

    @property
    def forged(self) -> int:
        return len(self.entries) - len(self._places)

    def has(self, reference: bytes) -> bool:
        """Whether somebody authorised under this reference, withdrawn or not."""
        return reference in self._places

    def place_of(self, identity: str) -> int | None:
        """Return the place of an identity's authorisation, withdrawn or not; None without one."""
        return self._places.get(refer(self.key, identity))

    def is_withdrawn(self, identity: str) -> bool:
        return self.place_of(identity) in self.withdrawn

    def allows(self, identity: str) -> bool:
        place = self.place_of(identity)
        return place is not None and place not in self.withdrawn

    def prove(self, identity: str) -> Proof:
        """Prove that an identity's record may be delivered. Raises AuthoriseError."""
        place = self.place_of(identity)
        if place is None or place in self.withdrawn:
            raise AuthoriseError(f"batch {self.scope.batch} does not authorise this record")
        return Proof(
            self.scope.batch,
            self.revision,
            self.entries[place],
            place,
            derived(self.state_seed, place)[:SALT_BYTES],
            merkle.inclusion_proof(self.leaves, place),
            merkle.inclusion_proof(self.states, place),
        )


@dataclass(frozen=True, slots=True)
class Proof:
    """That one authorisation is in a batch and not withdrawn at a revision. Shows no other."""

    batch: int
    revision: int
    entry: Authorisation
    place: int
    salt: bytes
    path: tuple[bytes, ...]
    state_path: tuple[bytes, ...]

    def check(self, chain_id: bytes, row: dict[str, Any]) -> None:
        """Raise AuthoriseError unless it holds for the batch `row` on chain."""
        scope, count = Scope.of(chain_id, row), row["count"]
        if (self.batch, self.revision) != (scope.batch, row["revision"]):
            raise AuthoriseError(
                f"the proof is of batch {self.batch}, revision {self.revision}, and the chain's is "
                f"{scope.batch}, revision {row['revision']}"
            )
        root = merkle.root_of_path(self.entry.leaf, self.place, count, self.path)
        state = state_leaf(self.place, self.salt, False)
        state_root = merkle.root_of_path(state, self.place, count, self.state_path)
        if root is None or root.hex() != row["root"]:
            raise AuthoriseError("the authorisation is not in the batch")
        if state_root is None or state_root.hex() != row["states"]:
            raise AuthoriseError("the authorisation is withdrawn, or its state is another one")
        if not self.entry.is_valid(scope):
            raise AuthoriseError("the authorisation is not signed for this batch")

    def encode(self) -> bytes:
        return encode(
            [FORMAT, self.batch, self.revision, self.entry.to_value(), self.place, self.salt,
             self.path, self.state_path]
        )  # fmt: skip

    @classmethod
    def decode(cls, data: bytes) -> Proof:
        """Raises DecodeError."""
        row = expect_list(decode(data, max_bytes=8_192), "proof", 8)
        expect_int(row[0], "proof format", FORMAT, FORMAT)
        path, state_path = (
            tuple(
                expect_bytes(each, "hash", HASH_BYTES)
                for each in expect_list(part, "path", max_length=merkle.MAX_PROOF_HASHES)
            )
            for part in row[6:]
        )
        return cls(
            expect_int(row[1], "batch", 1),
            expect_int(row[2], "revision", 1),
            Authorisation.from_value(row[3]),
            expect_int(row[4], "place", 0, MAX_COUNT - 1),
            expect_bytes(row[5], "salt", SALT_BYTES),
            path,
            state_path,
        )


@dataclass(frozen=True, slots=True)
class Authorisations:
    """Which of an owner's records may be delivered for one recipient and purpose.

    `seen` are number and revision of every batch that holds on chain; `faults` say in a sentence
    each which of them could not be opened. Those authorise nothing, and harm no other.
    """

    batches: tuple[Batch, ...]
    seen: tuple[tuple[int, int], ...]
    faults: tuple[str, ...]

    @classmethod
    def load(
        cls,
        chain_id: bytes,
        query: Query,
        open_envelope: OpenEnvelope,
        scope: tuple[str, str, str],
        now_ms: int,
    ) -> Authorisations:
        """Open the batches of (dataset, recipient, purpose) that hold at `now_ms`.

        A batch whose latest states have not arrived is a fault: what is older does not count.
        """
        batches, faults = [], []
        rows = _live_batches(query, scope, now_ms)
        for row in rows:
            try:
                batches.append(Batch.open(chain_id, row, open_envelope))
            except MunimentError as error:
                faults.append(f"batch {row['id']} of {row['registrar']}: {error.message}")
        return cls(tuple(batches), _revisions(rows), tuple(faults))

    def allowed(self, identity: str | None) -> bool:
        """Whether a record of `identity` may be delivered."""
        return identity is not None and any(batch.allows(identity) for batch in self.batches)

    def covers(self, values: Sequence[str | None]) -> bool:
        """Whether a record may be delivered; `values` are all its fields, as its standard has them.

        Each batch says which field names the subject.
        """
        for batch in self.batches:
            field = batch.scope.field
            identity = values[field] if field < len(values) else None
            if identity is not None and batch.allows(identity):
                return True
        return False

    def is_current(self, query: Query, scope: tuple[str, str, str], now_ms: int) -> bool:
        """Whether nothing was posted, revised or ended since; to be asked before each chunk."""
        return _revisions(_live_batches(query, scope, now_ms)) == self.seen

    def prove(self, identity: str) -> Proof:
        """Raises AuthoriseError if the record may not be delivered."""
        for batch in self.batches:
            if batch.allows(identity):
                return batch.prove(identity)
        raise AuthoriseError("no batch authorises this record")


def _revisions(rows: list[dict[str, Any]]) -> tuple[tuple[int, int], ...]:
    return tuple((row["id"], row["revision"]) for row in rows)


def _live_batches(query: Query, scope: tuple[str, str, str], now_ms: int) -> list[dict[str, Any]]:
    names = ("dataset", "recipient", "purpose")
    args: dict[str, Any] = {**dict(zip(names, scope, strict=True)), "at": now_ms}
    found: list[dict[str, Any]] = []
    while rows := query(NAME, "batches", args):
        found += [row for row in rows if row["usable"]]
        args["after"] = rows[-1]["id"]
    return found
