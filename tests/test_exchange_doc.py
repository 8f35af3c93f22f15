"""docs/exchange.md: its policy passes its cases, its figures and rules are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from contracts.codes import NAMES, Code
from contracts.system.access import policies, rules
from node.cli import cli
from node.exchange.reasons import RULES
from node.exchange.trial import PLAIN

TEXT = (Path(__file__).parent.parent / "docs" / "exchange.md").read_text("utf-8")
SILENT = {"open", "automatic", "restricted", "authorised", "subjects", "subjects-not-asked",
          "reviewers", "refused", "no-answer", "reshaped", "policy-silent"}  # fmt: skip
"""Rules that the guide tells of in prose."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    source = re.search(r"```starlark\n(.*?)```", TEXT, re.DOTALL)
    cases = re.search(r"```json\n(.*?)```", TEXT, re.DOTALL)
    assert source
    assert cases
    (tmp_path / "land.star").write_text(source[1], "utf-8")
    (tmp_path / "cases.json").write_text(cases[1], "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_policy_of_the_guide_passes_its_cases(folder: Path) -> None:
    [command] = re.findall(r"```console\n\$ muniment ([^\n]+)\n", TEXT)
    done = CliRunner().invoke(cli, command.split(), standalone_mode=False)
    assert done.exception is None
    assert done.output.count(" ok") == 4


def test_a_policy_that_says_something_else_is_told(folder: Path) -> None:
    source = (folder / "land.star").read_text("utf-8")
    (folder / "land.star").write_text(source.replace("SMALL = 1000", "SMALL = '1000'"), "utf-8")
    line = ["policy", "test", "land.star", "cases.json"]
    done = CliRunner().invoke(cli, line, standalone_mode=False)
    assert "4 of 4 cases are not as expected" in str(done.exception)
    assert "policy:" in done.output
    for wrong in ("{}", "[1]", '[{"expect": {}}]', '[{"request": {"x": 1}, "expect": {}}]', "["):
        (folder / "cases.json").write_text(wrong)
        done = CliRunner().invoke(cli, line, standalone_mode=False)
        assert "case" in str(done.exception)


def test_every_rule_is_told() -> None:
    told = set(re.findall(r"`([a-z-]+)`", TEXT))
    assert RULES.keys() - SILENT <= told


def test_figures_and_words_are_those_of_the_code() -> None:
    for figure in (policies.MAX_SOURCE, policies.GAS):
        assert f"{figure:,}" in TEXT
    assert f"{policies.MAX_POLICIES} policies at most" in TEXT
    days = rules.DEFAULT["review_ms"] // rules.DAY_MS
    assert f"(**deadline** ({days} days)" in TEXT.replace("**deadline**", "(**deadline**")
    for word in [*PLAIN, *policies.RESULT]:
        assert f"`{word}`" in TEXT, word
    for code in (Code.GRANT_NOT_BEGUN, Code.GRANT_EXPIRED, Code.GRANT_ENDED, Code.GRANT_PAUSED,
                 Code.OFF_HOURS, Code.QUOTA_EXCEEDED, Code.SANCTIONED, Code.NO_PERMIT):  # fmt: skip
        assert f"`{NAMES[code]}`" in TEXT
