"""Grants: bound to what was agreed, judged where they are used, with a quota that is never passed.

`reserve`, `settle` and `spend` are for the ledger's own contracts. What is reserved counts as used
until it is settled.
"""

from __future__ import annotations

from typing import Any

from consensus.codec import Value
from contracts.api import Args, Context, fail
from contracts.codes import Code
from contracts.state import StateReader
from contracts.system import (
    catalogue,
    members,
    permits,
    sanctions,
    schedule,
    statutes,
    subjects,
)
from contracts.system.access import rules
from contracts.system.access.decide import Decision, plan_of
from contracts.system.access.facts import AGGREGATE, Facts
from contracts.system.access.store import get_plan, get_request, grant_key, write_plan

ACTIVE, PAUSED, REVOKED, EXPIRED, ENDED = "active", "paused", "revoked", "expired", "ended"
_TERMS = (
    "dataset", "version", "filter", "envelope", "purpose", "basis", "kind", "key", "rows", "from",
    "until", "retention_days", "onward", "statute",
)  # fmt: skip


def open_grant(ctx: Context, request: dict[str, Any], facts: Facts, decision: Decision) -> None:
    """Give what was asked for, as far as the decision goes."""
    number, args = request["id"], request["args"]
    plan = {
        **plan_of(facts, decision),
        "shape": catalogue.shape_of(facts.registration),
        "used": 0,
        "reserved": 0,
        "status": ACTIVE,
        "reason": None,
    }
    write_plan(ctx, number, plan)
    schedule.add(ctx, args["until"] + 1, grant_key(number))
    if args["version"] is None:
        catalogue.watch(ctx, args["dataset"])
    ctx.emit("granted", [number, request["owner"], request["recipient"], args["dataset"]])


def get_grant(state: StateReader, number: int) -> Any:
    """Return a grant with the terms of its request (a map), or None.

    `status` is what was last written; whether it may be used is for `check_usable` to say.
    """
    plan = get_plan(state, number)
    if plan is None:
        return None
    request = get_request(state, number)
    terms = {name: request["args"][name] for name in _TERMS}
    return {
        "id": number,
        "request": number,
        "owner": request["owner"],
        "recipient": request["recipient"],
        **terms,
        **plan,
    }


def require_grant(ctx: Context, number: int) -> Any:
    grant = get_grant(ctx.overlay, number)
    if grant is None:
        fail(Code.NOT_FOUND, f"grant {number}")
    return grant


def check_usable(state: StateReader, grant: Any, time: int) -> Code | None:
    """Tell why a grant may not be used at `time` (ms UTC), or None if it may.

    Judged by the state as it is, whether or not scheduled work has tidied.
    """
    return (
        _own_fault(grant, time)
        or _fault_of_parties(state, grant, time)
        or (Code.GRANT_PAUSED if is_reshaped(state, grant) else None)
    )


def _own_fault(grant: Any, time: int) -> Code | None:
    if grant["status"] in (REVOKED, ENDED):
        return Code.GRANT_ENDED
    if time > grant["until"] or grant["status"] == EXPIRED:
        return Code.GRANT_EXPIRED
    if time < grant["from"]:
        return Code.GRANT_NOT_BEGUN
    if not all(rules.is_within(window, time) for window in grant["hours"]):
        return Code.OFF_HOURS
    return None


def _fault_of_parties(state: StateReader, grant: Any, time: int) -> Code | None:
    owner, recipient = (members.peek(state, grant[word]) for word in ("owner", "recipient"))
    if owner["status"] != members.ACTIVE or recipient["status"] != members.ACTIVE:
        return Code.NOT_ACTIVE
    sanction = sanctions.in_force(state, grant["recipient"], time)
    if sanction is not None and sanction[0] == "suspend":
        return Code.SANCTIONED
    if "third-party" in recipient["roles"] and grant["level"] > 1:
        permit = permits.permit_of(state, grant["recipient"], time)
        if permit is None or grant["purpose"] not in permit["scenarios"]:
            return Code.NO_PERMIT
    scope = (grant["dataset"], grant["recipient"], grant["purpose"])
    if grant["notice"]:
        use = subjects.find_use(state, *scope, time)
        if use is None or use["statute"] != grant["statute"]:
            return Code.NO_USE_BY_LAW
    elif grant["statute"] is not None and not statutes.is_in_force(state, grant["statute"], time):
        return Code.NOT_IN_FORCE
    return None


def is_reshaped(state: StateReader, grant: Any) -> bool:
    """Whether the series has another standard, level or class than was agreed on."""
    if grant["version"] is not None:
        return False
    return catalogue.shape_of(catalogue.get(state, grant["dataset"])) != list(grant["shape"])


# For the ledger's own contracts


