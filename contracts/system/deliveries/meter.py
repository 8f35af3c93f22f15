"""What was delivered, counted by grant, member, level and hour, for owner and supervisor."""

from __future__ import annotations

from typing import Any

from consensus.codec import Value
from contracts import checks
from contracts.api import Args, Context, QuerySignature, Reader
from contracts.state import StateReader

HOUR_MS = 60 * 60 * 1_000
PAGE = 100
_METER = b"meter/"


def count(ctx: Context, delivery: Any, rows: int, *, deliveries: int = 1) -> None:
    """Add a delivery of `rows` rows that has ended; or none, where only its rows are corrected.

    It counts in the hour of its end (`ended`, ms UTC), or of this block.
    """
    hour = delivery.get("ended", ctx.block.timestamp) // HOUR_MS
    key = (
        _METER + delivery["server"].encode("ascii") + b"/" + checks.number_key(hour)
        + checks.number_key(delivery["grant"]) + delivery["recipient"].encode("ascii")
        + b"/%d" % delivery["level"]
    )  # fmt: skip
    known, before = ctx.get(key) or (0, 0)
    ctx.put(key, [known + deliveries, before + rows])


def _query(contract: str) -> Any:
    def run(state: StateReader, args: Args) -> Value:
        """[hour (ms UTC), grant, recipient, level, deliveries, rows] of what a member served."""
        prefix = _METER + args["server"].encode("ascii") + b"/"
        start = prefix + checks.number_key(args["since"] // HOUR_MS)
        found = []
        for key, (deliveries, rows) in Reader(state, contract).scan(prefix, start, PAGE):
            rest = key[len(prefix) :]
            hour = int.from_bytes(rest[:8], "big") * HOUR_MS
            recipient, _, level = rest[16:].decode("ascii").partition("/")
            grant = int.from_bytes(rest[8:16], "big")
            found.append([hour, grant, recipient, ord(level) - ord("0"), deliveries, rows])
        return found  # type: ignore[return-value]

    return run


def query(contract: str) -> QuerySignature:
    """Return the question to `contract`, which counts: an hour of one server and those after it."""
    return QuerySignature(
        _query(contract), {"server": checks.slug, "since": checks.integer(0, 1 << 53)}
    )
