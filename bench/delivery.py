"""Deliveries between two departments' real nodes: rows a second, memory of the daemons.

    python -m bench.delivery --rows 100000

Four daemons, `exchange serve` and `fetch`, all on this machine. The dataset has 10 fields, 4 of
them masked; every record is verified against the registered commitment.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import trio

from consensus.validators import Parameters
from node.cli.collect import unlocked
from node.cli.common import submit
from node.data import vault
from node.data.keyring import Keyring
from node.devnet import Devnet
from node.exchange import lookup
from node.exchange.copies import Copy
from node.exchange.fetch import Fetcher
from node.exchange.streams import DataSocket, connect
from node.home import Home
from node.keys import load_key
from node.network import load_genesis
from node.rpc.client import Client

PARAMETERS = Parameters(delta_ms=200, delta_cap_ms=1_600, retry_ms=400, idle_ms=1_000)
CALLERS = 4
"""Sessions that share the look-ups; each asks for one answer at a time."""
DAY_MS = 24 * 60 * 60 * 1_000
FIELDS = (
    ("number", "code", 2, None), ("name", "person-name", 3, "name"),
    ("birth", "birth-date", 3, "date-shift"), ("phone", "phone", 3, "mobile"),
    ("email", "email", 3, "email"), ("city", "text", 2, None), ("kind", "code", 2, None),
    ("issued", "date", 2, None), ("fee", "amount", 2, None), ("state", "code", 2, None),
)  # fmt: skip


def row_of(n: int) -> list[str | None]:
    return [f"{n:08}", f"王{n}", f"19{n % 90 + 10}-01-{n % 28 + 1:02}", f"139{n % 10**8:08}",
            f"user{n}@mail.example", "Wuhan" if n % 7 else None, f"K{n % 13}",
            f"2025-{n % 12 + 1:02}-03", f"{n % 1000}.50", "valid"]  # fmt: skip


class Scene:
    """A trial network in which `owner` holds a dataset and `recipient` a grant on it."""

    def __init__(self, folder: Path, rows: int, count: int = 4) -> None:
        self.rows = rows
        self.net = Devnet.create(folder, count, PARAMETERS)
        self.owner, self.recipient = self.net.names[:2]
        self.net.start(*self.net.names)
        for name in self.net.names:
            self.net.wait(name, lambda s: s["peers"] == count - 1)

    def home(self, name: str) -> Home:
        return self.net.home(name)

    def submit(self, name: str, contract: str, method: str, args: dict[str, Any]) -> dict[str, Any]:
        home = self.home(name)
        return submit(home, home.passphrase.read_text().strip(), contract, method, args)

    def ask(self, name: str, contract: str, method: str, **args: Any) -> Any:
        with Client(self.home(name).socket) as client:
            return client.call("state.query", contract=contract, method=method, args=args)

    def publish(self) -> None:
        """Publish the standard, write the records, register them."""
        home, owner = self.home(self.owner), self.owner
        fields = [
            {"name": name, "type": kind, "unit": None, "codes": None, "level": level,
             "class": "general", "mask": mask}
            for name, kind, level, mask in FIELDS
        ]  # fmt: skip
        standard = {"id": f"{owner}/permits", "version": 1, "title": "Permits",
                    "schema": {"type": "object"}, "fields": fields}  # fmt: skip
        self.submit(owner, "standards", "publish", standard)
        found = self.ask(owner, "standards", "get", id=f"{owner}/permits")
        master = load_key(home.key("vault"), "vault", home.passphrase.read_text().strip())
        chain_id = load_genesis(home.genesis).genesis.chain_id
        name = f"{owner}/permits-2025"
        head = vault.write(
            vault.folder_of(home.vault, name, 1), chain_id, name, 1, found["standard"],
            map(row_of, range(self.rows)), Keyring(home.vault, master),
        )  # fmt: skip
        self.submit(owner, "catalogue", "register", {
            "dataset": name, "version": 1, "title": "Permits", "keywords": [], "theme": None,
            "licence": "odc-by", "frequency": "annual", "spatial": None, "temporal": None,
            "media_type": "text/csv", "bytes": 1, "suite": "sha256-v1", "quality": None,
            "standard": [f"{owner}/permits", 1, bytes.fromhex(found["digest"])], "level": 3,
            "class": "general", "rows": self.rows, "commitment": head.commitment,
            "derived_from": [], "custody": "own",
        })  # fmt: skip

    def grant(self, rows: int, **changes: Any) -> int:
        """Ask for all fields and let the owner approve; returns the grant's number."""
        now = time.time_ns() // 1_000_000
        self.submit(self.recipient, "access", "request", {
            "dataset": f"{self.owner}/permits-2025", "version": 1, "fields": list(range(10)),
            "filter": [], "envelope": None, "purpose": "public-service", "basis": "public-task",
            "kind": "table", "key": None, "mode": "linked", "from": now - 60_000,
            "until": now + 10 * DAY_MS, "rows": rows, "retention_days": 1, "onward": False,
            "hours": None, **changes,
        })  # fmt: skip
        number = self.ask(self.recipient, "access", "list", member=self.recipient)[0]["id"]
        if self.ask(self.owner, "access", "grant", grant=number) is None:
            review = {"request": number, "revision": 1, "outcome": "approve"}
            self.submit(self.owner, "access", "review", review)
        return int(number)

    @contextlib.contextmanager
    def serving(self) -> Iterator[subprocess.Popen[str]]:
        """Run `exchange serve` at the owner; yields the process once it serves."""
        process = subprocess.Popen(
            [sys.executable, "-m", "node", "exchange", "serve", "--home",
             str(self.home(self.owner).path)],
            stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        try:
            assert process.stdout is not None
            if process.stdout.readline().strip() != "serving":
                raise RuntimeError("exchange serve did not start")
            yield process
        finally:
            process.kill()
            process.wait()

    def fetch(self, grant: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "node", "fetch", str(grant), "--home",
             str(self.home(self.recipient).path), "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def memory_mib(self, name: str) -> int:
        """The most memory that a daemon has had resident."""
        with Client(self.home(name).socket) as client:
            pid = client.call("status")["pid"]
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) >> 10
        raise RuntimeError("the kernel does not tell")

    def close(self) -> None:
        self.net.down()


def measure_lookups(scene: Scene, count: int, per_second: int) -> list[float]:
    """Look up `count` keys at a steady rate; seconds of each from when it was due, sorted."""
    passphrase = scene.home(scene.recipient).passphrase.read_text().strip()
    chain, master = unlocked(scene.home(scene.recipient).path, passphrase, as_node=True)
    home = scene.home(scene.recipient)
    fetcher = Fetcher(home, chain, master)
    grant = scene.grant(count + 4 * CALLERS, kind="lookup", key=0)
    copies = [fetcher._create(grant, count // CALLERS + 2, "lookup") for _ in range(CALLERS)]
    took: list[float] = []

    async def run() -> None:
        begun = trio.Event()
        ready = 0
        start = 0.0

        async def work(socket: DataSocket, copy: Copy, mine: int) -> None:
            nonlocal ready, start
            async with lookup.calling(socket, copy, fetcher.chain_id) as caller:
                await caller.ask(str(row_of(0)[0]))  # makes the index
                ready += 1
                if ready == CALLERS:
                    start = trio.current_time()
                    begun.set()
                await begun.wait()
                for number in range(mine, count, CALLERS):
                    due = start + number / per_second
                    await trio.sleep_until(due)
                    key = str(row_of(number * 7919 % scene.rows)[0])
                    if not await caller.ask(key):
                        raise RuntimeError(f"{key} was not found")
                    took.append(trio.current_time() - due)

        async with connect(home.data_socket) as socket, trio.open_nursery() as nursery:
            for mine, copy in enumerate(copies):
                nursery.start_soon(work, socket, copy, mine)

    for copy in copies:
        fetcher._open(copy)
    trio.run(run)
    return sorted(took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(Path(folder), rows)
        try:
            scene.publish()
            grant = scene.grant(2 * rows)
            with scene.serving():
                begun = time.monotonic()
                process = scene.fetch(grant)
                copies = scene.home(scene.recipient).copies
                while process.poll() is None and not any(copies.glob("*/*/chunks")):
                    time.sleep(0.002)
                first = time.time()
                out, err = process.communicate()
                took = time.monotonic() - begun
            if process.returncode:
                raise SystemExit(err)
            found = json.loads(out)
            [chunks] = copies.glob("*/*/chunks")
            streamed = chunks.stat().st_mtime - first
            print(f"from the first chunk kept to the last: {streamed:.1f} s, "
                  f"{(rows - 1_024) / streamed:,.0f} rows/s")  # fmt: skip
            print(f"{found['rows']:,} rows of 10 fields, 4 masked, in {took:.1f} s, with opening "
                  f"and closing on chain and all start-up: {rows / took:,.0f} rows/s")  # fmt: skip
            with scene.serving():
                seconds = measure_lookups(scene, 500, 50)
            p50, p95, p99 = (round(1_000 * seconds[at]) for at in (250, 475, 495))
            print(f"look-ups at 50 a second: p50 {p50} ms, p95 {p95} ms, p99 {p99} ms")
            for name in scene.net.names[:2]:
                print(f"daemon of {name}: {scene.memory_mib(name)} MiB at most")
        finally:
            scene.close()


if __name__ == "__main__":
    main()
