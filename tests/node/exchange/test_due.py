"""What waits for a member is found on the chain, with the command that does it."""

from __future__ import annotations

from typing import Any

import pytest

from consensus.codec import encode
from contracts.codes import Code
from contracts.system.subjects.obligations import TELL_MS
from node.exchange.due import Due, find_due
from node.network import to_json
from tests.contracts.conftest import NOW, Chain
from tests.contracts.exchange import INCOME, Exchange
from tests.contracts.system.test_governance import propose
from tests.contracts.system.test_intersections import ask as ask_intersection
from tests.contracts.system.test_intersections import tree
from tests.contracts.system.test_subjects import (
    DATASET,
    UNTIL,
    change,
    invoke,
    office,
    open_batch,
    post,
    review,
    revise,
    work,
)
from tests.contracts.tree import Tree

__all__ = ["office", "tree"]


def waits(chain: Chain, member: str) -> list[Due]:
    def query(contract: str, method: str, args: dict[str, Any]) -> Any:
        return to_json(chain.ask(contract, method, **args))

    found = find_due(query, member, NOW + chain.late_ms)
    assert all("{" not in due.what() for due in found)
    return found


def test_nothing_waits_at_first_nor_for_strangers(office: Chain) -> None:
    assert [waits(office, name) for name in ("civil", "court", "land", "tax", "nobody")] == [[]] * 5


def test_a_withdrawal_waits_for_the_owner_and_is_overdue(office: Chain) -> None:
    open_batch(office)
    post(office)
    revise(office, 2)
    [due] = waits(office, "land")
    assert (due.kind, due.command, due.overdue) == (
        "withdrawal",
        "muniment authorise tell 1",
        False,
    )
    assert due.by is not None
    work(office, TELL_MS + 1_000)
    assert [due.overdue for due in waits(office, "land")] == [True]
    assert waits(office, "tax") == []


def test_uses_wait_for_a_supervisor_then_for_the_registrar(office: Chain) -> None:
    statute = {"statute": "tax-act-12", "digest": bytes(32), "until": UNTIL, "notice_days": 9}
    office.state.values[b"governance/statute/tax-act-12"] = encode(statute)
    assert invoke(office).code == Code.OK
    change(office, "land", roles=["supervisor", "validator"])
    assert [due.kind for due in waits(office, "court")] == ["use"]
    assert waits(office, "land") == [], "the owner does not review"
    assert review(office, "court", NOW + 86_400_000).code == Code.OK
    assert waits(office, "court") == []
    [due] = waits(office, "civil")
    assert (due.kind, due.by, due.overdue) == ("notice", NOW + 86_400_000, False)
    office.late_ms += 2 * 86_400_000
    assert [due.overdue for due in waits(office, "civil")] == [True]


@pytest.mark.parametrize("member", ["tax", "land"])
def test_custody_waits_for_the_custodian_alone(office: Chain, member: str) -> None:
    for name in ("land", "tax"):
        change(office, name, jurisdiction="cn-31", storage="cn-31")

    def run(sender: str, method: str, **args: Any) -> None:
        assert office.run(sender, "custody", method, args).code == Code.OK

    seen = []
    steps: list[tuple[str, str, dict[str, Any]]] = [
        ("land", "offer", {"dataset": DATASET, "custodian": "tax", "mode": "escrow",
                           "until": UNTIL}),
        ("tax", "accept", {"agreement": 1}),
        ("land", "place", {"agreement": 1, "version": 1, "chunks": 7, "root": bytes(32),
                           "envelope": None}),
        ("tax", "hold", {"agreement": 1, "version": 1, "root": bytes(32)}),
        ("land", "challenge", {"agreement": 1, "version": 1, "blocks": 9}),
        ("tax", "answer", {"challenge": 1, "digest": bytes(32)}),
        ("tax", "end", {"agreement": 1}),
        ("tax", "erased", {"agreement": 1}),
    ]  # fmt: skip
    for sender, method, args in steps:
        run(sender, method, **args)
        seen.append([due.kind for due in waits(office, member)])
    expected: list[list[str]] = [
        ["custody"], [], ["custody"], [], ["challenge"], [], ["custody"], [],
    ]  # fmt: skip
    assert seen == (expected if member == "tax" else [[]] * len(steps))


def test_votes_and_second_persons_are_waited_for() -> None:
    net = Exchange()
    net.ask_for(INCOME, basis="public-task")
    propose(net, "suspend", by="sea", member="city")
    call = {"contract": "catalogue", "method": "retire", "args": {"dataset": "tax/firms"}}
    assert net.run("tax", "operators", "prepare", call).code == Code.OK
    found = {due.kind: due for due in waits(net, "tax")}
    assert sorted(found) == ["review", "second", "vote"]
    assert found["review"].by is not None
    assert found["second"].command == "muniment operator confirm 1"
    assert found["vote"].what() == "vote on suspend, proposed by sea"
    assert found["vote"].command == "muniment gov show 1"
    vote = {"proposal": 1, "choice": "no"}
    assert net.run("tax", "governance", "vote", vote).code == Code.OK
    assert [due.kind for due in waits(net, "tax")] == ["review", "second"]
    assert waits(net, "city") == []  # an observer


def test_an_intersection_waits_for_its_asker(tree: Chain) -> None:
    assert ask_intersection(tree).code == Code.OK  # type: ignore[arg-type]
    [due] = waits(tree, "city")
    assert (due.kind, due.number) == ("intersection", 1)
    assert waits(tree, "land") == []


def test_a_sum_waits_for_who_has_not_joined(tree: Chain) -> None:
    args = {"label": "staff", "members": ["city", "land", "tax"], "decimals": 0,
            "window_ms": 60_000}  # fmt: skip
    assert tree.run("land", "sums", "propose", args).code == Code.OK
    [due] = waits(tree, "city")
    assert due.command == "muniment compute sum join 1 --dataset ..."
    joined = {"run": 1, "dataset": "city/firms", "version": 1, "field": None,
              "commitment": bytes(32), "key": bytes(32)}  # fmt: skip
    assert tree.run("city", "sums", "join", joined).code == Code.OK
    assert waits(tree, "city") == []


def test_an_order_waits_until_it_is_acknowledged_then_until_it_is_done() -> None:
    net = Tree()
    terms = {"kind": "order", "severity": "routine", "escalate_ms": 60_000,
             "acknowledge_by": net.now + 1_000, "complete_by": net.now + 5_000}  # fmt: skip
    order = {**terms, "recipients": ["city"], "envelopes": [net.seal("tax", "city")]}
    assert net.run("tax", "dispatch", "issue", order).code == Code.OK
    [due] = waits(net, "city")
    assert (due.what(), due.by, due.overdue) == (
        "acknowledge tax's order", terms["acknowledge_by"], False,
    )  # fmt: skip
    net.pass_time(2_000)
    assert [due.overdue for due in waits(net, "city")] == [True]
    assert net.run("city", "dispatch", "acknowledge", {"order": 1}).code == Code.OK
    [due] = waits(net, "city")
    assert (due.what(), due.by) == ("complete tax's order", terms["complete_by"])
    done = {"order": 1, "envelope": None}
    assert net.run("city", "dispatch", "complete", done).code == Code.OK
    assert waits(net, "city") == []
