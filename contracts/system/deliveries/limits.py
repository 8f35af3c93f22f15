"""The governed limits of deliveries; members change them by vote."""

from __future__ import annotations

from typing import Any

from consensus.codec import Value
from contracts import checks
from contracts.api import Args, Context, Reader
from contracts.state import StateReader

NAME = "deliveries"
MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
_LIMITS = b"limits"
ARGUMENTS = {
    "max_state_age_ms": checks.integer(1_000, 60 * MINUTE_MS),
    "delivery_ms": checks.integer(MINUTE_MS, 365 * DAY_MS),
    "lapse_ms": checks.integer(1_000, 30 * DAY_MS),
    "dispute_ms": checks.integer(MINUTE_MS, 365 * DAY_MS),
    "erase_ms": checks.integer(MINUTE_MS, 365 * DAY_MS),
    "audit_ms": checks.integer(MINUTE_MS, 365 * DAY_MS),
    "misses": checks.integer(1, 1 << 48),
    "miss_percent": checks.integer(1, 100),
}
DEFAULT: dict[str, int] = {
    "max_state_age_ms": 30_000,
    "delivery_ms": 7 * DAY_MS,
    "lapse_ms": 10 * MINUTE_MS,
    "dispute_ms": 30 * DAY_MS,
    "erase_ms": DAY_MS,
    "audit_ms": DAY_MS,
    "misses": 20,
    "miss_percent": 50,
}
"""A server whose last final block is older than `max_state_age_ms` stops. A delivery ends after
`delivery_ms`; a side that speaks alone is heard `lapse_ms` long; what was delivered can be disputed
for `dispute_ms`, and must be erased within `erase_ms` after the grant. An owner that does not open
a sample within `audit_ms` is silent. A look-up that finds nothing `misses` times and in
`miss_percent` of the calls looks like enumeration."""


def current(state: StateReader) -> Any:
    """Return the limits in force (a map)."""
    return Reader(state, NAME).peek(_LIMITS) or DEFAULT


def adopt(ctx: Context, args: Args) -> None:
    """The effect of a vote: from now on these limits count."""
    mine = ctx.as_contract(ctx.contracts[NAME])
    named: dict[str, Value] = {name: args[name] for name in ARGUMENTS}
    mine.put(_LIMITS, named)
    mine.emit("limits", named)
