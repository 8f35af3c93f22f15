"""Emergency plans: prepared and sealed beforehand, drilled, activated at once.

A plan names who is to do what, in envelopes that its members hold already, so that activating it
needs nothing but a transaction: it issues an order (`contracts.system.dispatch`) whose deadlines
run from that block. A drill does the same and is called a drill.
"""

from __future__ import annotations

from typing import Any

from consensus.codec import Value
from contracts import checks
from contracts.api import Args, Context, Contract, QuerySignature, Reader, Signature, fail
from contracts.codes import Code
from contracts.state import StateReader
from contracts.system import dispatch

NAME = "emergency"
MAX_PLANS = 64
"""Names of plans that one member may ever give."""
DRILL, ACTIVATION = "drill", "emergency"
PAGE = 100
_PLAN = b"plan/"
_COUNT = b"count/"


def _prepare(ctx: Context, args: Args) -> None:
    """Set a plan, or its next version; the members must be below the sender."""
    for name in args["recipients"]:
        if ctx.sender not in dispatch.superiors(ctx.overlay, name):
            fail(Code.NOT_SUPERIOR, name)
    dispatch.check_recipients(ctx, args["recipients"], args["envelopes"])
    if args["complete_ms"] < args["acknowledge_ms"]:
        fail(Code.BAD_ARGUMENT, "complete_ms: must not be below acknowledge_ms")
    key = _key(ctx.sender, args["plan"])
    known = ctx.get(key)
    if known is None:
        place = _COUNT + ctx.sender.encode("ascii")
        count = ctx.get(place) or 0
        if count >= MAX_PLANS:
            fail(Code.TOO_MANY_PLANS, MAX_PLANS)
        ctx.put(place, count + 1)
        known = {"version": 0, "active": None, "drills": 0, "last_drill": None}
    elif known["active"] is not None:
        fail(Code.WRONG_STATUS, "active")
    version = known["version"] + 1
    ctx.put(key, {**known, **args, "owner": ctx.sender, "version": version})
    ctx.emit("prepared", [args["plan"], version, args["recipients"]])


def _drill(ctx: Context, args: Args) -> None:
    """Try a plan: its members acknowledge and complete an order that is called a drill."""
    plan = _require(ctx, args["plan"])
    number = _send(ctx, plan, DRILL)
    plan |= {"drills": plan["drills"] + 1, "last_drill": [number, ctx.block.timestamp]}
    ctx.put(_key(ctx.sender, args["plan"]), plan)
    ctx.emit("drilled", [args["plan"], plan["version"], number])


def _activate(ctx: Context, args: Args) -> None:
    """Put a plan into force."""
    plan = _require(ctx, args["plan"])
    if plan["active"] is not None:
        fail(Code.WRONG_STATUS, "active")
    number = _send(ctx, plan, ACTIVATION)
    plan["active"] = [number, ctx.block.timestamp]
    ctx.put(_key(ctx.sender, args["plan"]), plan)
    ctx.emit("activated", [args["plan"], plan["version"], number])


def _stand_down(ctx: Context, args: Args) -> None:
    """End the emergency; its order stays until it is confirmed or cancelled."""
    plan = _require(ctx, args["plan"])
    if plan["active"] is None:
        fail(Code.WRONG_STATUS, "prepared")
    ctx.put(_key(ctx.sender, args["plan"]), {**plan, "active": None})
    ctx.emit("stood-down", [args["plan"], plan["active"][0]])


def _send(ctx: Context, plan: dict[str, Any], kind: str) -> int:
    now = ctx.block.timestamp
    # Who has left since, or was suspended, cannot be ordered; the plan has to be prepared anew.
    dispatch.check_recipients(ctx, plan["recipients"], plan["envelopes"])
    deadlines = {
        "acknowledge_by": now + plan["acknowledge_ms"],
        "complete_by": now + plan["complete_ms"],
    }
    return dispatch.issue(ctx, kind, {**plan, **deadlines}, f"{plan['owner']}/{plan['plan']}")


def _require(ctx: Context, name: str) -> Any:
    plan = ctx.get(_key(ctx.sender, name))
    if plan is None:
        fail(Code.NOT_FOUND, name)
    return plan


def _key(owner: str, name: str) -> bytes:
    return _PLAN + f"{owner}/{name}".encode("ascii")


def _query_get(state: StateReader, args: Args) -> Value:
    """A plan and where it stands, or null."""
    return Reader(state, NAME).get(_key(args["owner"], args["plan"]))  # type: ignore[no-any-return]


def _query_list(state: StateReader, args: Args) -> Value:
    """Plans of all members by owner and name, above `after` (OWNER/PLAN)."""
    start = _PLAN + args["after"].encode("ascii") if "after" in args else b""
    return [plan for _, plan in Reader(state, NAME).scan(_PLAN, start, PAGE)]


_SPAN = checks.integer(dispatch.MIN_STEP_MS, dispatch.MAX_TERM_MS)
_PLAN_ARGUMENT = {"plan": checks.slug}

CONTRACT = Contract(
    NAME,
    methods={
        "prepare": Signature(
            _prepare,
            {
                **_PLAN_ARGUMENT,
                **dispatch.TERMS,
                "recipients": dispatch.names,
                "acknowledge_ms": _SPAN,
                "complete_ms": _SPAN,
            },
            duties=dispatch.DUTIES,
        ),
        "drill": Signature(_drill, _PLAN_ARGUMENT, duties=dispatch.DUTIES),
        "activate": Signature(_activate, _PLAN_ARGUMENT, duties=dispatch.DUTIES),
        "stand_down": Signature(_stand_down, _PLAN_ARGUMENT, duties=dispatch.DUTIES),
    },
    queries={
        "get": QuerySignature(_query_get, {"owner": checks.slug, **_PLAN_ARGUMENT}),
        "list": QuerySignature(_query_list, {"after": checks.owned_id}, frozenset(("after",))),
    },
)
