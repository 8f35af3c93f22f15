"""The members: read from the genesis, asked by every other rule."""

from __future__ import annotations

from typing import Any

from consensus.codec import Value, encode
from consensus.genesis import PURPOSES, Genesis, Member
from consensus.validators import Parameters, Validator, ValidatorSet
from contracts import checks
from contracts.api import Args, Contract, QuerySignature, Reader
from contracts.state import MAX_SCAN, StateReader

NAME = "members"
_MEMBER = b"member/"
_KEY = b"key/"
_PARAMETERS = b"parameters"


def genesis_changes(genesis: Genesis) -> dict[bytes, bytes]:
    """Return the first state of this contract, by full key."""
    changes: dict[bytes, bytes] = {}
    prefix = NAME.encode("ascii") + b"/"
    for member in genesis.members:
        changes[prefix + _MEMBER + member.name.encode("ascii")] = encode(_record(member))
        for purpose, key in zip(PURPOSES, member.card.keys, strict=True):
            changes[prefix + _KEY + key] = encode([member.name, purpose])
    changes[prefix + _PARAMETERS] = encode(genesis.parameters.to_value())
    return changes


def _record(member: Member) -> Value:
    return {
        "name": member.name,
        "tier": member.tier,
        "parent": member.parent,
        "roles": list(member.roles),
        "status": "active",
        "member_key": member.card.member_key,
        "node_key": member.card.node_key,
        "sealing_key": member.card.sealing_key,
        "voting_key": member.card.voting_key,
        "addresses": list(member.card.addresses),
    }


def get(state: StateReader, name: str) -> Any:
    """Return a member's record (a map), or None."""
    return Reader(state, NAME).get(_MEMBER + name.encode("utf-8"))


def validators(state: StateReader, current: ValidatorSet) -> ValidatorSet:
    """Return the set that members' roles and status and the parameters in the state make.

    Members are scanned, so the set is in the order of names. Without a single validator the
    current set stays, since a chain that nobody may extend could never be mended.
    """
    found = [
        Validator(record["name"], record["voting_key"])
        for record in _all(state)
        if record["status"] == "active" and "validator" in record["roles"]
    ]
    parameters = Parameters.from_value(Reader(state, NAME).get(_PARAMETERS))
    return ValidatorSet(tuple(found) or current.validators, parameters)


def _all(state: StateReader) -> list[dict[str, Any]]:
    reader = Reader(state, NAME)
    found: list[dict[str, Any]] = []
    after = b""
    while True:
        rows = reader.scan(_MEMBER, after, MAX_SCAN)
        found += [value for _, value in rows]
        if len(rows) < MAX_SCAN:
            return found
        after = rows[-1][0]


def _query_get(state: StateReader, args: Args) -> Value:
    return get(state, args["name"])  # type: ignore[no-any-return]


def _query_list(state: StateReader, args: Args) -> Value:
    members: list[Value] = list(_all(state))
    return members


def _query_by_key(state: StateReader, args: Args) -> Value:
    return Reader(state, NAME).get(_KEY + args["key"])  # type: ignore[no-any-return]


CONTRACT = Contract(
    NAME,
    methods={},
    queries={
        "get": QuerySignature(_query_get, {"name": checks.slug}),
        "list": QuerySignature(_query_list, {}),
        "by_key": QuerySignature(_query_by_key, {"key": checks.data(32)}),
    },
)
