"""Receiving under a grant from start to end, as commands and the desk do it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import trio

from node.data.commitment import Field
from node.errors import MunimentError, alone
from node.exchange import lookup
from node.exchange.copies import Copy, FetchError
from node.exchange.fetch import ENDED, Fetcher, Progress, Receipt
from node.exchange.streams import StreamError, connect
from node.home import Home


def receive(home: Home, fetcher: Fetcher, copy: Copy, progress: Progress) -> Receipt:
    """Receive until the copy is complete, and close the delivery; the caller holds the grant.

    Where no more will come, the delivery lapses with what came. Raises FetchError, MunimentError.
    """

    async def run() -> None:
        async with connect(home.data_socket) as socket:
            await fetcher.run(socket, copy, progress)

    try:
        _unwrapped(run)
    except FetchError as error:
        if error.code in ENDED:
            fetcher.lapse(copy)
        raise
    return fetcher.close(copy)


Answer = tuple[str, list[list[Field]]]
"""A key, and the records found: values in the order of the delivered fields."""


def look_up(
    home: Home, fetcher: Fetcher, copy: Copy, keys: Sequence[str], close: bool
) -> list[Answer]:
    """Ask for single records in the session that `copy` keeps; the caller holds the grant.

    `close` ends the session afterwards. Raises FetchError, MunimentError.
    """
    found: list[Answer] = []

    async def run() -> None:
        async with (
            connect(home.data_socket) as socket,
            lookup.calling(socket, copy, fetcher.chain_id) as caller,
        ):
            for key in keys:
                found.append((key, await caller.ask(key)))
            if close:
                await caller.close()

    _unwrapped(run)
    if close:
        fetcher.close(copy)
    return found


def _unwrapped(work: Callable[[], Awaitable[None]]) -> None:
    """Do it; of the errors that it raises together, raise the first."""
    try:
        with alone(MunimentError):
            trio.run(work)
    except StreamError as error:
        raise MunimentError(f"{error.message}; the same command goes on where it was") from error
