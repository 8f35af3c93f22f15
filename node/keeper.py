"""Keeps a process of the department's own running beside the node."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import structlog
import trio

from node.tether import tied

REST_S, MAX_REST_S = 1.0, 60.0
STEADY_S = 60.0
"""A process that ran so long is started again at once."""

log = structlog.get_logger("keeper")


async def keep_running(arguments: Sequence[str], secret: str = "") -> None:
    """Run `muniment ARGUMENTS`, and again whenever it ends, until cancelled.

    `secret` goes through a pipe to its standard input. It ends with this process, however that
    ends: an orphan would keep the address and the lock that the next one needs.
    """
    command = [sys.executable, "-m", "node", *arguments]
    rest_s = REST_S
    while True:
        begun = trio.current_time()
        ended = await trio.run_process(command, stdin=secret.encode(), check=False, env=tied())
        rest_s = REST_S if trio.current_time() - begun > STEADY_S else min(2 * rest_s, MAX_REST_S)
        log.warning("ended", command=arguments[0], status=ended.returncode, again_in_s=rest_s)
        await trio.sleep(rest_s)
