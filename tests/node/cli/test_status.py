"""What `status` and `evidence` say to a person, from what a node answers."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import pytest
from click.testing import CliRunner

from node.cli import running

STATUS: dict[str, Any] = {
    "name": "tax", "role": "validator", "pid": 1, "network": "trial", "chain_id": "ab" * 32,
    "state": "in sync", "height": 7, "age_ms": 1_200, "epoch": 0, "view": 9, "leader": "land",
    "nullified_in_row": 0, "state_root": "cd" * 32, "peers": 3, "members": 4,
    "mempool": {"count": 0, "bytes": 0}, "listening": [], "evidence": 0, "clock_off_ms": 0,
    "kept": {"blocks_from": 1, "results_from": 1, "snapshot": None, "archive": False,
             "retention": None},
    "state_sync": None, "missing_envelopes": 0, "standing_still": False,
}  # fmt: skip


class Status(dict[str, Any]):
    """What else a node tells is nothing to speak of here."""

    def __missing__(self, key: str) -> None:
        return None


class Answers:
    """A node that answers with one value."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __enter__(self) -> Answers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def call(self, method: str, **params: Any) -> Any:
        return self.value


@pytest.mark.parametrize(
    ("changed", "sentences"),
    [
        ({}, ["blocks from 1\n", "none\n"]),
        ({"evidence": 2}, ["2 contradictions"]),
        (
            {"kept": {"blocks_from": 88, "results_from": 101, "snapshot": 100, "archive": False,
                      "retention": 500}},
            ["blocks from 88, results from 101, a snapshot of 100, for 500 heights"],
        ),
        (
            {"kept": {"blocks_from": 1, "results_from": 1, "snapshot": None, "archive": True,
                      "retention": None}},
            ["blocks from 1, as an archive"],
        ),
        ({"state": "no quorum"}, ["nothing becomes final until some return"]),
        (
            {"state": "stalled", "standing_still": True, "age_ms": 45_000},
            ["Nothing has become final for 45 s, 0 transactions wait: see the logs"],
        ),
        ({"state": "no source"}, ["let an archive start, or join by a snapshot"]),
        ({"clock_off_ms": 90_000}, ["90 s fast against the network: set it right (timedatectl"]),
        ({"clock_off_ms": -61_000}, ["61 s slow against the network"]),
        (
            {"state_sync": {"phase": "cells", "cells": 12, "of": 40}},
            ["Fetching a snapshot: cells, 12 of 40."],
        ),
    ],
)  # fmt: skip
def test_status_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any], sentences: list[str]
) -> None:
    monkeypatch.setattr(running, "connect", lambda home: Answers(Status({**STATUS, **changed})))
    done = CliRunner().invoke(running.status, ["--home", "x"])
    assert done.exit_code == 0, done.output
    for sentence in sentences:
        assert sentence in done.output


def test_evidence_is_shown_with_both_votes(monkeypatch: pytest.MonkeyPatch) -> None:
    votes = [{"kind": "nullify"}, {"kind": "finalize"}]
    row = {"validator": "land", "epoch": 3, "view": 17, "verified": True, "votes": votes}
    monkeypatch.setattr(running, "connect", lambda home: Answers([row]))
    done = CliRunner().invoke(running.evidence, ["--home", "x"])
    assert done.exit_code == 0
    for part in ("land", "17", "nullify beside finalize", "yes"):
        assert part in done.output
