"""The members: who they are, their keys, and what each may change about itself.

A key belongs to one member and one purpose for ever. When one is replaced, the old key stops at a
height that the receipt states. What needs a vote is in `contracts.system.membership`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from consensus.codec import DecodeError, Value, decode, encode, expect_list, expect_text
from consensus.crypto import NO_CHAIN, PUBLIC_KEY_BYTES, SIGNATURE_BYTES, Kind, verify
from consensus.genesis import MAX_ADDRESS_BYTES, MAX_ADDRESSES, PURPOSES, Card, Genesis
from consensus.validators import Parameters, Validator, ValidatorSet
from contracts import checks
from contracts.api import (
    ADMIN,
    NODE,
    Args,
    Checker,
    Context,
    Contract,
    QuerySignature,
    Reader,
    Signature,
    fail,
)
from contracts.codes import Code
from contracts.state import MAX_SCAN, StateReader

NAME = "members"
ACTIVE, SUSPENDED, EXPELLED = "active", "suspended", "expelled"
VALIDATOR = "validator"
MAX_VERSIONS = 16
GRACE = checks.integer(0, 100_000)
"""Heights for which a replaced key stays good."""
_MEMBER = b"member/"
_KEY = b"key/"
_PARAMETERS = b"parameters"
_REVISION = b"revision"


def genesis_changes(genesis: Genesis) -> dict[bytes, bytes]:
    """Return the first state of this contract, by full key."""
    changes: dict[bytes, bytes] = {}
    prefix = NAME.encode("ascii") + b"/"
    for member in genesis.members:
        record = record_of(member.card, member.tier, member.parent, list(member.roles))
        record |= member.places
        if VALIDATOR in member.roles:
            record["ready"] = [genesis.parameters.version]
        changes[prefix + _MEMBER + member.name.encode("ascii")] = encode(record)
        for purpose, key in zip(PURPOSES, member.card.keys, strict=True):
            changes[prefix + _KEY + key] = encode([member.name, purpose])
    changes[prefix + _PARAMETERS] = encode(genesis.parameters.to_value())
    return changes


def restart_changes(state: StateReader, genesis: Genesis) -> dict[bytes, bytes]:
    """Return what the genesis of a restart changes in the state of the earlier chain.

    Members that it names have its keys and roles and validate; others stay what they are, but do
    not validate until their nodes say that they are ready.
    """
    changes = genesis_changes(genesis)
    prefix = NAME.encode("ascii") + b"/"
    named = {member.name for member in genesis.members}
    for record in list_all(state):
        key = prefix + _MEMBER + record["name"].encode("ascii")
        if record["name"] in named:
            fresh: dict[str, Any] = decode(changes[key])  # type: ignore[assignment]
            kept = {name: record[name] for name in ("tier", "parent", "jurisdiction", "storage")}
            changes[key] = encode({**fresh, **kept})
        elif record["ready"]:
            changes[key] = encode({**record, "ready": []})
    changes[prefix + _REVISION] = encode(revision(state) + 1)
    return changes


def record_of(card: Card, tier: str, parent: str | None, roles: list[Value]) -> dict[str, Value]:
    """Return the record of a member that joins.

    `ready` holds the protocol versions that its node says it executes; without one it does not
    validate. `stopping` holds, by purpose, a replaced key and the last height it is good for.
    """
    return {
        "name": card.name,
        "tier": tier,
        "parent": parent,
        "roles": roles,
        "status": ACTIVE,
        "member_key": card.member_key,
        "node_key": card.node_key,
        "sealing_key": card.sealing_key,
        "voting_key": card.voting_key,
        "addresses": list(card.addresses),
        "jurisdiction": None,
        "storage": None,
        "ready": [],
        "stopping": {},
    }


# Reading


def get(state: StateReader, name: str) -> Any:
    """Return a member's record (a map), or None."""
    return Reader(state, NAME).get(_MEMBER + name.encode("utf-8"))


