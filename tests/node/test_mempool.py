"""Waiting transactions: what is kept of them in memory."""

from __future__ import annotations

import pytest

from consensus.crypto import Signer, sha256
from contracts.envelope import Call, Transaction
from node import mempool
from node.gossip import Gossip
from node.mempool import Mempool
from node.outbox import Outbox
from p2p.wire import FrameKind

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


def test_busy_node_asks_for_nothing_that_it_is_told_of() -> None:
    outbox, pool = Outbox(), Mempool(4, 1 << 20)
    gossip = Gossip(pool, outbox, relays=False)
    pool.add(make(1))
    gossip.take_have(b"peer", bytes(32), pool.__contains__)
    assert [out.kind for out in outbox.take()] == [FrameKind.WANT]
    pool.add(make(2))
    gossip.take_have(b"peer", bytes(32), pool.__contains__)
    assert pool.is_busy
    assert not outbox.take()
