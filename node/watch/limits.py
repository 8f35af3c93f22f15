"""From where on something is unusual enough for an alert.

Figures frozen for the fourth time: found on the months of seeds 1 to 20 of `simnet/activity`,
measured on others (`python -m bench.anomalies`).
"""

from __future__ import annotations

from collections.abc import Mapping

from node.watch.days import Limit

DAYS: Mapping[str, Limit] = {
    "deliveries": Limit(4.0, 10),
    "sensitive": Limit(4.0, 6, severity=3),
    "rows": Limit(4.0, 2_000, is_size=True),
    "off-hours": Limit(4.0, 3, severity=3),
    "failures": Limit(4.0, 6),
    "forbidden": Limit(3.5, 3, severity=3),
    "lookups": Limit(6.0, 100),
    "misses": Limit(4.5, 12, severity=3),
    "requests": Limit(4.5, 6),
    "new-owners": Limit(1.7, 1.25, severity=3, days=3),
    "pieces": Limit(2.5, 3, severity=3, days=4, by_subject=True),
    "denied": Limit(4.0, 3),
    "unfinished": Limit(3.0, 4, days=3),
    "asked-lately": Limit(2.8, 6, days=3),
    "new-hands": Limit(2.7, 3, severity=3, days=3, by_subject=True),
    "downs-a-day": Limit(3.4, 5, days=2),
    "turns-lost": Limit(4.0, 15),
    "new-takers": Limit(3.0, 3, days=3, by_subject=True, of_all=True),
    "one-hand": Limit(5.2, 12, by_subject=True),
    "odd-reports": Limit(2.5, 4, days=3),
    "rush": Limit(4.5, 10),
    "even-pace": Limit(4.0, 5, days=2, by_subject=True),
    "new-deeds": Limit(3.0, 3, days=3),
    "new-datasets": Limit(3.0, 5, days=3),
    "new-sets": Limit(2.2, 3, days=3),
    "refusals": Limit(3.0, 3, days=3),
    "approvals-of-one": Limit(3.0, 4, days=3, by_subject=True),
    "refusals-of-one": Limit(2.5, 3, days=5, by_subject=True),
    "hasty-reviews": Limit(3.0, 6, days=3),
    "late-reviews": Limit(2.5, 3, days=5),
    "same-rows": Limit(3.0, 5, days=3, by_subject=True),
    "late-orders": Limit(2.5, 3, days=5),
    "lowered": Limit(2.0, 2, severity=3, days=5),
}
OTHER = Limit(2.6, 4, severity=1, days=3)
"""Of every other event by its name."""
SIZE = 4.2
"""Spreads of a single delivery's rows."""
SIZE_ROWS = 50
TRICKLE, TRICKLE_PLAIN = 4.2, 7.2
"""Of data at L3 and above, and of other."""
NODES: Mapping[str, tuple[float, int]] = {
    "downs": (7.0, 2),
    "lag": (9.0, 1),
    "drift": (9.0, 1),
    "missed-turns": (8.0, 2),
    "late-votes": (8.0, 2),
    "long-downs": (13.0, 1),
    "long-lag": (13.0, 1),
    "long-drift": (13.0, 1),
    "long-missed-turns": (13.0, 1),
    "long-late-votes": (13.0, 1),
}
"""Sum and severity for each figure of a node."""
STREAMS: Mapping[str, tuple[float, int]] = {
    "growing-rows": (6.5, 2),
    "other-rows": (6.0, 2),
    "slow-serving": (5.5, 1),
}
"""Sum and severity for what is compared value by value."""
CIRCLE = 2.5
RELAY = 6.0
"""How little chance explains what is passed on along one path, and how often at least."""
RELAY_TIMES = 2
LASTING = 12.0
"""Sum of what single days of a feature were beyond the slack."""
TOGETHER = 30.0
"""Sum of squares of a day's features beyond two spreads."""