def peek(state: StateReader, name: str) -> Any:
    """Like `get`, but an immutable map, decoded once for many transactions."""
    return Reader(state, NAME).peek(_MEMBER + name.encode("utf-8"))


def require(ctx: Context, name: str) -> Any:
    """Return a member's record. Fails if there is no such member."""
    record = get(ctx.overlay, name)
    if record is None:
        fail(Code.NOT_FOUND, name)
    return record


def holder_of(state: StateReader, key: bytes) -> Any:
    """Return [member, purpose] of a key, whether it is in use or not; None if nobody has it."""
    return Reader(state, NAME).get(_KEY + key)


def list_all(state: StateReader) -> list[dict[str, Any]]:
    """All records, in the order of names."""
    reader = Reader(state, NAME)
    found: list[dict[str, Any]] = []
    after = b""
    while True:
        rows = reader.scan(_MEMBER, after, MAX_SCAN)
        found += [value for _, value in rows]
        if len(rows) < MAX_SCAN:
            return found
        after = rows[-1][0]


def country_of(place: str | None) -> str | None:
    """The country of a code such as cn-31: what stands before the first hyphen."""
    return None if place is None else place.partition("-")[0]


def revision(state: StateReader) -> int:
    """Return a number that grows with each change of a member or an operator."""
    return Reader(state, NAME).get(_REVISION) or 0


def parameters(state: StateReader) -> Parameters:
    """Return the parameters of the next epoch, as far as they are decided."""
    return Parameters.from_value(Reader(state, NAME).get(_PARAMETERS))


def voters(state: StateReader) -> list[str]:
    """Names of the members that vote on proposals: the active ones with the validator role."""
    return [r["name"] for r in list_all(state) if r["status"] == ACTIVE and VALIDATOR in r["roles"]]


def standing_validators(state: StateReader) -> tuple[Validator, ...]:
    """Who would validate in the next epoch: active, in that role, with a node that is ready."""
    return tuple(
        Validator(record["name"], record["voting_key"])
        for record in list_all(state)
        if record["status"] == ACTIVE and VALIDATOR in record["roles"] and record["ready"]
    )


def validators(state: StateReader, current: ValidatorSet) -> ValidatorSet:
    """Return the set that members' roles and status and the parameters in the state make.

    Members are scanned, so the set is in the order of names. Without a single validator the
    current set stays, since a chain that nobody may extend could never be mended.
    """
    return ValidatorSet(standing_validators(state) or current.validators, parameters(state))


# Writing, for the ledger's own contracts


def write(ctx: Context, record: dict[str, Value]) -> None:
    """Keep a member's record."""
    place = _MEMBER + str(record["name"]).encode("ascii")
    ctx.as_contract(CONTRACT).put(place, record)
    touch(ctx)


def touch(ctx: Context) -> None:
    """Let nodes know that who may do what has changed."""
    mine = ctx.as_contract(CONTRACT)
    mine.put(_REVISION, (mine.get(_REVISION) or 0) + 1)


def write_parameters(ctx: Context, changed: Parameters) -> None:
    """Set the parameters of the next epoch."""
    ctx.as_contract(CONTRACT).put(_PARAMETERS, changed.to_value())


def announce(ctx: Context, name: str, data: Value) -> None:
    """Emit an event of this contract."""
    ctx.as_contract(CONTRACT).emit(name, data)


def claim_key(ctx: Context, key: bytes, name: str, purpose: str) -> None:
    """Note that `key` is the member's from now on. Fails if anybody ever had it."""
    if holder_of(ctx.overlay, key) is not None:
        fail(Code.KEY_IN_USE, purpose)
    ctx.as_contract(CONTRACT).put(_KEY + key, [name, purpose])


def replace_key(
    ctx: Context, record: dict[str, Any], purpose: str, key: bytes, stops_at: int
) -> None:
    """Give a member another key. The old one is good up to and with height `stops_at`.

    A voting key is exchanged with the validator set, so it stops with an epoch.
    """
    claim_key(ctx, key, record["name"], purpose)
    old = record[purpose + "_key"]
    record["stopping"] = {**record["stopping"], purpose: [old, stops_at]}
    record[purpose + "_key"] = key
    write(ctx, record)
    announce(ctx, "key-replaced", [record["name"], purpose, key, stops_at])


