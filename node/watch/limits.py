"""From where on something is unusual enough for an alert.

Frozen figures: found on the months of seeds 1 to 20 of `simnet/activity`, measured on others
(`python -m bench.anomalies`).
"""

from __future__ import annotations

from collections.abc import Mapping

from node.watch.days import Limit

DAYS: Mapping[str, Limit] = {
    "deliveries": Limit(4.0, 10),
    "sensitive": Limit(4.0, 6, severity=3),
    "rows": Limit(4.0, 2_000, is_size=True),
    "off-hours": Limit(3.8, 3, severity=3),
    "failures": Limit(4.0, 6),
    "forbidden": Limit(3.5, 3, severity=3),
    "lookups": Limit(6.0, 100),
    "misses": Limit(5.5, 15, severity=3),
    "requests": Limit(4.5, 6),
    "new-owners": Limit(1.7, 1.2, severity=3, days=3),
    "pieces": Limit(2.5, 3, severity=3, days=4, by_subject=True),
    "denied": Limit(4.0, 3),
    "unfinished": Limit(3.0, 4, days=3),
    "asked-lately": Limit(2.8, 6, days=3),
    "new-hands": Limit(3.0, 3, severity=3, days=3, by_subject=True),
    "lowered": Limit(2.0, 2, severity=3, days=5),
}
OTHER = Limit(2.5, 5, severity=1, days=3)
"""Of every other event by its name."""
SIZE = 4.2
"""Spreads of a single delivery's rows."""
SIZE_ROWS = 50
TRICKLE = 4.2
NODES: Mapping[str, tuple[float, int]] = {
    "downs": (7.0, 2),
    "lag": (9.0, 1),
    "drift": (9.0, 1),
    "missed-turns": (8.0, 2),
    "late-votes": (8.0, 2),
}
"""Sum and severity for each figure of a node."""
CIRCLE = 2.5
TOGETHER = 30.0
"""Sum of squares of a day's features beyond two spreads."""
