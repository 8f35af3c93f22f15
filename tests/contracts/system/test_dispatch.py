"""Orders down the tiers: who may send them, what recipients owe, how deadlines escalate."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.codes import Code
from tests.contracts.conftest import NOW
from tests.contracts.tree import Tree

HOUR = 3_600_000


@pytest.fixture
def tree() -> Orders:
    return Orders()


class Orders(Tree):
    def issue(self, sender: str, *to: str, **changes: Any) -> Any:
        args = {
            "kind": "order",
            "severity": "urgent",
            "recipients": sorted(to),
            "envelopes": [self.seal(sender, *to)],
            "acknowledge_by": self.now + HOUR,
            "complete_by": self.now + 5 * HOUR,
            "escalate_ms": HOUR,
        } | changes
        return self.run(sender, "dispatch", "issue", args)

    def do(self, sender: str, method: str, order: int = 1, **args: Any) -> Any:
        return self.run(sender, "dispatch", method, {"order": order, **args})


def test_an_order_is_acknowledged_reported_completed_and_confirmed(tree: Orders) -> None:
    receipt = tree.issue("tax", "city", "town")
    assert [e.data for e in receipt.events] == [[1, "tax", "order", "urgent", ["city", "town"]]]
    assert [order["id"] for order, _ in tree.ask("dispatch", "due", member="city")] == [1]
    assert tree.do("city", "report", progress=10, envelope=None).code == Code.WRONG_STATUS
    assert tree.do("city", "acknowledge").code == Code.OK
    assert tree.do("city", "acknowledge").code == Code.WRONG_STATUS
    words = tree.seal("city", "tax")
    assert tree.do("city", "report", progress=40, envelope=words).code == Code.OK
    assert tree.do("city", "complete", envelope=None).code == Code.OK
    assert tree.ask("dispatch", "due", member="city") == []
    assert tree.do("tax", "send_back", member="city", envelope=None).code == Code.OK
    assert len(tree.ask("dispatch", "due", member="city")) == 1
    assert tree.do("city", "complete", envelope=None).code == Code.OK
    assert tree.do("tax", "confirm", member="city").code == Code.OK
    for method, args in (("acknowledge", {}), ("complete", {"envelope": None})):
        assert tree.do("town", method, **args).code == Code.OK
    assert [e.name for e in tree.do("tax", "confirm", member="town").events] == [
        "confirmed",
        "closed",
    ]
    found = tree.ask("dispatch", "get", order=1)
    assert (found["status"], found["open"]) == ("closed", 0)
    assert [step[0] for step in found["parts"]["city"]["steps"]] == [
        "acknowledged", "reported", "completed", "confirmed",
    ]  # fmt: skip
    assert tree.do("tax", "cancel").code == Code.WRONG_STATUS


@pytest.mark.parametrize(
    ("sender", "to", "changes", "code"),
    [
        ("tax", "land", {}, Code.NOT_SUPERIOR),
        ("tax", "sea", {}, Code.NOT_SUPERIOR),
        ("city", "town", {}, Code.NOT_SUPERIOR),
        ("land", "town", {}, Code.OK),
        ("land", "sea", {}, Code.NOT_SUPERIOR),
        ("land", "sea", {"kind": "advisory"}, Code.OK),
        ("tax", "sea", {"kind": "vulnerability"}, Code.NOT_SUPERIOR),
        ("tax", "city", {"recipients": ["nobody"]}, Code.NOT_SUPERIOR),
        ("land", "sea", {"kind": "advisory", "recipients": ["land"]}, Code.BAD_ARGUMENT),
        ("land", "sea", {"kind": "advisory", "recipients": ["tax"]}, Code.NOT_PARTY),
        ("tax", "city", {"envelopes": []}, Code.NOT_PARTY),
        ("tax", "city", {"envelopes": [bytes(32)]}, Code.NOT_FOUND),
        ("tax", "city", {"acknowledge_by": NOW}, Code.BAD_ARGUMENT),
        ("tax", "city", {"complete_by": NOW + HOUR // 2}, Code.BAD_ARGUMENT),
        ("tax", "city", {"complete_by": NOW + 800 * 24 * HOUR}, Code.BAD_ARGUMENT),
        ("tax", "city", {"complete_by": None}, Code.OK),
        ("tax", "city", {"recipients": []}, Code.BAD_ARGUMENT),
        ("tax", "city", {"recipients": ["city", "city"]}, Code.BAD_ARGUMENT),
        ("tax", "city", {"escalate_ms": 1}, Code.BAD_ARGUMENT),
        ("tax", "city", {"kind": "drill"}, Code.BAD_ARGUMENT),
        ("tax", "city", {"origin": 9}, Code.NOT_RECIPIENT),
    ],
)
def test_who_may_send_what_to_whom(
    tree: Orders, sender: str, to: str, changes: Any, code: Code
) -> None:
    assert tree.issue(sender, to, **changes).code == code


def test_a_suspended_member_gets_no_orders(tree: Orders) -> None:
    tree.change("city", status="suspended")
    tree.change("land", roles=["supervisor", "validator"])
    args = {"envelopes": [tree.seal("tax", "town")], "recipients": ["city"]}
    assert tree.issue("tax", "town", **args).code == Code.NOT_ACTIVE


def test_a_missed_deadline_escalates_step_by_step_until_the_recipient_answers(tree: Orders) -> None:
    assert tree.issue("land", "city", "town").code == Code.OK
    assert tree.do("town", "acknowledge").code == Code.OK
    due = tree.ask("dispatch", "get", order=1)["acknowledge_by"]
    # Block time stands one ms before the deadline, then on it, then behind it.
    assert tree.pass_time(due - tree.now) is None
    (event,) = tree.pass_time(0)
    assert (event.name, event.data) == ("escalated", [1, "acknowledge", 0, [["city", "tax"]]])
    assert tree.ask("dispatch", "raised", member="tax") == [[1, "city", "acknowledge"]]
    (event,) = tree.pass_time(HOUR)
    assert event.data == [1, "acknowledge", 1, [["city", "land"]]]
    assert tree.ask("dispatch", "raised", member="land") == [[1, "city", "acknowledge"]]
    assert tree.pass_time(HOUR) is None  # land, the issuer, is the only supervisor too
    late = tree.do("city", "acknowledge")
    assert late.events[0].data == [1, "city", True, None]
    for name in ("tax", "land"):
        assert tree.ask("dispatch", "raised", member=name) == []
    # Completion has a deadline of its own, for both now.
    (event,) = tree.pass_time(3 * HOUR)
    assert event.data == [1, "complete", 0, [["city", "tax"], ["town", "tax"]]]


def test_an_order_that_is_done_or_cancelled_does_not_escalate(tree: Orders) -> None:
    assert tree.issue("tax", "city").code == Code.OK
    assert tree.issue("tax", "town").code == Code.OK
    assert tree.do("city", "acknowledge").code == Code.OK
    assert tree.do("city", "complete", envelope=None).code == Code.OK
    assert tree.pass_time(2 * HOUR)[0].data[0] == 2
    assert tree.ask("dispatch", "raised", member="tax") == [[2, "town", "acknowledge"]]
    assert tree.do("tax", "cancel", 2).code == Code.OK
    assert tree.ask("dispatch", "raised", member="tax") == []
    assert tree.ask("dispatch", "due", member="town") == []
    assert tree.pass_time(9 * HOUR) is None
    assert tree.do("town", "acknowledge", 2).code == Code.WRONG_STATUS


def test_an_order_is_passed_on_down_by_who_has_acknowledged_it(tree: Orders) -> None:
    assert tree.issue("land", "tax").code == Code.OK
    assert tree.issue("tax", "city", origin=1).code == Code.WRONG_STATUS
    assert tree.do("tax", "acknowledge").code == Code.OK
    assert tree.issue("tax", "city", origin=1).code == Code.OK
    assert tree.ask("dispatch", "get", order=2)["origin"] == 1
    assert [row["id"] for row in tree.ask("dispatch", "list")] == [2, 1]
    assert [row["id"] for row in tree.ask("dispatch", "list", before=2)] == [1]
    assert tree.ask("dispatch", "get", order=3) is None


def test_others_cannot_answer_or_decide(tree: Orders) -> None:
    assert tree.issue("tax", "city").code == Code.OK
    assert tree.do("town", "acknowledge").code == Code.NOT_RECIPIENT
    assert tree.do("city", "acknowledge", 7).code == Code.NOT_FOUND
    assert tree.do("city", "acknowledge").code == Code.OK
    assert tree.do("land", "confirm", member="city").code == Code.NOT_OWNER
    assert tree.do("land", "cancel").code == Code.NOT_OWNER
    foreign = tree.seal("town", "tax")
    assert tree.do("city", "complete", envelope=foreign).code == Code.NOT_FOUND
    apart = tree.seal("city")
    assert tree.do("city", "complete", envelope=apart).code == Code.NOT_PARTY


def test_a_part_stays_small_however_often_it_is_reported(tree: Orders) -> None:
    assert tree.issue("tax", "city").code == Code.OK
    assert tree.do("city", "acknowledge").code == Code.OK
    for progress in range(50):
        assert tree.do("city", "report", progress=progress, envelope=None).code == Code.OK
    part = tree.ask("dispatch", "get", order=1)["parts"]["city"]
    assert [(step[0], step[3]) for step in part["steps"]] == [
        ("acknowledged", None),
        ("reported", 49),
    ]


def test_groups(tree: Orders) -> None:
    args = {"group": "flood", "members": ["city", "town"], "envelope": bytes(32)}
    assert tree.run("tax", "dispatch", "set_group", args).code == Code.OK
    assert tree.ask("dispatch", "groups", owner="tax") == [["flood", ["city", "town"], bytes(32)]]
    wrong = {**args, "members": ["nobody"]}
    assert tree.run("tax", "dispatch", "set_group", wrong).code == Code.NOT_FOUND
    assert tree.run("tax", "dispatch", "set_group", {**args, "members": []}).code == Code.OK
    assert tree.ask("dispatch", "groups", owner="tax") == []


# Emergency plans


def prepare(tree: Orders, sender: str = "tax", *to: str, **changes: Any) -> Any:
    recipients = sorted(to or ("city", "town"))
    args = {
        "plan": "flood",
        "severity": "emergency",
        "recipients": recipients,
        "envelopes": [tree.seal(sender, *recipients)],
        "acknowledge_ms": HOUR,
        "complete_ms": 3 * HOUR,
        "escalate_ms": HOUR,
    } | changes
    return tree.run(sender, "emergency", "prepare", args)


def act(tree: Orders, method: str, sender: str = "tax") -> Any:
    return tree.run(sender, "emergency", method, {"plan": "flood"})


def test_a_plan_is_prepared_drilled_activated_and_ended(tree: Orders) -> None:
    assert prepare(tree).code == Code.OK
    assert [e.name for e in act(tree, "drill").events] == ["issued", "drilled"]
    assert tree.ask("dispatch", "get", order=1)["kind"] == "drill"
    assert act(tree, "activate").code == Code.OK
    assert act(tree, "activate").code == Code.WRONG_STATUS
    assert prepare(tree).code == Code.WRONG_STATUS
    order = tree.ask("dispatch", "get", order=2)
    assert (order["kind"], order["plan"]) == ("emergency", "tax/flood")
    assert order["acknowledge_by"] == order["time"] + HOUR
    assert tree.pass_time(HOUR)[0].name == "escalated"
    assert act(tree, "stand_down").code == Code.OK
    assert act(tree, "stand_down").code == Code.WRONG_STATUS
    assert prepare(tree, "tax", "city").code == Code.OK
    plan = tree.ask("emergency", "get", owner="tax", plan="flood")
    assert (plan["version"], plan["drills"], plan["last_drill"][0]) == (2, 1, 1)
    assert [row["plan"] for row in tree.ask("emergency", "list")] == ["flood"]
    assert tree.ask("emergency", "list", after="tax/flood") == []


def test_what_a_plan_may_not_be(tree: Orders) -> None:
    assert prepare(tree, "tax", "sea").code == Code.NOT_SUPERIOR
    assert prepare(tree, envelopes=[]).code == Code.NOT_PARTY
    assert prepare(tree, complete_ms=HOUR - 1).code == Code.BAD_ARGUMENT
    assert act(tree, "activate").code == Code.NOT_FOUND
    assert prepare(tree).code == Code.OK
    assert act(tree, "activate", "land").code == Code.NOT_FOUND
    tree.change("town", status="suspended")
    assert act(tree, "activate").code == Code.NOT_ACTIVE
    assert tree.ask("dispatch", "list") == []


def test_a_member_has_a_bounded_number_of_plans(tree: Orders) -> None:
    for number in range(64):
        assert prepare(tree, plan=f"p{number}").code == Code.OK
    receipt = prepare(tree, plan="one-more")
    assert (receipt.code, receipt.details) == (Code.TOO_MANY_PLANS, 64)
    assert prepare(tree, plan="p0").code == Code.OK
