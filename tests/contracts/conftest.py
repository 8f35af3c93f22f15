"""A chain of three members whose blocks are executed on a dictionary."""

from __future__ import annotations

from typing import Any

import pytest

from consensus.crypto import Signer, sha256
from consensus.genesis import PURPOSES, Card, Genesis, Member
from consensus.validators import Parameters
from contracts.engine import (
    BlockContext,
    BlockResult,
    execute_block,
    genesis_state,
    query,
)
from contracts.envelope import Call, Transaction
from contracts.receipts import Receipt
from contracts.system import VERSIONS, Versions

NOW = 1_750_000_000_000


class DictState:
    def __init__(self, values: dict[bytes, bytes]) -> None:
        self.values = values

    def get(self, key: bytes) -> bytes | None:
        return self.values.get(key)

    def scan(
        self, prefix: bytes, after: bytes = b"", limit: int = 100
    ) -> list[tuple[bytes, bytes]]:
        keys = sorted(k for k in self.values if k.startswith(prefix) and k > after)
        return [(key, self.values[key]) for key in keys[:limit]]

    def apply(self, changes: dict[bytes, bytes | None]) -> None:
        for key, value in changes.items():
            if value is None:
                self.values.pop(key, None)
            else:
                self.values[key] = value


class Chain:
    """Members city (observer), land and tax (validators), and more of these; heights begin at 1.

    `last_height` may be set to let an epoch end there; `late_ms` lets time pass.
    """

    def __init__(self, more: tuple[str, ...] = ()) -> None:
        self.signers: dict[str, Signer] = {}
        self.keys: dict[str, dict[str, Signer]] = {}
        self.last_height = self.late_ms = 0
        members = []
        for name, roles, parent in sorted(
            (
                ("city", ("observer",), "land"),
                ("land", ("validator",), None),
                ("tax", ("validator",), None),
                *((name, ("validator",), None) for name in more),
            )
        ):
            tier = "local" if parent else "central"
            members.append(Member(self.make_card(name), tier, parent, roles))
        self.parameters = Parameters()
        self.genesis = Genesis("test", NOW, tuple(members), self.parameters)
        self.chain_id = self.genesis.chain_id
        self.state = DictState(genesis_state(self.genesis))
        self.versions: Versions = VERSIONS
        self.height = 1
        self._nonce = 0

    def make_card(self, name: str, salt: str = "") -> Card:
        """A member's card; another `salt` gives it other keys."""
        keys = {p: Signer(sha256(f"{name} {p}{salt}".encode())) for p in PURPOSES}
        self.keys[name + salt] = keys
        self.signers[name + salt] = keys["member"]
        return Card.create(name, keys, (f"/dns4/{name}.example/tcp/4001",))

    def sign(
        self, sender: str, *calls: Call, valid_until: int = 100, signer: Signer | None = None
    ) -> Transaction:
        self._nonce += 1
        return Transaction.create(
            signer or self.signers[sender],
            self.chain_id,
            sender,
            self._nonce.to_bytes(16, "big"),
            valid_until,
            NOW,
            calls,
        )

    def context(self) -> BlockContext:
        time = NOW + self.height + self.late_ms
        return BlockContext(
            self.chain_id, self.height, 0, time, "land", self.parameters, self.last_height
        )

    def execute(self, *transactions: Transaction) -> BlockResult:
        """Execute one block and keep what it changed."""
        result = execute_block(self.state, self.context(), transactions, self.versions)
        self.state.apply(result.changes)
        self.height += 1
        return result

    def run(self, sender: str, contract: str, method: str, args: Any) -> Receipt:
        """Execute one call in a block of its own."""
        signed = self.sign(sender, Call(contract, method, args), valid_until=self.height + 100)
        return self.execute(signed).receipts[-1]

    def end_epoch(self) -> Receipt | None:
        """Execute the block before the epoch's last; returns what it tells of its own work."""
        self.last_height = self.height + 1
        result = self.execute()
        return result.receipts[0] if result.receipts else None

    def ask(self, contract: str, method: str, **args: Any) -> Any:
        return query(self.state, 1, contract, method, args)

    def standard(self, **changes: Any) -> dict[str, Any]:
        field = {
            "name": "parcel",
            "type": "text",
            "unit": None,
            "codes": None,
            "level": 2,
            "class": "important",
            "mask": None,
        }
        return {
            "id": "land/parcels",
            "version": 1,
            "title": "Parcels",
            "schema": {"type": "object", "properties": {"parcel": {"type": "string"}}},
            "fields": [field, {**field, "name": "area", "level": 1, "class": "general"}],
        } | changes

    def publish(self, **changes: Any) -> bytes:
        """Publish a standard in the name of land; returns its digest."""
        receipt = self.run("land", "standards", "publish", self.standard(**changes))
        assert receipt.code == 0, receipt
        data: Any = receipt.events[0].data
        digest: bytes = data[2]
        return digest

    def registration(self, digest: bytes, **changes: Any) -> dict[str, Any]:
        return {
            "dataset": "land/parcels-2025",
            "version": 1,
            "title": "Parcels 土地",
            "keywords": ["parcel"],
            "theme": None,
            "licence": "odc-by",
            "frequency": "monthly",
            "spatial": None,
            "temporal": [1, 2],
            "media_type": "text/csv",
            "standard": ["land/parcels", 1, digest],
            "level": 2,
            "class": "important",
            "rows": 10,
            "bytes": 1_000,
            "suite": "sha256-v1",
            "commitment": bytes(32),
            "quality": None,
            "derived_from": [],
            "custody": "own",
        } | changes


@pytest.fixture
def chain() -> Chain:
    return Chain()
