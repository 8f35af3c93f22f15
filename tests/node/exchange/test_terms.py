"""Conditions as people write them, and the values that travel sealed."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.system.access.decide import Outcome
from node.exchange.reasons import CHANGES, RULES, change_text, rule_text
from node.exchange.terms import Condition, TermsError, parse_where, read_values, sealed


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("city = 'Beijing'", [Condition("city", "eq", ("Beijing",))]),
        ("城市='北京'", [Condition("城市", "eq", ("北京",))]),
        ("city='O''Hara' and year>=2020", [
            Condition("city", "eq", ("O'Hara",)), Condition("year", "ge", ("2020",)),
        ]),
        ('"Full name" != \'x and y\'', [Condition("Full name", "ne", ("x and y",))]),
        ("code IN ('007', '0164A',3)", [Condition("code", "in", ("007", "0164A", "3"))]),
        ("code like '11%'", [Condition("code", "prefix", ("11",))]),
        ("a < -1.5 AND b <> ''", [Condition("a", "lt", ("-1.5",)), Condition("b", "ne", ("",))]),
    ],
)  # fmt: skip
def test_conditions_are_read(text: str, found: list[Condition]) -> None:
    assert list(parse_where(text)) == found


@pytest.mark.parametrize(
    "text",
    ["", "city", "city =", "city = 'x", "= 'x'", "a = 1 or b = 2", "a in (1", "a in 1", "a in ()",
     "a like 'x'", "a like '%x%'", "a like '%'", "a = =", "a ! 1", "a = 1 and", "a = (1)",
     "a in (1 2)"],
)  # fmt: skip
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(TermsError):
        parse_where(text)


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    found: object = None
    with suppress(TermsError):
        found = parse_where(text)
    assert found is None or found


def test_values_come_back_from_the_envelope() -> None:
    conditions = parse_where("a in ('x', 'y') and b = 1")
    record = sealed("why", conditions)
    assert read_values(record, 2) == [["x", "y"], ["1"]]
    for wrong in ("{", "[1]", "[[]]", "[[1]]", '[["x"]]', "[" * 9_000):
        with pytest.raises(TermsError):
            read_values({"filter": wrong}, 2)
    assert read_values({"text": "x"}, 0) == []


def test_every_rule_and_change_of_the_contract_has_its_sentence() -> None:
    """The rules' names are literals in the source, so a new one without a sentence is found."""
    import ast
    import inspect

    from contracts.system.access import decide, policies, process

    rules, changes = set(), set()
    for module in (decide, policies, process):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            texts = [a.value for a in node.args if isinstance(a, ast.Constant)]
            if node.func.id in ("Verdict", "_deny", "_review") and isinstance(texts, list):
                rules |= {t for t in texts[:1] if isinstance(t, str)}
            if node.func.id == "_deny":
                changes |= {t for t in texts[1:2] if isinstance(t, str)}
    assert len(rules) > 20
    assert rules <= RULES.keys()
    assert changes <= CHANGES.keys()
    assert Outcome.DENY.name == "DENY"


def test_changes_name_the_fields() -> None:
    names = ("city", "name")
    assert change_text(["fields", [1]], names) == "leave out name"
    assert change_text(["days", [30]], names) == "at most 30 days"
    assert change_text(["purpose", ["audit", "research"]], names).endswith("audit, research")
    assert change_text(None, names) == ""
    assert rule_text("policy.small") == "the owner's own policy"
