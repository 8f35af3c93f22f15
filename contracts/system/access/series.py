"""Series whose data changes: a grant pauses by itself, and goes on when its owner says so.

A grant that goes on is for the same fields, found by their names in the new standard, and covers
nothing that was not agreed on: no higher level or class, no review not given, no mask less.
"""

from __future__ import annotations

from typing import Any

from contracts.api import Args, Context, fail
from contracts.codes import Code
from contracts.system import catalogue, standards
from contracts.system.access import store
from contracts.system.access.decide import Outcome, plan_of
from contracts.system.access.grants import ACTIVE, is_reshaped, require_grant
from contracts.system.access.process import judge
from contracts.system.access.rules import OWNER
from contracts.system.standards import CLASSES


def resume(ctx: Context, args: Args) -> None:
    """Let a paused grant go on, as the owner of the data."""
    number = args["grant"]
    grant = require_grant(ctx, number)
    if grant["owner"] != ctx.sender:
        fail(Code.NOT_OWNER, f"grant {number}")
    if grant["status"] != ACTIVE or not is_reshaped(ctx.overlay, grant):
        fail(Code.WRONG_STATUS, [f"grant {number}", grant["status"]])
    request = _moved(ctx, store.require_request(ctx, number), grant)
    facts, decision = judge(ctx.overlay, request, ctx.block.timestamp, ctx.thread)
    if decision.outcome is Outcome.DENY:
        fail(Code.NEEDS_NEW_REQUEST, decision.rule)
    if not decision.combined.reviewers <= {OWNER, *request["reviews"]}:
        fail(Code.NEEDS_NEW_REQUEST, "another review")
    plan = plan_of(facts, decision)
    if decision.grade.level > grant["level"]:
        fail(Code.NEEDS_NEW_REQUEST, "a higher level")
    if decision.grade.grade > CLASSES.index(grant["class"]):
        fail(Code.NEEDS_NEW_REQUEST, "a higher class")
    before, shape = store.get_plan(ctx.overlay, number), catalogue.shape_of(facts.registration)
    store.write_plan(ctx, number, {**before, **plan, "shape": shape})
    store.write_request(ctx, request)
    ctx.emit("resumed", [number, facts.registration["version"]])


def _moved(ctx: Context, request: dict[str, Any], grant: Any) -> dict[str, Any]:
    """Return a request with its fields where the standard of the latest version has them."""
    terms, state = request["args"], ctx.overlay
    latest = catalogue.get(state, terms["dataset"])
    before, after = (
        standards.get_fields(state, standard[0], standard[1])
        for standard in (grant["standard"], latest["standard"])
    )
    places = {field.name: index for index, field in enumerate(after)}

    def place(index: int) -> int:
        name = before[index].name
        if name not in places:
            fail(Code.NEEDS_NEW_REQUEST, f"field {index} is gone")
        return places[name]

    moved = {
        **terms,
        "fields": sorted(place(index) for index in terms["fields"]),
        "filter": [[place(index), operator] for index, operator in terms["filter"]],
        "key": None if terms["key"] is None else place(terms["key"]),
    }
    masks = [[place(index), mask] for index, mask in grant["fields"] if mask is not None]
    standard = list(latest["standard"])
    return {**request, "args": moved, "masks": masks, "standard": standard}
