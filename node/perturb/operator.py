"""An operator of one node: offers transactions at a steady rate and hears what becomes final."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from consensus.crypto import Signer
from contracts.envelope import Call, Transaction
from node.data import standard
from node.devnet import Devnet
from node.keys import load_key
from node.rpc.client import Client, NodeError

VALID_FOR = 300
ANSWER_S = 20.0
RETRY_S = 0.05


@dataclass(slots=True)
class Seen:
    """What a node reported to its subscriber: blocks and transactions, by height."""

    height: int = 0
    blocks: dict[int, str] = field(default_factory=dict)
    final: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def take(self, topic: str, data: dict[str, Any]) -> None:
        """Note one report; a problem if it contradicts an earlier one."""
        height = data["height"]
        self.height = max(self.height, height)
        if topic == "blocks" and self.blocks.setdefault(height, data["digest"]) != data["digest"]:
            self.problems.append(f"height {height} was reported with two digests")
        if topic == "transactions" and self.final.setdefault(data["txid"], height) != height:
            self.problems.append(f"{data['txid'][:12]} was reported final at two heights")


class Operator:
    """Two threads beside a node: one submits, one listens; both go on when the node comes back.

    `accepted` holds what the node took, with the pid of the process that took it.
    """

    def __init__(
        self, net: Devnet, name: str, chain_id: bytes, seed: int, per_second: float
    ) -> None:
        home = net.home(name)
        secret = load_key(home.key("member"), "member", home.passphrase.read_text().strip())
        self.name = name
        self.seen = Seen()
        self.accepted: dict[str, int] = {}
        self._signer = Signer(secret)
        self._socket, self._chain_id = home.socket, chain_id
        self._random = random.Random(f"{seed}/{name}")
        self._gap_s = 1 / per_second
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._again, args=(task,), daemon=True)
            for task in (self._offer, self._listen)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop_offering(self) -> None:
        self._stopping.set()
        self._threads[0].join(2 * ANSWER_S)

    def _again(self, task: Callable[[], None]) -> None:
        """Do `task` whenever the node lives, until told to stop."""
        while not self._stopping.is_set():
            try:
                task()
            except (NodeError, OSError):
                self._stopping.wait(RETRY_S)  # the node is down, as it is meant to be

    def _listen(self) -> None:
        with Client(self._socket, timeout_s=ANSWER_S) as client:
            for topic, data in client.subscribe(("blocks", "transactions")):
                self.seen.take(topic, data)

    def _offer(self) -> None:
        with Client(self._socket, timeout_s=ANSWER_S) as client:
            status = client.call("status")
            self.seen.height = max(self.seen.height, status["height"])
            due = time.monotonic()
            while not self._stopping.wait(max(0.0, due - time.monotonic())):
                due = max(due + self._gap_s, time.monotonic() - 1.0)
                transaction = self._make()
                client.call("tx.submit", tx=transaction.raw.hex())
                self.accepted[transaction.txid.hex()] = status["pid"]

    def _make(self) -> Transaction:
        name = f"{self.name}/{self._random.getrandbits(64):x}"
        return Transaction.create(
            self._signer,
            self._chain_id,
            self.name,
            self._random.randbytes(16),
            self.seen.height + VALID_FOR,
            time.time_ns() // 1_000_000,
            (Call("standards", "publish", standard.draft(name, "S", ("a",), 1)),),
        )
