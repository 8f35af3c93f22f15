"""Feedback: what members think of datasets, and what owners answer.

One opinion for each member and dataset; a later one replaces it. Stars and topics are on the chain,
words in sealed envelopes.
"""

from __future__ import annotations

from typing import Any

from consensus.codec import Value
from contracts import checks
from contracts.api import Args, Context, Contract, QuerySignature, Reader, Signature, fail
from contracts.codes import Code
from contracts.state import StateReader
from contracts.system import cases, catalogue

NAME = "feedback"
TOPICS = (
    "accuracy",
    "completeness",
    "documentation",
    "format",
    "privacy",
    "timeliness",
    "usefulness",
)
STARS = 5
PAGE = 100
_OPINION = b"opinion/"
_SUM = b"sum/"


def _give(ctx: Context, args: Args) -> None:
    """Rate a dataset of another member, 1 to 5 stars."""
    dataset, version = args["dataset"], args["version"]
    if catalogue.get(ctx.overlay, dataset, version) is None:
        fail(Code.NOT_FOUND, f"{dataset} version {version}")
    if dataset.startswith(ctx.sender + "/"):
        fail(Code.OWN_CASE, ctx.sender)
    cases.check_envelope(ctx, args["envelope"])
    key = _key(dataset, ctx.sender)
    before = ctx.get(key)
    counts = ctx.get(_SUM + dataset.encode("ascii")) or [0] * STARS
    if before is not None:
        counts[before["stars"] - 1] -= 1
    counts[args["stars"] - 1] += 1
    ctx.put(_SUM + dataset.encode("ascii"), counts)
    opinion = {
        "member": ctx.sender,
        "version": version,
        "stars": args["stars"],
        "topics": sorted(set(args["topics"])),
        "envelope": args["envelope"],
        "time": ctx.block.timestamp,
        "answer": None,
    }
    ctx.put(key, opinion)
    ctx.emit("given", [dataset, version, args["stars"], opinion["topics"]])


def _answer(ctx: Context, args: Args) -> None:
    """The owner answers; `version` is the one that mends what was found, if there is one."""
    dataset = args["dataset"]
    ctx.require_own(dataset)
    key = _key(dataset, args["member"])
    opinion = ctx.get(key)
    if opinion is None:
        fail(Code.NOT_FOUND, f"{dataset}: {args['member']}")
    version = args["version"]
    if version is not None and catalogue.get(ctx.overlay, dataset, version) is None:
        fail(Code.NOT_FOUND, f"{dataset} version {version}")
    cases.check_envelope(ctx, args["envelope"])
    answer = [ctx.block.timestamp, version, args["envelope"]]
    ctx.put(key, {**opinion, "answer": answer})
    ctx.emit("answered", [dataset, args["member"], version])


def _key(dataset: str, member: str) -> bytes:
    return _OPINION + f"{dataset}/{member}".encode("ascii")


def _query_list(state: StateReader, args: Args) -> Value:
    """Opinions on a dataset by members' names above `after`."""
    prefix = _OPINION + args["dataset"].encode("ascii") + b"/"
    start = prefix + args["after"].encode("ascii") if "after" in args else b""
    return [row for _, row in Reader(state, NAME).scan(prefix, start, PAGE)]


def _query_sum(state: StateReader, args: Args) -> Value:
    """How many members gave 1, 2, 3, 4, 5 stars."""
    counts: Any = Reader(state, NAME).get(_SUM + args["dataset"].encode("ascii"))
    return counts or [0] * STARS


_DATASET = {"dataset": checks.owned_id}
_VERSION = checks.integer(1, 1 << 32)
_ENVELOPE = checks.optional(checks.data(32))

CONTRACT = Contract(
    NAME,
    methods={
        "give": Signature(
            _give,
            {
                **_DATASET,
                "version": _VERSION,
                "stars": checks.integer(1, STARS),
                "topics": checks.list_of(checks.one_of(*TOPICS), len(TOPICS)),
                "envelope": _ENVELOPE,
            },
        ),
        "answer": Signature(
            _answer,
            {
                **_DATASET,
                "member": checks.slug,
                "version": checks.optional(_VERSION),
                "envelope": _ENVELOPE,
            },
        ),
    },
    queries={
        "list": QuerySignature(
            _query_list, {**_DATASET, "after": checks.slug}, frozenset(("after",))
        ),
        "sum": QuerySignature(_query_sum, _DATASET),
    },
)
