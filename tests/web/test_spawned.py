"""The node starts its pages itself where the settings say so, and they end with it."""

from __future__ import annotations

import os
import select
import subprocess
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.web.conftest import Console

END_S = 30


def begin(console: Console) -> str:
    """Start the console's node; returns the address of the console that it starts itself."""
    log = console.home.path / "node.log"
    behind = log.stat().st_size
    console.net.start(console.member)
    follow = ["tail", "-c", f"+{behind + 1}", "-f", str(log)]
    with subprocess.Popen(follow, stdout=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        line = next(line for line in tail.stdout if line.startswith("console: "))
        tail.terminate()
    return line.partition(": ")[2].strip()


def pages_of(pid: int) -> int:
    """A descriptor of the process that serves a node's pages.

    The node has tried to start a desk too, which comes and goes: the console's has its lock.
    """
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            with suppress(OSError):
                if b"web" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
                    return os.pidfd_open(child)
    raise AssertionError(f"{pid} serves no pages")


def test_what_the_node_starts_ends_with_it_stopped_or_killed(console: Console) -> None:
    net, member = console.net, console.member
    net.stop(member)
    try:
        for end in (net.kill, net.stop):
            address = begin(console)
            assert httpx.get(f"{address}/login").status_code == 200
            pages = pages_of(net.processes()[member].pid)
            end(member)
            assert select.select([pages], [], [], END_S)[0]
            os.close(pages)
            with pytest.raises(httpx.ConnectError):
                httpx.get(f"{address}/login")
        # The console that runs on its own stays, and says how things stand.
        assert httpx.get(f"{console.address}/login").status_code == 200
    finally:
        net.start(member)
