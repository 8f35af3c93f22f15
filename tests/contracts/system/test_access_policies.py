"""Owners' own policies: stricter only, faults deny, each pays with the sender's gas."""

from __future__ import annotations

from typing import Any

import pytest

from consensus.crypto import sha256
from contracts.codes import Code
from contracts.system.access import policies
from tests.contracts.exchange import INCOME, PERSON, SECTOR, Exchange

TASK = {"basis": "public-task"}


@pytest.fixture
def net() -> Exchange:
    return Exchange()


def set_policy(
    net: Exchange, source: str | None, prefix: str = "tax/firms", by: str = "tax"
) -> tuple[Code, Any]:
    receipt = net.run(by, "access", "set_policy", {"prefix": prefix, "source": source})
    return Code(receipt.code), receipt.details


def returning(result: str) -> str:
    return f"def decide(request):\n    return {result}\n"


def test_a_policy_denies_what_the_default_grants(net: Exchange) -> None:
    source = (
        "def decide(request):\n"
        "    if request['recipient']['tier'] == 'local' and request['rows'] > 50:\n"
        "        return {'outcome': 'deny', 'rule': 'small-portions'}\n"
    )
    assert set_policy(net, source) == (Code.OK, None)
    request = net.ask_for(SECTOR)
    assert (request["status"], request["rule"]) == ("denied", "policy.small-portions")
    assert net.ask_for(SECTOR, rows=50)["status"] == "granted"
    assert net.ask_for(SECTOR, by="sea")["status"] == "granted"
    shown = net.ask("access", "policies", owner="tax")
    assert shown == [
        {"prefix": "tax/firms", "digest": sha256(source.encode()), "source": source}
    ]  # fmt: skip
    assert set_policy(net, None) == (Code.OK, None)
    assert net.ask_for(SECTOR)["status"] == "granted"


def test_a_policy_cannot_loosen(net: Exchange) -> None:
    set_policy(net, returning("{'outcome': 'approve', 'rule': 'friends'}"))
    assert net.ask_for(INCOME, **TASK)["waits_for"] == ["owner"]
    assert net.ask_for(SECTOR, purpose="curiosity")["status"] == "denied"
    assert net.ask_for(PERSON, **TASK)["status"] == "waiting"
    net.review("tax", 3)
    assert net.grant(3)["fields"] == [[PERSON, ["name", 1, {}]]]


def test_what_policies_demand_is_in_the_grant(net: Exchange) -> None:
    set_policy(net, returning(
        "{'outcome': 'review', 'rule': 'careful', 'reviewers': ['member/town'], 'k': 7,"
        " 'masks': [['sector', ['keep-first', 1, {'count': 1}]]], 'hours': [480, 127, 0, 1440]}"
    ))  # fmt: skip
    set_policy(net, returning("{'outcome': 'approve', 'rule': 'marked', 'audited': True}"), "tax/")
    request = net.ask_for(SECTOR)
    assert (request["rule"], request["waits_for"]) == ("policy.careful", ["member/town"])
    assert net.review("tax", 1).code == Code.NOT_REVIEWER
    assert net.review("town", 1).code == Code.OK
    found = net.grant(1)
    assert found["fields"] == [[SECTOR, ["keep-first", 1, {"count": 1, "length": 4}]]]
    assert (found["k"], found["mode"], found["hours"]) == (7, "audited", [[480, 127, 0, 1440]])


def test_the_digest_of_a_decision_names_the_policies(net: Exchange) -> None:
    digests = [net.ask_for(SECTOR)["policy"]]
    for source in (returning("None"), "# other\n" + returning("None")):
        set_policy(net, source)
        digests.append(net.ask_for(SECTOR)["policy"])
    assert len(set(digests)) == 3


