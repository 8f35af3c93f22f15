"""Statutes: laws that allow data about persons to be used without their authorisation.

Members decide on them by vote. The chain names a law by a slug and the digest of its text; how long
the notice to those concerned may be deferred is part of the decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from consensus.codec import Value
from contracts import checks
from contracts.api import Args, Checker, Context, QuerySignature, Reader
from contracts.state import StateReader

MAX_NOTICE_DAYS = 3_650
KEEPER = "governance"
"""The contract whose votes set statutes, and in whose state they stand."""
_STATUTE = b"statute/"
_NAME: Mapping[str, Checker] = {"statute": checks.slug}
ARGUMENTS: Mapping[str, Checker] = {
    **_NAME,
    "digest": checks.data(32),
    "until": checks.integer(0, 1 << 53),
    "notice_days": checks.integer(1, MAX_NOTICE_DAYS),
}


def enact(ctx: Context, args: Args) -> None:
    """The effect of a vote: the statute holds until a time (ms UTC); one in the past ends it."""
    ctx.put(_STATUTE + args["statute"].encode("ascii"), args)
    ctx.emit("statute", [args["statute"], args["digest"], args["until"], args["notice_days"]])


def get(state: StateReader, statute: str) -> Any:
    """Return a statute (a map of ARGUMENTS), in force or not, or None."""
    return Reader(state, KEEPER).get(_STATUTE + statute.encode("ascii"))


def is_in_force(state: StateReader, statute: str, time: int) -> bool:
    """Whether members have enacted a statute that holds at `time` (ms UTC)."""
    found = get(state, statute)
    return found is not None and time < found["until"]


def _query(state: StateReader, args: Args) -> Value:
    """A statute, or null."""
    found: Value = get(state, args["statute"])
    return found


QUERY = QuerySignature(_query, _NAME)
