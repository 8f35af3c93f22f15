"""Privacy budgets: one for all versions and recipients, paid before the answer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.codes import Code
from tests.contracts.tree import Tree

DAY_MS = 24 * 60 * 60 * 1_000
DATASET = "land/parcels-2025"
QUESTION = b"q" * 32


@pytest.fixture
def tree() -> Tree:
    made = Tree()
    args = made.registration(made.publish())
    assert made.run("land", "catalogue", "register", args).code == Code.OK
    assert made.run("land", "catalogue", "register", {**args, "version": 2}).code == Code.OK
    assert run(made, "open", micro_epsilon=1_000, subject="parcel").code == Code.OK
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
        ("open", "land", {"micro_epsilon": 5, "subject": "area"}, Code.EXISTS),
        ("open", "city", {"micro_epsilon": 5, "subject": "area"}, Code.NOT_OWNER),
        ("open", "land", {"dataset": "land/none", "micro_epsilon": 5, "subject": "area"},
         Code.NOT_FOUND),
        ("open", "land", {"micro_epsilon": 0, "subject": "area"}, Code.BAD_ARGUMENT),
        ("open", "land", {"micro_epsilon": 5}, Code.BAD_ARGUMENT),
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


def grant(tree: Tree, by: str = "city", **changes: Any) -> int:
    """Ask for answers about the dataset; it is granted at once."""
    asked = {
        "dataset": DATASET, "version": None, "fields": [0], "filter": [], "envelope": None,
        "purpose": "statistics", "basis": "contract", "kind": "aggregate", "key": None,
        "mode": "linked", "from": tree.now, "until": tree.now + DAY_MS, "rows": 2,
        "retention_days": 1, "onward": False, "hours": None,
    } | changes  # fmt: skip
    receipt = tree.run(by, "access", "request", asked)
    assert receipt.code == Code.OK, (receipt.code, receipt.details)
    number: int = receipt.events[0].data[0]
    assert tree.ask("access", "grant", grant=number)["status"] == "active"
    return number


@pytest.fixture
def granted(tree: Tree) -> Tree:
    # Land is central and has a class that would be reviewed below it.
    tree.change("city", tier="central")
    grant(tree)
    return tree


def test_answers_under_a_grant_count_with_its_quota_and_the_meter(granted: Tree) -> None:
    tree = granted
    assert reserve(tree, grant=1).events[-1].data == [DATASET, 1, "city", 500, 500, 1]
    again = {"version": 1, "question": QUESTION, "recipient": "city", "grant": 1}
    assert run(tree, "give", **again).code == Code.NOT_FOUND  # nobody has computed it yet
    assert run(tree, "answer", version=1, question=QUESTION, answer=bytes(32)).code == Code.OK
    assert run(tree, "give", **again).events[-1].data == [DATASET, 1, "city", 1]
    assert run(tree, "give", **again).code == Code.QUOTA_EXCEEDED
    assert tree.ask("budgets", "get", dataset=DATASET)["spent"] == 500
    assert tree.ask("access", "grant", grant=1)["used"] == 2
    [row] = tree.ask("deliveries", "meter", server="land", since=0)
    assert row[1:] == [1, "city", 2, 2, 2]


def test_only_the_recipient_of_a_grant_of_that_kind_is_answered_under_it(granted: Tree) -> None:
    tree = granted
    assert reserve(tree, recipient="town", grant=1).code == Code.NOT_OWNER
    assert reserve(tree, grant=9).code == Code.NOT_FOUND
    grant(tree, version=2)
    assert reserve(tree, grant=2).code == Code.WRONG_VERSION
    table = grant(tree, kind="table")
    assert reserve(tree, grant=table).code == Code.WRONG_KIND
    opened = {"grant": 1, "server": "land", "version": 1, "rows": 1, "nonce": bytes(16),
              "key": bytes(32)}  # fmt: skip
    assert tree.run("city", "deliveries", "open", opened).code == Code.WRONG_KIND
    assert tree.run("land", "access", "revoke", {"grant": 1, "reason": "misuse"}).code == Code.OK
    assert reserve(tree, grant=1).code == Code.GRANT_ENDED
    assert tree.ask("budgets", "get", dataset=DATASET)["spent"] == 0


_STEP = st.tuples(
    st.sampled_from(("reserve", "reserve", "share")),
    st.sampled_from((1, 2)),
    st.sampled_from(("city", "town")),
    st.sampled_from((b"a" * 32, b"b" * 32, b"c" * 32)),
    st.integers(0, 700),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(_STEP, max_size=25))
def test_no_order_of_questions_passes_budget_or_shares(
    steps: list[tuple[str, int, str, bytes, int]],
) -> None:
    """Not by versions, not by recipients, not by asking again."""
    tree = Tree()
    args = tree.registration(tree.publish())
    for version in (1, 2):
        tree.run("land", "catalogue", "register", {**args, "version": version})
    run(tree, "open", micro_epsilon=1_000, subject="parcel")
    paid: dict[tuple[int, bytes], tuple[str, int]] = {}
    for method, version, recipient, question, micro in steps:
        if method == "share":
            run(tree, "share", recipient=recipient, micro_epsilon=micro)
            continue
        asked = {"version": version, "recipient": recipient, "question": question}
        code = reserve(tree, **asked, micro_epsilon=micro).code
        if code == Code.OK:
            assert (version, question) not in paid
            paid[version, question] = recipient, micro
        found = tree.ask("budgets", "get", dataset=DATASET)
        assert found["spent"] == sum(price for _, price in paid.values()) <= 1_000
        for share in found["shares"]:
            used = sum(price for who, price in paid.values() if who == share["recipient"])
            assert share["used"] == used <= share["share"]
