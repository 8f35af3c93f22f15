"""Operators: who may sign for a member, for what, until when, and what two must agree on."""

from __future__ import annotations

from typing import Any

import pytest

from consensus.codec import encode
from consensus.crypto import NO_CHAIN, Kind, Signer, sha256
from contracts.codes import Code
from contracts.engine import check_admission
from contracts.envelope import Call
from contracts.system import operators
from tests.contracts.conftest import NOW, Chain
from tests.contracts.system.test_governance import decide

DAY_MS = 86_400_000
LATER = NOW + 30 * DAY_MS


def key_of(name: str, salt: str = "") -> Signer:
    return Signer(sha256(f"operator {name}{salt}".encode()))


def grant_args(member: str, name: str, *duties: str, salt: str = "", **terms: int) -> Any:
    signer = key_of(name, salt)
    signed = operators.signed_possession(member, name, signer.public_key)
    return {
        "operator": name,
        "key": signer.public_key,
        "proof": signer.sign(Kind.POSSESSION, NO_CHAIN, signed),
        "duties": list(duties),
        "trained_until": LATER,
        "confidential_until": LATER,
        **terms,
    }


def grant(chain: Chain, name: str, *duties: str, member: str = "land", **terms: Any) -> None:
    args = grant_args(member, name, *duties, **terms)
    receipt = chain.run(member, "operators", "grant", args)
    assert receipt.code == Code.OK, (Code(receipt.code), receipt.details)


def act(
    chain: Chain, name: str, contract: str, method: str, args: Any, *, member: str = "land",
    signer: Signer | None = None,
) -> tuple[Code, Any]:  # fmt: skip
    """Let an operator call; returns code and details."""
    signed = chain.sign(
        f"{member}/{name}",
        Call(contract, method, args),
        signer=signer or key_of(name),
        valid_until=chain.height + 10,
    )
    receipt = chain.execute(signed).receipts[-1]
    return Code(receipt.code), receipt.details


def test_a_steward_acts_in_the_members_name(chain: Chain) -> None:
    grant(chain, "li", "steward")
    assert act(chain, "li", "standards", "publish", chain.standard()) == (Code.OK, None)
    assert chain.ask("standards", "get", id="land/parcels")["owner"] == "land"


@pytest.mark.parametrize(
    ("duty", "contract", "method", "args"),
    [
        ("auditor", "standards", "publish", {}),
        ("approver", "standards", "publish", {}),
        ("steward", "members", "announce", {"addresses": []}),
        ("steward", "governance", "vote", {"proposal": 1, "choice": "yes"}),
        ("approver", "operators", "revoke", {"operator": "li"}),
        ("admin", "standards", "publish", {}),
    ],
)
def test_duties_decide_what_an_operator_may_call(
    chain: Chain, duty: str, contract: str, method: str, args: Any
) -> None:
    grant(chain, "li", duty)
    code, details = act(chain, "li", contract, method, args)
    assert code == Code.NEEDS_DUTY
    assert duty not in details


@pytest.mark.parametrize("term", ["trained_until", "confidential_until"])
def test_training_and_confidentiality_lapse_in_block_time(chain: Chain, term: str) -> None:
    grant(chain, "li", "admin", "steward", **{term: NOW + DAY_MS})
    assert act(chain, "li", "standards", "publish", chain.standard())[0] == Code.OK
    chain.late_ms = DAY_MS
    [work] = chain.execute().receipts
    assert [(e.name, e.data) for e in work.events] == [("lapsed", ["land", "li", ["steward"]])]
    code, details = act(chain, "li", "standards", "publish", chain.standard(version=2))
    assert (code, details) == (Code.DUTY_LAPSED, "steward")
    assert act(chain, "li", "members", "announce", {"addresses": []})[0] == Code.OK
    terms = {"operator": "li", "trained_until": LATER, "confidential_until": LATER}
    assert act(chain, "li", "operators", "train", terms)[0] == Code.OWN_REQUEST
    assert chain.run("land", "operators", "train", terms).code == Code.OK
    assert act(chain, "li", "standards", "publish", chain.standard(version=2))[0] == Code.OK


