"""Waiting transactions: what is kept of them in memory."""

from __future__ import annotations

import pytest

from consensus.crypto import Signer, sha256
from contracts.envelope import Call, Transaction
from node import mempool
from node.mempool import Mempool

CALL = Call("c", "m", {"a": bytes(300)})


def make(number: int) -> Transaction:
    nonce = number.to_bytes(16, "big")
    return Transaction.create(Signer(sha256(b"land")), bytes(32), "land", nonce, 9, 7, (CALL,))


def test_beyond_a_bound_calls_are_kept_as_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [make(number) for number in range(4)]
    monkeypatch.setattr(mempool, "READY_BYTES", 2 * len(made[0].raw))
    pool = Mempool(100, 1 << 20)
    for transaction in made[:3]:
        pool.add(transaction)
    taken = pool.take(10, 1 << 20, 1, ())
    assert [t.decoded is not None for t in taken] == [True, True, False]
    assert [t.calls for t in taken] == [(CALL,)] * 3
    pool.remove(made[2].wid)
    pool.remove(made[0].wid)
    pool.add(made[3])
    assert [t.decoded is not None for t in pool.take(10, 1 << 20, 1, ())] == [True, True]
