"""One seed, one run: trio on a virtual clock with its scheduling order seeded.

The two switches are trio's own, but private; this is the only file that knows them, and trio's
version is pinned in constraints.txt.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import TypeVar

import trio
from trio.testing import MockClock

_T = TypeVar("_T")


def run_seeded(seed: int, main: Callable[[], Awaitable[_T]]) -> _T:
    """Run `main` in virtual time: whenever all tasks wait, the clock jumps to what is due next."""
    scheduler = trio._core._run
    scheduler._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    scheduler._r = Random(seed)
    try:
        return trio.run(main, clock=MockClock(autojump_threshold=0))
    finally:
        scheduler._ALLOW_DETERMINISTIC_SCHEDULING = False  # type: ignore[misc]
