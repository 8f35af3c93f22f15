"""docs/contracts.md: each file in it loads, each command in it prints what it is said to print."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from consensus.validators import Parameters
from contracts.starlark import thread
from contracts.starlark.host import PREDECLARED
from contracts.system.contracts import MAX_CONTRACTS
from node.cli import cli
from node.errors import MunimentError

TEXT = (Path(__file__).parent.parent / "docs" / "contracts.md").read_text("utf-8")
FILES = re.findall(r"```starlark\n# (\S+\.star)\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = re.findall(r"```console\n\$ muniment ([^\n]+)\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize(("command", "wanted"), COMMANDS, ids=[c for c, _ in COMMANDS])
def test_a_command_prints_what_the_tutorial_shows(
    command: str, wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, source in FILES:
        (tmp_path / name).write_text(f"# {name}\n{source}", "utf-8")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, command.split(), standalone_mode=False)
    output = done.output
    if isinstance(done.exception, MunimentError):
        output += f"muniment: {done.exception.message}\n"
    else:
        assert done.exception is None or isinstance(done.exception, click.exceptions.Exit)
    assert output == wanted


def test_the_tutorial_has_its_examples() -> None:
    assert len(FILES) == 4
    assert len(COMMANDS) == 3


@pytest.mark.parametrize("name", sorted(PREDECLARED))
def test_every_name_is_documented(name: str) -> None:
    assert re.search(rf"\b{name}\b", TEXT)


def test_figures_are_those_of_the_code() -> None:
    for figure in (
        Parameters().max_gas,
        thread.MAX_TEXT,
        thread.MAX_ITEMS,
        thread.LOAD_GAS,
        thread.MAX_STACK,
        thread.SCAN,
        thread.SYSTEM_CALL,
        MAX_CONTRACTS,
    ):
        assert f"{figure:,}" in TEXT
