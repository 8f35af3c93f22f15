"""Committed transactions per second, latency, CPU and bytes, over four real node processes.

Open load: signed `catalogue.register` transactions are made before the clock starts, then
submitted at a fixed rate over the nodes' sockets, whatever the answers. Light load: one at a time,
measuring what a client sees from submission to finality.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
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


class Bench:
    """A network of four processes and what is measured on it."""

    def __init__(self, folder: Path) -> None:
        self.net = Devnet.create(folder, 4)
        self.net.start(*self.net.names)
        self.processes = {}
        for name in self.net.names:
            status = self.net.wait(name, lambda s: s["peers"] == 3)
            self.processes[name] = psutil.Process(status["pid"])
        self.chain_id = load_genesis(folder / "genesis.json").genesis.chain_id
        self.signers = {}
        for name in self.net.names:
            home = self.net.home(name)
            secret = load_key(home.key("member"), "member", home.passphrase.read_text().strip())
            self.signers[name] = Signer(secret)
        self.reference = self._publish()
        self._number = 0
        self._clients: dict[str, Client] = {}

    def _publish(self) -> list[Any]:
        content = standard.draft("tax/bench", "Bench", ("a", "b"), 1)
        raw = self.sign("tax", Call("standards", "publish", content))
        with Client(self.net.home("tax").socket) as client:
            client.call("tx.submit", tx=raw.raw.hex())
            state = client.call("tx.wait", txid=raw.txid.hex(), timeout_ms=20_000)
        return ["tax/bench", 1, bytes.fromhex(state["events"][0][2][2])]

    def sign(self, name: str, *calls: Call, height: int = 0) -> Transaction:
        now = time.time_ns() // 1_000_000
        nonce = os.urandom(16)
        return Transaction.create(
            self.signers[name], self.chain_id, name, nonce, height + VALID_FOR, now, calls
        )

    def make(self, name: str, count: int, calls: int = 1) -> list[Transaction]:
        """Sign `count` registrations of `calls` datasets each."""
        with Client(self.net.home(name).socket) as client:
            height = client.call("status")["height"]
        made = []
        for _ in range(count):
            numbers = range(self._number, self._number + calls)
            self._number += calls
            many = [_register(name, n, self.reference) for n in numbers]
            made.append(self.sign(name, *many, height=height))
        return made

    def open_load(self, rate: int, seconds: int, calls: int = 1) -> dict[str, Any]:
        """Submit `rate` transactions a second for `seconds`; returns what was seen."""
        names = self.net.names
        share = rate * seconds // len(names)
        batches = {name: self.make(name, share, calls) for name in names}
        sizes = [len(t.raw) for made in batches.values() for t in made]
        before = {
            n: (p.cpu_times(), _disk(self.net.home(n).path)) for n, p in self.processes.items()
        }
        refused: list[str] = []
        wire = self._wire()
        start = time.monotonic()
        threads = [
            threading.Thread(target=self._feed, args=(n, batches[n], start, seconds, refused))
            for n in names
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        fed = time.monotonic() - start
        committed = self._drain(names)
        total = time.monotonic() - start
        cpu = {}
        for name, process in self.processes.items():
            old, new = before[name][0], process.cpu_times()
            cpu[name] = new.user + new.system - old.user - old.system
        sent = len(sizes) - len(refused)
        lost = sum(not self._is_final(n, t) for n in names for t in batches[n]) - len(refused)
        disk = sum(_disk(self.net.home(n).path) - before[n][1] for n in names) / len(names)
        return {
            "offered_per_s": rate,
            "calls": calls,
            "seconds": round(total, 2),
            "fed_in_s": round(fed, 2),
            "committed": sent,
            "per_s": round(sent / total),
            "calls_per_s": round(sent * calls / total),
            "refused": len(refused),
            "refusal": refused[0] if refused else "",
            "lost": lost,
            "tx_bytes": round(statistics.mean(sizes)),
            "cpu_us_per_tx_per_node": round(statistics.mean(cpu.values()) / max(1, sent) * 1e6),
            "wire_bytes_per_tx": round((self._wire() - wire) / max(1, sent)),
            "disk_bytes_per_tx": round(disk / max(1, sent)),
            "rss_mb": round(max(p.memory_info().rss for p in self.processes.values()) / 1e6),
            "heights": committed,
        }

    def _feed(
        self, name: str, made: list[Transaction], start: float, seconds: int, refused: list[str]
    ) -> None:
        interval = seconds * BATCH / len(made)
        lock = threading.Event()
        with Client(self.net.home(name).socket, timeout_s=300) as client:
            waiting: list[int] = []
            for number, first in enumerate(range(0, len(made), BATCH)):
                late = start + number * interval - time.monotonic()
                if late > 0:
                    lock.wait(late)
                texts = [t.raw.hex() for t in made[first : first + BATCH]]
                waiting += client.send_many([("tx.submit_many", {"txs": texts})])
                while len(waiting) > 64:
                    self._note(client.collect(waiting[:32]), refused)
                    waiting = waiting[32:]
            self._note(client.collect(waiting), refused)

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

    def _wire(self) -> int:
        total = 0
        for name in self.net.names:
            with Client(self.net.home(name).socket) as client:
                total += sum(row["sent_bytes"] for row in client.call("peers"))
        return total // len(self.net.names)

    def latency(self, count: int) -> dict[str, Any]:
        """Submit one at a time and wait for finality; percentiles in ms."""
        made = self.make("tax", count)
        times = []
        with Client(self.net.home("tax").socket) as client:
            for transaction in made:
                begin = time.perf_counter()
                client.call("tx.submit", tx=transaction.raw.hex())
                client.call("tx.wait", txid=transaction.txid.hex(), timeout_ms=20_000)
                times.append((time.perf_counter() - begin) * 1e3)
        times.sort()
        return {
            "count": count,
            "p50_ms": round(times[count // 2], 1),
            "p99_ms": round(times[count * 99 // 100], 1),
        }


def _disk(path: Path) -> int:
    return sum(f.stat().st_size for f in path.rglob("*") if f.is_file())


def main() -> None:
    """Parse options, run, print a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rate", type=int, default=2_500, help="transactions a second offered")
    parser.add_argument("--seconds", type=int, default=60, help="how long to offer them")
    parser.add_argument("--bulk-rate", type=int, default=100, help="bulk transactions a second")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="muniment-bench-") as folder:
        bench = Bench(Path(folder) / "net")
        try:
            result = {
                "light": bench.latency(100),
                "single": bench.open_load(options.rate, options.seconds),
                "bulk": bench.open_load(options.bulk_rate, min(20, options.seconds), calls=100),
            }
        finally:
            bench.net.down()
    if options.json:
        print(json.dumps(result, indent=2))
        return
    for part, figures in result.items():
        print(f"\n{part}")
        for name, value in figures.items():
            print(f"  {name:<24} {value}")


if __name__ == "__main__":
    main()
