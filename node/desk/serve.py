"""The desk's process: its methods on a Unix socket in the home, which it keeps tidy."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import structlog
import trio

from node.desk import Desk, Method
from node.desk.sealing import sweep
from node.errors import MunimentError
from node.rpc.server import Handler, Server, Session

THREADS = 8
SWEEP_EVERY_S = 3_600

log = structlog.get_logger("desk")


async def run(desk: Desk, methods: Mapping[str, Method], started: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT. The caller holds the desk's lock."""
    limiter = trio.CapacityLimiter(THREADS)
    handlers = {name: _handler(desk, method, limiter) for name, method in methods.items()}
    server = Server(desk.home.desk_socket, handlers)
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            await nursery.start(server.run)
            nursery.start_soon(_sweep, desk, limiter)
            started()
            async for number in signals:
                log.info("stopping", signal=signal.Signals(number).name)
                break
            nursery.cancel_scope.cancel()


async def _sweep(desk: Desk, limiter: trio.CapacityLimiter) -> None:
    """Forget again and again what nobody has signed; while the node is away it waits."""
    while True:
        try:
            gone = await trio.to_thread.run_sync(
                sweep, desk, limiter=limiter, abandon_on_cancel=True
            )
            if gone:
                log.info("forgotten what nobody has signed", envelopes=len(gone))
        except (OSError, MunimentError) as error:
            log.info("not swept", reason=str(error))
        await trio.sleep(SWEEP_EVERY_S)


def _handler(desk: Desk, method: Method, limiter: trio.CapacityLimiter) -> Handler:
    async def handle(params: dict[str, Any], session: Session) -> Any:
        work = partial(method, desk, params)
        return await trio.to_thread.run_sync(work, limiter=limiter, abandon_on_cancel=True)

    return handle
