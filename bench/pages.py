"""How quickly pages answer, and what open pages cost the ledger.

    python -m bench.pages [--transactions 1000000] [--home FOLDER] [--json]

A chain of so many registrations, one to a transaction, is made as `bench.start` makes its own and
copied to four nodes, which then go on from it. One member's console is open. Measured are each
page's time to its last byte; the time to finality with ten open consoles and with none, in turns;
and, where Chromium is installed, what its frames do while the situation's plots follow a load: that
on a network of one node, so that two cores have room for the load and the browser.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count, cycle
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from typing import Any

import httpx

from bench.ledger import Bench, _register
from bench.start import OWNER, Builder, run
from contracts.envelope import Call
from node.devnet import Devnet
from node.provision import free_ports
from node.rpc.client import Client

DATASETS = 2_000
IN_BLOCK = 2_000
OPERATOR, SECRET = "li", "passphrase of the bench"
DUTIES = ("admin", "approver", "auditor", "dispatcher", "steward")
TRIES = 15
CONSOLES = 10
READING = "still being read"
"""What a page says while the index lacks a part of the chain."""
READ_S = 5.0
"""How long a reader stays with a page."""
ROUNDS, EACH = 8, 100
LOAD_PER_S, LOAD_S = 1_000, 10
PAGES = {
    "situation": "/",
    "catalogue": "/data",
    "search": "/data?q=dataset+17",
    "dataset": f"/data/{OWNER}/page-17",
    "standards": "/data/standards",
    "sources": "/data/sources",
    "inbox": "/exchange",
    "requests": "/exchange/requests",
    "grants": "/exchange/grants",
    "deliveries": "/exchange/deliveries",
    "disputes": "/exchange/disputes",
    "alerts": "/supervision",
    "cases": "/supervision/cases",
    "violations": "/supervision/violations",
    "life of a dataset": f"/trace?kind=dataset&id={OWNER}/page-17",
    "life of a member": f"/trace?kind=member&id={OWNER}",
    "dispatch": "/dispatch",
    "proposals": "/governance",
    "members": "/governance/members",
    "parameters": "/governance/parameters",
    "contracts": "/governance/contracts",
    "evidence": "/evidence",
    "block of 2,000": "/blocks/2",
}
FRAMES = """async seconds => {
  const times = [], long = [];
  new PerformanceObserver(l => l.getEntries().forEach(e => long.push(e.duration)))
    .observe({type: 'longtask'});
  let last = performance.now(), end = last + seconds * 1000;
  await new Promise(done => {
    const step = now => { times.push(now - last); last = now;
      now < end ? requestAnimationFrame(step) : done(); };
    requestAnimationFrame(step);
  });
  return {times, long};
}"""


class PageBuilder(Builder):
    """Versions of a fixed number of datasets, each registered by a transaction of its own."""

    def begin(self, calls: int) -> None:
        self._numbers = count()
        self._reference = self._publish()
        for _ in range(0, calls, IN_BLOCK):
            self._commit([self.sign((self._next(),)) for _ in range(IN_BLOCK)])

    def _next(self) -> Call:
        version, number = divmod(next(self._numbers), DATASETS)
        call = _register(OWNER, number, self._reference)
        call.args.update(
            dataset=f"{OWNER}/page-{number}", title=f"Page dataset {number}", version=version + 1
        )
        return call


def prepare(folder: Path, transactions: int) -> None:
    """Make the network and its chain in a folder, unless they are there."""
    net = Devnet.create(folder, 4)
    if not net.home(OWNER).database.exists():
        PageBuilder(net).make(transactions)
        for name in net.names:
            if name != OWNER:
                shutil.copytree(net.home(OWNER).database, net.home(name).database)


@contextmanager
def served(folder: Path, nodes: int) -> Iterator[tuple[Bench, str]]:
    """Run the network with the owner's console, which its node starts; yields its address too."""
    net = Devnet.create(folder, nodes)
    [port] = free_ports(1)
    settings = net.home(OWNER).settings
    head, mark, rest = settings.read_text().partition("[console]\n")
    _, follows, rest = rest.partition("names =")
    changed = f'serve = true\nlisten = "127.0.0.1:{port}"\n'
    settings.write_text(head + mark + changed + follows + rest)
    bench = Bench(folder)
    try:
        operator(bench)
        yield bench, f"http://127.0.0.1:{port}"
    finally:
        bench.net.down()


