"""The node starts its pages itself where the settings say so, and they end with it."""

from __future__ import annotations

import subprocess

import httpx
import pytest

from tests.web.conftest import Console


def test_the_node_starts_and_ends_its_pages(console: Console) -> None:
    net, member = console.net, console.member
    log = console.home.path / "node.log"
    net.stop(member)
    behind = log.stat().st_size
    net.start(member)
    follow = ["tail", "-c", f"+{behind + 1}", "-f", str(log)]
    with subprocess.Popen(follow, stdout=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        line = next(line for line in tail.stdout if line.startswith("console: "))
        tail.terminate()
    address = line.partition(": ")[2].strip()
    assert httpx.get(f"{address}/login").status_code == 200
    net.stop(member)
    try:
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{address}/login")
        # The console that runs on its own stays, and says how things stand.
        assert httpx.get(f"{console.address}/login").status_code == 200
    finally:
        net.start(member)
