"""Whatever a contract hands to the ledger's functions, it ends with a result or one of our codes.

Any other exception would pass for a fault of the ledger and stop every node.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from itertools import product
from typing import Any

from contracts.api import Contract, Execution, Failure
from contracts.starlark.errors import StarlarkError
from contracts.starlark.host import PREDECLARED
from contracts.starlark.module import load
from contracts.starlark.runtime import contract_of
from contracts.state import Overlay, StateReader
from contracts.system import VERSIONS, contracts
from tests.contracts.system.test_contracts import body, deploy

VALUES = (
    "None", "True", "-1", "0", "1 << 63", "-(1 << 254)", "''", "'a'", "'é' * 90", "'a' * 70000",
    "'\\u0000/'", "'members'", "'get'", "b''", "b'\\xff' * 32", "b'a' * 64", "[]", "[[1], None]",
    "(1, 'a')", "{}", "{'a': 1}", "{1: 2}", "range(3)", "range(1 << 61)", "len", "ctx", "go",
)  # fmt: skip
ONE = ("ctx.member({a})", "state.get({a})", "state.delete({a})", "state.scan({a})", "emit({a})",
       "fail({a})", "sha256({a})", "from_hex({a})", "number_key({a})", "bytes({a})",
       "ask('members', 'get', name = {a})", "ask('envelopes', 'get', id = {a})",
       "ask('members', 'by_key', key = {a})", "ask('contracts', 'get', name = {a})",
       "ask('envelopes', 'addressed', member = 'tax', after = {a})",
       "ask('catalogue', 'list', after = {a})", "ask('governance', 'get', proposal = {a})",
       "call('x', 'go', a = {a})", "call({a}, {a})", "ask({a}, {a})")  # fmt: skip
TWO = ("state.get({a}, {b})", "state.put({a}, {b})", "state.scan({a}, after = {b})",
       "state.scan({a}, limit = {b})", "emit({a}, {b})", "fail({a}, {b})", "ask({a}, {b})",
       "call({a}, {b})", "is_signed({a}, 'text', {b})",
       "is_signed(b'a' * 32, {a}, {b})")  # fmt: skip
TYPES = ("integer({a}, {b})", "text({a}, {b})", "data({a})", "one_of({a}, {b})",
         "list_of({a}, {b})", "record(a = {a})", "optional({a})", "list_of(slug, {a})",
         "method({a}, x = {b})", "query({a})")  # fmt: skip


def filled(*forms: str) -> list[str]:
    """Each form with each pair of values in place of {a} and {b}, once."""
    pairs = list(product(VALUES, VALUES))
    rows = [f.replace("{a}", a).replace("{b}", b) for f in forms for a, b in pairs]
    return list(dict.fromkeys(rows))


def outcome(chain: Any, row: str) -> str:
    """Run a method of one statement; returns `ok` or the name of the code."""
    own = contract_of(replace(load("t", body(row), PREDECLARED), name="t"), contracts.find)

    def find(state: StateReader, name: str) -> Contract | None:
        return own if name == "t" else contracts.find(state, name)

    overlay = Overlay(chain.state)
    shared = (chain.context(), overlay, VERSIONS[1], find)
    execution = Execution(*shared, "land", bytes(32), bytes(32), 100_000)
    try:
        execution.run(0, None, "t", "go", {})
    except Failure as failure:
        return failure.code.name
    return "ok"


def test_functions_of_methods_take_anything(chain: Any) -> None:
    deploy(chain, "x", body("return ctx.sender"))
    outcomes = {outcome(chain, row) for row in filled(*ONE, *TWO)}
    assert outcomes >= {"ok", "CONTRACT_FAULT", "REFUSED_BY_CONTRACT", "BAD_ARGUMENT"}


def test_declarations_take_anything() -> None:
    start = '"""A contract."""\ndef go(x):\n    """Goes."""\n\n'
    for row in filled(*TYPES):
        with contextlib.suppress(StarlarkError):
            load("t", start + row + "\n", PREDECLARED)