def admission(chain: Chain, sender: str, signer: Signer) -> Code | None:
    signed = chain.sign(sender, Call("members", "announce", {"addresses": []}), signer=signer)
    found = check_admission(chain.state, signed, chain.height, chain.parameters)
    return None if found is None else found.code


def test_only_the_operators_own_key_is_admitted(chain: Chain) -> None:
    grant(chain, "li", "steward")
    assert admission(chain, "land/li", key_of("li")) is None
    assert admission(chain, "land/li", key_of("wang")) == Code.WRONG_KEY
    assert admission(chain, "land/li", chain.signers["land"]) == Code.WRONG_KEY
    assert admission(chain, "tax/li", key_of("li")) == Code.UNKNOWN_OPERATOR
    assert admission(chain, "nobody/li", key_of("li")) == Code.UNKNOWN_SENDER
    assert admission(chain, "land/node", chain.keys["land"]["node"]) is None
    assert admission(chain, "land/node", chain.signers["land"]) == Code.WRONG_KEY
    for sender in ("land/", "land//li", "land/li/", "/li", "/", "land/\u200eli"):
        assert admission(chain, sender, chain.signers["land"]) is not None
        assert admission(chain, sender, key_of("li")) is not None


def test_the_revoked_are_not_admitted(chain: Chain) -> None:
    grant(chain, "li", "steward")
    assert chain.run("land", "operators", "revoke", {"operator": "li"}).code == Code.OK
    assert admission(chain, "land/li", key_of("li")) == Code.OPERATOR_NOT_ACTIVE
    grant(chain, "li", "steward", salt="again")
    assert admission(chain, "land/li", key_of("li", "again")) is None
    assert admission(chain, "land/li", key_of("li")) == Code.WRONG_KEY


def test_a_replaced_key_stops_at_the_height_that_was_said(chain: Chain) -> None:
    grant(chain, "li", "steward")
    args = grant_args("land", "li", salt="new")
    stops_at = chain.height + 3
    code, _ = act(
        chain, "li", "operators", "rotate",
        {"key": args["key"], "proof": args["proof"], "grace": 3},
    )  # fmt: skip
    assert code == Code.OK
    while chain.height <= stops_at:
        assert admission(chain, "land/li", key_of("li")) is None
        assert admission(chain, "land/li", key_of("li", "new")) is None
        chain.execute()
    assert admission(chain, "land/li", key_of("li")) == Code.WRONG_KEY
    assert admission(chain, "land/li", key_of("li", "new")) is None


def test_a_key_needs_its_proof_and_serves_one_person(chain: Chain) -> None:
    args = grant_args("land", "li", "steward")
    other = grant_args("land", "wang", "steward")
    wrong = {**args, "proof": other["proof"]}
    assert chain.run("land", "operators", "grant", wrong).code == Code.BAD_ARGUMENT
    assert chain.run("tax", "operators", "grant", args).code == Code.BAD_ARGUMENT
    grant(chain, "li", "steward")
    signer = key_of("li")
    signed = operators.signed_possession("land", "wang", signer.public_key)
    stolen = {**other, "key": signer.public_key,
              "proof": signer.sign(Kind.POSSESSION, NO_CHAIN, signed)}  # fmt: skip
    assert chain.run("land", "operators", "grant", stolen).code == Code.KEY_IN_USE


# Two persons


def opening(chain: Chain) -> dict[str, Any]:
    """Arguments that open a dataset to everybody."""
    standard = chain.standard()
    for field in standard["fields"]:
        field |= {"level": 1, "class": "general"}
    digest = chain.publish(**standard)
    return chain.registration(digest, level=1, **{"class": "general"})


