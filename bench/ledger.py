"""Committed transactions per second, latency, CPU and bytes, over four real node processes.

    python -m bench [--rate 2500] [--seconds 60] [--only PART] [--json]

Light load: one transaction at a time, from submission to finality as the client sees it. Closed
load: clients that submit the next when the last is final. Open load: signed transactions, made
before the clock starts, at a fixed rate whatever the answers; a client beside it measures latency.
Bulk: 100 calls under one signature. Catch-up: a node that was killed, while the others go on at
full load. A registration is `catalogue.register` of 500 bytes that changes three keys.
"""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from consensus.crypto import Signer
from contracts.envelope import Call, Transaction
from node.data import standard
from node.devnet import Devnet
from node.keys import load_key
from node.network import load_genesis
from node.rpc.client import Client

BATCH = 50
VALID_FOR = 500
CALLS = 100
SAMPLE_S = 0.25


def _register(owner: str, number: int, reference: list[Any]) -> Call:
    return Call(
        "catalogue",
        "register",
        {
            "dataset": f"{owner}/set-{number}",
            "version": 1,
            "title": f"Benchmark dataset {number}",
            "keywords": ["bench"],
            "theme": None,
            "licence": None,
            "frequency": "irregular",
            "spatial": None,
            "temporal": None,
            "media_type": "text/csv",
            "standard": reference,
            "level": 1,
            "class": "general",
            "rows": 1000,
            "bytes": 100_000,
            "suite": "sha256-v1",
            "commitment": os.urandom(32),
            "quality": None,
            "derived_from": [],
            "custody": "own",
        },
    )


Make = Callable[[str, int], Call]
"""Makes a call of a member, by number."""


