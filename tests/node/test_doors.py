"""Hostile bytes at every door of a node: a stable code and a sentence, and the chain goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cbor2
import pytest

from consensus.codec import decode, encode
from consensus.crypto import Kind, Signer, sha256
from consensus.messages import Certificate, Statement, Vote, encode_message, nullify
from contracts.envelope import Call, Transaction
from node import allowance
from node.core import Core
from node.outcome import Refusal
from p2p.wire import BlockRequest, FrameKind, encode_transactions
from tests.node.core_net import WALL, Net, publish


@pytest.fixture
def net(tmp_path: Path) -> Iterator[Net]:
    made = Net(tmp_path)
    yield made
    made.close()


def core_of(net: Net, name: str = "a") -> Core:
    core = net.hosts[name].core
    assert core is not None
    return core


def sign(
    net: Net,
    *,
    sender: str = "a",
    key: Signer | None = None,
    chain_id: bytes | None = None,
    valid_until: int = 50,
    calls: tuple[Call, ...] = (),
) -> Transaction:
    return Transaction.create(
        key or net.hosts["a"].keys["member"],
        net.genesis.chain_id if chain_id is None else chain_id,
        sender,
        net.random.randbytes(16),
        valid_until,
        WALL,
        calls or (publish("a", "x"),),
    )


def test_transactions_are_refused_at_the_door_with_the_reason(net: Net) -> None:
    core = core_of(net)
    good = sign(net)
    raw = good.raw
    many = tuple(publish("a", f"{i}") for i in range(101))
    long = Call("standards", "publish", {"id": "x" * 70_000})
    used = sign(net)
    assert core.submit(used.raw, net.now) == used
    net.run(1_500)
    assert core.ledger.store.is_committed(used.txid)
    loose = cbor2.dumps([*cbor2.loads(raw), 1.5])
    longer = raw[:1] + b"\x98\x06" + raw[2:]  # an array's length in two bytes instead of one
    cases: list[tuple[bytes, str, str]] = [
        (b"", "malformed", "the transaction does not decode"),
        (b"\xff" * 100, "malformed", "the transaction does not decode"),
        (raw[:-1], "malformed", "the transaction does not decode"),
        (raw + b"\x00", "malformed", "the transaction does not decode"),
        (longer, "malformed", "the transaction does not decode"),
        (loose, "malformed", "the transaction does not decode"),
        (encode([1, b"x" * 64]), "malformed", "signed part must be an array"),
        (bytes(1 << 21), "malformed", "at most"),
        (sign(net, calls=(long,)).raw, "malformed", "at most"),
        (sign(net, calls=many).raw, "malformed", "at most 100 items"),
        (raw[:-1] + bytes((raw[-1] ^ 1,)), "signature", "the signature is wrong"),
        (sign(net, chain_id=bytes(32)).raw, "signature", "made for another chain"),
        (sign(net, valid_until=0).raw, "expired", "valid_until 0 has passed"),
        (sign(net, valid_until=10_000).raw, "too-far-ahead", "valid_until must be at most"),
        (sign(net, sender="nobody").raw, "unknown-sender", "not a member of this network"),
        (sign(net, key=net.hosts["a"].keys["voting"]).raw, "wrong-key", "no longer, the sender's"),
        (sign(net, sender="b").raw, "wrong-key", "no longer, the sender's"),
        (used.raw, "replayed", "in the chain already"),
    ]
    for hostile, code, sentence in cases:
        found = core.submit(hostile, net.now)
        assert isinstance(found, Refusal), (code, sentence)
        assert (found.code, sentence in found.reason) == (code, True), found
        assert "\n" not in found.reason
    assert core.submit(raw, net.now) == good
    net.run(1_500)
    net.check()
    assert core.ledger.store.is_committed(good.txid)


def record_frames(net: Net) -> dict[int, bytes]:
    """One real payload of each kind that nodes send each other, from a run with a late joiner."""
    found: dict[int, bytes] = {}
    original = net.alter

    def watch(sender: str, out: object) -> bytes:
        payload = out.payload  # type: ignore[attr-defined]
        kind = int(out.kind)  # type: ignore[attr-defined]
        if len(payload) > len(found.get(kind, b"")):
            found[kind] = payload
        return payload  # type: ignore[no-any-return]

    net.alter = watch
    net.hosts["d"].kill()
    for _ in range(12):
        for name in "abc":
            net.submit(name)
        net.run(250)
    net.hosts["d"].start()
    net.run(3_000)
    net.alter = original
    return found


def spoiled(payload: bytes) -> Iterator[bytes]:
    """Truncated, extended, flipped, doubled, and empty."""
    yield from (b"", payload[:1], payload[: len(payload) // 2], payload[:-1])
    yield from (payload + b"\x00", payload + payload, b"\x81" * 5_000, b"\xff" * 64)
    step = max(1, len(payload) // 60)
    for place in range(0, len(payload), step):
        yield payload[:place] + bytes((payload[place] ^ 0x21,)) + payload[place + 1 :]


def test_spoiled_frames_of_every_kind_change_nothing(net: Net) -> None:
    """Each is taken for what it is, or costs its sender the connection with one sentence."""
    frames = record_frames(net)
    assert {FrameKind.CONSENSUS, FrameKind.STATUS, FrameKind.RANGE} <= set(frames)
    core, b = core_of(net), net.hosts["b"]
    before = core.ledger.tip.header.height
    for kind, payload in sorted(frames.items()):
        for hostile in spoiled(payload):
            core.receive(b.key, kind, hostile, net.now)
    for kind in FrameKind:
        core.receive(b.key, kind, b"\xff" * 200, net.now)
    assert len(net.faults) > len(frames) * 4
    assert {name for name, _ in net.faults} == {"a"}
    for _, reason in net.faults:
        assert reason
        assert "\n" not in reason
        assert len(reason) < 300
    net.after_turn(net.hosts["a"])
    net.hosts["a"].votes.clear()  # it has heard the votes made up here
    for name in "abcd":
        net.submit(name)
    net.run(3_000)
    net.check()
    assert min(net.heights()) > before


def test_votes_and_certificates_that_are_not_valid_are_the_senders_fault(net: Net) -> None:
    net.run(300)
    core, b = core_of(net), net.hosts["b"]
    machine = core.machine
    chain, view, epoch = net.genesis.chain_id, core.machine.view, core.machine.epoch
    names = sorted(net.hosts)
    keys = [net.hosts[name].keys["voting"] for name in names]
    digest = sha256(b"no such block")
    statement = Statement(Kind.FINALIZE, epoch, view + 1, view, digest)
    votes = [Vote.create(statement, i, key, chain) for i, key in enumerate(keys)]
    forged = [replace(vote, signature=bytes(64)) for vote in votes]
    foreign = [Vote.create(statement, i, key, bytes(32)) for i, key in enumerate(keys)]
    hostile = [
        *forged,
        *foreign,
        replace(votes[2], signer=200),
        Certificate.create(votes[:2]),
        Certificate.create([votes[0], votes[1], forged[2]]),
        Certificate.create([votes[0], votes[1], foreign[2]]),
        Vote.create(nullify(epoch, view + 5_000), 2, keys[2], chain),
    ]
    final = machine.finalized_view
    for message in hostile:
        core.receive(b.key, FrameKind.CONSENSUS, encode_message(message), net.now)
    assert machine.finalized_view == final
    assert machine.view <= view + 1
    row = decode(encode_message(Certificate.create(votes[:3])))
    assert isinstance(row, list)
    body = row[1]
    assert isinstance(body, list)
    for bits in (b"", b"\x00", b"\x07\x00", b"\xff" * 33):
        core.receive(
            b.key, FrameKind.CONSENSUS, encode([row[0], [body[0], bits, body[2]]]), net.now
        )
    blamed = [reason for _, reason in net.faults]
    assert len(blamed) == 9 + 3 + 4  # the one far ahead is not looked at
    assert blamed.count("a vote that its signer has not signed") == 9
    assert blamed.count("a certificate that no quorum has signed") == 3
    assert not core.evidence
    net.hosts["a"].votes.clear()  # it has heard the votes made up here
    net.submit("a")
    net.run(1_500)
    net.check()


def test_a_batch_with_one_bad_transaction_is_the_senders_fault(net: Net) -> None:
    core, b = core_of(net), net.hosts["b"]
    good, other = sign(net), sign(net)
    wrong = other.raw[:-1] + bytes((other.raw[-1] ^ 1,))
    core.receive(b.key, FrameKind.TRANSACTIONS, encode_transactions([good.raw, wrong]), net.now)
    assert [reason for _, reason in net.faults] == ["a transaction is wrongly signed"]
    assert good.wid in core.mempool
    assert other.wid not in core.mempool


def test_who_asks_for_too_much_is_answered_less_and_nobody_else_is(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allowance, "MOST", 64 << 10)
    net.submit("a")
    net.run(1_000)
    core, tip = core_of(net), core_of(net).ledger.tip
    question = BlockRequest(tip.digest, 0).encode()

    def answers(name: str, tries: int) -> int:
        got = 0
        for _ in range(tries):
            core.receive(net.hosts[name].key, FrameKind.BLOCK_REQUEST, question, net.now)
            got += sum(out.kind is FrameKind.BLOCK for out in core.outbox.take())
        return got

    flood = answers("b", 100)
    assert 1 < flood <= allowance.MOST // allowance.EACH + 1
    assert answers("b", 1) == 0
    assert answers("c", 1) == 1
    net.time += 1_000
    assert answers("b", 1) == 1
    assert not net.faults
    net.submit("b")
    net.run(1_500)
    net.check()
