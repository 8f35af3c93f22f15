"""How long after the last piece of it is final an alert is at a terminal: `python -m bench.alerts`.

Four node processes and `muniment supervise` beside one, while registrations make 1,000 events a
second. Three members one after the other do three times what they may not. Times are from when a
subscriber has the block with the last failure to when it has the event of the alert: detection,
signing, a transaction's way into a block, and finality.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import cbor2
import psutil

from bench.ledger import CALLS, Bench
from contracts.codes import Code
from node.rpc.client import Client, NodeError
from node.watch.calendar import DAY_MS
from node.watch.item import FAILED, LEDGER, Item, items_of
from node.watch.watch import Watch

SUPERVISOR = "tax"
PAUSE_S = 4.0


def remember(path: Path, height: int, members: list[str]) -> None:
    """Write the memory of a watch that has known the members for a month."""
    watch = Watch(lambda grant: None)
    now = time.time_ns() // 1_000_000
    for day in range(30, 0, -1):
        for name in members:
            data: list[Any] = [int(Code.NOT_LATER)]
            watch.step(Item(1, now - day * DAY_MS, LEDGER, FAILED, data, f"{name}/li"))
    path.write_bytes(cbor2.dumps([height, watch.dump()]))


class Ear:
    """Hears a node's blocks, and notes when members failed and when alerts about that came."""

    def __init__(self, socket: Path) -> None:
        self.failed: dict[str, float] = {}
        self.raised: dict[str, float] = {}
        self.items = 0
        self.heard = threading.Condition()
        self._client = Client(socket)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with contextlib.suppress(NodeError):  # the network is taken down in the end
            self._listen()

    def _listen(self) -> None:
        for _, block in self._client.subscribe(("activity",)):
            now = time.monotonic()
            with self.heard:
                for item in items_of(block):
                    self.items += 1
                    if item.contract == LEDGER:
                        self.failed[item.sender] = now
                    elif item[2:4] == ("alerts", "raised") and item.data[1] == "forbidden":
                        self.raised[item.data[2]] = now
                self.heard.notify_all()


def measure(rate: int, seconds: int) -> tuple[dict[str, float], float, float]:
    """Return seconds by member, the watch's share of a core, and events a second."""
    with tempfile.TemporaryDirectory(prefix="muniment-bench-") as folder:
        bench = Bench(Path(folder) / "net")
        try:
            return _measure(bench, rate, seconds)
        finally:
            bench.net.down()


def _measure(bench: Bench, rate: int, seconds: int) -> tuple[dict[str, float], float, float]:
    home = bench.net.home(SUPERVISOR)
    guilty = [name for name in bench.net.names if name != SUPERVISOR]
    with Client(home.socket) as client:
        height = client.call("status")["height"]
    remember(home.watch, height, guilty)
    watcher = subprocess.Popen(
        [sys.executable, "-u", "-m", "node", "supervise", "--home", str(home.path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert watcher.stdout is not None
    watcher.stdout.readline()
    threading.Thread(target=lambda: list(watcher.stdout or ()), daemon=True).start()
    made = bench.registrations(rate * seconds // (CALLS * len(bench.net.names)), CALLS)
    ear = Ear(home.socket)
    load = threading.Thread(target=bench.open_load, args=(made, seconds, False))
    process = psutil.Process(watcher.pid)
    used, begin, items = sum(process.cpu_times()[:2]), time.monotonic(), ear.items
    load.start()
    for name in guilty:
        time.sleep(PAUSE_S)
        _offend(bench, name)
        with ear.heard:
            ear.heard.wait_for(lambda name=name: name in ear.raised, timeout=60)  # type: ignore[misc]
    load.join()
    lasted = time.monotonic() - begin
    share = (sum(process.cpu_times()[:2]) - used) / lasted
    watcher.send_signal(signal.SIGTERM)
    watcher.wait(30)
    delays = {n: ear.raised[n] - ear.failed[n] for n in guilty if n in ear.raised}
    return delays, share, (ear.items - items) / lasted


def _offend(bench: Bench, name: str) -> None:
    """Retire another member's dataset, three times."""
    with Client(bench.net.home(name).socket) as client:
        height = client.call("status")["height"]
        for _ in range(3):
            signed = bench.sign(name, bench.retire(SUPERVISOR, 0), height=height)
            client.call("tx.submit", tx=signed.raw.hex())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=1_000, help="events a second")
    parser.add_argument("--seconds", type=int, default=30)
    given = parser.parse_args()
    delays, share, events = measure(given.rate, given.seconds)
    for name, delay in delays.items():
        print(f"{name:<12} {delay * 1_000:8.0f} ms")
    print(f"{events:,.0f} events/s; the watch used {100 * share:.0f} % of one core")


if __name__ == "__main__":
    main()
