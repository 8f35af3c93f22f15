"""A trial network of real processes whose members govern it by commands, while load runs."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from consensus.crypto import Signer
from consensus.validators import Parameters
from contracts.envelope import Call, Transaction
from node.devnet import Devnet
from node.home import Home, atomic_write
from node.keys import load_key
from node.network import load_genesis
from node.provision import free_ports, make_home
from node.receipt import verify
from node.rpc.client import Client, NodeError

PASSPHRASE = "a trial passphrase"


def command(*args: object, fails: bool = False) -> str:
    """Run a command of `muniment`; returns what it printed, or what it said on failing."""
    done = subprocess.run(
        [sys.executable, "-m", "node", *map(str, args)], capture_output=True, text=True, check=False
    )
    assert (done.returncode != 0) == fails, done.stderr
    return done.stderr if fails else done.stdout


@dataclass
class Load:
    """Publishes standards at one member's node from a thread, and notes when blocks are final."""

    home: Home
    gap_s: float = 0.02
    txids: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.chain_id = load_genesis(self.home.genesis).genesis.chain_id
        passphrase = self.home.passphrase.read_text().strip()
        self._signer = Signer(load_key(self.home.key("member"), "member", passphrase))
        self._threads = [threading.Thread(target=run) for run in (self._send, self._watch)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
        name, number = self.home.path.name, 0
        with Client(self.home.socket) as client:
            height = client.call("status")["height"]
            while not self._over.wait(self.gap_s):
                number += 1
                if number % 50 == 0:
                    height = client.call("status")["height"]
                signed = Transaction.create(
                    self._signer, self.chain_id, name, secrets.token_bytes(16), height + 500,
                    time.time_ns() // 1_000_000,
                    (Call("standards", "publish", _standard(f"{name}/s{number}")),),
                )  # fmt: skip
                try:
                    self.txids.append(client.call("tx.submit", tx=signed.raw.hex())["txid"])
                except NodeError as error:
                    self.refused.append(error.message)

    def _watch(self) -> None:
        with Client(self.home.socket) as client:
            for _ in client.subscribe(("blocks",)):
                self.moments.append(time.monotonic())
                if self._over.is_set():
                    return

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def longest_stall_s(self) -> float:
        """The longest time between two blocks becoming final."""
        return max((b - a for a, b in pairwise(self.moments)), default=0.0)


def _standard(identity: str) -> dict[str, Any]:
    row = {"name": "a", "type": "text", "unit": None, "codes": None, "level": 2,
           "class": "general", "mask": None}  # fmt: skip
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    return {"id": identity, "version": 1, "title": "A", "schema": schema, "fields": [row]}


class Alliance:
    """A trial network; what members do is done by commands."""

    def __init__(self, folder: Path, parameters: Parameters, count: int = 4) -> None:
        self.net = Devnet.create(folder, count, parameters)
        self.receipts: list[Path] = []

    def start(self) -> None:
        names = self.net.names
        self.net.start(*names)
        for name in names:
            self.net.wait(name, lambda s: s["peers"] == len(names) - 1)

    def home(self, name: str) -> Path:
        return self.net.home(name).path

    def ask(self, name: str, method: str, **params: Any) -> Any:
        with Client(self.net.home(name).socket) as client:
            return client.call(method, **params)

    def join(self, name: str) -> None:
        """Make a home for a newcomer, who has got the genesis, and start its node."""
        [port] = free_ports(1)
        address = (f"/ip4/127.0.0.1/tcp/{port}",)
        home, _, _ = make_home(self.net.folder / name, name, PASSPHRASE, address, address)
        atomic_write(home.passphrase, PASSPHRASE.encode(), 0o600)
        shutil.copy(self.net.folder / "genesis.json", home.genesis)
        self.net.start(name)

    def propose(self, by: str, kind: str, *args: str) -> int:
        out = command("gov", "propose", kind, *args, "--vote", "--home", self.home(by), "--json")
        number: int = json.loads(out)["proposal"]
        return number

    def decide(self, names: list[str], kind: str, *args: str) -> dict[str, Any]:
        """Let the first of `names` propose, the others agree, and wait until it is done."""
        number = self.propose(names[0], kind, *args)
        for name in names[1:]:
            vote = command("gov", "vote", number, "yes", "--home", self.home(name), "--json")
            if json.loads(vote)["status"] != "open":
                break
        found: dict[str, Any] = json.loads(
            command("gov", "wait", number, "--home", self.home(names[0]), "--json")
        )
        return found

    def keep_receipt(self, name: str, txid: str) -> None:
        """Save the proof of a transaction for the end of the story."""
        path = self.net.folder / f"{txid[:16]}.receipt"
        self.ask(name, "tx.wait", txid=txid, timeout_ms=30_000)
        height = self.ask(name, "tx.place", txid=txid)["height"]
        self.net.wait(name, lambda s: s["height"] > height + 1)
        command("receipt", txid, "-o", path, "--home", self.home(name))
        self.receipts.append(path)

    def verify_receipts(self) -> list[int]:
        """Check every kept receipt with the genesis alone; returns their epochs."""
        genesis = load_genesis(self.net.folder / "genesis.json").genesis
        return [verify(path.read_bytes(), genesis).epoch for path in self.receipts]

    def require_one_chain(self, *names: str) -> int:
        """Compare every block of the nodes up to the lowest tip; returns its height."""
        top = min(self.ask(name, "status")["height"] for name in names)
        chains = []
        for name in names:
            with Client(self.net.home(name).socket) as client:
                ids = client.send_many([("block.get", {"height": h}) for h in range(top + 1)])
                chains.append([(b["digest"], b["state_root"]) for b in client.collect(ids)])
        assert all(chain == chains[0] for chain in chains)
        return top
