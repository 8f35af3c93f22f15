"""Sums on the chain: who is silent is named, nobody's number comes out by a difference."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.codes import Code
from tests.contracts.tree import Tree

NAMES = ["city", "land", "tax", "town"]
WINDOW_MS = 60_000


@pytest.fixture
def tree() -> Tree:
    """Everybody has two versions of a dataset."""
    made = Tree()
    args = made.registration(made.publish())
    for name in [*NAMES, "sea"]:
        for version in (1, 2):
            given = {**args, "dataset": f"{name}/staff", "version": version}
            assert made.run(name, "catalogue", "register", given).code == Code.OK
    return made


def propose(tree: Tree, sender: str = "land", **changes: Any) -> Code:
    args = {"label": "staff", "members": NAMES, "decimals": 0, "window_ms": WINDOW_MS}
    return Code(tree.run(sender, "sums", "propose", args | changes).code)


def join(tree: Tree, name: str, number: int = 1, **changes: Any) -> Code:
    args = {"run": number, "dataset": f"{name}/staff", "version": 1, "field": 0,
            "commitment": name.encode().ljust(32), "key": bytes(32)}  # fmt: skip
    return Code(tree.run(name, "sums", "join", args | changes).code)


def share(tree: Tree, name: str, number: int = 1) -> Code:
    return Code(tree.run(name, "sums", "share", {"run": number, "share": bytes(32)}).code)


def report(tree: Tree, name: str, *named: str, number: int = 1) -> Code:
    return Code(tree.run(name, "sums", "report", {"run": number, "named": list(named)}).code)


def status(tree: Tree, number: int = 1) -> tuple[str, list[str]]:
    found = tree.ask("sums", "get", run=number)
    return found["status"], found["named"]


def all_join(tree: Tree, number: int = 1, names: list[str] = NAMES) -> None:
    for name in names:
        assert join(tree, name, number) == Code.OK


def all_share(tree: Tree, number: int = 1, names: list[str] = NAMES) -> None:
    for name in names:
        assert share(tree, name, number) == Code.OK


def test_a_sum_is_joined_bound_and_done(tree: Tree) -> None:
    assert propose(tree) == Code.OK
    assert [run["id"] for run in tree.ask("sums", "open", member="town")] == [1]
    assert share(tree, "city") == Code.WRONG_STATUS
    assert join(tree, "sea") == Code.NOT_IN_SUM
    all_join(tree, names=NAMES[:3])
    assert join(tree, "city") == Code.EXISTS
    assert status(tree) == ("joining", [])
    assert join(tree, "town", field=None) == Code.OK  # how many records it has
    assert status(tree) == ("sharing", [])
    assert report(tree, "city") == Code.WRONG_STATUS
    all_share(tree)
    assert share(tree, "city") == Code.WRONG_STATUS
    assert [report(tree, name) for name in ("city", "land")] == [Code.OK] * 2
    assert status(tree) == ("reporting", [])
    assert report(tree, "tax") == Code.OK
    assert status(tree) == ("done", [])
    assert tree.ask("sums", "open", member="town") == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"members": ["city", "land"]}, Code.BAD_ARGUMENT),
        ({"members": ["city", "land", "land", "tax"]}, Code.BAD_ARGUMENT),
        ({"members": ["tax", "land", "city"]}, Code.BAD_ARGUMENT),
        ({"members": ["city", "sea", "tax"]}, Code.NOT_IN_SUM),
        ({"members": ["city", "land", "nobody"]}, Code.NOT_ACTIVE),
        ({"window_ms": 1}, Code.BAD_ARGUMENT),
        ({"after": 1}, Code.NOT_FOUND),
    ],
)
def test_what_is_not_proposed(tree: Tree, changes: dict[str, Any], code: Code) -> None:
    assert propose(tree, **changes) == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"dataset": "tax/staff"}, Code.NOT_OWNER),
        ({"version": 3}, Code.NOT_FOUND),
        ({"field": 2}, Code.BAD_ARGUMENT),
        ({"commitment": b""}, Code.BAD_ARGUMENT),
        ({"run": 2}, Code.NOT_FOUND),
    ],
)
def test_who_does_not_join(tree: Tree, changes: dict[str, Any], code: Code) -> None:
    propose(tree)
    assert join(tree, "city", **changes) == code


def test_who_does_not_join_in_time_is_named_and_the_others_are_free(tree: Tree) -> None:
    propose(tree)
    all_join(tree, names=NAMES[:3])
    tree.late_ms += WINDOW_MS + 10
    assert join(tree, "town") == Code.WRONG_STATUS
    assert status(tree) == ("void", ["town"])
    assert propose(tree, members=NAMES[:3]) == Code.OK
    all_join(tree, 2, NAMES[:3])
    assert status(tree, 2) == ("sharing", [])


def test_who_does_not_share_is_named_and_left_out_and_nobody_else_is(tree: Tree) -> None:
    propose(tree)
    all_join(tree)
    all_share(tree, names=NAMES[1:])
    assert tree.pass_time(WINDOW_MS + 10)[0].data == [1, ["city"]]
    assert status(tree) == ("failed", ["city"])
    assert propose(tree, members=NAMES[1:]) == Code.OK  # without saying what it goes on with
    assert join(tree, "tax", 2) == Code.ALREADY_ASKED
    assert propose(tree, members=NAMES[:3], after=1) == Code.BAD_ARGUMENT
    assert propose(tree, members=NAMES, after=1) == Code.BAD_ARGUMENT
    assert propose(tree, members=NAMES[1:], label="other", after=1) == Code.BAD_ARGUMENT
    assert propose(tree, members=NAMES[1:], after=1) == Code.OK
    all_join(tree, 3, NAMES[1:])
    assert status(tree, 3) == ("sharing", [])


def test_what_was_summed_is_not_summed_again_among_others(tree: Tree) -> None:
    propose(tree)
    all_join(tree)
    all_share(tree)
    for name in NAMES[:3]:
        report(tree, name)
    assert status(tree)[0] == "done"
    assert propose(tree, members=["city", "land", "tax"], label="anew") == Code.OK
    assert join(tree, "city", 2) == Code.ALREADY_ASKED
    assert join(tree, "city", 2, version=2) == Code.OK
    assert propose(tree, members=["city", "land", "tax"], after=1) == Code.WRONG_STATUS


def test_members_are_named_where_all_others_name_exactly_them(tree: Tree) -> None:
    propose(tree)
    all_join(tree)
    all_share(tree)
    assert report(tree, "city", "city") == Code.BAD_ARGUMENT
    assert report(tree, "city", "sea") == Code.BAD_ARGUMENT
    assert report(tree, "city", "town") == Code.OK
    assert report(tree, "city", "tax") == Code.EXISTS
    assert report(tree, "land", "town") == Code.OK
    assert report(tree, "town") == Code.OK
    assert status(tree) == ("reporting", [])
    assert report(tree, "tax", "town") == Code.OK
    assert status(tree) == ("failed", ["town"])


def test_a_coalition_leaves_nobody_out_whose_number_the_difference_would_tell(tree: Tree) -> None:
    """Two of four have the sum and name a third, to have it again without that one."""
    propose(tree)
    all_join(tree)
    all_share(tree)
    report(tree, "city", "town")
    report(tree, "land", "town")
    report(tree, "tax")
    report(tree, "town")
    assert status(tree) == ("reporting", [])
    assert tree.pass_time(WINDOW_MS + 10)[0].data == [1, []]
    assert propose(tree, members=NAMES[:3], after=1) == Code.BAD_ARGUMENT
    assert propose(tree, members=NAMES, after=1) == Code.OK  # the same, which tells nothing new
    all_join(tree, 2)
