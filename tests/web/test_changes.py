"""What proposals would change, before and after, on the real engine's state."""

from __future__ import annotations

from typing import Any

import pytest

from consensus.validators import Parameters
from contracts.system.access.rules import DEFAULT
from contracts.system.governance import KINDS
from node.network import to_json
from node.parameter_docs import DOCS
from node.web.console import governance
from node.web.console.changes import changes_of, source_diff
from node.web.console.members import tree_of
from tests.contracts.conftest import Chain


@pytest.fixture(scope="module")
def chain() -> Chain:
    return Chain()


def told(chain: Chain, what: str, /, **args: Any) -> dict[str, tuple[Any, Any]]:
    def query(contract: str, method: str, more: dict[str, Any]) -> Any:
        return to_json(chain.ask(contract, method, **more))

    return {c.place: (c.before, c.after) for c in changes_of(query, what, to_json(args))}


def test_parameters_and_rules(chain: Chain) -> None:
    changes = {"idle_ms": 2_000, "max_calls": chain.parameters.max_calls}
    assert told(chain, "parameters", changes=changes) == {"idle_ms": (10_000, 2_000)}
    rule = told(chain, "rule", kind="deploy", threshold_bp=6_000, window_ms=7 * 86_400_000)
    assert rule == {"threshold_bp": (5_001, 6_000)}


@pytest.mark.parametrize(
    ("kind", "after"), [("suspend", "suspended"), ("expel", "expelled"), ("reinstate", "active")]
)
def test_status_of_members(chain: Chain, kind: str, after: str) -> None:
    expected = {} if after == "active" else {"status": ("active", after)}
    assert told(chain, kind, member="city") == expected


def test_places_and_keys_of_members(chain: Chain) -> None:
    found = told(chain, "change", member="city", tier="provincial", roles=["observer"])
    assert found == {"tier": ("local", "provincial")}
    card = chain.make_card("city", "new").to_value()
    assert set(told(chain, "rotate", card=card)) == {
        "member key", "node key", "sealing key", "voting key",
    }  # fmt: skip
    new = told(chain, "admit", card=chain.make_card("sea").to_value(), tier="local",
               roles=["observer"], parent="land")  # fmt: skip
    assert new["parent"] == (None, "land")
    assert new["member key"][0] is None


def test_contracts_versions_packs_and_statutes(chain: Chain) -> None:
    deployed = told(chain, "deploy", name="rota", source="x")
    assert deployed == {"status": (None, "active"), "version": (None, 1)}
    assert told(chain, "version", version=2, height=9) == {"version": (1, 2), "height": (None, 9)}
    pack = told(chain, "pack", name="classification", version=3, digest=bytes(32))
    assert pack["version"] == (None, 3)
    statute = told(chain, "statute", statute="act", digest=bytes(32), until=5, notice_days=9)
    assert statute["notice_days"] == (None, 9)


def test_of_a_table_only_what_differs_is_told(chain: Chain) -> None:
    table = to_json(DEFAULT)
    assert told(chain, "access", rules=table) == {}
    table["version"] += 1
    found = told(chain, "access", rules=table)
    assert found == {"version": (DEFAULT["version"], DEFAULT["version"] + 1)}
    ladder = to_json(chain.ask("sanctions", "ladder"))
    assert told(chain, "ladder", **{**ladder, "appeal_ms": 5}) == {
        "appeal_ms": (ladder["appeal_ms"], 5)
    }


def test_what_is_of_a_newer_release_or_hostile_is_told_as_it_is(chain: Chain) -> None:
    assert told(chain, "tariff", rate=5) == {"rate": (None, 5)}
    deep: Any = "x"
    for _ in range(40):
        deep = {"a": [deep, 1]}
    assert len(told(chain, "tariff", deep=deep)) == 40
    assert len(told(chain, "tariff", **{f"n{i}": i for i in range(500)})) == 200


def test_a_diff_names_what_was_added_and_what_went() -> None:
    assert [line for line in source_diff("a\nb\n", "a\nc\n") if line[0] in "+-"] == ["-b", "+c"]
    assert source_diff("a", "a") == []


def test_everything_that_can_be_proposed_or_set_is_explained() -> None:
    assert set(governance.KINDS) == set(KINDS)
    assert set(DOCS) == set(Parameters().to_value())


def test_the_tree_holds_every_member_below_its_parent() -> None:
    def member(name: str, parent: str | None) -> dict[str, Any]:
        return {"name": name, "parent": parent}

    rows = [member("a", None), member("b", "c"), member("c", "a"), member("d", "gone")]
    assert [(depth, row["name"]) for depth, row in tree_of(rows)] == [
        (0, "a"), (1, "c"), (2, "b"), (0, "d"),
    ]  # fmt: skip
