"""kill -9 of real nodes under load, one by one and all at once, from a seed."""

from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path

import pytest

from consensus.crypto import Signer
from contracts.envelope import Call, Transaction
from node.data import standard
from node.devnet import Devnet
from node.keys import load_key
from node.network import load_genesis
from node.rpc.client import Client, NodeError


class Load(threading.Thread):
    """One member's operator: submits, waits, remembers what was reported final."""

    def __init__(self, net: Devnet, name: str, chain_id: bytes, seed: int) -> None:
        super().__init__(daemon=True)
        home = net.home(name)
        secret = load_key(home.key("member"), "member", home.passphrase.read_text().strip())
        self._signer = Signer(secret)
        self._socket, self._name, self._chain_id = home.socket, name, chain_id
        self._random = random.Random(f"{seed}/{name}")
        self.stopping = threading.Event()
        self.final: dict[str, int] = {}

    def run(self) -> None:
        while not self.stopping.is_set():
            try:
                with Client(self._socket, timeout_s=20) as client:
                    while not self.stopping.is_set():
                        self._one(client)
            except NodeError:
                self.stopping.wait(0.1)  # the node is down: that is what this test does to it

    def _one(self, client: Client) -> None:
        height = client.call("status")["height"]
        name = f"{self._name}/{self._random.getrandbits(64):x}"
        transaction = Transaction.create(
            self._signer,
            self._chain_id,
            self._name,
            self._random.randbytes(16),
            height + 300,
            time.time_ns() // 1_000_000,
            (Call("standards", "publish", standard.draft(name, "S", ("a",), 1)),),
        )
        txid = client.call("tx.submit", tx=transaction.raw.hex())["txid"]
        state = client.call("tx.wait", txid=txid, timeout_ms=5_000)
        if state["state"] == "final":
            self.final[txid] = state["height"]


def crash(folder: Path, rounds: int, seed: int) -> None:
    net = Devnet.create(folder, 4)
    names = net.names
    for name in names:
        settings = net.home(name).settings
        settings.write_text(settings.read_text().replace('votes = ""', 'votes = "votes.log"'))
    chain_id = load_genesis(folder / "genesis.json").genesis.chain_id
    chance = random.Random(seed)
    loads = [Load(net, name, chain_id, seed) for name in names]
    try:
        net.start(*names)
        for load in loads:
            load.start()
        for turn in range(rounds):
            victims = names if turn % 4 == 3 else [chance.choice(names)]
            before = sum(len(load.final) for load in loads)
            wait_for(lambda low=before: sum(len(load.final) for load in loads) > low + 3)
            os.sched_yield()
            for victim in victims:
                net.kill(victim)
            net.start(*victims)
        before = sum(len(load.final) for load in loads)
        wait_for(lambda: sum(len(load.final) for load in loads) > before + 8)
        for load in loads:
            load.stopping.set()
        for load in loads:
            load.join(30)
        check(net, loads)
    finally:
        for load in loads:
            load.stopping.set()
        net.down()


def wait_for(condition: object, timeout_s: float = 60.0) -> None:
    pause = threading.Event()
    end = time.monotonic() + timeout_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "the chain does not go on"
        pause.wait(0.02)


def check(net: Devnet, loads: list[Load]) -> None:
    """Nothing final is lost or doubled, roots are equal, nobody contradicted itself."""
    reported = {txid: height for load in loads for txid, height in load.final.items()}
    assert reported
    top = max(row["height"] for row in net.status())
    rows = [net.wait(n, lambda s: s["height"] >= top and not s["mempool"]["count"])
            for n in net.names]  # fmt: skip
    top = max(row["height"] for row in rows)
    rows = [net.wait(n, lambda s: s["height"] >= top) for n in net.names]
    assert len({row["state_root"] for row in rows}) == 1
    assert not any(row["evidence"] for row in rows)
    for name in net.names:
        with Client(net.home(name).socket) as client:
            seen: dict[str, int] = {}
            for height in range(1, top + 1):
                for row in client.call("block.get", height=height)["transactions"]:
                    assert row["txid"] not in seen, "a transaction is in the chain twice"
                    seen[row["txid"]] = height
            assert {t: seen.get(t) for t in reported} == reported
    statements: dict[tuple[str, ...], str] = {}
    for name in net.names:
        for line in (net.home(name).path / "votes.log").read_text().splitlines():
            epoch, view, kind, signer, *said = line.split()
            if len(said) == 3:  # a line that a kill cut short has less
                known = statements.setdefault((epoch, view, kind, signer), " ".join(said[:2]))
                assert known == " ".join(said[:2]), f"validator {signer} contradicts itself"
    for epoch, view, kind, signer in statements:
        if kind == "FINALIZE":
            assert (epoch, view, "NULLIFY", signer) not in statements


def test_kills_lose_nothing(tmp_path: Path) -> None:
    crash(tmp_path / "net", rounds=4, seed=1)


@pytest.mark.campaign
def test_a_hundred_kills_lose_nothing(tmp_path: Path) -> None:
    crash(tmp_path / "net", rounds=100, seed=2)
