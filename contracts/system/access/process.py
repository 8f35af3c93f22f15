"""What becomes of a request: decided by the rules, waiting for reviews, granted or denied."""

from __future__ import annotations

from typing import Any

from contracts import checks
from contracts.api import Context, fail
from contracts.codes import Code
from contracts.state import StateReader
from contracts.system import schedule
from contracts.system.access import store
from contracts.system.access.decide import (
    Decision,
    Outcome,
    Verdict,
    decide,
    mask_of,
    reasons_of,
)
from contracts.system.access.facts import Facts, gather
from contracts.system.access.grants import open_grant
from contracts.system.access.rules import OWNER

MAX_WAITING = 256
"""Requests of one member that may wait for reviews at once."""
_OPEN = b"open/"
WAIT = b"wait/"
REVIEW = b"review/"


def judge(state: StateReader, request: dict[str, Any], time: int) -> tuple[Facts, Decision]:
    """Decide on a request as things stand at `time`, with the masks that reviewers have added."""
    facts = gather(state, request["recipient"], request["args"], request["trained"], time)
    masks = frozenset((index, mask_of(mask)) for index, mask in request["masks"])
    more = [Verdict("reviewers", masks=masks)] if masks else []
    return facts, decide(facts, more)


def carry_out(ctx: Context, request: dict[str, Any]) -> None:
    """Decide on a request with the reviews that it has, and grant, deny or let it wait."""
    facts, decision = judge(ctx.overlay, request, ctx.block.timestamp)
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
    return {**request, "waits_for": [], "parties": [], "deadline": None}


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
