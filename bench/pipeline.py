"""CPU that one node spends on each transaction, stage by stage, without network or consensus.

    python -m bench.pipeline [--blocks 20] [--transactions 250] [--calls 1] [--preload 0] [--json]

One process, the real ledger on a real database. Registrations are signed before the clock starts;
each then passes every stage of a follower's life: the door, the check of a proposal, execution,
finality. Times are process CPU time, so other work on the machine disturbs them little.
`--preload` commits that many registrations first, so that the trie has the depth of a used chain.
"""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.start import OWNER, Builder
from consensus.block import Block
from contracts.engine import execute_block
from contracts.envelope import Transaction
from contracts.receipts import receipts_root
from contracts.trie import update
from node.devnet import Devnet
from node.ledger import full_block_of
from node.mempool import Mempool


class Stages:
    """CPU time by stage, in the order of first use; ns."""

    def __init__(self) -> None:
        self.spent: dict[str, int] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        begin = time.process_time_ns()
        yield
        self.spent[name] = self.spent.get(name, 0) + time.process_time_ns() - begin


class Pipeline:
    """A chain and a mempool through which blocks of registrations pass."""

    def __init__(self, folder: Path, preload: int) -> None:
        self._builder = Builder(Devnet.create(folder, 4))
        self._builder.begin(preload)
        self._ledger = self._builder.ledger
        self._mempool = Mempool(1_000_000, 1 << 30)
        self.stages = Stages()

    def run(self, transactions: int, calls: int) -> None:
        """Sign one block's transactions, then let them pass."""
        builder = self._builder
        raws = [builder.sign(builder.bulk(calls)).raw for _ in range(transactions)]
        found = self._enter(raws)
        block = self._check(found)
        self._execute(block, found)
        full = full_block_of(block, found)
        entry = self._ledger.execute(full, found)
        if any(receipt.code for receipt in entry.receipts):
            raise RuntimeError("a registration failed")
        with self.stages("store block"):
            self._ledger.store.put_executed(full)
        certificate = builder.certify(block)
        with self.stages("finality"):
            self._ledger.finalize(certificate)
        with self.stages("leave mempool"):
            for transaction in found:
                self._mempool.remove_txid(transaction.txid)

    def _enter(self, raws: list[bytes]) -> list[Transaction]:
        ledger, mempool, stages = self._ledger, self._mempool, self.stages
        parameters, chain_id = ledger.validators.parameters, ledger.genesis.chain_id
        with stages("decode"):
            found = [Transaction.decode(raw, parameters, chain_id) for raw in raws]
        with stages("signature"):
            are_signed = all(transaction.is_signed(chain_id) for transaction in found)
        if not are_signed:
            raise RuntimeError("a signature is wrong")
        with stages("door"):
            for transaction in found:
                if (
                    not ledger.store.is_committed(transaction.txid)
                    and ledger.check_admission(transaction) is None
                    and mempool.refuse_reason(transaction) is None
                ):
                    mempool.add(transaction)
        return found

    def _check(self, found: list[Transaction]) -> Block:
        parent = self._ledger.tip
        block = self._ledger.build(parent, OWNER, parent.header.timestamp + 1_000, found)
        with self.stages("check proposal"):
            fault = self._ledger.find_fault(block, found, self._mempool)
        if fault is not None:
            raise RuntimeError(f"block {block.header.height} is not as it should be: {fault}")
        return block

    def _execute(self, block: Block, found: list[Transaction]) -> None:
        """What the ledger's `execute` does, in parts; the result is dropped."""
        ledger, stages = self._ledger, self.stages
        context = ledger.context(block.header)
        with stages("contracts"):
            result = execute_block(ledger.state(), context, found)
        with stages("receipts root"):
            receipts_root(result.receipts)
        with stages("trie"):
            update(ledger.trie(), ledger.state_root, result.changes)


def measure(folder: Path, blocks: int, transactions: int, calls: int, preload: int) -> Any:
    """Returns microseconds for each call by stage."""
    gc.disable()
    pipeline = Pipeline(folder, preload)
    for _ in range(blocks):
        pipeline.run(transactions, calls)
    done = blocks * transactions * calls
    spent = {name: round(ns / done / 1e3, 2) for name, ns in pipeline.stages.spent.items()}
    return {**spent, "total": round(sum(spent.values()), 2)}


def main() -> None:
    """Parse options, run, print a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.pipeline", description=__doc__)
    parser.add_argument("--blocks", type=int, default=20, help="blocks to measure")
    parser.add_argument("--transactions", type=int, default=250, help="transactions in a block")
    parser.add_argument("--calls", type=int, default=1, help="calls in a transaction")
    parser.add_argument("--preload", type=int, default=0, help="registrations committed before")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="muniment-pipeline-") as folder:
        figures = measure(
            Path(folder) / "net",
            options.blocks,
            options.transactions,
            options.calls,
            options.preload,
        )
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    print("us for each call")
    for name, value in figures.items():
        print(f"  {name:<16} {value:>8.2f}")


if __name__ == "__main__":
    main()
