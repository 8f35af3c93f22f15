"""Members come, go, change their place and their keys."""

from __future__ import annotations

from typing import Any

import pytest

from consensus.codec import encode
from consensus.crypto import NO_CHAIN, Kind
from contracts.codes import Code
from contracts.engine import check_admission, next_validator_set
from contracts.envelope import Call
from tests.contracts.conftest import Chain
from tests.contracts.system.test_governance import decide, get, refused


@pytest.fixture
def alliance() -> Chain:
    """Validators civil, health, land, tax, works; observer city below land."""
    return Chain(("civil", "health", "works"))


def seats(chain: Chain) -> list[str]:
    current = chain.genesis.validator_set
    return [v.name for v in next_validator_set(chain.state, current).validators]


def admission(chain: Chain, sender: str, key: str) -> Code | None:
    call = Call("members", "announce", {"addresses": []})
    signed = chain.sign(sender, call, signer=chain.signers[key], valid_until=chain.height + 1)
    found = check_admission(chain.state, signed, chain.height, chain.parameters)
    return None if found is None else found.code


def admit(chain: Chain, name: str, **changes: Any) -> int:
    args = {"card": chain.make_card(name).to_value(), "tier": "local", "roles": ["validator"]}
    return decide(chain, "admit", **{**args, **changes})


def test_an_admitted_member_validates_once_its_node_is_ready(alliance: Chain) -> None:
    admit(alliance, "water", parent="land", jurisdiction="cn-31", storage="site-2")
    found = alliance.ask("members", "get", name="water")
    assert (found["parent"], found["jurisdiction"], found["storage"]) == ("land", "cn-31", "site-2")
    assert "water" not in seats(alliance)
    signed = alliance.sign(
        "water/node",
        Call("members", "ready", {"versions": [1]}),
        signer=alliance.keys["water"]["node"],
    )
    assert alliance.execute(signed).receipts[0].code == Code.OK
    assert "water" in seats(alliance)


def test_names_and_keys_are_given_once(alliance: Chain) -> None:
    card = alliance.make_card("tax", salt="other").to_value()
    args = {"card": card, "tier": "local", "roles": ["observer"]}
    assert refused(alliance, "admit", **args)[0] == Code.EXISTS
    decide(alliance, "expel", member="works")
    args = {"card": alliance.make_card("works").to_value(), **{"tier": "local"}}
    assert refused(alliance, "admit", **args, roles=["observer"])[0] == Code.EXISTS
    stolen = alliance.make_card("water").to_value()
    stolen = {**stolen, "keys": alliance.make_card("land").to_value()["keys"]}
    found = refused(alliance, "admit", card=stolen, tier="local", roles=["observer"])
    assert found[0] == Code.BAD_ARGUMENT


@pytest.mark.parametrize(
    ("tier", "parent", "code"),
    [
        ("local", "nobody", Code.NOT_FOUND),
        ("central", "land", Code.WRONG_TIER),
        ("local", "city", Code.WRONG_TIER),
    ],
)
def test_a_parent_is_of_a_higher_tier(alliance: Chain, tier: str, parent: str, code: Code) -> None:
    card = alliance.make_card("water").to_value()
    found = refused(alliance, "admit", card=card, tier=tier, parent=parent, roles=["observer"])
    assert found[0] == code


def test_a_change_of_tier_keeps_the_order(alliance: Chain) -> None:
    assert refused(alliance, "change", member="land", tier="local")[0] == Code.WRONG_TIER
    decide(alliance, "change", member="land", tier="provincial")
    assert alliance.ask("members", "get", name="land")["tier"] == "provincial"
    own = {"member": "land", "parent": "land"}
    assert refused(alliance, "change", **own)[0] == Code.WRONG_TIER
    assert refused(alliance, "change", **own, tier="local")[0] == Code.WRONG_TIER


def test_those_below_an_expelled_member_move_up(alliance: Chain) -> None:
    decide(alliance, "change", member="land", tier="provincial", parent="tax")
    decide(alliance, "expel", member="land")
    assert alliance.ask("members", "get", name="city")["parent"] == "tax"
    assert admission(alliance, "land", "land") == Code.SENDER_NOT_ACTIVE


