"""CPU that one node spends on each transaction, stage by stage, without network or consensus.

    python -m bench.pipeline [--blocks 20] [--transactions 250] [--calls 1] [--preload 0] [--json]

One process, the real ledger on a real database. Registrations are signed before the clock starts;
each then passes every stage of a follower's life: the door, the check of a proposal, execution,
finality. Times are process CPU time, so other work on the machine disturbs them little.
`--preload` commits that many registrations first, so that the trie has the depth of a used chain.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from bench.start import OWNER, Builder
from contracts.engine import BlockContext, execute_block
from contracts.envelope import Transaction
from contracts.receipts import receipts_root
from contracts.trie import update
from node.devnet import Devnet
from node.ledger import full_block_of
from node.mempool import Mempool

T = TypeVar("T")


class Stages:
    """CPU time by stage, in the order of first use; ns."""

    def __init__(self) -> None:
        self.spent: dict[str, int] = {}

    def run(self, name: str, work: Callable[[], T]) -> T:
        begin = time.process_time_ns()
        result = work()
        self.spent[name] = self.spent.get(name, 0) + time.process_time_ns() - begin
        return result


def measure(folder: Path, blocks: int, transactions: int, calls: int, preload: int) -> Any:
    """Returns microseconds for each call by stage."""
    builder = Builder(Devnet.create(folder, 4))
    builder.begin(preload)
    ledger, mempool, stages = builder.ledger, Mempool(1_000_000, 1 << 30), Stages()
    parameters, chain_id = ledger.validators.parameters, ledger.genesis.chain_id
    for _ in range(blocks):
        raws = [builder.sign(builder.bulk(calls)).raw for _ in range(transactions)]
        found = stages.run(
            "decode", lambda raws=raws: [Transaction.decode(r, parameters, chain_id) for r in raws]
        )
        if not stages.run("signature", lambda: all(t.is_signed(chain_id) for t in found)):
            raise RuntimeError("a signature is wrong")

        def admit() -> None:
            for t in found:
                if (
                    not ledger.store.is_committed(t.txid)
                    and ledger.check_admission(t) is None
                    and mempool.refuse_reason(t) is None
                ):
                    mempool.add(t)

        stages.run("door", admit)
        parent = ledger.tip
        block = ledger.build(parent, OWNER, parent.header.timestamp + 1_000, found)
        fault = stages.run("check proposal", lambda: ledger.find_fault(block, found, mempool))
        full = full_block_of(block, found)
        # What `execute` below does, in parts, on the same parent.
        context = BlockContext(
            chain_id, block.header.height, 0, block.header.timestamp, OWNER, parameters
        )
        result = stages.run(
            "contracts", lambda: execute_block(ledger.state(parent.digest), context, found)
        )
        stages.run("receipts root", lambda: receipts_root(result.receipts))
        stages.run("trie", lambda: update(ledger._trie, ledger.state_root, result.changes))
        entry = ledger.execute(full, found)
        if fault is not None or any(receipt.code for receipt in entry.receipts):
            raise RuntimeError(f"block {block.header.height} is not as it should be: {fault}")
        stages.run("store block", lambda: ledger.store.put_executed(full))
        certificate = builder.certify(block)
        stages.run("finality", lambda: ledger.finalize(certificate))

        def forget() -> None:
            for t in found:
                mempool.remove_txid(t.txid)

        stages.run("leave mempool", forget)
    done = blocks * transactions * calls
    spent = {name: round(ns / done / 1e3, 2) for name, ns in stages.spent.items()}
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
