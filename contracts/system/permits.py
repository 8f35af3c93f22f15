"""Permits: which third party may handle data, for which purposes, until when.

A supervisor issues and revokes them. Whether one holds is judged by block time where it is used.
"""

from __future__ import annotations

from typing import Any

from consensus.codec import Value
from contracts import checks
from contracts.api import (
    APPROVER,
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
from contracts.system import members

NAME = "permits"
MAX_SCENARIOS = 32
PAGE = 100
_PERMIT = b"permit/"


def permit_of(state: StateReader, member: str, time: int) -> Any:
    """Return the permit (a map) that a member has at `time` (ms UTC), or None."""
    found = Reader(state, NAME).peek(_PERMIT + member.encode("ascii"))
    if found is None or found["revoked"] is not None or time > found["until"]:
        return None
    return found


def _issue(ctx: Context, args: Args) -> None:
    """Give a member a permit for scenarios, which are purposes; one before is replaced."""
    member, scenarios = args["member"], sorted(set(args["scenarios"]))
    require_supervisor(ctx)
    members.require(ctx, member)
    if member == ctx.sender:
        fail(Code.OWN_REQUEST, member)
    if not scenarios:
        fail(Code.BAD_ARGUMENT, "scenarios: must be at least one")
    if args["until"] <= ctx.block.timestamp:
        fail(Code.BAD_ARGUMENT, "until: must lie in the future")
    listed: list[Value] = [*scenarios]
    ctx.put(
        _PERMIT + member.encode("ascii"),
        {
            "member": member,
            "issuer": ctx.sender,
            "scenarios": listed,
            "until": args["until"],
            "height": ctx.block.height,
            "revoked": None,
        },
    )
    ctx.emit("issued", [member, ctx.sender, listed, args["until"]])


def _revoke(ctx: Context, args: Args) -> None:
    """End a permit at once; any supervisor may."""
    require_supervisor(ctx)
    key = _PERMIT + args["member"].encode("ascii")
    found = ctx.get(key)
    if found is None:
        fail(Code.NOT_FOUND, f"permit of {args['member']}")
    if found["revoked"] is not None:
        fail(Code.WRONG_STATUS, [args["member"], "revoked"])
    ctx.put(key, {**found, "revoked": [ctx.sender, ctx.block.height]})
    ctx.emit("revoked", [args["member"], ctx.sender])


def require_supervisor(ctx: Context) -> None:
    """Fail unless the sender is a supervisor."""
    if "supervisor" not in members.peek(ctx.overlay, ctx.sender)["roles"]:
        fail(Code.NOT_SUPERVISOR, ctx.sender)


def _query_get(state: StateReader, args: Args) -> Value:
    """A third party's permit, or null."""
    return Reader(state, NAME).get(_PERMIT + args["member"].encode("ascii"))  # type: ignore[no-any-return]


def _query_list(state: StateReader, args: Args) -> Value:
    """Permits by member, above `after`; those that have ended too."""
    start = _PERMIT + args["after"].encode("ascii") if "after" in args else b""
    return [row for _, row in Reader(state, NAME).scan(_PERMIT, start, PAGE)]


_MEMBER = {"member": checks.slug}
CONTRACT = Contract(
    NAME,
    methods={
        "issue": Signature(
            _issue,
            {
                **_MEMBER,
                "scenarios": checks.list_of(checks.slug, MAX_SCENARIOS),
                "until": checks.integer(0, 1 << 53),
            },
            duties=(APPROVER,),
        ),
        "revoke": Signature(_revoke, _MEMBER, duties=(APPROVER,)),
    },
    queries={
        "get": QuerySignature(_query_get, _MEMBER),
        "list": QuerySignature(_query_list, {"after": checks.slug}, frozenset(("after",))),
    },
)
