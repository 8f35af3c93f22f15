"""A Unix socket that only the node's own user may open."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import trio

from node.errors import MunimentError


async def serve_unix(
    path: Path,
    max_connections: int,
    serve: Callable[[trio.socket.SocketType], Awaitable[None]],
    *,
    task_status: Any = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve each connection until cancelled; strangers and those too many are turned away.

    The caller holds the home's lock: an old socket is stale.
    """
    path.unlink(missing_ok=True)
    server = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        await server.bind(str(path))
    except OSError as error:
        raise MunimentError(
            f"the socket {path} cannot be made ({error.strerror}); "
            "its path may be longer than 107 bytes"
        ) from error
    finally:
        os.umask(before)
    server.listen(max_connections)
    served: set[trio.socket.SocketType] = set()

    async def take(connection: trio.socket.SocketType) -> None:
        try:
            await serve(connection)
        finally:
            served.discard(connection)
            connection.close()

    try:
        async with trio.open_nursery() as nursery:
            task_status.started()
            while True:
                connection, _ = await server.accept()
                if is_allowed(_peer_uid(connection)) and len(served) < max_connections:
                    served.add(connection)
                    nursery.start_soon(take, connection)
                else:
                    connection.close()
    finally:
        server.close()
        path.unlink(missing_ok=True)


def _peer_uid(connection: trio.socket.SocketType) -> int:
    """Return the user id of the process at the other end (SO_PEERCRED, unix(7))."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int(struct.unpack("3i", data)[1])


def is_allowed(uid: int) -> bool:
    """The node's own user, and root, may talk to it."""
    return uid in (0, os.getuid())
