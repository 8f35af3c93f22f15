"""kill -9 of real nodes under open load, the leader and all at once among them, from a seed."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from consensus.crypto import Signer
from contracts.envelope import Call, Transaction
from node.data import standard
from node.devnet import Devnet
from node.keys import load_key
from node.network import load_genesis
from node.rpc.client import Client, NodeError

PER_SECOND = 25
"""Transactions offered to each node that lives."""
VALID_FOR = 300
TIMEOUT_S = 90.0


@dataclass
class Seen:
    """What the nodes reported to their subscribers; written by one thread for each node."""

    height: int = 0
    final: dict[str, int] = field(default_factory=dict)

    def take(self, topic: str, data: dict[str, Any]) -> None:
        self.height = max(self.height, data["height"])
        if topic == "transactions":
            known = self.final.setdefault(data["txid"], data["height"])
            assert known == data["height"], "one transaction was reported final at two heights"


class Operator:
    """One member's operator: offers transactions at a steady rate and hears what becomes final.

    Submissions are notifications, which nobody answers, so that no answer can slow them down.
    """

    def __init__(self, net: Devnet, name: str, chain_id: bytes, seed: int) -> None:
        home = net.home(name)
        secret = load_key(home.key("member"), "member", home.passphrase.read_text().strip())
        self._signer = Signer(secret)
        self._socket, self._name, self._chain_id = home.socket, name, chain_id
        self._random = random.Random(f"{seed}/{name}")
        self._stopping = threading.Event()
        self.seen = Seen()
        self.offered: list[str] = []
        self.problems: list[str] = []
        self._threads = [
            threading.Thread(target=self._again, args=(each,), daemon=True)
            for each in (self._offer, self._listen)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop_offering(self) -> None:
        self._stopping.set()
        self._threads[0].join(TIMEOUT_S)

    def _again(self, task: Callable[[], None]) -> None:
        """Do `task` whenever the node lives, until told to stop."""
        while not self._stopping.is_set():
            try:
                task()
            except (NodeError, OSError):
                self._stopping.wait(0.05)  # the node is down: that is what this test does to it
            except AssertionError as error:
                self.problems.append(str(error))
                return

    def _listen(self) -> None:
        with Client(self._socket, timeout_s=20) as client:
            for topic, data in client.subscribe(("blocks", "transactions")):
                self.seen.take(topic, data)

    def _offer(self) -> None:
        with Client(self._socket, timeout_s=20) as client:
            self.seen.height = max(self.seen.height, client.call("status")["height"])
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(str(self._socket))
            due = time.monotonic()
            while not self._stopping.wait(max(0.0, due - time.monotonic())):
                due += 1 / PER_SECOND
                raw.sendall(self._next())

    def _next(self) -> bytes:
        name = f"{self._name}/{self._random.getrandbits(64):x}"
        transaction = Transaction.create(
            self._signer,
            self._chain_id,
            self._name,
            self._random.randbytes(16),
            self.seen.height + VALID_FOR,
            time.time_ns() // 1_000_000,
            (Call("standards", "publish", standard.draft(name, "S", ("a",), 1)),),
        )
        self.offered.append(transaction.txid.hex())
        params = {"tx": transaction.raw.hex()}
        request = {"jsonrpc": "2.0", "method": "tx.submit", "params": params}
        return json.dumps(request).encode() + b"\n"


class Campaign:
    """A network under load, and what is done to it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.net = Devnet.create(folder, 4)
        self.names = self.net.names
        for name in self.names:
            settings = self.net.home(name).settings
            settings.write_text(settings.read_text().replace('votes = ""', 'votes = "votes.log"'))
        self._chance = random.Random(seed)
        chain_id = load_genesis(folder / "genesis.json").genesis.chain_id
        self.operators = [Operator(self.net, name, chain_id, seed) for name in self.names]

    def run(self, turns: int) -> None:
        try:
            self.net.start(*self.names)
            for operator in self.operators:
                operator.start()
            for turn in range(turns):
                self._go_on(self._chance.randint(1, 60))
                victims = self._victims(turn)
                for victim in victims:
                    self.net.kill(victim)
                self.net.start(*victims)
            self._go_on(100)
            for operator in self.operators:
                operator.stop_offering()
            self._check()
        finally:
            for operator in self.operators:
                operator.stop_offering()
            self.net.down()

    def _victims(self, turn: int) -> list[str]:
        match turn % 4:
            case 1:
                # A node behind the others would name a leader of long ago.
                rows = [row for row in self.net.status() if "leader" in row]
                return [max(rows, key=lambda row: (row["epoch"], row["view"]))["leader"]]
            case 3:
                return self.names
            case _:
                return [self._chance.choice(self.names)]

    def _go_on(self, count: int) -> None:
        """Wait until `count` more transactions are reported final."""
        start = len(self._final())
        end = time.monotonic() + TIMEOUT_S
        pause = threading.Event()
        while len(self._final()) < start + count:
            assert time.monotonic() < end, "the chain does not go on"
            pause.wait(0.01)

    def _final(self) -> dict[str, int]:
        """All that any node reported final, with heights."""
        found: dict[str, int] = {}
        for operator in self.operators:
            assert not operator.problems
            for txid, height in operator.seen.final.copy().items():
                assert found.setdefault(txid, height) == height
        return found

    def _check(self) -> None:
        """Nothing final is lost or doubled, roots are equal, nobody contradicted itself."""
        for name in self.names:
            self.net.wait(name, lambda s: not s["mempool"]["count"], timeout_s=TIMEOUT_S)
        top = max(row["height"] for row in self.net.status())
        rows = [self.net.wait(name, lambda s: s["height"] >= top) for name in self.names]
        # With nothing left to do the chain is idle, so that all stand at one height.
        top = max(row["height"] for row in rows)
        rows = [self.net.wait(name, lambda s: s["height"] >= top) for name in self.names]
        assert len({row["state_root"] for row in rows}) == 1
        assert not any(row["evidence"] for row in rows)
        chains = [self._read_chain(name, top) for name in self.names]
        assert all(chain == chains[0] for chain in chains)
        reported = self._final()
        assert {txid: chains[0].get(txid) for txid in reported} == reported
        offered = {txid for operator in self.operators for txid in operator.offered}
        assert chains[0].keys() <= offered
        votes = check_votes([self.net.home(name).path / "votes.log" for name in self.names])
        print(
            f"{len(offered)} offered, {len(chains[0])} final at {top} heights, "
            f"{len(reported)} of them reported, {votes} votes without contradiction"
        )

    def _read_chain(self, name: str, top: int) -> dict[str, int]:
        """Height of every transaction in the node's chain."""
        heights: dict[str, int] = {}
        with Client(self.net.home(name).socket) as client:
            for height in range(1, top + 1):
                for row in client.call("block.get", height=height)["transactions"]:
                    assert row["txid"] not in heights, "a transaction is in the chain twice"
                    heights[row["txid"]] = height
        return heights


