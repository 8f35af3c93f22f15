"""The portal's interface does what its description says, whatever is asked of it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import just
from openapi_spec_validator import validate
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from node.web.portal.openapi import describe
from tests.node.alliance import command
from tests.web.conftest import Console
from tests.web.open_data import portal_app

ROUNDS = int(os.environ.get("MUNIMENT_PORTAL_REQUESTS", "10000"))
SEED = int(os.environ.get("MUNIMENT_PORTAL_SEED", "1"))
"""Requests of the campaign, and which: it can be run in parts."""


@pytest.fixture(scope="module")
def app(console: Console) -> Iterator[Any]:
    with portal_app(console) as made:
        yield made


@pytest.fixture(scope="module")
def token(console: Console) -> str:
    """What an outsider may hand in files with."""
    home = console.home.path
    command("source", "add", "walks", "kind=inbox", "standard=x/y", "title=Walks", "key=number",
            "--home", home)  # fmt: skip
    return command("inbox", "invite", "walker", "walks", "--home", home).strip()


def walk(app: Any, console: Console, token: str, count: int, number: int) -> Counter[int]:
    """Ask some `count` times, as described and not; every answer must be one that is described.

    Two of three questions are about what is there. Returns the answers' statuses.
    """
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app)
    operations = [found.ok() for found in schema.get_all_operations()]
    share = -(-count // (2 * len(operations)))
    seen: Counter[int] = Counter()

    def check(case: Any, mode: GenerationMode) -> None:
        if seen.total() % 3:
            there = {"owner": console.member, "name": "trees", "version": 1}
            known = case.path_parameters or {}
            if hit := {name: value for name, value in there.items() if name in known}:
                case.path_parameters = known | hit
            if case.method == "PUT" and mode is GenerationMode.POSITIVE:
                case.headers["Authorization"] = f"Bearer {token}"
        answer = case.call()
        seen[answer.status_code] += 1
        assert answer.status_code < 500, case.as_curl_command()
        # A range beyond the end is as it is described, and cannot be given.
        beyond = [positive_data_acceptance] if answer.status_code == 416 else []
        case.validate_response(answer, excluded_checks=beyond)

    for operation in operations:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            strategy = operation.as_strategy(generation_mode=mode)
            ask = given(case=strategy, mode=just(mode))(check)
            bound = settings(max_examples=share, database=None, deadline=None,
                             phases=[Phase.generate],
                             suppress_health_check=list(HealthCheck))  # fmt: skip
            with suppress(Unsatisfiable):  # nothing of it could be otherwise than described
                seed(number)(bound(ask))()
    return seen


def test_every_answer_is_described(app: Any, console: Console, token: str) -> None:
    validate(describe())
    seen = walk(app, console, token, 200, 0)
    assert seen.total() >= 180
    assert {200, 201, 202, 400, 401, 404} <= seen.keys()


@pytest.mark.campaign
def test_ten_thousand_questions(app: Any, console: Console, token: str) -> None:
    seen = walk(app, console, token, ROUNDS, SEED)
    print(f"{seen.total()} requests: {dict(sorted(seen.items()))}")
    assert seen.total() >= ROUNDS * 0.9