def operator(bench: Bench) -> None:
    """Let there be an operator of the owner, with every duty."""
    home = bench.net.home(OWNER)
    secret = home.path / "operator-passphrase"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    if not (home.operators / OPERATOR).exists():
        _command("operator", "new", OPERATOR, "--passphrase-file", secret, "--home", home.path)
        duties = [part for duty in DUTIES for part in ("--duty", duty)]
        _command("operator", "grant", home.operators / f"{OPERATOR}.json", *duties,
                 "--trained-until", "2099-01-01", "--confidential-until", "2099-01-01",
                 "--home", home.path)  # fmt: skip


def wait_for(address: str, until_read: bool = False) -> float:
    """Seconds until the console answers, or until it has the whole chain in its index."""
    begin = time.monotonic()
    while time.monotonic() - begin < 1_200:
        try:
            answer = httpx.get(f"{address}/login", timeout=60)
            if answer.status_code == 200 and not (until_read and READING in answer.text):
                return time.monotonic() - begin
        except httpx.ConnectError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"{address} was not ready in time")


def _command(*words: object) -> None:
    subprocess.run(
        [sys.executable, "-m", "node", *map(str, words)], check=True, capture_output=True
    )


@contextmanager
def _inside(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=120) as client:
        form = {"operator": OPERATOR, "passphrase": SECRET}
        answer = client.post("/login", data=form)
        if answer.status_code != 303:
            raise RuntimeError(f"nobody could log in: {answer.status_code}")
        yield client


def _token(address: str) -> str:
    with _inside(address) as client:
        return str(client.cookies["muniment"])


def pages(address: str) -> dict[str, Any]:
    """Milliseconds of each page: the first time, then median and worst of `TRIES`."""
    found = {}
    with _inside(address) as client:
        for name, path in PAGES.items():
            times = []
            for _ in range(TRIES + 1):
                begin = time.perf_counter()
                answer = client.get(path)
                times.append((time.perf_counter() - begin) * 1e3)
                if answer.status_code != 200:
                    raise RuntimeError(f"{path}: {answer.status_code}")
                time.sleep(0.06)  # an address may ask twenty times a second
            first, *rest = times
            found[name] = [round(first), round(statistics.median(rest), 1), round(max(rest))]
    return found


@contextmanager
def watchers(address: str, tokens: list[str]) -> Iterator[None]:
    """Open consoles in a process of their own, which shares nothing with the bench."""
    context = multiprocessing.get_context("spawn")
    ready, end = context.Barrier(2), context.Event()
    process = context.Process(target=_watch, args=(address, tokens, ready, end), daemon=True)
    process.start()
    ready.wait(60)
    try:
        yield
    finally:
        end.set()
        process.join()
    if process.exitcode:
        raise RuntimeError("a console failed")


def _watch(address: str, tokens: list[str], ready: Barrier, end: Event) -> None:
    """Each follows the live events, and opens another page now and then."""
    os.nice(10)  # a browser runs on another machine
    started = threading.Barrier(len(tokens) + 1)

    def client(token: str) -> httpx.Client:
        return httpx.Client(base_url=address, cookies={"muniment": token}, timeout=60)

    def follow(token: str) -> None:
        with client(token) as asking, asking.stream("GET", "/live") as answer:
            answer.raise_for_status()
            for number, _ in enumerate(answer.iter_raw()):
                if not number:
                    started.wait(60)
                if end.is_set():
                    return

    def read(number: int, token: str) -> None:
        paths = cycle([*PAGES.values()][number:] + [*PAGES.values()][:number])
        end.wait(READ_S * number / len(tokens))
        with client(token) as asking:
            while not end.wait(READ_S):
                asking.get(next(paths)).raise_for_status()

    with ThreadPoolExecutor(2 * len(tokens)) as pool:
        work = [pool.submit(follow, token) for token in tokens]
        work += [pool.submit(read, number, token) for number, token in enumerate(tokens)]
        started.wait(60)
        ready.wait(60)
        for each in work:
            each.result()


