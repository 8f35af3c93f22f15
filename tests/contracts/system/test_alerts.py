"""Alerts: raised by supervisors' nodes, told once, disposed of by persons."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.codes import Code
from contracts.envelope import Call
from contracts.receipts import Receipt
from contracts.system import alerts
from tests.contracts.tree import Tree

REASON = ["delivery-rows", 4_000_000, 105_000, 940]


@pytest.fixture
def tree() -> Tree:
    """land and tax are supervisors."""
    made = Tree()
    made.change("tax", roles=["supervisor", "validator"])
    return made


def tell(tree: Tree, by: str, **changes: Any) -> Receipt:
    """Raise an alert, signed by a member's node."""
    args = {
        "detector": "bulk",
        "member": "city",
        "subject": "land/parcels",
        "severity": 3,
        "height": 7,
        "reasons": [REASON],
    } | changes
    signed = tree.sign(
        f"{by}/node", Call("alerts", "raise", args), valid_until=tree.height + 50,
        signer=tree.keys[by]["node"],
    )  # fmt: skip
    return tree.execute(signed).receipts[-1]


def dispose(tree: Tree, sender: str, disposition: str = "confirmed", **more: Any) -> int:
    args = {"alert": 1, "disposition": disposition, "case": None} | more
    code: int = tree.run(sender, "alerts", "dispose", args).code
    return code


def test_a_supervisors_node_raises_and_another_confirms(tree: Tree) -> None:
    raised = ["bulk", "city", "land/parcels", 3, None]
    assert tell(tree, "land").events[0][1:] == ("raised", [1, *raised])
    assert tell(tree, "tax").events[0][1:] == ("confirmed", [1, *raised])
    assert tell(tree, "tax").code == Code.EXISTS
    [alert] = tree.ask("alerts", "open")
    assert (alert["by"], alert["reasons"], alert["height"]) == (["land", "tax"], [REASON], 7)
    assert tree.ask("alerts", "get", alert=1) == alert
    assert tree.ask("alerts", "about", member="city") == [alert]


def test_others_raise_none(tree: Tree) -> None:
    assert tell(tree, "town").code == Code.NOT_SUPERVISOR
    assert tell(tree, "land", member="nobody").code == Code.NOT_FOUND


def test_what_gets_worse_keeps_its_number(tree: Tree) -> None:
    tell(tree, "land")
    worse = ["delivery-rows", 9_000_000, 105_000, 2_000]
    receipt = tell(tree, "land", severity=4, reasons=[worse], height=9)
    assert receipt.events[0].name == "worsened"
    alert = tree.ask("alerts", "get", alert=1)
    assert (alert["severity"], alert["reasons"], alert["height"]) == (4, [worse], 9)
    assert tell(tree, "land", severity=3).code == Code.EXISTS


def test_another_subject_or_a_later_time_is_another_alert(tree: Tree) -> None:
    tell(tree, "land")
    assert tell(tree, "land", subject="land/roads").events[0].data[0] == 2
    assert tell(tree, "land", subject=None).events[0].data[0] == 3
    tree.pass_time(alerts.LASTS_MS + 1)
    assert tell(tree, "land").events[0].data[0] == 4
    assert [row["id"] for row in tree.ask("alerts", "list")] == [4, 3, 2, 1]


def test_a_disposition_ends_an_alert(tree: Tree) -> None:
    tell(tree, "land")
    assert dispose(tree, "city") == Code.NOT_SUPERVISOR
    assert dispose(tree, "tax", "unfounded") == Code.OK
    assert dispose(tree, "tax") == Code.WRONG_STATUS
    assert tree.ask("alerts", "open") == []
    assert tree.ask("alerts", "get", alert=1)["disposition"] == "unfounded"
    assert tell(tree, "land").events[0].data[0] == 2


def test_nobody_disposes_of_an_alert_about_itself(tree: Tree) -> None:
    tell(tree, "land", member="tax")
    assert dispose(tree, "tax") == Code.OWN_CASE


def test_a_disposition_names_a_case_that_holds_the_alert(tree: Tree) -> None:
    tell(tree, "land")
    tell(tree, "land", subject=None)
    case = {
        "kind": "anomaly", "severity": 3, "member": "city", "dataset": None, "grant": None,
        "alerts": [1], "envelope": None,
    }  # fmt: skip
    assert tree.run("tax", "cases", "open", case).code == Code.OK
    assert dispose(tree, "tax", alert=2, case=1) == Code.NOT_FOUND
    assert dispose(tree, "tax", case=2) == Code.NOT_FOUND
    assert dispose(tree, "tax", case=1) == Code.OK
    assert tree.ask("alerts", "get", alert=1)["case"] == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "not a slug"}, {"subject": "a/b/c"}, {"severity": 5}, {"reasons": []},
        {"reasons": [["bulk", 1, 2]]}, {"reasons": [["free text", 1, 2, 3]]},
        {"reasons": [["bulk", "1", 2, 3]]}, {"reasons": [REASON] * 17}, {"detector": ""},
    ],
)  # fmt: skip
def test_only_slugs_and_numbers_are_taken(tree: Tree, changes: dict[str, Any]) -> None:
    assert tell(tree, "land", **changes).code == Code.BAD_ARGUMENT


def test_one_node_raises_so_many_a_day(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "MAX_A_DAY", 2)
    for subject in ("a", "b"):
        assert tell(tree, "land", subject=subject).code == Code.OK
    assert tell(tree, "land", subject="c").code == Code.TOO_MANY_ALERTS
    assert tell(tree, "tax", subject="c").code == Code.OK
    tree.pass_time(alerts.DAY_MS)
    assert tell(tree, "land", subject="d").code == Code.OK
