"""Members come from the genesis; validators come from the members' records."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from consensus.codec import DecodeError, encode
from consensus.genesis import PURPOSES, Genesis
from consensus.validators import Parameters, ValidatorSet
from contracts.engine import QueryError, genesis_state, next_validator_set, query
from tests.contracts.conftest import DictState


def test_genesis_writes_each_member(chain: Any) -> None:
    city = chain.ask("members", "get", name="city")
    card = chain.genesis.members[0].card
    assert city == {
        "name": "city",
        "tier": "local",
        "parent": "land",
        "roles": ["observer"],
        "status": "active",
        "member_key": card.member_key,
        "node_key": card.node_key,
        "sealing_key": card.sealing_key,
        "voting_key": card.voting_key,
        "addresses": ["/dns4/city.example/tcp/4001"],
        "jurisdiction": None,
        "storage": None,
        "ready": [],
        "stopping": {},
    }
    assert chain.ask("members", "get", name="land")["ready"] == [1]
    assert [m["name"] for m in chain.ask("members", "list")] == ["city", "land", "tax"]
    assert chain.ask("members", "get", name="nobody") is None


def test_a_genesis_may_state_places(chain: Any) -> None:
    city, *others = chain.genesis.members
    placed = replace(city, jurisdiction="cn-31", storage="cn-31-a")
    genesis = replace(chain.genesis, members=(placed, *others))
    assert Genesis.decode(genesis.encoded) == genesis
    state = DictState(genesis_state(genesis))
    found = query(state, 1, "members", "get", {"name": "city"})
    assert (found["jurisdiction"], found["storage"]) == ("cn-31", "cn-31-a")  # type: ignore[index,call-overload]
    for wrong in ("CN", "cn 31", "", "x" * 129, 5):
        value = genesis.to_value()
        value["members"][0]["storage"] = wrong  # type: ignore[index,call-overload]
        with pytest.raises(DecodeError, match="storage of city"):
            Genesis.from_value(value)


def test_each_key_leads_to_its_member_and_purpose(chain: Any) -> None:
    for member in chain.genesis.members:
        for purpose, key in zip(PURPOSES, member.card.keys, strict=True):
            assert chain.ask("members", "by_key", key=key) == [member.name, purpose]
    assert chain.ask("members", "by_key", key=bytes(32)) is None
    with pytest.raises(QueryError, match="key: must be 32 bytes"):
        chain.ask("members", "by_key", key=b"short")


def test_the_next_set_of_an_unchanged_network_is_the_current_one(chain: Any) -> None:
    current = chain.genesis.validator_set
    assert next_validator_set(chain.state, current) == current


def change(chain: Any, name: str, **changes: Any) -> None:
    record = chain.ask("members", "get", name=name)
    chain.state.values[b"members/member/" + name.encode()] = encode(record | changes)


def names(chain: Any) -> list[str]:
    following = next_validator_set(chain.state, chain.genesis.validator_set)
    return [validator.name for validator in following.validators]


def test_the_next_set_follows_roles_and_status(chain: Any) -> None:
    change(chain, "city", roles=["observer", "validator"])
    assert names(chain) == ["land", "tax"]
    change(chain, "city", ready=[1])
    assert names(chain) == ["city", "land", "tax"]
    change(chain, "land", status="suspended")
    assert names(chain) == ["city", "tax"]


def test_a_set_without_validators_is_not_made(chain: Any) -> None:
    change(chain, "land", status="suspended")
    change(chain, "tax", roles=[])
    assert names(chain) == ["land", "tax"]


def test_the_next_set_takes_its_parameters_from_the_state(chain: Any) -> None:
    other = Parameters(replay_window=16)
    current = ValidatorSet(chain.genesis.validator_set.validators, other)
    assert next_validator_set(chain.state, current).parameters == chain.parameters
    chain.state.values[b"members/parameters"] = encode(other.to_value())
    assert next_validator_set(chain.state, current) == current
