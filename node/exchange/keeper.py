"""Keeps `exchange serve` running beside the node; the passphrase goes through a pipe."""

from __future__ import annotations

import sys

import structlog
import trio

from node.home import Home

REST_S, MAX_REST_S = 1.0, 60.0
STEADY_S = 60.0
"""A process that ran so long is started again at once."""

log = structlog.get_logger("exchange")


async def keep_serving(home: Home, passphrase: str) -> None:
    """Start the server of deliveries, and again whenever it ends, until cancelled."""
    command = [sys.executable, "-m", "node", "exchange", "serve", "--home", str(home.path),
               "--passphrase-file", "/dev/stdin"]  # fmt: skip
    rest_s = REST_S
    while True:
        begun = trio.current_time()
        ended = await trio.run_process(command, stdin=passphrase.encode(), check=False)
        rest_s = REST_S if trio.current_time() - begun > STEADY_S else min(2 * rest_s, MAX_REST_S)
        log.warning("exchange serve ended", status=ended.returncode, again_in_s=rest_s)
        await trio.sleep(rest_s)
