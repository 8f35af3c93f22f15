"""How far back a ledger must remember transactions so that none can be replayed."""

from __future__ import annotations

from collections.abc import Iterable

from node.store import Store


def replay_floor(height: int, epochs: Iterable[tuple[int, int]]) -> int:
    """Return the lowest height whose transactions might be valid above `height`.

    `epochs` gives (first height, replay window) of each epoch up to that of `height`, latest
    first. A transaction at height b of an epoch with window w is valid below b + w.
    """
    lowest, end = height + 1, height
    for first, window in epochs:
        floor = max(first, height + 2 - window)
        if floor <= end:
            lowest = floor
        end = first - 1
    return max(1, lowest)


def stored_windows(store: Store, epoch: int) -> Iterable[tuple[int, int]]:
    """Yield (first height, replay window) of the stored epochs from `epoch` down."""
    for number in range(epoch, -1, -1):
        start, validators = store.epoch_start(number), store.validator_set(number)
        if start is None or validators is None:
            return
        yield start + 1, validators.parameters.replay_window