class Bench:
    """A network of four processes and what is measured on it."""

    def __init__(self, folder: Path) -> None:
        self.net = Devnet.create(folder, 4)
        self.net.start(*self.net.names)
        self.processes = {name: self._process(name) for name in self.net.names}
        self.idle_rss_mb = self._rss_mb()
        self.chain_id = load_genesis(folder / "genesis.json").genesis.chain_id
        self.signers = {}
        for name in self.net.names:
            home = self.net.home(name)
            secret = load_key(home.key("member"), "member", home.passphrase.read_text().strip())
            self.signers[name] = Signer(secret)
        self.reference = self._publish()
        self._number = self._height("tax") * 1_000_000
        """Of the next dataset: none that a run before has registered on this chain."""
        self._clients: dict[str, Client] = {}

    def _process(self, name: str) -> psutil.Process:
        status = self.net.wait(name, lambda s: s["peers"] == len(self.net.names) - 1)
        return psutil.Process(status["pid"])

    def _publish(self) -> list[Any]:
        content = standard.draft("tax/bench", "Bench", ("a", "b"), 1)
        height = self._height("tax")
        raw = self.sign("tax", Call("standards", "publish", content), height=height)
        with Client(self.net.home("tax").socket) as client:
            asked = {"contract": "standards", "method": "get", "args": {"id": content["id"]}}
            if (known := client.call("state.query", **asked)) is not None:
                return [content["id"], 1, bytes.fromhex(known["digest"])]
            client.call("tx.submit", tx=raw.raw.hex())
            state = client.call("tx.wait", txid=raw.txid.hex(), timeout_ms=20_000)
        return ["tax/bench", 1, bytes.fromhex(state["events"][0][2][2])]

    def sign(self, name: str, *calls: Call, height: int = 0) -> Transaction:
        now = time.time_ns() // 1_000_000
        nonce = os.urandom(16)
        return Transaction.create(
            self.signers[name], self.chain_id, name, nonce, height + VALID_FOR, now, calls
        )

    def register(self, name: str, number: int) -> Call:
        """A call that changes three keys."""
        return _register(name, number, self.reference)

    @staticmethod
    def retire(name: str, number: int) -> Call:
        """A call that changes one key, of a dataset that is registered."""
        return Call("catalogue", "retire", {"dataset": f"{name}/set-{number}"})

    def make(self, name: str, count: int, calls: int = 1) -> list[Transaction]:
        """Sign `count` registrations of `calls` datasets each."""
        numbers = range(self._number, self._number + count * calls)
        self._number += count * calls
        return self._sign_all(name, self.register, numbers, calls)

    def _sign_all(self, name: str, make: Make, numbers: range, calls: int) -> list[Transaction]:
        with Client(self.net.home(name).socket) as client:
            height = client.call("status")["height"]
        starts = range(numbers.start, numbers.stop, calls)
        rows = ([make(name, n) for n in range(start, start + calls)] for start in starts)
        return [self.sign(name, *row, height=height) for row in rows]

    def registrations(self, count: int, calls: int = 1) -> dict[str, list[Transaction]]:
        """`count` transactions for each node's own member."""
        return {name: self.make(name, count, calls) for name in self.net.names}

    def retirements(self, made: dict[str, list[Transaction]]) -> dict[str, list[Transaction]]:
        """Retire what bulk transactions have registered."""
        rows: dict[str, list[Transaction]] = {}
        for name, transactions in made.items():
            names = [str(c.args["dataset"]) for t in transactions for c in t.calls]
            numbers = [int(dataset.rpartition("-")[2]) for dataset in names]
            rows[name] = self._sign_all(
                name, self.retire, range(numbers[0], numbers[-1] + 1), len(transactions[0].calls)
            )
        return rows

    def light(self, count: int) -> dict[str, Any]:
        """Submit one at a time and wait for finality; milliseconds."""
        with Client(self.net.home("tax").socket) as client:
            return _percentiles([_commit_ms(client, t) for t in self.make("tax", count)])

    def closed_load(self, clients: int, each: int) -> dict[str, Any]:
        """`clients` at each node, which submit the next transaction when the last is final."""
        made = {name: self.make(name, clients * each) for name in self.net.names}
        times: list[float] = []

        def work(name: str, rows: list[Transaction]) -> None:
            with Client(self.net.home(name).socket, timeout_s=120) as client:
                times.extend(_commit_ms(client, transaction) for transaction in rows)

        start = time.monotonic()
        shares = [(n, made[n][i * each : (i + 1) * each]) for n in made for i in range(clients)]
        _run_all([(lambda n=n, r=r: work(n, r)) for n, r in shares])  # type: ignore[misc]
        seconds = time.monotonic() - start
        return {
            "clients": len(shares),
            "per_s": round(len(times) / seconds),
            **_percentiles(times),
        }

    def open_load(
        self, batches: dict[str, list[Transaction]], seconds: float, samples: bool = True
    ) -> dict[str, Any]:
        """Submit everything within `seconds`; returns what was seen until the last is final."""
        names = self.net.names
        everything = [t for made in batches.values() for t in made]
        calls = len(everything[0].calls)
        probes = self.make("tax", int(seconds / SAMPLE_S)) if samples else []
        before = self._totals()
        refused: list[str] = []
        times: list[float] = []
        start = time.monotonic()
        work = [(lambda n=n: self._feed(n, batches[n], start, seconds, refused)) for n in names]  # type: ignore[misc]
        _run_all([*work, lambda: self._probe(probes, start, seconds, times)])
        height = self._drain(names)
        total = time.monotonic() - start
        after = self._totals()
        sent = len(everything) - len(refused)
        lost = sum(not self._is_final(n, t) for n in names for t in batches[n]) - len(refused)
        used = {key: (after[key] - before[key]) / len(names) for key in before}
        return {
            "offered_per_s": round(len(everything) / seconds),
            "per_s": round(sent / total),
            "calls_per_s": round(sent * calls / total),
            "seconds": round(total, 1),
            "committed": sent,
            "refused": len(refused),
            "refusal": refused[0] if refused else "",
            "lost": lost,
            **_percentiles(times),
            "tx_bytes": round(statistics.mean(len(t.raw) for t in everything)),
            "cpu_us_per_tx_per_node": round(used["cpu_s"] / max(1, sent) * 1e6),
            "wire_bytes_per_tx": round(used["wire"] / max(1, sent)),
            "disk_bytes_per_tx": round(used["disk"] / max(1, sent)),
            "rss_mb": self._rss_mb(),
            "height": height,
        }

    def catch_up(self, rate: int, seconds: int) -> dict[str, Any]:
        """Kill a node, load the rest, start it again half-way; how fast it closes the gap.

        Counted in transactions: blocks grow while one of the leaders is away.
        """
        *fed, away = self.net.names
        made = {name: self.make(name, rate * seconds // len(fed)) for name in fed}
        self.net.kill(away)
        refused: list[str] = []
        start = time.monotonic()
        feeding = [
            threading.Thread(target=self._feed, args=(n, made[n], start, seconds, refused))
            for n in fed
        ]
        for thread in feeding:
            thread.start()
        threading.Event().wait(seconds / 2)
        begin, gap_from = time.monotonic(), self._height(fed[0])
        self.net.start(away)
        own_from = self._height(away)
        status = self.net.wait(
            away, lambda s: s["height"] >= self._height(fed[0]) - 2, timeout_s=120
        )
        took = time.monotonic() - begin
        for thread in feeding:
            thread.join()
        self._drain(self.net.names)
        self.processes[away] = self._process(away)
        behind = self._count(fed[0], own_from, gap_from)
        grown = self._count(fed[0], gap_from, status["height"])
        return {
            "behind": behind,
            "grown": grown,
            "caught_up_in_s": round(took, 1),
            "times_the_growth": round((behind + grown) / max(1, grown), 1),
        }

    def _count(self, name: str, above: int, height: int) -> int:
        """How many transactions stand in the blocks above a height, up to another."""
        with Client(self.net.home(name).socket, timeout_s=300) as client:
            blocks = range(above + 1, height + 1)
            return sum(client.call("block.get", height=at, most=0)["count"] for at in blocks)

    def _height(self, name: str) -> int:
        with Client(self.net.home(name).socket) as client:
            return int(client.call("status")["height"])

    def _feed(
        self,
        name: str,
        made: list[Transaction],
        start: float,
        seconds: float,
        refused: list[str],
    ) -> None:
        size = max(1, BATCH // len(made[0].calls))
        interval = seconds * size / len(made)
        with Client(self.net.home(name).socket, timeout_s=300) as client:
            waiting: list[int] = []
            for number, first in enumerate(range(0, len(made), size)):
                _wait_until(start + number * interval)
                texts = [t.raw.hex() for t in made[first : first + size]]
                waiting += client.send_many([("tx.submit_many", {"txs": texts})])
                while len(waiting) > 64:
                    self._note(client.collect(waiting[:32]), refused)
                    waiting = waiting[32:]
            self._note(client.collect(waiting), refused)

    def _probe(
        self, made: list[Transaction], start: float, seconds: float, times: list[float]
    ) -> None:
        with Client(self.net.home("tax").socket, timeout_s=300) as client:
            for number, transaction in enumerate(made):
                _wait_until(start + number * SAMPLE_S)
                if time.monotonic() > start + seconds:
                    return
                times.append(_commit_ms(client, transaction))

    @staticmethod
    def _note(answers: list[Any], refused: list[str]) -> None:
        refused += [row["reason"] for rows in answers for row in rows if "reason" in row]

    def _drain(self, names: list[str]) -> int:
        """Wait until no node holds waiting transactions; returns the height."""
        top = 0
        for name in names:
            status = self.net.wait(name, lambda s: s["mempool"]["count"] == 0, timeout_s=120)
            top = max(top, status["height"])
        return top

    def _is_final(self, name: str, transaction: Transaction) -> bool:
        client = self._clients.get(name)
        if client is None:
            client = self._clients[name] = Client(self.net.home(name).socket)
        found: dict[str, Any] = client.call("tx.place", txid=transaction.txid.hex())
        return bool(found["final"])

    def _totals(self) -> dict[str, float]:
        """Sums over all nodes since they started: CPU seconds, bytes sent, bytes on disk."""
        totals = {"cpu_s": 0.0, "wire": 0.0, "disk": 0.0}
        for name, process in self.processes.items():
            times = process.cpu_times()
            totals["cpu_s"] += times.user + times.system
            with Client(self.net.home(name).socket) as client:
                totals["wire"] += sum(row["sent_bytes"] for row in client.call("peers"))
            files = self.net.home(name).path.rglob("*")
            totals["disk"] += sum(f.stat().st_size for f in files if f.is_file())
        return totals

    def _rss_mb(self) -> int:
        return round(max(p.memory_info().rss for p in self.processes.values()) / 1e6)


def _commit_ms(client: Client, transaction: Transaction) -> float:
    begin = time.perf_counter()
    client.call("tx.submit", tx=transaction.raw.hex())
    client.call("tx.wait", txid=transaction.txid.hex(), timeout_ms=60_000)
    return (time.perf_counter() - begin) * 1e3


def _percentiles(times_ms: list[float]) -> dict[str, float]:
    if not times_ms:
        return {}
    ordered = sorted(times_ms)
    return {
        "p50_ms": round(ordered[len(ordered) // 2], 1),
        "p99_ms": round(ordered[len(ordered) * 99 // 100], 1),
    }


def _wait_until(moment: float) -> None:
    late = moment - time.monotonic()
    if late > 0:
        threading.Event().wait(late)


def _run_all(work: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