def latency(bench: Bench, address: str) -> dict[str, Any]:
    """Milliseconds to finality without and with `CONSOLES` open consoles, in turns."""
    tokens = [_token(address) for _ in range(CONSOLES)]
    found: dict[str, list[dict[str, float]]] = {"none": [], "ten": []}
    for _ in range(ROUNDS):
        found["none"].append(bench.light(EACH))
        with watchers(address, tokens):
            found["ten"].append(bench.light(EACH))
    told = {
        f"{name}_{part}": round(statistics.median(row[part] for row in rows), 1)
        for name, rows in found.items()
        for part in ("p50_ms", "p99_ms")
    }
    return {**told, "times": round(told["ten_p50_ms"] / told["none_p50_ms"], 2)}


def frames(bench: Bench, address: str, chromium: str) -> dict[str, Any]:
    """Milliseconds between frames of the situation's page under a load, and its long tasks."""
    from playwright.sync_api import sync_playwright

    token = _token(address)
    made = bench.registrations(LOAD_PER_S * LOAD_S // len(bench.net.names))
    seen: dict[str, Any] = {}
    load = threading.Thread(target=lambda: seen.update(bench.open_load(made, LOAD_S, False)))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.context.add_cookies([{"name": "muniment", "value": token, "url": address}])
        page.goto(address)
        load.start()
        told = page.evaluate(FRAMES, LOAD_S)
        browser.close()
    load.join()
    times = sorted(told["times"][1:])
    return {
        "committed_per_s": seen["per_s"],
        "lost": seen["lost"],
        "frames": len(times),
        "p50_ms": round(times[len(times) // 2], 1),
        "p95_ms": round(times[len(times) * 95 // 100], 1),
        "worst_ms": round(times[-1]),
        "long_tasks": len(told["long"]),
        "longest_task_ms": round(max(told["long"], default=0)),
    }


def measure(folder: Path, transactions: int) -> dict[str, Any]:
    """Everything: pages and latency on the long chain, frames on a short one."""
    begin = time.monotonic()
    prepare(folder, transactions)
    result: dict[str, Any] = {"build_s": round(time.monotonic() - begin)}
    with served(folder, 4) as (bench, address):
        with Client(bench.net.home(OWNER).socket) as client:
            result["height"] = client.call("status")["height"]
        result["served_after_s"] = round(wait_for(address))
        result["read_after_s"] = round(wait_for(address, until_read=True))
        result["pages"] = pages(address)
        result["latency"] = latency(bench, address)
    if (chromium := shutil.which("chromium")) is not None:
        with (
            tempfile.TemporaryDirectory(prefix="muniment-frames-") as other,
            served(Path(other) / "net", 1) as (bench, address),
        ):
            wait_for(address)
            result["frames"] = frames(bench, address, chromium)
    return result


def show(result: dict[str, Any]) -> None:
    print(
        f"height {result['height']}, console served after {result['served_after_s']} s, "
        f"had read the chain after {result['read_after_s']} s more"
    )
    print(f"\n{'page':<20} {'first':>8} {'median':>8} {'worst':>8}  ms")
    for name, (first, median, worst) in result["pages"].items():
        print(f"{name:<20} {first:>8} {median:>8} {worst:>8}")
    for part in ("latency", "frames"):
        print("", *(f"{name:<20} {value:>8}" for name, value in result.get(part, {}).items()),
              sep="\n")  # fmt: skip


if __name__ == "__main__":
    run("pages", __doc__, "transactions", measure, show)
