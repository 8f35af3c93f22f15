"""What a vote does to members: admit, suspend, reinstate, expel, change, rotate lost keys.

Each effect checks what it needs and that a validator is left; it fails and changes nothing
otherwise.
"""

from __future__ import annotations

from typing import Any

from consensus.codec import DecodeError, Value
from consensus.genesis import MAX_MEMBERS, PURPOSES, ROLES, TIERS, Card
from consensus.validators import MAX_VALIDATORS
from contracts import checks
from contracts.api import Args, Context, fail
from contracts.codes import Code
from contracts.state import StateReader
from contracts.system import members
from contracts.system.members import ACTIVE, EXPELLED, SUSPENDED, VALIDATOR


def check_card(value: Value, what: str) -> object:
    """A card with valid proofs of possession and addresses in visible ASCII."""
    try:
        card = Card.from_value(value)
    except DecodeError as error:
        raise DecodeError(f"{what}: {error.args[0]}") from None
    members.check_addresses(list(card.addresses), f"{what}.addresses")
    return value


def check_roles(value: Value, what: str) -> object:
    """Sorted, distinct, known roles; at least one."""
    checks.list_of(checks.one_of(*ROLES), len(ROLES))(value, what)
    if not isinstance(value, list) or not value or value != sorted(set(map(str, value))):
        raise DecodeError(f"{what}: must be sorted, distinct, at least one of {', '.join(ROLES)}")
    return value


PLACE = checks.optional(checks.slug)
"""A jurisdiction or a storage site: a code such as cn-31."""
TIER = checks.one_of(*TIERS)
PARENT = checks.optional(checks.slug)


def admit(ctx: Context, args: Args) -> None:
    """Take a new member in. It validates once its node has said that it is ready."""
    card = Card.from_value(args["card"])
    if members.get(ctx.overlay, card.name) is not None:
        fail(Code.EXISTS, card.name)
    if len(members.list_all(ctx.overlay)) >= MAX_MEMBERS:
        fail(Code.LOCKS_OUT, f"there may be {MAX_MEMBERS} members at most")
    for purpose, key in zip(PURPOSES, card.keys, strict=True):
        members.claim_key(ctx, key, card.name, purpose)
    record: dict[str, Any] = members.record_of(
        card, args["tier"], args.get("parent"), args["roles"]
    )
    record["jurisdiction"] = args.get("jurisdiction")
    record["storage"] = args.get("storage")
    _check_place(ctx.overlay, record)
    members.write(ctx, record)
    members.announce(ctx, "admitted", [card.name, args["tier"], args["roles"]])
    _check_standing(ctx)


def suspend(ctx: Context, args: Args) -> None:
    """Take a member's voice until it is reinstated."""
    _set_status(ctx, args["member"], (ACTIVE,), SUSPENDED)


def reinstate(ctx: Context, args: Args) -> None:
    """Give a suspended member its voice back; it validates once its node says ready again."""
    _set_status(ctx, args["member"], (SUSPENDED,), ACTIVE)


def expel(ctx: Context, args: Args) -> None:
    """End a membership for good; members below it move up to its parent."""
    name = args["member"]
    _set_status(ctx, name, (ACTIVE, SUSPENDED), EXPELLED)
    parent = members.require(ctx, name)["parent"]
    for record in members.list_all(ctx.overlay):
        if record["parent"] == name and record["status"] != EXPELLED:
            members.write(ctx, {**record, "parent": parent})


def _set_status(ctx: Context, name: str, before: tuple[str, ...], status: str) -> None:
    record = members.require(ctx, name)
    if record["status"] not in before:
        fail(Code.WRONG_STATUS, [name, record["status"]])
    members.write(ctx, {**record, "status": status, "ready": []})
    members.announce(ctx, status, [name])
    _check_standing(ctx)


def change(ctx: Context, args: Args) -> None:
    """Change a member's tier, parent, roles, jurisdiction or storage site; at least one."""
    name = args["member"]
    record = members.require(ctx, name)
    if record["status"] == EXPELLED:
        fail(Code.WRONG_STATUS, [name, EXPELLED])
    changes = {key: value for key, value in args.items() if key != "member"}
    if not changes:
        fail(Code.BAD_ARGUMENT, "nothing is to be changed")
    changed = {**record, **changes}
    if VALIDATOR not in record["roles"]:
        changed["ready"] = []
    _check_place(ctx.overlay, changed)
    members.write(ctx, changed)
    named: list[Value] = [*sorted(changes)]
    members.announce(ctx, "changed", [name, named])
    _check_standing(ctx)


def rotate(ctx: Context, args: Args) -> None:
    """Replace a member's lost keys by those of a new card, at once.

    A lost key may be in wrong hands, so it gets no grace. With a new voting or node key the
    member validates again once its node says ready with them.
    """
    card = Card.from_value(args["card"])
    record = members.require(ctx, card.name)
    if record["status"] == EXPELLED:
        fail(Code.WRONG_STATUS, [card.name, EXPELLED])
    fresh = [
        (purpose, key)
        for purpose, key in zip(PURPOSES, card.keys, strict=True)
        if record[purpose + "_key"] != key
    ]
    if not fresh:
        fail(Code.BAD_ARGUMENT, "card: has no new key")
    for purpose, key in fresh:
        stops_at = members.epoch_end(ctx) if purpose == "voting" else ctx.block.height
        members.replace_key(ctx, record, purpose, key, stops_at)
    record["addresses"] = list(card.addresses)
    if any(purpose in ("node", "voting") for purpose, _ in fresh):
        record["ready"] = []
    members.write(ctx, record)
    _check_standing(ctx)


def _check_place(state: StateReader, record: dict[str, Any]) -> None:
    """The parent is a member of a higher tier, and the member is above those below it."""
    rank = TIERS.index(record["tier"])
    parent = record["parent"]
    if parent is not None:
        above = members.get(state, parent)
        if above is None or above["status"] == EXPELLED:
            fail(Code.NOT_FOUND, parent)
        if parent == record["name"] or TIERS.index(above["tier"]) >= rank:
            fail(Code.WRONG_TIER, [record["name"], parent])
    for other in members.list_all(state):
        if other["parent"] == record["name"] and TIERS.index(other["tier"]) <= rank:
            fail(Code.WRONG_TIER, [other["name"], record["name"]])


def _check_standing(ctx: Context) -> None:
    """Somebody is left to validate and to vote, and no more than a certificate has room for."""
    if not members.standing_validators(ctx.overlay):
        fail(Code.LOCKS_OUT, "no validator whose node is ready would be left")
    if len(members.voters(ctx.overlay)) > MAX_VALIDATORS:
        fail(Code.LOCKS_OUT, f"there may be {MAX_VALIDATORS} validators at most")
