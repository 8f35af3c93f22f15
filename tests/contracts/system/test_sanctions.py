"""Violations climb the ladder, appeals take them back, block time says what is in force."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.codes import Code
from contracts.system.sanctions import DAY_MS, in_force
from tests.contracts.tree import Tree


@pytest.fixture
def tree() -> Tree:
    """land and tax are supervisors, sea is central, city has a confirmed case 1."""
    made = Tree()
    made.change("tax", roles=["supervisor", "validator"])
    confirm(made, "city")
    return made


def confirm(tree: Tree, member: str) -> None:
    args = {
        "kind": "leak", "severity": 3, "member": member, "dataset": None, "grant": None,
        "alerts": [], "envelope": None,
    }  # fmt: skip
    number = tree.run("land", "cases", "open", args).events[0].data[0]
    args = {"case": number, "disposition": "confirmed", "envelope": None}
    assert tree.run("land", "cases", "dispose", args).code == Code.OK


def find(tree: Tree, sender: str = "land", **changes: Any) -> Any:
    args = {"member": "city", "rule": "leak", "gravity": 2, "case": 1, "envelope": None} | changes
    return tree.run(sender, "sanctions", "find", args)


def do(tree: Tree, sender: str, method: str, number: int = 1, **args: Any) -> Any:
    return tree.run(sender, "sanctions", method, {"violation": number, **args})


def measure(tree: Tree, later_ms: int = 0) -> str | None:
    found = in_force(tree.state, "city", tree.now + later_ms)
    return None if found is None else str(found[0])


def test_a_violation_is_found_imposed_and_runs_out(tree: Tree) -> None:
    assert find(tree).events[0].data == [1, "city", "leak", 2, 1]
    assert measure(tree) is None
    receipt = do(tree, "land", "impose")
    assert receipt.events[0].data[:3] == [1, "city", "warning"]
    assert measure(tree) == "warning"
    assert measure(tree, 90 * DAY_MS) is None
    assert do(tree, "land", "impose").code == Code.WRONG_STATUS
    assert tree.ask("sanctions", "get", violation=1)["status"] == "imposed"
    shown = tree.ask("sanctions", "in_force", member="city", time=tree.now)
    assert shown[:2] == ["warning", 1]


def test_each_violation_that_stands_raises_the_next_by_a_rung(tree: Tree) -> None:
    seen = []
    for number in range(1, 7):
        assert find(tree, gravity=1).code == Code.OK
        seen.append(do(tree, "land", "impose", number).events[0].data[2])
    assert seen == ["notice", "warning", "restrict", "suspend", "suspend", "suspend"]
    assert measure(tree) == "suspend"
    # A year later the ladder begins again, and nothing is in force.
    tree.late_ms += 366 * DAY_MS
    assert measure(tree) is None
    assert find(tree, gravity=1).code == Code.OK
    assert do(tree, "land", "impose", 7).events[0].data[2] == "notice"


def test_an_appeal_that_is_granted_restores(tree: Tree) -> None:
    assert find(tree, gravity=4).code == Code.OK
    assert do(tree, "land", "impose").code == Code.OK
    assert do(tree, "town", "appeal", envelope=None).code == Code.NOT_OWNER
    assert do(tree, "city", "appeal", envelope=tree.seal("city")).code == Code.OK
    assert measure(tree) == "suspend"
    for sender, code in (
        ("land", Code.OWN_CASE), ("city", Code.NOT_SUPERVISOR), ("town", Code.NOT_SUPERVISOR),
    ):  # fmt: skip
        assert do(tree, sender, "decide", outcome="granted", envelope=None).code == code
    assert do(tree, "sea", "decide", outcome="granted", envelope=None).code == Code.OK
    assert measure(tree) is None
    # What was overturned does not count.
    assert find(tree, gravity=1).code == Code.OK
    assert do(tree, "land", "impose", 2).events[0].data[2] == "notice"


def test_an_appeal_that_is_rejected_changes_nothing_and_is_the_last(tree: Tree) -> None:
    assert find(tree).code == Code.OK
    assert do(tree, "land", "impose").code == Code.OK
    assert do(tree, "city", "appeal", envelope=None).code == Code.OK
    assert do(tree, "tax", "decide", outcome="rejected", envelope=None).code == Code.OK
    assert measure(tree) == "warning"
    assert do(tree, "city", "appeal", envelope=None).code == Code.APPEAL_OVER


def test_an_appeal_has_its_time(tree: Tree) -> None:
    assert find(tree).code == Code.OK
    assert do(tree, "land", "impose").code == Code.OK
    tree.late_ms += 16 * DAY_MS
    assert do(tree, "city", "appeal", envelope=None).code == Code.APPEAL_OVER


def test_a_measure_is_lifted_early_and_still_counts(tree: Tree) -> None:
    assert find(tree, gravity=1).code == Code.OK
    assert do(tree, "city", "lift").code == Code.WRONG_STATUS
    assert do(tree, "land", "impose").code == Code.OK
    assert do(tree, "city", "lift").code == Code.NOT_SUPERVISOR
    assert do(tree, "tax", "lift").code == Code.OK
    assert measure(tree) is None
    assert find(tree, gravity=1).code == Code.OK
    assert do(tree, "land", "impose", 2).events[0].data[2] == "warning"


def test_what_is_found_can_be_dismissed(tree: Tree) -> None:
    assert find(tree).code == Code.OK
    assert do(tree, "land", "dismiss").code == Code.OK
    assert do(tree, "land", "impose").code == Code.WRONG_STATUS
    assert do(tree, "land", "dismiss", 9).code == Code.NOT_FOUND
    assert [row["status"] for row in tree.ask("sanctions", "of", member="city")] == ["dismissed"]
    assert [row["id"] for row in tree.ask("sanctions", "list")] == [1]


@pytest.mark.parametrize(
    ("sender", "changes", "code"),
    [
        ("town", {}, Code.NOT_SUPERVISOR),
        ("land", {"case": 9}, Code.NOT_FOUND),
        ("land", {"member": "town"}, Code.WRONG_STATUS),
        ("land", {"member": "land"}, Code.OWN_CASE),
        ("land", {"member": "nobody"}, Code.NOT_FOUND),
        ("land", {"gravity": 5}, Code.BAD_ARGUMENT),
        ("land", {"envelope": bytes(32)}, Code.NOT_FOUND),
    ],
)
def test_what_cannot_be_found(tree: Tree, sender: str, changes: Any, code: Code) -> None:
    assert find(tree, sender, **changes).code == code


LADDER = {"rungs": [["notice", DAY_MS], ["suspend", DAY_MS]], "window_ms": DAY_MS * 9,
          "appeal_ms": DAY_MS}  # fmt: skip


def propose(tree: Tree, **changes: Any) -> Any:
    args = {"kind": "ladder", "args": LADDER | changes}
    return tree.run("land", "governance", "propose", args)


def test_a_vote_sets_the_ladder(tree: Tree) -> None:
    assert propose(tree).code == Code.OK
    for name in tree.ask("members", "list"):
        if "validator" in name["roles"]:
            tree.run(name["name"], "governance", "vote", {"proposal": 1, "choice": "yes"})
    assert tree.ask("sanctions", "ladder")["rungs"][1][0] == "warning"
    assert tree.end_epoch() is not None
    assert tree.ask("sanctions", "ladder") == LADDER
    assert find(tree, gravity=4).code == Code.OK
    assert do(tree, "land", "impose").events[0].data[2] == "suspend"


@pytest.mark.parametrize(
    "rungs",
    [[], [["suspend", 1], ["notice", 1]], [["exile", 1]], [["notice", 0]], [["notice"]], 7],
)
def test_a_ladder_rises(tree: Tree, rungs: Any) -> None:
    assert propose(tree, rungs=rungs).code == Code.BAD_ARGUMENT
