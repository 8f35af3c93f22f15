"""A process that another one keeps running ends with it, also when that is killed."""

from __future__ import annotations

import os
import select
import signal
import threading
import time

VARIABLE = "MUNIMENT_KEEPER"
GRACE_S = 5.0
"""At most for a clean end, as when the node stops by itself; that takes the thread along."""


def tied() -> dict[str, str]:
    """The environment of children that are to end with this process."""
    return {**os.environ, VARIABLE: str(os.getpid())}


def follow() -> None:
    """In such a child: end, once the process that started it has ended; elsewhere nothing.

    The kernel's parent-death signal (prctl(2)) would come too early: it follows the thread that
    started the child, and trio's threads come and go.
    """
    keeper = os.environ.pop(VARIABLE, "")
    if not keeper.isdecimal():
        return
    try:
        watched = os.pidfd_open(int(keeper))
    except ProcessLookupError:
        os._exit(1)
    if os.getppid() != int(keeper):  # it is gone already, and somebody else may have its number
        os._exit(1)
    threading.Thread(target=_end_with, args=(watched,), daemon=True).start()


def _end_with(watched: int) -> None:
    select.select([watched], [], [])
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os._exit(1)
