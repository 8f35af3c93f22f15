"""Owners' policies tried on requests, without a chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from consensus.codec import DecodeError
from contracts.api import Failure
from contracts.starlark.errors import StarlarkError
from contracts.starlark.thread import Thread
from contracts.system.access.policies import GAS, fault_of, run, verdict_of
from node.errors import MunimentError

_FIELD = {"name": "field", "type": "text", "level": 2, "class": "general"}
PLAIN: dict[str, Any] = {
    "dataset": "land/parcels",
    "version": 1,
    "is_series": True,
    "level": 2,
    "class": "general",
    "fields": [_FIELD],
    "filter": [],
    "key": None,
    "purpose": "public-service",
    "basis": "contract",
    "kind": "table",
    "mode": "linked",
    "rows": 100,
    "days": 30,
    "retention_days": 30,
    "onward": False,
    "time": 1_767_225_600_000,
    "is_crossing": False,
    "recipient": {
        "name": "tax", "tier": "local", "parent": None, "roles": ["validator"],
        "jurisdiction": "cn-31", "storage": "cn-31",
    },
}  # fmt: skip
"""What a request is that a case says nothing else of; the time is 1 January 2026."""


class TrialError(MunimentError):
    """Cases that cannot be tried; the message says which and why."""

    code = "trial"


@dataclass(frozen=True, slots=True)
class Tried:
    """What a policy said to a case; `fault` says why it failed."""

    number: int
    said: str
    expected: str
    fault: str

    @property
    def is_met(self) -> bool:
        return self.said == self.expected


def try_cases(source: str, cases: Any) -> list[Tried]:
    """Ask a policy, which `load_policy` accepts, about each case. Raises TrialError."""
    if not isinstance(cases, list):
        raise TrialError("the cases are an array of {request, expect}")
    return [_try(source, number, case) for number, case in enumerate(cases, 1)]


def _try(source: str, number: int, case: Any) -> Tried:
    if not isinstance(case, dict) or not isinstance(case.get("request", {}), dict):
        raise TrialError(f"case {number} is no {{request, expect}}")
    request, expect = _request(number, case.get("request", {})), case.get("expect")
    if not isinstance(expect, dict) or "outcome" not in expect:
        raise TrialError(f"case {number} expects no outcome")
    fields = [*request["fields"], *request["filter"]]
    places = {field["name"]: index for index, field in enumerate(fields)}
    expected = _shown(expect["outcome"], expect.get("rule"))
    try:
        verdict = verdict_of(run(source, request, Thread(GAS)), places)
    except StarlarkError as error:
        return Tried(number, _shown("deny", "policy-fault"), expected, fault_of(error))
    except (DecodeError, Failure) as error:
        return Tried(number, _shown("deny", "policy-fault"), expected, str(error))
    rule = verdict.rule.removeprefix("policy.")
    return Tried(number, _shown(verdict.outcome.name, rule), expected, "")


def _request(number: int, given: dict[str, Any]) -> dict[str, Any]:
    unknown = sorted(given.keys() - PLAIN.keys())
    if unknown:
        raise TrialError(f"case {number}: a request has no {unknown[0]}")
    request = {**PLAIN, **given}
    for word in ("fields", "filter"):
        if not isinstance(request[word], Sequence) or not all(
            isinstance(row, dict) for row in request[word]
        ):
            raise TrialError(f"case {number}: {word} is an array of fields")
        request[word] = [{**_FIELD, **row} for row in request[word]]
    if not isinstance(request["recipient"], dict):
        raise TrialError(f"case {number}: recipient is a map")
    request["recipient"] = {**PLAIN["recipient"], **request["recipient"]}
    return request


def _shown(outcome: object, rule: object) -> str:
    return f"{str(outcome).lower()} {rule or 'policy-silent'}"
