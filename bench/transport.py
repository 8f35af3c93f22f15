"""What the transport alone costs: processes in a full mesh over loopback.

    python -m bench.transport [--nodes 4] [--seconds 5] [--json]

Every node sends to every other. `into` counts what one node receives; a hop is the time from
`send` in one process to `receive` in another (one clock, CLOCK_MONOTONIC, for all processes);
CPU per message is the CPU time of a process over the messages it sent and received.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import trio

from p2p.libp2p_transport import Libp2pTransport
from p2p.transport import Channel, Frame

_STAMP = struct.Struct("!d")
_KIND = 1
_SETTLE_S = 0.5


@dataclass(frozen=True, slots=True)
class Stream:
    """Messages of one size to each peer; `per_second` 0 sends as fast as there is room."""

    channel: Channel
    size: int
    per_second: float


SCENARIOS: dict[str, tuple[Stream, ...]] = {
    "votes, 400/s to each peer": (Stream(Channel.CONTROL, 200, 400),),
    "ledger at 2,500 tx/s": (
        Stream(Channel.CONTROL, 300, 100),
        Stream(Channel.BULK, 10_000, 25),
    ),
    "small messages, flat out": (Stream(Channel.BULK, 200, 0),),
    "256 KB pieces, flat out": (Stream(Channel.BULK, 256 << 10, 0),),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """Result of one node."""

    sent: int
    received: int
    bytes_received: int
    hops_ms: list[float]
    cpu_s: float
    elapsed_s: float


async def _send(transport: Libp2pTransport, stream: Stream, sent: list[int]) -> None:
    padding = bytes(stream.size - _STAMP.size)
    peers = sorted(transport.connected())

    async def flood(peer: bytes) -> None:
        while True:
            payload = _STAMP.pack(time.monotonic()) + padding
            sent[0] += await transport.send_wait(peer, stream.channel, _KIND, payload)

    if not stream.per_second:
        async with trio.open_nursery() as nursery:
            for peer in peers:
                nursery.start_soon(flood, peer)
        return
    for due in itertools.count(trio.current_time(), 1 / stream.per_second):
        await trio.sleep_until(due)
        payload = _STAMP.pack(time.monotonic()) + padding
        for peer in peers:
            sent[0] += transport.send(peer, stream.channel, _KIND, payload)


async def _measure(
    transport: Libp2pTransport, streams: Sequence[Stream], seconds: float
) -> Measured:
    hops: list[float] = []
    received = size = 0
    sent = [0]
    async with trio.open_nursery() as nursery:
        for stream in streams:
            nursery.start_soon(_send, transport, stream, sent)
        with trio.move_on_after(_SETTLE_S):
            while True:
                await transport.receive()
        sent[0] = 0
        start, cpu = time.monotonic(), time.process_time()
        with trio.move_on_after(seconds):
            while True:
                batch = await transport.receive()
                now = time.monotonic()
                for event in batch:
                    if isinstance(event, Frame):
                        received += 1
                        size += len(event.payload)
                        hops.append(now - _STAMP.unpack_from(event.payload)[0])
        cpu, elapsed = time.process_time() - cpu, time.monotonic() - start
        nursery.cancel_scope.cancel()
    step = max(1, len(hops) // 20_000)
    return Measured(
        sent[0], received, size, [hop * 1e3 for hop in sorted(hops)[::step]], cpu, elapsed
    )


async def _node(index: int, scenario: str, seconds: float) -> None:
    transport = Libp2pTransport(bytes([index + 1]) * 32, ["/ip4/127.0.0.1/tcp/0"], "be")
    async with trio.open_nursery() as nursery:
        await nursery.start(_run, transport)
        print(json.dumps([transport.public_key.hex(), transport.addresses]), flush=True)
        line = await trio.to_thread.run_sync(sys.stdin.readline)
        cards = {bytes.fromhex(key): tuple(addresses) for key, addresses in json.loads(line)}
        transport.admit(cards)
        while len(transport.connected()) < len(cards) - 1:
            await transport.receive()
        print(json.dumps("connected"), flush=True)
        await trio.to_thread.run_sync(sys.stdin.readline)
        measured = await _measure(transport, SCENARIOS[scenario], seconds)
        print(json.dumps(asdict(measured)), flush=True)
        await trio.to_thread.run_sync(sys.stdin.readline)
        nursery.cancel_scope.cancel()


async def _run(
    transport: Libp2pTransport, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    await transport.run(task_status=task_status)


def measure_scenario(scenario: str, nodes: int, seconds: float) -> dict[str, float | str]:
    """Run one scenario in `nodes` processes; return one row of the table."""
    command = [sys.executable, __file__, "--scenario", scenario, "--seconds", str(seconds)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    children = [
        subprocess.Popen(
            [*command, "--node", str(index)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for index in range(nodes)
    ]
    try:
        cards = _ask(children, "")
        _ask(children, json.dumps(cards))
        results = [Measured(**answer) for answer in _ask(children, "go")]
        for child in children:
            child.communicate("stop\n", timeout=10)
    finally:
        for child in children:
            child.kill()
            child.wait()
    hops = sorted(hop for result in results for hop in result.hops_ms)
    messages = sum(result.sent + result.received for result in results)
    cpu_s = sum(result.cpu_s for result in results)
    elapsed_s = sum(result.elapsed_s for result in results)
    return {
        "scenario": scenario,
        "messages/s into": sum(result.received for result in results) / elapsed_s,
        "MB/s into": sum(result.bytes_received for result in results) / elapsed_s / 1e6,
        "hop p50 ms": hops[len(hops) // 2],
        "hop p99 ms": hops[int(len(hops) * 0.99)],
        "CPU % of a core": 100 * cpu_s / elapsed_s,
        "CPU us/message": 1e6 * cpu_s / messages,
    }


def _ask(children: Sequence[subprocess.Popen[str]], line: str) -> list[Any]:
    """Send a line to every child (none if empty), then read one answer from each."""
    for child in children:
        assert child.stdin is not None
        if line:
            child.stdin.write(line + "\n")
            child.stdin.flush()
    answers: list[Any] = []
    for child in children:
        assert child.stdout is not None
        answers.append(json.loads(child.stdout.readline()))
    return answers


def print_table(rows: Sequence[dict[str, float | str]]) -> None:
    """Print rows with equal keys as an aligned table."""
    titles = list(rows[0])
    print("  ".join(f"{title:>16}" if i else f"{title:<26}" for i, title in enumerate(titles)))
    for row in rows:
        cells = [f"{row[title]:>16,.1f}" for title in titles[1:]]
        print("  ".join([f"{row[titles[0]]:<26}", *cells]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--scenario", choices=list(SCENARIOS))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--node", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.node is not None:
        trio.run(_node, options.node, options.scenario, options.seconds)
        return
    chosen = [options.scenario] if options.scenario else list(SCENARIOS)
    rows = [measure_scenario(name, options.nodes, options.seconds) for name in chosen]
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        print_table(rows)


if __name__ == "__main__":
    main()
