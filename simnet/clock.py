"""Virtual time, and the clocks of single machines that drift, jump and stand still."""

from __future__ import annotations

import trio

from consensus.events import Now

START_MS = 1_800_000_000_000
"""What a right wall clock shows when a run begins, in ms UTC."""

MAX_TURNS_PER_MS = 5_000


def elapsed_ms() -> int:
    """Virtual time since the run began."""
    return round(trio.current_time() * 1_000)


async def sleep_until_ms(at_ms: int) -> None:
    await trio.sleep_until(at_ms / 1_000)


class SimClock:
    """The two clocks of one machine. Implements node.driver.Clock."""

    def __init__(self) -> None:
        self.jump_ms = 0
        self._drift_ppm = 0
        self._since_ms = 0
        self._monotonic_ms = 0
        self._running = trio.Event()
        self._running.set()
        self.busy_until_ms = 0
        self._turn_ms = self._turns = 0

    def set_drift(self, ppm: int) -> None:
        """Let both clocks run faster (or slower) by `ppm` millionths from now on."""
        now = self()
        self._monotonic_ms, self._since_ms = now.monotonic, elapsed_ms()
        self._drift_ppm = ppm

    @property
    def error_ms(self) -> int:
        """How far the wall clock is ahead of the true time."""
        return self().wall - START_MS - elapsed_ms()

    def mend(self) -> None:
        """Set the wall clock right and let both run at the right speed."""
        self.set_drift(0)
        self.jump_ms = elapsed_ms() - self._monotonic_ms

    def pause(self) -> None:
        """Stand still as under SIGSTOP or a suspended virtual machine; time goes on outside."""
        self._running = trio.Event()

    def resume(self) -> None:
        self._running.set()

    @property
    def is_paused(self) -> bool:
        return not self._running.is_set()

    def __call__(self) -> Now:
        passed = elapsed_ms() - self._since_ms
        monotonic = self._monotonic_ms + passed + passed * self._drift_ppm // 1_000_000
        return Now(monotonic, START_MS + monotonic + self.jump_ms)

    def _watch_for_spinning(self) -> None:
        """A node whose deadline stays in the past would spin, and virtual time stand still."""
        now = elapsed_ms()
        self._turns = self._turns + 1 if now == self._turn_ms else 0
        self._turn_ms = now
        if self._turns > MAX_TURNS_PER_MS:
            raise AssertionError("the node takes turn after turn and no time passes")

    async def wait(self, event: trio.Event, until_ms: int) -> None:
        """Wait as the machine would: a paused one, or one whose disk is slow, wakes later."""
        self._watch_for_spinning()
        missing = until_ms - self().monotonic
        scaled = -(-missing * 1_000_000 // (1_000_000 + self._drift_ppm))
        with trio.move_on_at((elapsed_ms() + max(0, scaled)) / 1_000):
            await event.wait()
        if self.busy_until_ms > elapsed_ms():
            await sleep_until_ms(self.busy_until_ms)
        await self._running.wait()
