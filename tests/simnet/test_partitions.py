"""Partitions, and what the theory says of them: a side goes on if it holds a quorum, and only then.

With q = floor(2n/3) + 1 no two sides can go on at once; the other side catches up once healed.
"""

from __future__ import annotations

import pytest

from simnet.scenario import Scenario, Strike
from simnet.world import Report, run

FROM_MS, FOR_MS = 3_000, 10_000
SIZES = [(10, 5, False), (10, 3, True), (9, 3, False), (7, 2, True), (4, 2, False), (4, 1, True)]
"""(nodes, how many are on one side, whether the other side has a quorum)."""


def heights(report: Report, at_ms: int, small: int) -> tuple[int, int]:
    """(lowest height among the small side, highest among the large side) at a time."""
    sample = next(s for s in report.timeline if s.at_ms >= at_ms)
    return min(sample.heights[:small]), max(sample.heights[small:])


@pytest.mark.parametrize(("nodes", "small", "goes_on"), SIZES)
def test_partition_is_as_the_theory_says(nodes: int, small: int, goes_on: bool) -> None:
    strike = Strike(FROM_MS, "partition", FOR_MS, tuple(range(small)))
    report = run(Scenario(nodes=nodes, duration_s=16, load_tps=5, script=(strike,)), 1, keep=0)
    assert report.violation is None
    # What was on its way when the cut came may still have become final.
    begun, ended = FROM_MS + 500, FROM_MS + FOR_MS
    weak, strong = heights(report, begun, small)
    weak_after, strong_after = heights(report, ended - 500, small)
    healed = min(s.at_ms for s in report.timeline if s.at_ms > ended and _is_level(s.heights))
    print(
        f"{nodes} nodes, {small} | {nodes - small}: {weak_after - weak} and "
        f"{strong_after - strong} blocks in the partition; level {healed - ended} ms after it"
    )
    assert weak_after == weak
    assert (strong_after > strong + 10) == goes_on
    assert goes_on or strong_after == strong
    assert healed - ended <= 2_000
    assert min(heights(report, ended + 2_500, small)) > strong_after


def _is_level(found: tuple[int, ...]) -> bool:
    return max(found) - min(found) <= 2