@pytest.mark.parametrize(
    "body",
    [
        "return 1 // 0",
        "return 'approve'",
        "return {}",
        "return {'outcome': 'approve'}",
        "return {'outcome': 'allow', 'rule': 'x'}",
        "return {'outcome': 'approve', 'rule': 'X Y'}",
        "return {'outcome': 'approve', 'rule': 'x', 'colour': 1}",
        "return {'outcome': 'approve', 'rule': 'x', 'reviewers': ['owner']}",
        "return {'outcome': 'review', 'rule': 'x', 'reviewers': ['king']}",
        "return {'outcome': 'review', 'rule': 'x', 'reviewers': ['member/nobody']}",
        "return {'outcome': 'approve', 'rule': 'x', 'masks': [['none', ['name', 1, {}]]]}",
        "return {'outcome': 'approve', 'rule': 'x', 'masks': [['sector', 'name']]}",
        "return {'outcome': 'approve', 'rule': 'x', 'masks': [['sector', ['veil', 1, {}]]]}",
        "return {'outcome': 'approve', 'rule': 'x', 'hours': [1]}",
        "return {'outcome': 'approve', 'rule': 'x', 'k': -1}",
        "return request['price']",
        "return [x for x in range(60000) for y in range(60000)]",
        "return {'outcome': 'approve', 'rule': 'x' * 200000}",
        "return decide(request)",
        "return decide",
    ],
)
def test_a_fault_denies(net: Exchange, body: str) -> None:
    assert set_policy(net, f"def decide(request):\n    {body}\n")[0] == Code.OK
    request = net.ask_for(SECTOR)
    assert (request["status"], request["rule"]) == ("denied", "policy-fault")


@pytest.mark.parametrize(
    "source",
    [
        "x = 1",
        "decide = 1",
        "def decide():\n    return None",
        "def decide(a, b):\n    return None",
        "def decide(*request):\n    return None",
        "def decide(request):\n    return state.get('x')",
        "def decide(request):\n    return ctx.time",
        "def decide(request)\n",
        "fail('x')",
        "x = [y for y in range(60000) for z in range(60000)]\ndef decide(request):\n    return x",
    ],
)
def test_what_is_no_policy_is_refused(net: Exchange, source: str) -> None:
    code, details = set_policy(net, source)
    assert code == Code.BAD_SOURCE
    assert "policy" in details
    assert net.ask("access", "policies", owner="tax") == []


def test_policies_are_the_owners(net: Exchange) -> None:
    assert set_policy(net, returning("None"), by="city")[0] == Code.NOT_OWNER
    for prefix in ("tax", "/", "tax/Firms", "tax//", ""):
        assert set_policy(net, returning("None"), prefix)[0] == Code.BAD_ARGUMENT
    assert set_policy(net, "x" * (policies.MAX_SOURCE + 1))[0] == Code.BAD_ARGUMENT
    for number in range(policies.MAX_POLICIES):
        assert set_policy(net, returning("None"), f"tax/d{number}")[0] == Code.OK
    assert set_policy(net, returning("None"), "tax/more")[0] == Code.TOO_MANY_POLICIES
    assert set_policy(net, returning("False"), "tax/d0")[0] == Code.OK


def test_policies_count_against_the_blocks_gas(net: Exchange) -> None:
    work = "def decide(request):\n    return [x for x in range(5000)] and None\n"
    for number in range(4):
        assert set_policy(net, work, "tax/" + "firms"[:number])[0] == Code.OK
    signed = [
        net.sign("city", _call(net), valid_until=net.height + 10)
        for _ in range(net.parameters.max_block_gas // 100_000)
    ]
    result = net.execute(*signed)
    assert all(20_000 < gas <= 4 * policies.GAS for gas in result.gas[:10])
    assert sum(result.gas) <= net.parameters.max_block_gas
    codes = [receipt.code for receipt in result.receipts]
    assert Code.BLOCK_OUT_OF_GAS in codes or sum(result.gas) < net.parameters.max_block_gas


def _call(net: Exchange) -> Any:
    from contracts.envelope import Call

    return Call("access", "request", net.terms(SECTOR))
