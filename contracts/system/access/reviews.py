"""Reviews: by whom they may be given, within which time, and who stands in.

A request waits for one review each of the owner, a supervisor or the central tier, as the rules
have it. A deputy may give what its principal may. After the deadline a review may also be given
by the member above; after a second one the request is denied. Silence never grants.
"""

from __future__ import annotations

from typing import Any

from consensus.codec import Value, expect_list
from contracts.api import Args, Context, Reader, fail
from contracts.codes import Code
from contracts.masks import check_use
from contracts.state import StateReader
from contracts.system import members
from contracts.system.access import rules, store
from contracts.system.access.facts import INDEX
from contracts.system.access.process import (
    REVIEW,
    WAIT,
    carry_out,
    check_envelope,
    deny,
    list_waiting,
    party_of,
    stop_waiting,
    unlist,
)
from contracts.system.access.requests import brief_of
from contracts.system.access.rules import CENTRAL, NAME, SUPERVISOR

APPROVED, REFUSED = "approve", "deny"
MAX_MASKS = 64
PAGE = 50
_DEPUTY = b"deputy/"
_PRINCIPAL = b"principal/"


def review(ctx: Context, args: Args) -> None:
    """Give the sender's review: all that it may give and are missing."""
    request = store.require_request(ctx, args["request"])
    number = request["id"]
    if request["recipient"] == ctx.sender:
        fail(Code.OWN_REQUEST, ctx.sender)
    if request["status"] != store.WAITING:
        fail(Code.WRONG_STATUS, [f"request {number}", request["status"]])
    if request["revision"] != args["revision"]:
        fail(Code.WRONG_VERSION, request["revision"])
    given = [each for each in request["waits_for"] if _may_give(ctx, request, each)]
    if not given:
        fail(Code.NOT_REVIEWER, ctx.sender)
    check_envelope(ctx, args.get("reason"), request["recipient"])
    _check_masks(request, args.get("masks", []))
    person = "" if ctx.operator is None else ctx.operator.name
    row = [ctx.sender, person, args["outcome"], ctx.block.height, args.get("reason")]
    stopped = stop_waiting(ctx, request)
    reviewed = {
        **stopped,
        "reviews": {**request["reviews"], **dict.fromkeys(given, row)},
        "masks": _united(request["masks"], args.get("masks", [])),
    }
    ctx.emit("reviewed", [number, ctx.sender, args["outcome"], list(given)])
    if args["outcome"] == REFUSED:
        deny(ctx, reviewed, "refused")
    else:
        carry_out(ctx, reviewed)


def _check_masks(request: dict[str, Any], masks: list[Any]) -> None:
    """A mask is for a field that is delivered, or filtered by, which ends in denial."""
    asked = {*request["args"]["fields"], *(index for index, _ in request["args"]["filter"])}
    for index, _ in masks:
        if index not in asked:
            fail(Code.BAD_ARGUMENT, f"masks: field {index} is not asked for")


def _united(before: list[Value], more: list[Value]) -> list[Value]:
    return before + [row for row in more if row not in before]


def _may_give(ctx: Context, request: dict[str, Any], reviewer: str) -> bool:
    """Whether the sender may give a review: itself, for a principal, or after escalation."""
    state = ctx.overlay
    parties = [party_of(request, reviewer)]
    if request["is_escalated"]:
        parties.append(_above(state, parties[0]))
    own = parties_of(state, ctx.sender, ctx.block.timestamp)
    return any(party in own for party in parties)


def parties_of(state: StateReader, member: str, time: int) -> list[str]:
    """Under which names reviews wait for a member: its own, its roles', its principals'."""
    record = members.peek(state, member)
    own = [f"member/{member}"]
    if "supervisor" in record["roles"]:
        own.append(SUPERVISOR)
    if record["tier"] == "central":
        own.append(CENTRAL)
    prefix = _PRINCIPAL + member.encode("ascii") + b"/"
    rows = Reader(state, NAME).scan(prefix, limit=PAGE)
    return own + [
        f"member/{key[len(prefix) :].decode('ascii')}" for key, end in rows if time <= end
    ]


def _above(state: StateReader, party: str) -> str:
    """Whom a review goes to that its party has not given: the parent, else a supervisor.

    What a supervisor has not given goes to the central tier, and the other way round.
    """
    kind, _, name = party.partition("/")
    if kind == "member":
        parent = members.peek(state, name)["parent"]
        return SUPERVISOR if parent is None else f"member/{parent}"
    return CENTRAL if kind == SUPERVISOR else SUPERVISOR


def on_deadline(ctx: Context, key: bytes) -> None:
    """A review is late: it goes to the member above, or the request is denied at last."""
    request = store.require_request(ctx, int.from_bytes(key[len(REVIEW) :], "big"))
    if request["is_escalated"]:
        deny(ctx, stop_waiting(ctx, request), "no-answer")
        return
    unlist(ctx, request)
    above: list[Value] = [_above(ctx.overlay, party) for party in request["parties"]]
    escalated = {
        **request,
        "parties": sorted({*request["parties"], *above}),
        "deadline": ctx.block.timestamp + rules.current(ctx.overlay)[1]["escalation_ms"],
        "is_escalated": True,
    }
    list_waiting(ctx, escalated)
    store.write_request(ctx, escalated)
    ctx.emit("escalated", [request["id"], above])


def set_deputy(ctx: Context, args: Args) -> None:
    """Let another member give the sender's reviews until a time (ms UTC); null ends it."""
    mine = ctx.sender.encode("ascii")
    before, deputy = ctx.get(_DEPUTY + mine), args["deputy"]
    if deputy == ctx.sender:
        fail(Code.BAD_ARGUMENT, "deputy: must be another member")
    if before is not None:
        ctx.delete(_PRINCIPAL + before[0].encode("ascii") + b"/" + mine)
        ctx.delete(_DEPUTY + mine)
    if deputy is not None:
        members.require(ctx, deputy)
        ctx.put(_DEPUTY + mine, [deputy, args["until"]])
        ctx.put(_PRINCIPAL + deputy.encode("ascii") + b"/" + mine, args["until"])
    ctx.emit("deputy", [ctx.sender, deputy, args["until"]])


# Questions


def query_deputy(state: StateReader, args: Args) -> Value:
    """[deputy, until (ms UTC)] of a member, or None."""
    return Reader(state, NAME).get(_DEPUTY + args["member"].encode("ascii"))  # type: ignore[no-any-return]


def query_waiting(state: StateReader, args: Args) -> Value:
    """Requests that wait for a review that a member may give, the oldest first."""
    if members.peek(state, args["member"]) is None:
        fail(Code.NOT_FOUND, args["member"])
    reader = Reader(state, NAME)
    numbers: set[int] = set()
    for party in parties_of(state, args["member"], args["time"]):
        rows = reader.scan(WAIT + party.encode("ascii") + b"/", limit=PAGE)
        numbers.update(int.from_bytes(key[-8:], "big") for key, _ in rows)
    briefs = [brief_of(state, number) for number in sorted(numbers)[:PAGE]]
    return [brief for brief in briefs if brief["recipient"] != args["member"]]


def masks(value: Value, what: str) -> object:
    """[place of a field, mask] of each mask that a reviewer adds."""
    for row in expect_list(value, what, max_length=MAX_MASKS):
        index, mask = expect_list(row, what, 2)
        INDEX(index, what)
        check_use(mask, what)
    return value
