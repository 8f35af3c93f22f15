"""What becomes of a request: decided by the rules, waiting for reviews, granted or denied."""

from __future__ import annotations

from typing import Any

from consensus.codec import Value
from contracts import checks
from contracts.api import Context, fail
from contracts.codes import Code
from contracts.masks import parse
from contracts.starlark.thread import Thread
from contracts.state import StateReader
from contracts.system import envelopes, schedule
from contracts.system.access import store
from contracts.system.access.decide import (
    Decision,
    Outcome,
    Verdict,
    decide,
    grade_of,
    reasons_of,
)
from contracts.system.access.facts import Facts, gather
from contracts.system.access.grants import open_grant
from contracts.system.access.policies import ask_policies
from contracts.system.access.rules import OWNER

MAX_WAITING = 256
"""Requests of one member that may wait for reviews at once."""
_OPEN = b"open/"
WAIT = b"wait/"
REVIEW = b"review/"
NOT_WAITING: dict[str, Value] = {
    "waits_for": [], "parties": [], "deadline": None, "is_escalated": False,
}  # fmt: skip


def judge(
    state: StateReader, request: dict[str, Any], time: int, thread: Thread
) -> tuple[Facts, Decision]:
    """Decide on a request as things stand at `time`, with the masks that reviewers have added.

    `thread` pays for the owner's policies. Fields are places in a standard, so a request that was
    made under another standard than today's means other fields, and is denied.
    """
    facts = gather(state, request["recipient"], request["args"], request["trained"], time)
    grade = grade_of(facts)
    said, digests = ask_policies(state, facts, grade, thread)
    masks = frozenset((index, parse(mask, "mask")) for index, mask in request["masks"])
    if request["standard"] not in (None, list(facts.registration["standard"])):
        said.append(Verdict("reshaped", Outcome.DENY, ("fields", ())))
    if masks:
        said.append(Verdict("reviewers", masks=masks))
    return facts, decide(facts, grade, said, digests)


def carry_out(ctx: Context, request: dict[str, Any]) -> None:
    """Decide on a request with the reviews that it has, and grant, deny or let it wait."""
    facts, decision = judge(ctx.overlay, request, ctx.block.timestamp, ctx.thread)
    number, outcome = request["id"], decision.outcome
    missing = sorted(decision.combined.reviewers - request["reviews"].keys())
    if outcome is Outcome.REVIEW and not missing:
        outcome = Outcome.APPROVE
    decided = {
        **request,
        "level": decision.grade.level,
        "raised": list(decision.grade.raised),
        "outcome": decision.outcome.name,
        "rule": decision.rule,
        "reasons": reasons_of(decision),
        "policy": decision.policy,
        "standard": list(facts.registration["standard"]),
        "height": ctx.block.height,
        "time": ctx.block.timestamp,
    }
    ctx.emit("decided", [number, decision.outcome.name, decision.rule, decision.grade.level])
    if outcome is Outcome.DENY:
        deny(ctx, decided, decision.rule)
    elif outcome is Outcome.REVIEW:
        _wait(ctx, decided, missing, facts.table["review_ms"])
    else:
        store.write_request(ctx, {**decided, "status": store.GRANTED})
        open_grant(ctx, decided, facts, decision)


def deny(ctx: Context, request: dict[str, Any], rule: str) -> None:
    """End a request that does not wait (any more)."""
    store.write_request(ctx, {**request, "rule": rule, "status": store.DENIED})
    ctx.emit("denied", [request["id"], rule])


def check_envelope(ctx: Context, envelope: bytes | None, other: str) -> None:
    """An envelope that a call names is anchored, and the sender and `other` can open it."""
    if envelope is None:
        return
    found = envelopes.get(ctx.overlay, envelope)
    if found is None:
        fail(Code.NOT_FOUND, envelope.hex())
    for party in (ctx.sender, other):
        if party not in found["parties"]:
            fail(Code.NOT_PARTY, party)


# Waiting


def party_of(request: dict[str, Any], reviewer: str) -> str:
    """Under which name those who may give a review find it: a role, or member/NAME."""
    return f"member/{request['owner']}" if reviewer == OWNER else reviewer


def _wait(ctx: Context, request: dict[str, Any], reviewers: list[str], patience_ms: int) -> None:
    _count_waiting(ctx, request["recipient"], 1)
    deadline = ctx.block.timestamp + patience_ms
    waiting = {
        **request,
        "status": store.WAITING,
        "waits_for": [*reviewers],
        "parties": sorted({party_of(request, reviewer) for reviewer in reviewers}),
        "deadline": deadline,
        "is_escalated": False,
    }
    list_waiting(ctx, waiting)
    store.write_request(ctx, waiting)


def list_waiting(ctx: Context, request: dict[str, Any]) -> None:
    """Let a request's parties find it, and its deadline be noticed."""
    for party in request["parties"]:
        ctx.put(_wait_key(party, request["id"]), None)
    schedule.add(ctx, request["deadline"], _due(request))


def unlist(ctx: Context, request: dict[str, Any]) -> None:
    """The inverse of `list_waiting`."""
    for party in request["parties"]:
        ctx.delete(_wait_key(party, request["id"]))
    schedule.remove(ctx, request["deadline"], _due(request))


def stop_waiting(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Take a request from all lists; returns it without what belongs to waiting."""
    unlist(ctx, request)
    _count_waiting(ctx, request["recipient"], -1)
    return {**request, **NOT_WAITING}


def _due(request: dict[str, Any]) -> bytes:
    return REVIEW + checks.number_key(request["id"])


def _wait_key(party: str, number: int) -> bytes:
    return WAIT + party.encode("ascii") + b"/" + checks.number_key(number)


def _count_waiting(ctx: Context, member: str, change: int) -> None:
    key = _OPEN + member.encode("ascii")
    count = (ctx.get(key) or 0) + change
    if count > MAX_WAITING:
        fail(Code.TOO_MANY_WAITING, MAX_WAITING)
    ctx.put(key, count)
