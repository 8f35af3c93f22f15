"""Privacy budgets: one for all versions and recipients, paid before the answer."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.codes import Code
from tests.contracts.tree import Tree

DATASET = "land/parcels-2025"
QUESTION = b"q" * 32


@pytest.fixture
def tree() -> Tree:
    made = Tree()
    args = made.registration(made.publish())
    assert made.run("land", "catalogue", "register", args).code == Code.OK
    assert made.run("land", "catalogue", "register", {**args, "version": 2}).code == Code.OK
    assert run(made, "open", micro_epsilon=1_000).code == Code.OK
    assert run(made, "share", recipient="city", micro_epsilon=800).code == Code.OK
    assert run(made, "share", recipient="town", micro_epsilon=600).code == Code.OK
    return made


def run(tree: Tree, method: str, sender: str = "land", **args: Any) -> Any:
    return tree.run(sender, "budgets", method, {"dataset": DATASET, **args})


def reserve(tree: Tree, sender: str = "land", **changes: Any) -> Any:
    args = {"version": 1, "question": QUESTION, "recipient": "city", "micro_epsilon": 500}
    return run(tree, "reserve", sender, **{**args, **changes})


def test_one_budget_holds_for_all_versions_and_recipients(tree: Tree) -> None:
    assert reserve(tree).code == Code.OK
    other = {"recipient": "town", "version": 2, "question": b"r" * 32}
    assert reserve(tree, **other, micro_epsilon=501).code == Code.BUDGET_EXCEEDED
    assert reserve(tree, **other, micro_epsilon=500).code == Code.OK
    assert reserve(tree, question=b"s" * 32, micro_epsilon=1).code == Code.BUDGET_EXCEEDED
    found = tree.ask("budgets", "get", dataset=DATASET)
    assert (found["total"], found["spent"]) == (1_000, 1_000)
    assert found["shares"] == [
        {"recipient": "city", "share": 800, "used": 500},
        {"recipient": "town", "share": 600, "used": 500},
    ]


def test_a_share_is_not_exceeded_nor_cut_below_its_use(tree: Tree) -> None:
    assert reserve(tree, micro_epsilon=801).code == Code.SHARE_EXCEEDED
    assert reserve(tree, micro_epsilon=800).code == Code.OK
    cut = run(tree, "share", recipient="city", micro_epsilon=799)
    assert cut.code == Code.BAD_ARGUMENT
    other = {"question": b"r" * 32, "micro_epsilon": 100}
    assert reserve(tree, recipient="health", **other).code == Code.SHARE_EXCEEDED


def test_a_repeated_question_is_not_paid_twice_and_has_one_answer(tree: Tree) -> None:
    assert reserve(tree).code == Code.OK
    assert reserve(tree).code == Code.ALREADY_ASKED
    assert reserve(tree, recipient="town").code == Code.ALREADY_ASKED
    paid = {"version": 1, "question": QUESTION}
    assert run(tree, "answer", **paid, answer=b"a" * 32).code == Code.OK
    assert run(tree, "answer", **paid, answer=b"b" * 32).code == Code.EXISTS
    found = tree.ask("budgets", "question", dataset=DATASET, **paid)
    assert (found["recipient"], found["micro_epsilon"]) == ("city", 500)
    assert found["answer"] == b"a" * 32
    assert tree.ask("budgets", "get", dataset=DATASET)["spent"] == 500


@pytest.mark.parametrize(
    ("method", "sender", "args", "code"),
    [
        ("open", "land", {"micro_epsilon": 5}, Code.EXISTS),
        ("open", "city", {"micro_epsilon": 5}, Code.NOT_OWNER),
        ("open", "land", {"dataset": "land/none", "micro_epsilon": 5}, Code.NOT_FOUND),
        ("open", "land", {"micro_epsilon": 0}, Code.BAD_ARGUMENT),
        ("share", "land", {"recipient": "nobody", "micro_epsilon": 5}, Code.NOT_FOUND),
        ("share", "land", {"recipient": "city", "micro_epsilon": 1_001}, Code.BAD_ARGUMENT),
        ("share", "city", {"recipient": "city", "micro_epsilon": 5}, Code.NOT_OWNER),
        ("answer", "land", {"version": 1, "question": QUESTION, "answer": bytes(32)},
         Code.NOT_FOUND),
    ],
)  # fmt: skip
def test_what_is_refused(
    tree: Tree, method: str, sender: str, args: dict[str, Any], code: Code
) -> None:
    assert run(tree, method, sender, **args).code == code


def test_reserving_is_refused_to_others_and_without_version_or_budget(tree: Tree) -> None:
    assert reserve(tree, "city").code == Code.NOT_OWNER
    assert reserve(tree, version=3).code == Code.NOT_FOUND
    assert reserve(tree, question=bytes(31)).code == Code.BAD_ARGUMENT
    bare = Tree()
    args = bare.registration(bare.publish())
    assert bare.run("land", "catalogue", "register", args).code == Code.OK
    assert reserve(bare).code == Code.NO_BUDGET
