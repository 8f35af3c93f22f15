"""Contradicting votes as the chain judges them: verified, once, at most f, never below four."""

from __future__ import annotations

from typing import Any

import pytest

from consensus.crypto import Kind
from consensus.messages import Evidence, Statement, Vote, nullify
from contracts.codes import Code
from contracts.envelope import Call
from tests.contracts.conftest import Chain

NAMES = ("a", "b", "c", "d", "e", "f")


@pytest.fixture
def alliance() -> Chain:
    """Eight validators: f = 2."""
    return Chain(NAMES)


def statement(kind: Kind, digest: int = 0, epoch: int = 0, view: int = 3) -> Statement:
    if kind is Kind.NULLIFY:
        return nullify(epoch, view)
    return Statement(kind, epoch, view, view - 1, bytes((digest,)) * 32)


def evidence(chain: Chain, name: str, first: Statement, second: Statement) -> dict[str, Any]:
    signer = chain.keys[name]["voting"]
    votes = [Vote.create(s, 0, signer, chain.chain_id) for s in (first, second)]
    return {"key": signer.public_key, "evidence": Evidence(*votes).to_value()}


def double(chain: Chain, name: str, view: int = 3) -> dict[str, Any]:
    return evidence(
        chain, name, statement(Kind.NOTARIZE, 1, view=view), statement(Kind.NOTARIZE, 2, view=view)
    )


def report(chain: Chain, args: dict[str, Any], by: str = "land") -> Code:
    return Code(chain.run(by, "evidence", "report", args).code)


def statuses(chain: Chain) -> dict[str, str]:
    return {r["name"]: r["status"] for r in chain.ask("members", "list")}


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        (statement(Kind.NOTARIZE, 1), statement(Kind.NOTARIZE, 2), True),
        (statement(Kind.FINALIZE, 1), statement(Kind.FINALIZE, 2), True),
        (statement(Kind.NULLIFY), statement(Kind.FINALIZE, 1), True),
        (statement(Kind.NOTARIZE, 1), statement(Kind.NOTARIZE, 1), False),
        (statement(Kind.NOTARIZE, 1), statement(Kind.NULLIFY), False),
        (statement(Kind.NOTARIZE, 1), statement(Kind.FINALIZE, 2), False),
        (statement(Kind.NOTARIZE, 1), statement(Kind.NOTARIZE, 2, view=4), False),
    ],
)
def test_only_contradictions_count(
    alliance: Chain, first: Statement, second: Statement, is_one: bool
) -> None:
    found = report(alliance, evidence(alliance, "a", first, second))
    assert found == (Code.OK if is_one else Code.NO_CONTRADICTION)


def test_forged_and_foreign_evidence_is_refused(alliance: Chain) -> None:
    good = double(alliance, "a")
    assert report(alliance, {**good, "key": alliance.keys["b"]["voting"].public_key}) == (
        Code.NO_CONTRADICTION
    )
    assert report(alliance, {**good, "key": bytes(32)}) == Code.NOT_FOUND
    member_key = alliance.keys["a"]["member"].public_key
    assert report(alliance, {**good, "key": member_key}) == Code.NOT_FOUND
    later = evidence(
        alliance, "a", statement(Kind.NOTARIZE, 1, epoch=1), statement(Kind.NOTARIZE, 2, epoch=1)
    )
    assert report(alliance, later) == Code.BAD_ARGUMENT
    for broken in (b"", [], [[], []], None, [good["evidence"][0]]):
        assert report(alliance, {**good, "evidence": broken}) == Code.BAD_ARGUMENT


def test_it_counts_once_for_a_key_and_epoch_and_acts_at_the_boundary(alliance: Chain) -> None:
    assert report(alliance, double(alliance, "a")) == Code.OK
    assert report(alliance, double(alliance, "a", view=9), by="tax") == Code.EXISTS
    assert statuses(alliance)["a"] == "active"
    work = alliance.end_epoch()
    assert work is not None
    assert [(e.contract, e.name) for e in work.events] == [
        ("members", "suspended"), ("evidence", "acted")
    ]  # fmt: skip
    assert statuses(alliance)["a"] == "suspended"
    [case] = alliance.ask("evidence", "list")
    assert (case["member"], case["status"], case["reporter"]) == ("a", "acted", "land")


def test_at_most_f_are_suspended_at_once_and_the_rest_are_spared(alliance: Chain) -> None:
    for name in NAMES:
        assert report(alliance, double(alliance, name)) == Code.OK
    alliance.end_epoch()
    suspended = [name for name, status in statuses(alliance).items() if status == "suspended"]
    assert suspended == ["a", "b"]
    alliance.end_epoch()
    assert list(statuses(alliance).values()).count("suspended") == 2
    cases = {case["member"]: case["status"] for case in alliance.ask("evidence", "list")}
    assert cases == {n: "acted" if n in ("a", "b") else "spared" for n in NAMES}


@pytest.mark.parametrize(("more", "left"), [((), 2), (NAMES[:2], 4), (NAMES[:3], 4)])
def test_four_validators_are_always_left(more: tuple[str, ...], left: int) -> None:
    chain = Chain(more)
    for name in (*more, "land"):
        assert report(chain, double(chain, name), by="city") == Code.OK
    chain.end_epoch()
    assert list(statuses(chain).values()).count("active") - 1 == left


def test_a_node_reports_by_itself(alliance: Chain) -> None:
    signed = alliance.sign(
        "land/node",
        Call("evidence", "report", double(alliance, "a")),
        signer=alliance.keys["land"]["node"],
    )
    assert alliance.execute(signed).receipts[0].code == Code.OK