def test_the_reinstated_validate_again_once_ready(alliance: Chain) -> None:
    decide(alliance, "suspend", member="works")
    assert refused(alliance, "suspend", member="works")[0] == Code.WRONG_STATUS
    decide(alliance, "reinstate", member="works")
    assert "works" not in seats(alliance)
    assert alliance.run("works", "members", "ready", {"versions": [1]}).code == Code.OK
    assert "works" in seats(alliance)
    assert refused(alliance, "reinstate", member="works")[0] == Code.WRONG_STATUS


def test_lost_keys_are_replaced_by_vote_without_grace(alliance: Chain) -> None:
    card = alliance.make_card("works", salt="-2")
    number = decide(alliance, "rotate", card=card.to_value())
    assert get(alliance, number)["status"] == "executed"
    found = alliance.ask("members", "get", name="works")
    assert [found[f"{p}_key"] for p in ("member", "node", "sealing", "voting")] == list(card.keys)
    boundary = alliance.height - 1
    assert found["stopping"]["member"][1] == boundary
    assert found["stopping"]["voting"][1] == boundary + 1
    assert admission(alliance, "works", "works") == Code.WRONG_KEY
    assert admission(alliance, "works", "works-2") is None
    assert "works" not in seats(alliance)
    assert refused(alliance, "rotate", card=card.to_value())[0] == Code.BAD_ARGUMENT
    old = alliance.make_card("works").to_value()
    assert refused(alliance, "rotate", card=old)[0] == Code.KEY_IN_USE


def rotation(chain: Chain, purpose: str, **changes: Any) -> dict[str, Any]:
    chain.make_card("tax", salt="-2")
    signer = chain.keys["tax-2"][purpose]
    signed = encode(["tax", purpose, signer.public_key])
    proof = signer.sign(Kind.POSSESSION, NO_CHAIN, signed)
    return {"purpose": purpose, "key": signer.public_key, "proof": proof, **changes}


def test_a_member_replaces_its_own_key_with_a_stop_height(alliance: Chain) -> None:
    stops_at = alliance.height + 2
    receipt = alliance.run("tax", "members", "rotate", rotation(alliance, "member", grace=2))
    assert receipt.code == Code.OK
    assert receipt.events[0].data[3] == stops_at  # type: ignore[index]
    while alliance.height <= stops_at:
        assert admission(alliance, "tax", "tax") is None
        alliance.execute()
    assert admission(alliance, "tax", "tax") == Code.WRONG_KEY
    assert admission(alliance, "tax", "tax-2") is None


def test_a_voting_key_is_exchanged_with_the_epoch(alliance: Chain) -> None:
    alliance.last_height = alliance.height + 10
    receipt = alliance.run("tax", "members", "rotate", rotation(alliance, "voting"))
    assert receipt.events[0].data[3] == alliance.last_height  # type: ignore[index]
    following = next_validator_set(alliance.state, alliance.genesis.validator_set)
    keys = {v.name: v.key for v in following.validators}
    assert keys["tax"] == alliance.keys["tax-2"]["voting"].public_key


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"proof": bytes(64)}, Code.BAD_ARGUMENT),
        ({"purpose": "vault"}, Code.BAD_ARGUMENT),
        ({"grace": -1}, Code.BAD_ARGUMENT),
        ({"grace": 1 << 40}, Code.BAD_ARGUMENT),
    ],
)
def test_a_rotation_that_proves_nothing_is_refused(
    alliance: Chain, changes: dict[str, Any], code: Code
) -> None:
    args = {**rotation(alliance, "member"), **changes}
    assert alliance.run("tax", "members", "rotate", args).code == code


@pytest.mark.parametrize("addresses", [["x" * 200], ["\n"], ["é"], [7], ["/a"] * 9, "text"])
def test_odd_addresses_are_refused(alliance: Chain, addresses: Any) -> None:
    receipt = alliance.run("tax", "members", "announce", {"addresses": addresses})
    assert receipt.code == Code.BAD_ARGUMENT