def epoch_end(ctx: Context) -> int:
    """The last height at which a voting key that is replaced now still votes."""
    block = ctx.block
    if block.height < block.last_height:
        return block.last_height
    return block.last_height + parameters(ctx.overlay).epoch_length


# What a member does itself


def _rotate(ctx: Context, args: Args) -> None:
    """Replace an own key, the old one is good for `grace` heights; an operator needs a second."""
    ctx.require_second()  # who makes the member's own key is above duties and persons
    record, purpose, key = require(ctx, ctx.sender), args["purpose"], args["key"]
    signed = encode([ctx.sender, purpose, key])
    if not verify(key, Kind.POSSESSION, NO_CHAIN, signed, args["proof"]):
        fail(Code.BAD_ARGUMENT, "proof: does not prove possession of the key")
    stops_at = ctx.block.height + args.get("grace", 0)
    if purpose == "voting":
        stops_at = epoch_end(ctx)
    replace_key(ctx, record, purpose, key, stops_at)


def check_addresses(value: Value, what: str) -> object:
    """Texts that a node may be dialled at; whether they can be is for nodes to see."""
    rows = expect_list(value, what, max_length=MAX_ADDRESSES)
    for row in rows:
        text = expect_text(row, what, MAX_ADDRESS_BYTES)
        if not text.isascii() or not text.isprintable():
            raise DecodeError(f"{what}: must be visible ASCII")
    return value


def _announce(ctx: Context, args: Args) -> None:
    """Say where the sender's node can be dialled from now on."""
    write(ctx, {**require(ctx, ctx.sender), "addresses": args["addresses"]})
    ctx.emit("addresses", [ctx.sender, args["addresses"]])


def _ready(ctx: Context, args: Args) -> None:
    """The sender's node has caught up and executes these protocol versions."""
    versions = sorted(set(args["versions"]))
    if not versions:
        fail(Code.BAD_ARGUMENT, "versions: must name at least one")
    write(ctx, {**require(ctx, ctx.sender), "ready": list(versions)})
    ctx.emit("ready", [ctx.sender, list(versions)])


# Questions


def _query_get(state: StateReader, args: Args) -> Value:
    """A member with roles, keys and status, or null."""
    return get(state, args["name"])  # type: ignore[no-any-return]


def _query_list(state: StateReader, args: Args) -> Value:
    """All members, by name."""
    members: list[Value] = list(list_all(state))
    return members


def _query_by_key(state: StateReader, args: Args) -> Value:
    """The member that holds a key now, or null."""
    return holder_of(state, args["key"])  # type: ignore[no-any-return]


def _query_parameters(state: StateReader, args: Args) -> Value:
    """Parameters of the next epoch, as far as they are decided."""
    return parameters(state).to_value()


_KEY_ARGUMENTS: Mapping[str, Checker] = {
    "purpose": checks.one_of(*PURPOSES),
    "key": checks.data(PUBLIC_KEY_BYTES),
    "proof": checks.data(SIGNATURE_BYTES),
    "grace": GRACE,
}
CONTRACT = Contract(
    NAME,
    methods={
        "rotate": Signature(_rotate, _KEY_ARGUMENTS, frozenset(("grace",)), (ADMIN,)),
        "announce": Signature(_announce, {"addresses": check_addresses}, duties=(ADMIN,)),
        "ready": Signature(
            _ready,
            {"versions": checks.list_of(checks.integer(1, 1 << 16), MAX_VERSIONS)},
            duties=(ADMIN, NODE),
        ),
    },
    queries={
        "get": QuerySignature(_query_get, {"name": checks.slug}),
        "list": QuerySignature(_query_list, {}),
        "by_key": QuerySignature(_query_by_key, {"key": checks.data(32)}),
        "parameters": QuerySignature(_query_parameters, {}),
    },
)
