"""Intersections on the chain: both sides commit, the holder's budget pays, a pair runs once."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.codes import Code
from tests.contracts.tree import Tree

from .test_budgets import grant

DATASET = "land/parcels-2025"
OWN = "city/firms"


@pytest.fixture
def tree() -> Tree:
    """City has a dataset and a grant on answers about land's, whose budget pays for two runs."""
    made = Tree()
    made.change("city", tier="central")
    digest = made.publish()
    args = made.registration(digest)
    for version in (1, 2):
        made.run("land", "catalogue", "register", {**args, "version": version})
        given = {**args, "version": version, "dataset": OWN}
        assert made.run("city", "catalogue", "register", given).code == Code.OK
    opened = {"dataset": DATASET, "micro_epsilon": 4_000, "subject": "parcel"}
    made.run("land", "budgets", "open", opened)
    share = {"dataset": DATASET, "recipient": "city", "micro_epsilon": 4_000}
    assert made.run("land", "budgets", "share", share).code == Code.OK
    grant(made, rows=3)
    return made


def ask(tree: Tree, sender: str = "city", **changes: Any) -> Any:
    args = {
        "grant": 1, "own": OWN, "own_version": 1, "own_field": 1, "version": 1, "field": 0,
        "micro_epsilon": 2_000, "nonce": bytes(16), "asked": b"a" * 32,
    }  # fmt: skip
    return tree.run(sender, "intersections", "ask", args | changes)


def act(tree: Tree, sender: str, method: str, number: int = 1, **args: Any) -> Code:
    return Code(tree.run(sender, "intersections", method, {"run": number, **args}).code)


def test_a_run_is_committed_paid_and_bound(tree: Tree) -> None:
    event = ask(tree).events[-1]
    assert event.data == [1, "city", OWN, 1, DATASET, 1, 1, b"a" * 32]
    assert [run["id"] for run in tree.ask("intersections", "open", member="city")] == [1]
    assert act(tree, "city", "finish", result=bytes(32)) == Code.WRONG_STATUS
    assert act(tree, "city", "pay", held=b"h" * 32) == Code.NOT_OWNER
    assert act(tree, "land", "pay", held=b"h" * 32) == Code.OK
    assert act(tree, "land", "pay", held=b"i" * 32) == Code.WRONG_STATUS
    assert tree.ask("budgets", "get", dataset=DATASET)["spent"] == 2_000
    assert tree.ask("access", "grant", grant=1)["used"] == 1
    assert act(tree, "land", "finish", result=bytes(32)) == Code.NOT_OWNER
    assert act(tree, "city", "finish", result=b"r" * 32) == Code.OK
    assert tree.ask("intersections", "open", member="city") == []
    found = tree.ask("intersections", "get", run=1)
    assert (found["status"], found["asked"], found["held"]) == ("done", b"a" * 32, b"h" * 32)


def test_a_pair_of_versions_is_run_once_and_a_changed_set_is_paid_anew(tree: Tree) -> None:
    assert ask(tree).code == Code.OK
    assert ask(tree).code == Code.ALREADY_ASKED
    assert act(tree, "land", "withdraw") == Code.NOT_OWNER
    assert act(tree, "city", "withdraw") == Code.OK
    assert ask(tree, nonce=b"n" * 16).code == Code.OK
    assert act(tree, "land", "pay", 2, held=b"h" * 32) == Code.OK
    assert act(tree, "city", "withdraw", 2) == Code.WRONG_STATUS
    assert ask(tree).code == Code.ALREADY_ASKED
    assert ask(tree, own_version=2).code == Code.OK
    assert act(tree, "land", "pay", 3, held=b"h" * 32) == Code.OK
    assert ask(tree, version=2).code == Code.OK
    assert act(tree, "land", "pay", 4, held=b"h" * 32) == Code.BUDGET_EXCEEDED
    assert tree.ask("budgets", "get", dataset=DATASET)["spent"] == 4_000
    sets = {"own": OWN, "own_version": 2, "own_field": 1, "version": 1, "field": 0}
    assert tree.ask("intersections", "of", dataset=DATASET, **sets) == 3


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sender": "town"}, Code.NOT_FOUND),
        ({"grant": 2}, Code.NOT_FOUND),
        ({"field": 1}, Code.BAD_ARGUMENT),
        ({"own": DATASET}, Code.NOT_OWNER),
        ({"own_version": 3}, Code.NOT_FOUND),
        ({"own_field": 2}, Code.BAD_ARGUMENT),
        ({"version": 3}, Code.NOT_FOUND),
        ({"micro_epsilon": 999}, Code.BAD_ARGUMENT),
        ({"asked": b""}, Code.BAD_ARGUMENT),
    ],
)
def test_what_is_refused(tree: Tree, changes: dict[str, Any], code: Code) -> None:
    assert ask(tree, **changes).code == code


def test_without_a_usable_grant_of_that_kind_nobody_asks(tree: Tree) -> None:
    assert ask(tree, grant=grant(tree, kind="table")).code == Code.WRONG_KIND
    assert ask(tree).code == Code.OK
    revoked = tree.run("land", "access", "revoke", {"grant": 1, "reason": "misuse"})
    assert revoked.code == Code.OK
    assert act(tree, "land", "pay", held=b"h" * 32) == Code.GRANT_ENDED
    assert ask(tree, own_version=2).code == Code.GRANT_ENDED
