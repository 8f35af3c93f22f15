"""How long a node takes to start with a long chain behind it.

    python -m bench.start [--calls 1000000] [--home FOLDER] [--json]

The chain is made by the real ledger on the real database of one of four members: registrations in
bulk transactions of 100 calls, every block finalized under signatures of all four. Then the node
process is started as an operator does it, five times, and timed until it answers `status`. A
folder given with --home is kept, and used again if it holds the chain already.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from bench.ledger import _register
from consensus.block import Block
from consensus.crypto import Kind, Signer
from consensus.messages import Certificate, Statement, Vote
from contracts.envelope import Call, Transaction
from node.data import standard
from node.devnet import Devnet
from node.keys import load_key
from node.ledger import Ledger, full_block_of
from node.network import load_genesis
from node.store import LevelDB, Store

OWNER = "tax"
CALLS = 100
TRANSACTIONS_IN_BLOCK = 40
VALID_FOR = 500
STARTS = 5


class Builder:
    """Makes a chain in the database of one member, with everybody's keys."""

    def __init__(self, net: Devnet) -> None:
        genesis = load_genesis(net.folder / "genesis.json").genesis
        home = net.home(OWNER)
        self.ledger = Ledger(genesis, Store(LevelDB(home.database)))
        self._member = _signer(net, OWNER, "member")
        names = [validator.name for validator in self.ledger.validators.validators]
        self._voters = [_signer(net, name, "voting") for name in names]

    def make(self, calls: int) -> None:
        """Commit `calls` registrations, and close the database."""
        self.begin(calls)
        self.ledger.store.close()

    def begin(self, calls: int) -> None:
        """Commit `calls` registrations in whole blocks."""
        self._numbers = count()
        self._reference = self._publish()
        for _ in range(0, calls, TRANSACTIONS_IN_BLOCK * CALLS):
            self._commit([self.sign(self.bulk(CALLS)) for _ in range(TRANSACTIONS_IN_BLOCK)])

    def _publish(self) -> list[Any]:
        call = Call("standards", "publish", standard.draft(f"{OWNER}/s", "S", ("a", "b"), 1))
        receipt = self._commit([self.sign((call,))])
        return [f"{OWNER}/s", 1, receipt.events[0].data[2]]

    def bulk(self, calls: int) -> tuple[Call, ...]:
        """The next `calls` registrations."""
        return tuple(_register(OWNER, next(self._numbers), self._reference) for _ in range(calls))

    def sign(self, calls: tuple[Call, ...]) -> Transaction:
        header = self.ledger.tip.header
        nonce = time.perf_counter_ns().to_bytes(16, "big")
        until, now = header.height + VALID_FOR, header.timestamp
        chain_id = self.ledger.genesis.chain_id
        return Transaction.create(self._member, chain_id, OWNER, nonce, until, now, calls)

    def _commit(self, transactions: list[Transaction]) -> Any:
        """Build, check, execute and finalize one block; returns its first receipt."""
        ledger = self.ledger
        parent = ledger.tip
        block = ledger.build(parent, OWNER, parent.header.timestamp + 1_000, transactions)
        fault = ledger.find_fault(block, transactions, frozenset())
        full = full_block_of(block, transactions)
        entry = ledger.execute(full, transactions)
        if fault is not None or any(receipt.code for receipt in entry.receipts):
            raise RuntimeError(f"block {block.header.height} is not as it should be: {fault}")
        ledger.store.put_executed(full)
        ledger.finalize(self.certify(block))
        return entry.receipts[0]

    def certify(self, block: Block) -> Certificate:
        """The finalization of an executed block, by everybody."""
        ledger = self.ledger
        view = block.header.height - ledger.anchor_height
        statement = Statement(Kind.FINALIZE, ledger.epoch, view, view - 1, block.digest)
        chain_id = ledger.genesis.chain_id
        votes = [Vote.create(statement, i, s, chain_id) for i, s in enumerate(self._voters)]
        return Certificate.create(votes)


def _signer(net: Devnet, name: str, purpose: str) -> Signer:
    home = net.home(name)
    return Signer(load_key(home.key(purpose), purpose, home.passphrase.read_text().strip()))


def measure(folder: Path, calls: int) -> dict[str, Any]:
    """Make the chain if it is not there; start the node `STARTS` times; seconds."""
    net = Devnet.create(folder, 4)
    begin = time.monotonic()
    if not net.home(OWNER).database.exists():
        Builder(net).make(calls)
    built = time.monotonic() - begin
    seconds = []
    for _ in range(STARTS):
        begin = time.monotonic()
        net.start(OWNER)
        seconds.append(time.monotonic() - begin)
        status = net.wait(OWNER, lambda s: True)
        net.down()
    database = net.home(OWNER).database
    return {
        "calls": calls,
        "height": status["height"],
        "database_mb": round(sum(f.stat().st_size for f in database.iterdir()) / 1e6),
        "build_s": round(built),
        "start_median_s": round(statistics.median(seconds), 2),
        "start_worst_s": round(max(seconds), 2),
    }


def run(
    name: str, about: str | None, what: str,
    measure: Callable[[Path, int], dict[str, Any]], show: Callable[[dict[str, Any]], None],
) -> None:  # fmt: skip
    """Parse the options of a benchmark on so many of `what`, measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(prog=f"python -m bench.{name}", description=about)
    parser.add_argument(f"--{what}", type=int, default=1_000_000, dest="count",
                        help="on the chain before")  # fmt: skip
    parser.add_argument("--home", type=Path, help="keep the network in this folder")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix=f"muniment-{name}-") as folder:
        result = measure(options.home or Path(folder) / "net", options.count)
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        show(result)


def show(figures: dict[str, Any]) -> None:
    for name, value in figures.items():
        print(f"{name:<16} {value}")


if __name__ == "__main__":
    run("start", __doc__, "calls", measure, show)
