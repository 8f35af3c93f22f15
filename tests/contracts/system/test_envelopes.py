"""Envelopes on the chain: who may anchor what, and what contracts read of it."""

from __future__ import annotations

from typing import Any

import pytest

from consensus.codec import encode
from contracts.codes import Code
from contracts.system import envelopes

ID, COMMITMENT = b"i" * 32, b"c" * 32


@pytest.fixture(autouse=True)
def _supervisor(chain: Any) -> None:
    change(chain, "city", roles=["observer", "supervisor"])


def change(chain: Any, name: str, **changes: Any) -> None:
    record = chain.ask("members", "get", name=name)
    chain.state.values[b"members/member/" + name.encode()] = encode(record | changes)


def anchor(chain: Any, sender: str = "land", **changes: Any) -> Any:
    args = {"id": ID, "commitment": COMMITMENT, "parties": ["city", "land"]} | changes
    return chain.run(sender, "envelopes", "anchor", args)


def test_an_envelope_is_anchored_once(chain: Any) -> None:
    receipt = anchor(chain)
    assert receipt.code == Code.OK
    assert receipt.events[0].data == [ID, "land", ["city", "land"]]
    assert chain.ask("envelopes", "get", id=ID) == {
        "sender": "land",
        "parties": ["city", "land"],
        "commitment": COMMITMENT,
        "height": 1,
        "erased": [],
    }
    assert anchor(chain).code == Code.EXISTS
    assert anchor(chain, "city").code == Code.EXISTS
    assert chain.ask("envelopes", "get", id=bytes(32)) is None


@pytest.mark.parametrize(
    ("changes", "code", "details"),
    [
        ({"parties": ["city", "tax"]}, Code.NOT_PARTY, "land"),
        ({"parties": ["land", "tax"]}, Code.NO_SUPERVISOR, None),
        ({"parties": ["city", "land", "nobody"]}, Code.NOT_ACTIVE, "nobody"),
        ({"parties": []}, Code.BAD_ARGUMENT, None),
        ({"parties": ["land", "city"]}, Code.BAD_ARGUMENT, None),
        ({"parties": ["city", "city", "land"]}, Code.BAD_ARGUMENT, None),
        ({"parties": [f"m{i:02}" for i in range(17)]}, Code.BAD_ARGUMENT, None),
        ({"id": b"short"}, Code.BAD_ARGUMENT, None),
        ({"commitment": None}, Code.BAD_ARGUMENT, None),
    ],
)
def test_what_is_refused(chain: Any, changes: Any, code: Code, details: Any) -> None:
    receipt = anchor(chain, **changes)
    assert receipt.code == code
    assert details is None or receipt.details == details
    assert chain.ask("envelopes", "addressed", member="land") == []


def test_a_suspended_party_gets_nothing(chain: Any) -> None:
    change(chain, "city", status="suspended")
    assert anchor(chain).code == Code.NOT_ACTIVE


def test_each_member_finds_what_is_addressed_to_it_in_order(chain: Any) -> None:
    for number in range(1, 91):
        assert anchor(chain, id=number.to_bytes(32, "big")).code == Code.OK
    first = envelopes.addressed(chain.state, "city", 0, 50)
    assert [number for number, _ in first] == list(range(1, 51))
    rest = chain.ask("envelopes", "addressed", member="city", after=80)
    assert rest == [[n, n.to_bytes(32, "big")] for n in range(81, 91)]
    assert chain.ask("envelopes", "addressed", member="tax") == []


def test_only_parties_attest_erasure_and_once(chain: Any) -> None:
    anchor(chain)
    erase = {"id": ID}
    assert chain.run("tax", "envelopes", "erased", erase).code == Code.NOT_PARTY
    assert chain.run("city", "envelopes", "erased", erase).code == Code.OK
    assert chain.run("city", "envelopes", "erased", erase).code == Code.EXISTS
    assert chain.run("city", "envelopes", "erased", {"id": bytes(32)}).code == Code.NOT_FOUND
    assert chain.ask("envelopes", "get", id=ID)["erased"] == ["city"]
