"""Whole nodes across epochs: the set of validators changes, votes that contradict are punished."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from consensus.crypto import Kind
from consensus.genesis import Card
from consensus.messages import Message, Statement, Vote, encode_message
from consensus.validators import Parameters
from contracts.engine import query
from contracts.envelope import Call, Transaction
from node import receipt
from node.outcome import Refusal
from p2p.wire import FrameKind
from tests.node.core_net import Host, Net

PARAMETERS = Parameters(delta_ms=100, delta_cap_ms=800, retry_ms=200, idle_ms=100, epoch_length=6)


class Alliance(Net):
    """A network whose members vote as told; `old` and `new` ones may come and go."""

    def add(self, name: str) -> Host:
        """A newcomer's node, which nobody lets in yet."""
        host = self.hosts[name] = Host(self, name)
        host.start()
        return host

    def ask(self, host: str, contract: str, method: str, /, **args: object) -> object:
        core = self.hosts[host].core
        assert core is not None
        found: object = query(core.ledger.state(), 1, contract, method, args)  # type: ignore[arg-type]
        return found

    def decide(self, names: str, kind: str, **args: object) -> None:
        """Let a member propose and as many as are needed agree, and wait for the effect."""
        number = len(self.ask(names[0], "governance", "list")) + 1  # type: ignore[arg-type]
        call = Call("governance", "propose", {"kind": kind, "args": args})  # type: ignore[dict-item]
        self.require(names[0], call)
        for name in names:
            found = self.ask(names[0], "governance", "get", proposal=number)
            if found["status"] == "open":  # type: ignore[index]
                vote = {"proposal": number, "choice": "yes"}
                self.require(name, Call("governance", "vote", vote))  # type: ignore[arg-type]
        for _ in range(100):
            found = self.ask(names[0], "governance", "get", proposal=number)
            if found["status"] != "accepted":  # type: ignore[index]
                break
            self.run(200)
        assert found["status"] == "executed", found  # type: ignore[index]

    def require(self, name: str, call: Call) -> bytes:
        """Let a call become final at its sender; returns its txid."""
        for _ in range(20):
            sent = self.submit(name, call)
            assert isinstance(sent, Transaction), sent
            for _ in range(30):
                if sent.txid in {txid for _, txid in self.hosts[name].final}:
                    return sent.txid
                self.run(100)
        raise AssertionError(f"{call.method} of {name} did not become final")

    def say(self, name: str, message: Message) -> None:
        """Let a traitor's machine say something to everybody else."""
        for host in self.hosts.values():
            if host.core is not None and host.name != name:
                payload = encode_message(message)
                host.core.receive(self.hosts[name].key, FrameKind.CONSENSUS, payload, self.now)
                self.after_turn(host)

    def seats(self, name: str) -> str:
        core = self.hosts[name].core
        assert core is not None
        return "".join(v.name for v in core.ledger.validators.validators)

    def wait_for_seats(self, name: str, wanted: str) -> None:
        for _ in range(100):
            if self.seats(name) == wanted:
                return
            self.run(200)
        raise AssertionError(f"{name} has {self.seats(name)}, not {wanted}")


@pytest.fixture
def alliance(tmp_path: Path) -> Iterator[Alliance]:
    made = Alliance(tmp_path, parameters=PARAMETERS)
    yield made
    made.close()


def admit(alliance: Alliance, names: str, newcomer: str) -> None:
    card = Card.create(newcomer, alliance.hosts[newcomer].keys, ())
    alliance.decide(
        names, "admit", card=card.to_value(), tier="local", roles=["supervisor", "validator"]
    )


