"""Anchors: the heads of logs that members keep, so that nobody can rewrite theirs unseen.

A member's log is named by a slug, such as `access`; an anchor is how many entries it has and the
digest that chains them all. Counts only grow.
"""

from __future__ import annotations

from consensus.codec import Value
from contracts import checks
from contracts.api import (
    NODE,
    STEWARD,
    Args,
    Context,
    Contract,
    QuerySignature,
    Reader,
    Signature,
    fail,
)
from contracts.codes import Code
from contracts.state import StateReader

NAME = "anchors"
MAX_COUNT = 1 << 48
PAGE = 100
_LAST = b"last/"
_ANCHOR = b"anchor/"


def _post(ctx: Context, args: Args) -> None:
    """The sender's log stands at `count` entries under `head`; a log never gets shorter."""
    place = _place(ctx.sender, args["log"])
    last = ctx.get(_LAST + place) or 0
    if args["count"] <= last:
        fail(Code.NOT_LATER, last)
    row = [args["count"], args["head"], ctx.block.height, ctx.block.timestamp]
    ctx.put(_ANCHOR + place + checks.number_key(args["count"]), row)
    ctx.put(_LAST + place, args["count"])


def _place(owner: str, log: str) -> bytes:
    return f"{owner}/{log}/".encode("ascii")


def _query_list(state: StateReader, args: Args) -> Value:
    """A log's anchors above `after` entries: [count, head, height, time (ms UTC)]."""
    prefix = _ANCHOR + _place(args["owner"], args["log"])
    start = prefix + checks.number_key(args["after"]) if "after" in args else b""
    return [row for _, row in Reader(state, NAME).scan(prefix, start, PAGE)]


def _query_count(state: StateReader, args: Args) -> Value:
    """How many entries of a log are anchored."""
    found: Value = Reader(state, NAME).get(_LAST + _place(args["owner"], args["log"]))
    return found or 0


_LOG = {"owner": checks.slug, "log": checks.slug}

CONTRACT = Contract(
    NAME,
    methods={
        "post": Signature(
            _post,
            {
                "log": checks.slug,
                "count": checks.integer(1, MAX_COUNT),
                "head": checks.data(32),
            },
            duties=(STEWARD, NODE),
        )
    },
    queries={
        "list": QuerySignature(
            _query_list, {**_LOG, "after": checks.integer(0, MAX_COUNT)}, frozenset(("after",))
        ),
        "count": QuerySignature(_query_count, _LOG),
    },
)
