"""What contracts cost on one core, without signatures, storage and network.

    python -m bench.contracts [--transactions 2000] [--rounds 5] [--json]

Each figure is the best of the rounds, in microseconds of CPU for one transaction, or for one call
of a bulk transaction. Registrations are of distinct datasets, against one published standard.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence

from consensus.codec import Value
from consensus.crypto import Signer, sha256
from consensus.genesis import PURPOSES, Card, Genesis, Member
from consensus.validators import Parameters
from contracts.engine import BlockContext, check_admission, execute_block, genesis_state
from contracts.envelope import Call, Transaction
from contracts.receipts import receipts_root

_PARAMETERS = Parameters(max_transaction_bytes=1 << 20)
_NOW = 1_750_000_000_000
_BULK_CALLS = 100
_STANDARD: dict[str, Value] = {
    "id": "land/parcels",
    "version": 1,
    "title": "Parcels",
    "schema": {"type": "object", "properties": {"parcel": {"type": "string"}}},
    "fields": [
        {
            "name": "parcel",
            "type": "text",
            "unit": None,
            "codes": None,
            "level": 2,
            "class": "general",
            "mask": None,
        }
    ],
}


class DictState:
    """State in memory."""

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
    """One member, its genesis state and a published standard."""

    def __init__(self) -> None:
        signers = {name: Signer(sha256(name.encode())) for name in PURPOSES}
        card = Card.create("land", signers, ())
        self.genesis = Genesis("bench", _NOW, (Member(card),), _PARAMETERS)
        self.chain_id = self.genesis.chain_id
        self.signer = signers["member"]
        self.state = DictState(genesis_state(self.genesis))
        result = execute_block(self.state, self.context(1), [self.sign(0, _publish())])
        if result.receipts[0].code:
            raise RuntimeError(f"publish failed: {result.receipts[0]}")
        self.state.apply(result.changes)
        self.digest = result.receipts[0].events[0].data[2]  # type: ignore[index]

    def context(self, height: int) -> BlockContext:
        return BlockContext(self.chain_id, height, 0, _NOW + height, "land", _PARAMETERS)

    def sign(self, number: int, calls: tuple[Call, ...]) -> Transaction:
        nonce = number.to_bytes(16, "big")
        return Transaction.create(self.signer, self.chain_id, "land", nonce, 100, _NOW, calls)

    def register(self, number: int) -> Call:
        return Call(
            "catalogue",
            "register",
            {
                "dataset": f"land/parcels-{number}",
                "version": 1,
                "title": "Parcels of the northern district",
                "keywords": ["parcel", "land use"],
                "theme": "land",
                "licence": "odc-by",
                "frequency": "monthly",
                "spatial": "330100",
                "temporal": [_NOW - 1_000_000, _NOW],
                "media_type": "text/csv",
                "standard": ["land/parcels", 1, self.digest],
                "level": 2,
                "class": "general",
                "rows": 10_000 + number,
                "bytes": 1_000_000,
                "suite": "sha256-v1",
                "commitment": sha256(number.to_bytes(8, "big")),
                "quality": {
                    "completeness": 9_990,
                    "validity": 9_870,
                    "uniqueness": 10_000,
                    "timeliness": 9_000,
                    "consistency": 9_500,
                },
                "derived_from": [],
                "custody": "own",
            },
        )


def _publish() -> tuple[Call, ...]:
    return (Call("standards", "publish", _STANDARD),)


def measure(transactions: int, rounds: int) -> dict[str, float]:
    """Return microseconds by what was measured, and the size of a transaction in bytes."""
    chain = Chain()
    raws = [chain.sign(n, (chain.register(n),)).raw for n in range(transactions)]
    bulk = [
        chain.sign(n, tuple(chain.register(n + i) for i in range(_BULK_CALLS))).raw
        for n in range(0, transactions, _BULK_CALLS)
    ]
    singles = [Transaction.decode(raw, _PARAMETERS, chain.chain_id) for raw in raws]
    bulks = [Transaction.decode(raw, _PARAMETERS, chain.chain_id) for raw in bulk]
    context = chain.context(2)
    for checked in (singles, bulks):
        receipts = execute_block(chain.state, context, checked).receipts
        if any(receipt.code for receipt in receipts):
            raise RuntimeError(f"a registration failed: {receipts[0]}")

    def decode_all(rows: Sequence[bytes]) -> None:
        for raw in rows:
            Transaction.decode(raw, _PARAMETERS, chain.chain_id)

    def admit_all() -> None:
        for transaction in singles:
            check_admission(chain.state, transaction, 2, _PARAMETERS)

    def root_all() -> None:
        result = execute_block(chain.state, context, singles)
        receipts_root(result.receipts)

    def best(run: Callable[[], object], items: int) -> float:
        figures = []
        for _ in range(rounds):
            started = time.process_time()
            run()
            figures.append((time.process_time() - started) * 1e6 / items)
        return round(min(figures), 2)

    calls = len(bulks) * _BULK_CALLS
    execute = best(lambda: execute_block(chain.state, context, singles), len(singles))
    return {
        "bytes of a transaction": len(raws[0]),
        "decode": best(lambda: decode_all(raws), len(raws)),
        "decode, bulk, each call": best(lambda: decode_all(bulk), calls),
        "admission": best(admit_all, len(singles)),
        "execute": execute,
        "execute, bulk, each call": best(lambda: execute_block(chain.state, context, bulks), calls),
        "execute and receipts root": best(root_all, len(singles)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.contracts")
    parser.add_argument("--transactions", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.transactions, options.rounds)
    if options.json:
        print(json.dumps(figures))
        return
    for name, figure in figures.items():
        print(f"{name:<28}{figure:>10.2f}{'' if name.startswith('bytes') else ' us'}")


if __name__ == "__main__":
    main()