def exchange_all(alliance: Alliance, old: str, new: str) -> None:
    """Let `new` members replace `old` ones, with lost frames and a crash in each step."""
    alliance.loss = 0.02
    first = alliance.require(old[0], Call("members", "announce", {"addresses": []}))
    seats = old
    for leaver, newcomer in zip(old, new, strict=True):
        alliance.add(newcomer)
        admit(alliance, seats, newcomer)
        seats += newcomer
        alliance.wait_for_seats(seats[-2], seats)
        victim = alliance.random.choice(seats[1:])
        alliance.hosts[victim].kill()
        alliance.run(300)
        alliance.hosts[victim].start()
        alliance.decide(seats[1:] + leaver, "expel", member=leaver)
        seats = seats[1:]
        alliance.wait_for_seats(seats[0], seats)
    last = alliance.require(new[-1], Call("members", "announce", {"addresses": []}))
    alliance.loss = 0.0
    alliance.run(2_000)
    alliance.check()
    core = alliance.hosts[new[-1]].core
    assert core is not None
    assert alliance.seats(new[-1]) == new
    assert {peer.name for peer in core.peers.by_key.values()} == set(new[:-1])
    for gone in old:
        assert not any(gone in pair for pair in alliance.up)
    for txid in (first, last):
        data = receipt.build(core.ledger.store, txid)
        assert receipt.verify(data, alliance.genesis).receipt.code == 0
    assert not alliance.faults


def test_all_validators_are_exchanged_over_time(tmp_path: Path) -> None:
    alliance = Alliance(tmp_path, "ab", parameters=PARAMETERS)
    exchange_all(alliance, "ab", "cd")
    alliance.close()


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(10))
def test_all_of_four_are_exchanged_whatever_is_lost(tmp_path: Path, seed: int) -> None:
    alliance = Alliance(tmp_path, "abcd", seed, PARAMETERS)
    exchange_all(alliance, "abcd", "efgh")
    alliance.close()


def test_results_beside_scheduled_work_are_each_transactions_own(alliance: Alliance) -> None:
    """A block of an epoch's end holds work and transactions; the receipts keep them apart."""
    core = alliance.hosts["a"].core
    assert core is not None
    calls = [
        Call("governance", "propose", {"kind": "parameters", "args": {"changes": {"idle_ms": 90}}})
    ]
    calls += [Call("governance", "vote", {"proposal": 1, "choice": "yes"})]
    alliance.require("a", calls[0])
    for name in "abc":
        alliance.require(name, calls[1])
    shared: list[int] = []
    for _ in range(300):
        if shared:
            break
        alliance.submit("d", Call("members", "announce", {"addresses": []}))
        alliance.run(20)
        store = core.ledger.store
        for height, place in store.changes_before(core.ledger.tip.header.height, 50):
            full = store.block_at(height)
            assert full is not None
            if place == 0 and len(store.receipts_at(height)) == len(full.raws) + 1 and full.raws:
                shared.append(height)
    assert shared
    for height, txid in alliance.hosts["a"].final:
        if height == shared[0]:
            report = receipt.verify(receipt.build(core.ledger.store, txid), alliance.genesis)
            assert (report.receipt.txid, report.receipt.code) == (txid, 0)
            assert report.receipt.index >= 1


def test_contradicting_votes_suspend_their_member_without_a_vote(alliance: Alliance) -> None:
    alliance.add("e")
    admit(alliance, "abcd", "e")
    alliance.wait_for_seats("a", "abcde")
    core = alliance.hosts["a"].core
    assert core is not None
    traitor = alliance.hosts["e"]
    view = core.machine.view + 2
    index = core.ledger.validators.index_of(traitor.keys["voting"].public_key)
    assert index is not None
    for digest in (bytes(32), b"\x01" * 32):
        statement = Statement(Kind.FINALIZE, core.machine.epoch, view, view - 1, digest)
        vote = Vote.create(statement, index, traitor.keys["voting"], alliance.genesis.chain_id)
        alliance.say("e", vote)
    alliance.wait_for_seats("a", "abcd")
    record = alliance.ask("b", "members", "get", name="e")
    assert record["status"] == "suspended"  # type: ignore[index]
    [case] = alliance.ask("c", "evidence", "list")  # type: ignore[misc]
    assert (case["member"], case["status"]) == ("e", "acted")
    alliance.run(1_000)
    refused = alliance.submit("e")
    assert isinstance(refused, Refusal)
    assert refused.code == "sender-not-active"
