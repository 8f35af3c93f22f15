"""What one release committed, every later one executes to the same results."""

from __future__ import annotations

from pathlib import Path

from contracts.envelope import Transaction
from node.ledger import Ledger
from node.store import LevelDB, Store
from tests.node.golden import Golden


def test_the_golden_chain_gives_the_roots_that_its_headers_hold(tmp_path: Path) -> None:
    golden = Golden.load()
    store = Store(LevelDB(tmp_path / "db"))
    ledger = Ledger(golden.genesis, store)
    codes: set[int] = set()
    for full, proof in zip(golden.blocks, golden.finalizations, strict=True):
        header = full.block.header
        assert (header.state_root, header.receipts_root) == ledger.results(header.parent), (
            f"block {header.height - 1} gives other results than it did; see tests/node/golden.py"
        )
        assert header.set_hash == ledger.validators.hash
        parameters = ledger.validators.parameters
        chain_id = golden.genesis.chain_id
        transactions = [Transaction.decode(raw, parameters, chain_id) for raw in full.raws]
        assert all(transaction.is_signed(chain_id) for transaction in transactions)
        assert ledger.find_fault(full.block, transactions, ()) is None
        entry = ledger.execute(full, transactions)
        codes |= {receipt.code for receipt in entry.receipts}
        store.put_executed(full)
        if proof is not None:
            assert proof.is_valid(chain_id, ledger.validators)
            ledger.finalize(proof)
    assert ledger.epoch >= 3
    assert ledger.tip.digest == golden.blocks[-1].block.digest
    assert len(codes) >= 3, "successes and failures of several kinds"
    store.close()
