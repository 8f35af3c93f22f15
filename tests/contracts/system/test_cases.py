"""Cases: who opens, looks into and decides them, and that their history stays whole."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.codes import Code
from contracts.system import cases
from tests.contracts.tree import Tree


@pytest.fixture
def tree() -> Tree:
    """land is a supervisor, tax another one."""
    made = Tree()
    made.change("tax", roles=["supervisor", "validator"])
    return made


def open_case(tree: Tree, sender: str = "land", **changes: Any) -> Any:
    args = {
        "kind": "leak",
        "severity": 3,
        "member": "city",
        "dataset": "land/parcels",
        "grant": 7,
        "alerts": [1, 2],
        "envelope": None,
    } | changes
    return tree.run(sender, "cases", "open", args)


def do(tree: Tree, sender: str, method: str, number: int = 1, **args: Any) -> int:
    code: int = tree.run(sender, "cases", method, {"case": number, **args}).code
    return code


def test_a_case_goes_its_way_and_every_step_is_kept(tree: Tree) -> None:
    words = tree.seal("land")
    receipt = open_case(tree, envelope=words)
    assert receipt.events[0].data == [1, "leak", 3, "city", "open", words]
    assert do(tree, "land", "assign", member="tax", operator="li") == Code.OK
    answer = tree.seal("city", "land")
    assert do(tree, "city", "comment", envelope=answer) == Code.OK
    assert do(tree, "tax", "attach", kind="receipt", digest=b"d" * 32, envelope=None) == Code.OK
    assert do(tree, "tax", "close") == Code.WRONG_STATUS
    assert do(tree, "tax", "dispose", disposition="confirmed", envelope=None) == Code.OK
    assert do(tree, "tax", "close") == Code.OK
    assert do(tree, "tax", "comment", envelope=tree.seal("tax")) == Code.WRONG_STATUS
    assert do(tree, "land", "reopen") == Code.OK
    case = tree.ask("cases", "get", case=1)
    assert (case["status"], case["assignee"], case["disposition"]) == ("open", ["tax", "li"], None)
    steps = tree.ask("cases", "steps", case=1)
    assert [(what, by) for what, by, *_ in steps] == [
        ("opened", "land"), ("assigned", "land"), ("commented", "city"), ("attached", "tax"),
        ("disposed", "tax"), ("closed", "tax"), ("reopened", "land"),
    ]  # fmt: skip
    assert tree.ask("cases", "steps", case=1, after=6) == steps[6:]
    assert case["steps"] == len(steps)


def test_others_report_and_supervisors_take(tree: Tree) -> None:
    assert open_case(tree, "town", member=None).events[0].data[4] == "reported"
    assert do(tree, "town", "dispose", disposition="unfounded", envelope=None) == Code.WRONG_STATUS
    assert do(tree, "town", "assign", member="tax", operator=None) == Code.NOT_SUPERVISOR
    assert do(tree, "land", "assign", member="sea", operator=None) == Code.NOT_SUPERVISOR
    assert do(tree, "land", "assign", member="tax", operator=None) == Code.OK
    assert do(tree, "sea", "comment", envelope=tree.seal("sea")) == Code.NOT_PARTY_OF_CASE


def test_a_supervisor_decides_nothing_about_itself(tree: Tree) -> None:
    # A supervisor that opens a case about itself reports it, like anybody else.
    assert open_case(tree, "tax", member="tax").events[0].data[4] == "reported"
    assert do(tree, "tax", "assign", member="land", operator=None) == Code.OWN_CASE
    assert do(tree, "land", "assign", member="tax", operator=None) == Code.NOT_SUPERVISOR
    assert do(tree, "land", "assign", member="land", operator=None) == Code.OK
    assert do(tree, "tax", "dispose", disposition="unfounded", envelope=None) == Code.OWN_CASE


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"member": "nobody"}, Code.NOT_FOUND),
        ({"envelope": bytes(32)}, Code.NOT_FOUND),
        ({"kind": "gossip"}, Code.BAD_ARGUMENT),
        ({"severity": 5}, Code.BAD_ARGUMENT),
        ({"alerts": [1] * 65}, Code.BAD_ARGUMENT),
        ({"dataset": "plain"}, Code.BAD_ARGUMENT),
    ],
)
def test_what_is_refused(tree: Tree, changes: Any, code: Code) -> None:
    assert open_case(tree, **changes).code == code
    assert do(tree, "land", "close") == Code.NOT_FOUND
    assert tree.ask("cases", "list") == []


def test_words_are_sealed_by_who_says_them(tree: Tree) -> None:
    assert open_case(tree).code == Code.OK
    assert do(tree, "land", "comment", envelope=tree.seal("tax")) == Code.NOT_FOUND


def test_a_history_is_bounded(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "MAX_STEPS", 2)
    assert open_case(tree).code == Code.OK
    assert do(tree, "land", "comment", envelope=tree.seal("land")) == Code.OK
    assert do(tree, "land", "comment", envelope=tree.seal("land")) == Code.TOO_MANY_STEPS


def test_cases_are_found_by_kind_member_and_number(tree: Tree) -> None:
    for kind, member in (("leak", "city"), ("node", "town"), ("leak", "town")):
        assert open_case(tree, kind=kind, member=member).code == Code.OK
    ids = {
        name: [case["id"] for case in tree.ask("cases", *question, **args)]
        for name, question, args in (
            ("all", ("list",), {}),
            ("before", ("list",), {"before": 3}),
            ("leaks", ("of_kind",), {"kind": "leak"}),
            ("town", ("about",), {"member": "town"}),
            ("later", ("about",), {"member": "town", "after": 2}),
        )
    }
    assert ids == {
        "all": [3, 2, 1], "before": [2, 1], "leaks": [1, 3], "town": [2, 3], "later": [3],
    }  # fmt: skip