def test_opening_data_needs_two_persons(chain: Chain) -> None:
    args = opening(chain)
    for name, duty in (("li", "steward"), ("wang", "approver"), ("zhao", "auditor")):
        grant(chain, name, duty)
    assert act(chain, "li", "catalogue", "register", args)[0] == Code.NEEDS_SECOND
    call = {"contract": "catalogue", "method": "register", "args": args}
    assert act(chain, "wang", "operators", "prepare", call)[0] == Code.NEEDS_DUTY
    assert act(chain, "li", "operators", "prepare", call)[0] == Code.OK
    [request] = chain.ask("operators", "requests", member="land")
    assert (request["by"], request["method"]) == ("li", "register")
    number = {"request": request["id"]}
    assert act(chain, "li", "operators", "confirm", number) == (Code.OWN_REQUEST, "li")
    assert act(chain, "zhao", "operators", "confirm", number)[0] == Code.NEEDS_DUTY
    assert chain.run("tax", "operators", "confirm", number).code == Code.NOT_FOUND
    assert act(chain, "wang", "operators", "confirm", number) == (Code.OK, None)
    found = chain.ask("catalogue", "get", dataset=args["dataset"])
    assert (found["owner"], found["level"]) == ("land", 1)
    assert act(chain, "wang", "operators", "confirm", number)[0] == Code.NOT_FOUND
    assert chain.ask("operators", "requests", member="land") == []
    assert len(chain.ask("schedule", "list")) == 2  # the terms of both, not the request


def test_publishing_records_needs_two_persons_and_withdrawing_one(chain: Chain) -> None:
    for name, duty in (("li", "steward"), ("wang", "approver")):
        grant(chain, name, duty)
    args = opening(chain)
    assert chain.run("land", "catalogue", "register", args).code == Code.OK
    one = {"dataset": args["dataset"], "version": 1}
    assert act(chain, "li", "catalogue", "publish", one)[0] == Code.NEEDS_SECOND
    call = {"contract": "catalogue", "method": "publish", "args": one}
    assert act(chain, "wang", "operators", "prepare", call)[0] == Code.NEEDS_DUTY
    assert act(chain, "li", "operators", "prepare", call)[0] == Code.OK
    [request] = chain.ask("operators", "requests", member="land")
    number = {"request": request["id"]}
    assert act(chain, "li", "operators", "confirm", number) == (Code.OWN_REQUEST, "li")
    assert chain.ask("catalogue", "published", **one) is None
    assert act(chain, "wang", "operators", "confirm", number) == (Code.OK, None)
    assert chain.ask("catalogue", "published", **one) is not None
    assert act(chain, "wang", "catalogue", "withdraw", one)[0] == Code.NEEDS_DUTY
    assert act(chain, "li", "catalogue", "withdraw", one)[0] == Code.OK
    assert chain.ask("catalogue", "published", **one) is None


def test_lowering_a_grade_needs_two_persons_and_raising_does_not(chain: Chain) -> None:
    digest = chain.publish()
    grant(chain, "li", "steward")
    first = chain.registration(digest, level=3)
    assert act(chain, "li", "catalogue", "register", first)[0] == Code.OK
    lower = chain.registration(digest, version=2, level=2)
    assert act(chain, "li", "catalogue", "register", lower)[0] == Code.NEEDS_SECOND
    higher = chain.registration(digest, version=2, level=3, **{"class": "core"})
    assert act(chain, "li", "catalogue", "register", higher)[0] == Code.OK


def test_an_admin_cannot_make_himself_two_persons(chain: Chain) -> None:
    grant(chain, "li", "admin")
    grant(chain, "wang", "admin")
    args = grant_args("land", "shadow", "approver")
    assert act(chain, "li", "operators", "grant", args)[0] == Code.NEEDS_SECOND
    call = {"contract": "operators", "method": "grant", "args": args}
    assert act(chain, "li", "operators", "prepare", call)[0] == Code.OK
    own = {**call, "args": grant_args("land", "wang", "admin", "steward")}
    assert act(chain, "li", "operators", "prepare", own)[0] == Code.OK
    first, second = (r["id"] for r in chain.ask("operators", "requests", member="land"))
    assert act(chain, "wang", "operators", "confirm", {"request": second})[0] == Code.OWN_REQUEST
    assert act(chain, "wang", "operators", "confirm", {"request": first})[0] == Code.OK
    assert chain.ask("operators", "get", member="land", operator="shadow")["status"] == "active"


