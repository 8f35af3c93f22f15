"""Opinions on datasets: one for each member, added up, answered by the owner."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.codes import Code
from tests.contracts.tree import Tree

DATASET = "land/parcels-2025"


@pytest.fixture
def tree() -> Tree:
    made = Tree()
    args = made.registration(made.publish())
    assert made.run("land", "catalogue", "register", args).code == Code.OK
    return made


def give(tree: Tree, sender: str = "city", **changes: Any) -> Any:
    args = {
        "dataset": DATASET, "version": 1, "stars": 4, "topics": ["format", "accuracy"],
        "envelope": None,
    } | changes  # fmt: skip
    return tree.run(sender, "feedback", "give", args)


def answer(tree: Tree, sender: str = "land", **changes: Any) -> Any:
    args = {"dataset": DATASET, "member": "city", "version": None, "envelope": None} | changes
    return tree.run(sender, "feedback", "answer", args)


def test_opinions_add_up_and_are_replaced(tree: Tree) -> None:
    assert give(tree).code == Code.OK
    assert give(tree, "town", stars=1, topics=[]).code == Code.OK
    assert tree.ask("feedback", "sum", dataset=DATASET) == [1, 0, 0, 1, 0]
    assert give(tree, stars=5).code == Code.OK
    assert tree.ask("feedback", "sum", dataset=DATASET) == [1, 0, 0, 0, 1]
    rows = tree.ask("feedback", "list", dataset=DATASET)
    assert [(row["member"], row["stars"]) for row in rows] == [("city", 5), ("town", 1)]
    assert rows[0]["topics"] == ["accuracy", "format"]
    assert tree.ask("feedback", "list", dataset=DATASET, after="city") == rows[1:]


def test_the_owner_answers_until_the_opinion_changes(tree: Tree) -> None:
    assert give(tree).code == Code.OK
    assert answer(tree, version=1, envelope=tree.seal("land", "city")).code == Code.OK
    [row] = tree.ask("feedback", "list", dataset=DATASET)
    assert row["answer"][1] == 1
    assert give(tree).code == Code.OK
    [row] = tree.ask("feedback", "list", dataset=DATASET)
    assert row["answer"] is None


@pytest.mark.parametrize(
    ("run", "sender", "changes", "code"),
    [
        (give, "land", {}, Code.OWN_CASE),
        (give, "city", {"version": 2}, Code.NOT_FOUND),
        (give, "city", {"dataset": "land/none"}, Code.NOT_FOUND),
        (give, "city", {"stars": 0}, Code.BAD_ARGUMENT),
        (give, "city", {"topics": ["gossip"]}, Code.BAD_ARGUMENT),
        (give, "city", {"envelope": bytes(32)}, Code.NOT_FOUND),
        (answer, "city", {}, Code.NOT_OWNER),
        (answer, "land", {}, Code.NOT_FOUND),
    ],
)
def test_what_is_refused(tree: Tree, run: Any, sender: str, changes: Any, code: Code) -> None:
    assert run(tree, sender, **changes).code == code
    assert tree.ask("feedback", "sum", dataset=DATASET) == [0] * 5


def test_an_answer_may_name_only_what_is_registered(tree: Tree) -> None:
    assert give(tree).code == Code.OK
    assert answer(tree, version=9).code == Code.NOT_FOUND
    assert answer(tree, envelope=bytes(32)).code == Code.NOT_FOUND