def reserve(ctx: Context, number: int, rows: int) -> Any:
    """Take `rows` of the sender's quota; returns the grant as it was. Fails if it may not be used.

    `ctx` is the calling contract's; `rows` are calls where the grant is for look-ups.
    """
    grant = require_grant(ctx, number)
    if grant["recipient"] != ctx.sender:
        fail(Code.NOT_OWNER, f"grant {number}")
    _take(ctx, grant, 0, rows)
    return grant


def spend(ctx: Context, number: int, recipient: str, dataset: str, version: int) -> Any:
    """Count one answer about a version that its owner, the sender, gives under a grant.

    Returns the grant as it was. Fails if it may not be used for that.
    """
    grant = require_grant(ctx, number)
    if (grant["owner"], grant["recipient"], grant["dataset"]) != (ctx.sender, recipient, dataset):
        fail(Code.NOT_OWNER, f"grant {number}")
    if grant["kind"] != AGGREGATE:
        fail(Code.WRONG_KIND, grant["kind"])
    check_version(ctx, grant, version)
    _take(ctx, grant, 1, 0)
    return grant


def check_version(ctx: Context, grant: Any, version: int) -> None:
    """The version is the granted one, or one of the series that is shaped as was agreed."""
    dataset = grant["dataset"]
    if grant["version"] not in (None, version):
        fail(Code.WRONG_VERSION, grant["version"])
    found = catalogue.get(ctx.overlay, dataset, version)
    if found is None:
        fail(Code.NOT_FOUND, f"{dataset} version {version}")
    if catalogue.is_destroyed(ctx.overlay, dataset, version):
        fail(Code.DESTROYED, version)
    if list(found["standard"]) != list(grant["standard"]):
        fail(Code.WRONG_DIGEST, found["standard"][0])


def _take(ctx: Context, grant: Any, used: int, reserved: int) -> None:
    """Take of the quota of a grant that may be used now."""
    number = grant["id"]
    fault = check_usable(ctx.overlay, grant, ctx.block.timestamp)
    if fault is not None:
        is_recipients = fault in (Code.SANCTIONED, Code.NO_PERMIT)
        fail(fault, grant["recipient"] if is_recipients else f"grant {number}")
    left = grant["rows"] - grant["used"] - grant["reserved"]
    if used + reserved > left:
        fail(Code.QUOTA_EXCEEDED, left)
    _count(ctx, number, used, reserved)


def settle(ctx: Context, number: int, reserved: int, used: int) -> None:
    """Give back what was reserved, and count what was used of it, at most as much."""
    if not 0 <= used <= reserved:
        raise ValueError(f"grant {number}: {used} used of {reserved} reserved")
    _count(ctx, number, used, -reserved)


def give_back(ctx: Context, number: int, rows: int) -> None:
    """Take back rows that were counted as used and, as it turned out, were not."""
    _count(ctx, number, -rows, 0)


def _count(ctx: Context, number: int, used: int, reserved: int) -> None:
    plan = get_plan(ctx.overlay, number)
    counted = {"used": plan["used"] + used, "reserved": plan["reserved"] + reserved}
    write_plan(ctx, number, {**plan, **counted})


# How grants end


def end(ctx: Context, number: int, status: str, reason: str) -> None:
    """End a grant for good; it must be active."""
    grant = require_grant(ctx, number)
    if grant["status"] != ACTIVE:
        fail(Code.WRONG_STATUS, [f"grant {number}", grant["status"]])
    plan = get_plan(ctx.overlay, number)
    write_plan(ctx, number, {**plan, "status": status, "reason": reason})
    schedule.remove(ctx, grant["until"] + 1, grant_key(number))
    ctx.emit("revoked" if status == REVOKED else "ended", [number, reason])


def revoke(ctx: Context, args: Args) -> None:
    """End a grant, as the owner of the data or as a supervisor."""
    grant = require_grant(ctx, args["grant"])
    if ctx.sender != grant["owner"]:
        permits.require_supervisor(ctx)
    end(ctx, args["grant"], REVOKED, args["reason"])


def expire(ctx: Context, number: int) -> None:
    """A grant's time is over; it is noted and announced."""
    plan = get_plan(ctx.overlay, number)
    if plan["status"] == ACTIVE:
        write_plan(ctx, number, {**plan, "status": EXPIRED})
        ctx.emit("ended", [number, EXPIRED])


# Questions


def query_grant(state: StateReader, args: Args) -> Value:
    """A grant, or None."""
    return get_grant(state, args["grant"])  # type: ignore[no-any-return]


def query_usable(state: StateReader, args: Args) -> Value:
    """The code for why a grant may not be used at `time` (ms UTC); 0 if it may."""
    grant = get_grant(state, args["grant"])
    if grant is None:
        fail(Code.NOT_FOUND, f"grant {args['grant']}")
    code = check_usable(state, grant, args["time"]) or Code.OK
    return int(code)