@pytest.mark.parametrize("purpose", ["member", "node", "sealing", "voting"])
def test_an_admin_does_not_become_the_member_by_giving_it_a_key(chain: Chain, purpose: str) -> None:
    grant(chain, "li", "admin")
    grant(chain, "wang", "approver")
    signer = key_of("own")
    signed = encode(["land", purpose, signer.public_key])
    proof = signer.sign(Kind.POSSESSION, NO_CHAIN, signed)
    args = {"purpose": purpose, "key": signer.public_key, "proof": proof}
    assert act(chain, "li", "members", "rotate", args)[0] == Code.NEEDS_SECOND
    call = {"contract": "members", "method": "rotate", "args": args}
    assert act(chain, "li", "operators", "prepare", call)[0] == Code.OK
    [request] = chain.ask("operators", "requests", member="land")
    assert act(chain, "wang", "operators", "confirm", {"request": request["id"]})[0] == Code.OK
    assert chain.ask("members", "get", name="land")[f"{purpose}_key"] == signer.public_key


def test_a_request_of_the_revoked_or_of_long_ago_is_not_carried_out(chain: Chain) -> None:
    args = opening(chain)
    call = {"contract": "catalogue", "method": "register", "args": args}
    grant(chain, "li", "steward")
    grant(chain, "wang", "approver")
    for _ in range(2):
        assert act(chain, "li", "operators", "prepare", call)[0] == Code.OK
    first, second = (r["id"] for r in chain.ask("operators", "requests", member="land"))
    chain.run("land", "operators", "revoke", {"operator": "li"})
    assert act(chain, "wang", "operators", "confirm", {"request": first})[0] == Code.WRONG_STATUS
    chain.late_ms = operators.REQUEST_MS + 1_000
    assert act(chain, "wang", "operators", "confirm", {"request": second})[0] == Code.NOT_FOUND
    assert chain.ask("operators", "requests", member="land") == []


def test_what_was_prepared_cannot_prepare_or_confirm(chain: Chain) -> None:
    grant(chain, "li", "admin")
    for method in ("prepare", "confirm"):
        call = {"contract": "operators", "method": method, "args": {}}
        assert act(chain, "li", "operators", "prepare", call)[0] == Code.BAD_ARGUMENT
    call = {"contract": "nothing", "method": "x", "args": {}}
    assert act(chain, "li", "operators", "prepare", call)[0] == Code.UNKNOWN_CONTRACT


def test_a_suspended_members_operators_are_suspended_with_it(chain: Chain) -> None:
    grant(chain, "li", "steward")
    record = chain.ask("members", "get", name="land")
    chain.state.values[b"members/member/land"] = encode(record | {"status": "suspended"})
    assert admission(chain, "land/li", key_of("li")) == Code.SENDER_NOT_ACTIVE


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"operator": "node"}, "operator"),
        ({"operator": "a/b"}, "operator"),
        ({"operator": "x" * 33}, "operator"),
        ({"duties": []}, "duties"),
        ({"duties": ["king"]}, "duties"),
        ({"duties": ["node"]}, "duties"),
        ({"key": b"short"}, "key"),
        ({"trained_until": -1}, "trained_until"),
    ],
)
def test_malformed_grants_name_the_argument(
    chain: Chain, changes: dict[str, Any], word: str
) -> None:
    args = {**grant_args("land", "li", "steward"), **changes}
    receipt = chain.run("land", "operators", "grant", args)
    assert receipt.code == Code.BAD_ARGUMENT
    assert word in str(receipt.details)


def test_a_deployed_contract_sees_the_operator_and_the_member() -> None:
    chain = Chain(("civil", "health", "works"))
    source = '''"""Tells who calls."""

def tell():
    """Tell who calls."""
    emit("told", [ctx.sender, ctx.operator])

method(tell)
'''
    decide(chain, "deploy", name="teller", source=source)
    for name, duty in (("li", "dispatcher"), ("zhao", "auditor")):
        grant(chain, name, duty)
    assert act(chain, "zhao", "teller", "tell", {})[0] == Code.NEEDS_DUTY
    signed = chain.sign("land/li", Call("teller", "tell", {}), signer=key_of("li"))
    assert chain.execute(signed).receipts[0].events[0].data == ["land", "li"]
    assert chain.run("land", "teller", "tell", {}).events[0].data == ["land", None]
