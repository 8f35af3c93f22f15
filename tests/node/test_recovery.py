"""What a node must not forget: a database or journal that is behind, ended epochs, wide limits."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from consensus.crypto import Kind, sha256
from consensus.messages import Certificate, Statement, Vote, decode_message, encode_message, nullify
from consensus.validators import Parameters
from node.evidence import kept_evidence
from p2p.wire import FrameKind, encode_transactions
from tests.node.core_net import PARAMETERS, Net, publish

SHORT = replace(PARAMETERS, idle_ms=200, epoch_length=5)


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Net]:
    made = Net(tmp_path, parameters=SHORT)
    yield made
    made.close()


@pytest.mark.parametrize("rewritten", [False, True])
def test_a_lost_database_does_not_make_a_key_vote_twice(net: Net, rewritten: bool) -> None:
    """The journal is ahead of an empty database by several epochs."""
    net.run(6_000)
    host = net.hosts["d"]
    assert host.core is not None
    assert host.core.machine.epoch >= 3
    if rewritten:
        voting = host.keys["voting"].public_key
        host.journal.rewrite(voting, host.core.live_records, forgetful=False)
    reached = host.core.machine.epoch
    host.kill()
    shutil.rmtree(host.path / "db")
    host.start()
    assert host.core.machine.epoch == 0
    assert not host.core.machine.is_validator
    net.run(9_000)
    net.check()
    assert host.core.machine.epoch > reached
    assert host.core.machine.is_validator
    assert max(net.heights()) - min(net.heights()) <= 1
    assert not net.faults


def test_a_lost_database_within_an_epoch(tmp_path: Path) -> None:
    """The journal knows a finalization whose block is dozens of heights away."""
    net = Net(tmp_path, parameters=replace(PARAMETERS, idle_ms=20))
    net.run(2_500)
    host = net.hosts["d"]
    assert host.core is not None
    host.journal.rewrite(host.keys["voting"].public_key, host.core.live_records, forgetful=False)
    view = host.core.machine.finalized_view
    assert view > 40
    host.kill()
    shutil.rmtree(host.path / "db")
    host.start()
    assert host.core.machine.finalized_view == view
    net.run(2_500)
    net.check()
    assert max(net.heights()) - min(net.heights()) <= 2
    assert not net.faults
    net.close()


def test_a_finalization_that_only_the_journal_holds_takes_effect(net: Net) -> None:
    """kill -9 between the journal's sync and the arrival of the block, at an epoch's end."""
    net.run(2_500)
    host = net.hosts["d"]
    assert host.core is not None
    other = net.hosts["a"].core
    assert other is not None
    host.kill()
    before = net.hosts["a"].core
    assert before is not None
    epoch = before.machine.epoch
    net.run(4_000)
    step = other.ledger.store.epoch_step(epoch)
    assert step is not None
    host.journal = type(host.journal).open(host.path / "journal", host.keys["voting"].public_key)
    host.journal.append([step.certificate])
    host.journal.close()
    host.start()
    net.run(4_000)
    net.check()
    assert max(net.heights()) - min(net.heights()) <= 1
    assert not net.faults


def test_an_ended_epoch_is_answered_with_its_last_finalization(net: Net) -> None:
    net.run(3_000)
    a, b = net.hosts["a"], net.hosts["b"]
    assert a.core is not None
    assert a.core.machine.epoch >= 1
    a.core.outbox.take()
    vote = Vote.create(nullify(0, 3), 1, b.keys["voting"], net.genesis.chain_id)
    a.core.receive(b.key, FrameKind.CONSENSUS, encode_message(vote), net.now)
    answers = [
        decode_message(out.payload)
        for out in a.core.outbox.take()
        if out.peer == b.key and out.kind is FrameKind.CONSENSUS
    ]
    step = a.core.ledger.store.epoch_step(0)
    assert step is not None
    assert answers == [step.certificate]
    # A certificate is no question: two nodes must not answer each other for ever.
    a.core.receive(b.key, FrameKind.CONSENSUS, encode_message(step.certificate), net.now)
    kinds = {out.kind for out in a.core.outbox.take()}
    assert FrameKind.CONSENSUS not in kinds


def test_a_transaction_above_the_limits_in_force_is_no_fault_of_the_peer(net: Net) -> None:
    """The sender may be an epoch ahead, where limits are wider."""
    a, b = net.hosts["a"], net.hosts["b"]
    assert a.core is not None
    calls = tuple(publish("b", f"{i}") for i in range(SHORT.max_calls + 1))
    wide = net.make("b", *calls)
    payload = encode_transactions([wide.raw])
    a.core.receive(b.key, FrameKind.TRANSACTIONS, payload, net.now)
    assert not net.faults
    assert wide.wid not in a.core.mempool


def test_the_journal_names_the_last_finalization(net: Net) -> None:
    net.run(2_600)
    core = net.hosts["a"].core
    assert core is not None
    records = core.live_records
    assert records
    first = records[0]
    assert isinstance(first, Certificate)
    assert isinstance(first.statement, Statement)
    assert first.statement.kind is Kind.FINALIZE


def test_widest_limits_are_valid_parameters() -> None:
    widest = Parameters.widest()
    assert Parameters.from_value(widest.to_value()) == widest


def test_evidence_outlives_the_process_and_counts_once_a_key_and_epoch(net: Net) -> None:
    net.run(500)
    host, traitor = net.hosts["a"], net.hosts["d"]
    core = host.core
    assert core is not None
    epoch, view = core.machine.epoch, core.machine.view
    for offset in (1, 2):
        for content in (b"x", b"y"):
            digest = sha256(content)
            statement = Statement(Kind.FINALIZE, epoch, view + offset, view, digest)
            vote = Vote.create(statement, 3, traitor.keys["voting"], net.genesis.chain_id)
            message = encode_message(vote)
            core.receive(traitor.key, FrameKind.CONSENSUS, message, net.now)
    assert len(core.evidence) == 2
    for _ in range(2):
        host.kill()
        host.start()
        core = host.core
        assert core is not None
        (kept,) = kept_evidence(core.ledger.store)
        assert (kept.validator, kept.epoch) == ("d", epoch)
        assert kept.is_valid(core.ledger.store, net.genesis.chain_id)
        assert core.evidence == [kept.evidence]
    forged = replace(kept.evidence, first=replace(kept.evidence.first, signature=bytes(64)))
    assert not replace(kept, evidence=forged).is_valid(core.ledger.store, net.genesis.chain_id)


@pytest.mark.parametrize("skew_ms", [-3_600_000, 3_600_000])
def test_a_clock_that_is_off_is_told_and_stops_nobody(net: Net, skew_ms: int) -> None:
    host = net.hosts["d"]
    host.kill()
    host.skew_ms = skew_ms
    host.start()
    net.submit("a")
    net.run(6_000)
    core = host.core
    assert core is not None
    assert abs(core.clock_skew_ms - skew_ms) < 5_000
    assert max(net.heights()) - min(net.heights()) <= 1
    for name in "abc":
        other = net.hosts[name].core
        assert other is not None
        assert abs(other.clock_skew_ms) < SHORT.drift_ms
    # Once mended, its blocks are taken again.
    host.skew_ms = 0
    net.run(4_000)
    proposers = {
        full.block.header.proposer
        for height in range(max(net.heights()) - 8, max(net.heights()))
        if (full := core.ledger.store.block_at(height)) is not None
    }
    assert "d" in proposers
    assert abs(core.clock_skew_ms) < SHORT.drift_ms
    net.check()
