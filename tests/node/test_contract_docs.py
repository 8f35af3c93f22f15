"""The ledger's own contracts are described by their code, and none of it is left out."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from contracts import checks
from contracts.system import VERSIONS
from node.cli import cli
from node.contract_docs import describe, events, own, type_of

LATEST = VERSIONS[max(VERSIONS)]


@pytest.mark.parametrize("name", sorted(LATEST))
def test_every_part_of_a_contract_is_documented(name: str) -> None:
    found = describe(LATEST[name])
    assert found["doc"]
    for part in (*found["methods"], *found["queries"]):
        assert part["doc"], f"{name}.{part['name']} says nothing of itself"
        for argument in part["arguments"]:
            assert argument["type"] not in ("", "anything"), (name, part["name"], argument)
            assert "_Nothing" not in argument["type"]


def test_a_type_is_what_its_checker_says() -> None:
    assert type_of(checks.integer(1, 4)) == "an integer from 1 to 4"
    assert type_of(checks.optional(checks.data(32))) == "32 bytes, or null"
    assert type_of(checks.one_of("a", "b")) == "one of a, b"
    assert type_of(lambda value, what: None) == "anything"


def test_the_catalogue_is_described() -> None:
    contract = own("catalogue")
    assert contract is not None
    found = describe(contract)
    register = next(part for part in found["methods"] if part["name"] == "register")
    assert {"name": "level", "type": "an integer from 1 to 4", "optional": False} in (
        register["arguments"]
    )
    assert register["duties"]
    assert "registered" in found["events"]


def test_events_are_named_by_constants_and_arguments_too() -> None:
    assert {"issued", "acknowledged", "completed"} <= set(events("dispatch"))
    assert {"accepted", "withdrawn"} <= set(events("governance"))
    assert events("nothing") == ()


def test_the_command_describes_own_contracts_without_a_node() -> None:
    done = CliRunner().invoke(cli, ["contract", "describe", "catalogue", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["name"] == "catalogue"
    shown = CliRunner().invoke(cli, ["contract", "describe", "catalogue"])
    assert "method register" in shown.output
