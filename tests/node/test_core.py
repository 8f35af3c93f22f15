"""Whole nodes on real LevelDB, joined by a seeded in-memory network that loses and delays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from consensus.messages import Vote, encode_message, nullify
from consensus.validators import Parameters
from contracts.envelope import Transaction
from node import receipt
from node.outcome import Refusal
from p2p.wire import FrameKind
from tests.node.core_net import PARAMETERS, Net


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Net]:
    made = Net(tmp_path)
    yield made
    made.close()


def test_transactions_become_final_everywhere(net: Net) -> None:
    sent = [net.submit(name) for name in "abcdabcd"]
    net.run(1_500)
    net.check()
    for host in net.hosts.values():
        assert {txid for _, txid in host.final} == {t.txid for t in sent}  # type: ignore[union-attr]
    assert not net.faults


def test_a_validator_that_is_alone_stops_when_nothing_waits(tmp_path: Path) -> None:
    net = Net(tmp_path, "a")
    sent = [net.submit("a") for _ in range(3)]
    net.run(PARAMETERS.idle_ms // 2)
    host = net.hosts["a"]
    assert {txid for _, txid in host.final} == {t.txid for t in sent}  # type: ignore[union-attr]
    assert net.heights()[0] <= 2 * len(sent)
    net.close()


def test_receipt_verifies_offline_and_flipped_bytes_do_not(net: Net) -> None:
    found = net.submit("a")
    assert isinstance(found, Transaction)
    net.run(2_500)
    core = net.hosts["b"].core
    assert core is not None
    data = receipt.build(core.ledger.store, found.txid)
    report = receipt.verify(data, net.genesis)
    assert report.receipt.code == 0
    assert report.transaction.txid == found.txid
    for position in range(len(data)):
        flipped = data[:position] + bytes((data[position] ^ 1,)) + data[position + 1 :]
        with pytest.raises(receipt.ReceiptError):
            receipt.verify(flipped, net.genesis)


def test_restart_of_each_and_of_all_loses_nothing(net: Net) -> None:
    sent = set()
    for turn in range(16):
        net.loss = 0.03
        victims = [net.random.choice("abcd")] if turn % 4 else list("abcd")
        for name in "abcd":
            found = net.submit(name)
            assert isinstance(found, Transaction)
            sent.add(found.txid)
        net.run(net.random.randint(20, 400))
        for name in victims:
            net.hosts[name].kill()
        net.run(net.random.randint(1, 700))
        for name in victims:
            net.hosts[name].start()
        net.check()
    net.loss = 0.0
    reported = {txid for host in net.hosts.values() for _, txid in host.final}
    net.run(5_000)
    net.check()
    assert len(set(net.heights())) == 1
    for host in net.hosts.values():
        assert host.core is not None
        assert all(host.core.ledger.store.is_committed(txid) for txid in reported)


def test_catches_up_by_ranges(net: Net) -> None:
    net.hosts["d"].kill()
    for _ in range(30):
        net.submit("a")
        net.run(250)
    net.hosts["d"].start()
    net.run(4_000)
    net.check()
    assert len(set(net.heights())) == 1


def test_epochs_pass_and_receipts_cross_them(tmp_path: Path) -> None:
    parameters = Parameters(
        delta_ms=100, delta_cap_ms=800, retry_ms=200, idle_ms=200, epoch_length=5
    )
    net = Net(tmp_path, parameters=parameters)
    first = net.submit("a")
    net.run(6_000)
    late = net.submit("b")
    net.run(2_000)
    net.hosts["c"].kill()
    net.run(3_000)
    net.hosts["c"].start()
    net.run(6_000)
    net.check()
    core = net.hosts["c"].core
    assert core is not None
    assert core.machine.epoch >= 3
    for found in (first, late):
        assert isinstance(found, Transaction)
        data = receipt.build(core.ledger.store, found.txid)
        assert receipt.verify(data, net.genesis).receipt.code == 0
    net.close()


def test_refusals_name_the_reason(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    found = net.submit("a", valid_for=10_000)
    assert isinstance(found, Refusal)
    assert found.code == "too-far-ahead"
    good = net.submit("a")
    assert isinstance(good, Transaction)
    core = net.hosts["a"].core
    assert core is not None
    net.run(1_500)
    again = core.submit(good.raw, net.now)
    assert isinstance(again, Refusal)
    assert again.code == "replayed"
    fresh = net.make("a")
    forged = fresh.raw[:-1] + bytes((fresh.raw[-1] ^ 1,))
    wrong = core.submit(forged, net.now)
    assert isinstance(wrong, Refusal)
    assert wrong.code == "signature"
    assert isinstance(core.submit(b"\xff", net.now), Refusal)
    monkeypatch.setattr(core.mempool, "refuse_reason", lambda transaction: "no room")
    full = core.submit(forged, net.now)
    assert isinstance(full, Refusal)
    assert full.code == "mempool-full", "a signature costs more than to see that there is no room"


def test_expired_transaction_is_reported(net: Net) -> None:
    for name in "bcd":
        net.hosts[name].kill()
    found = net.submit("a", valid_for=1)
    assert isinstance(found, Transaction)
    for name in "bcd":
        net.hosts[name].start()
    net.cut = {frozenset(("a", other)) for other in "bcd"}
    net.run(100)
    net.submit("b")
    net.run(3_000)
    net.cut = set()
    net.run(4_000)
    host = net.hosts["a"]
    outcome = found.txid in {t for _, t in host.final} or [
        d.refusal.code for d in host.dropped if d.transaction.txid == found.txid
    ] == ["expired"]
    assert outcome


def test_garbage_is_scored_and_changes_nothing(net: Net) -> None:
    core = net.hosts["a"].core
    assert core is not None
    for kind in range(256):
        core.receive(net.hosts["b"].key, kind, net.random.randbytes(kind + 1), net.now)
    assert len(net.faults) > 200
    net.faults.clear()
    view = core.machine.view
    forged = Vote(nullify(core.machine.epoch, view), 1, bytes(64))
    core.receive(net.hosts["b"].key, FrameKind.CONSENSUS, encode_message(forged), net.now)
    assert net.faults == [("a", "a vote that its signer has not signed")]
    net.submit("a")
    net.run(1_500)
    net.check()
    assert min(net.heights()) > 0