def check_votes(files: list[Path]) -> int:
    """Look for two votes by one key that contradict each other; returns how many votes differ."""
    statements: dict[tuple[str, str, str, str], tuple[str, str]] = {}
    for file in files:
        for line in file.read_text().splitlines():
            fields = line.split()
            if len(fields) == 7:  # a line that a kill cut short has less
                epoch, view, kind, signer, parent, digest, _ = fields
                said = (parent, digest)
                known = statements.setdefault((epoch, view, kind, signer), said)
                assert known == said, f"validator {signer} contradicts itself in view {view}"
    for epoch, view, kind, signer in statements:
        if kind == "FINALIZE":
            assert (epoch, view, "NULLIFY", signer) not in statements
    return len(statements)


def test_kills_lose_nothing(tmp_path: Path) -> None:
    Campaign(tmp_path / "net", seed=1).run(turns=4)


@pytest.mark.campaign
def test_a_hundred_kills_lose_nothing(tmp_path: Path) -> None:
    Campaign(tmp_path / "net", seed=2).run(turns=100)


@pytest.mark.parametrize(
    "second",
    ["1 7 NOTARIZE 2 6 bb ff", "1 7 NULLIFY 2 0 - ff"],
)
def test_the_check_finds_contradictions(tmp_path: Path, second: str) -> None:
    kind = second.split()[2]
    first = "1 7 NOTARIZE 2 6 aa ff" if kind == "NOTARIZE" else "1 7 FINALIZE 2 6 aa ff"
    files = [tmp_path / "a", tmp_path / "b"]
    files[0].write_text(first + "\n")
    files[1].write_text(second + "\n")
    with pytest.raises(AssertionError):
        check_votes(files)
