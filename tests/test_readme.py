"""The commands that the README shows, run in its order on a trial network."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.devnet import Devnet

README = Path(__file__).parents[1] / "README.md"
SHORTER = {"--seeds 100": "--seeds 1 --duration 1", "--nodes 7": "--nodes 4 --duration 3"}
"""A reader lets these run for minutes."""


def blocks() -> Iterator[list[str]]:
    """The lines of each block of code that holds commands, without comments."""
    for block in re.findall(r"^```\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL):
        lines = [line.split("  #")[0].strip() for line in block.splitlines()]
        if all(line.startswith("muniment ") for line in lines):
            yield lines


def run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "node", *shlex.split(line)[1:]],
        capture_output=True, text=True, check=False, cwd=folder, timeout=120,
    )  # fmt: skip


def watch(line: str, folder: Path) -> str:
    """Run a command that never ends until it has said something."""
    process = subprocess.Popen(
        [sys.executable, "-m", "node", *shlex.split(line)[1:]],
        stdout=subprocess.PIPE, text=True, cwd=folder,
        # A shell starts what runs in the background deaf to Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert process.stdout is not None
    said = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    return said


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    rows = "".join(f"{n},Springfield,{n * 10}\n" for n in range(1, 12))
    (tmp_path / "permits.csv").write_text("Number,City,Fee\n" + rows)
    yield tmp_path
    if (tmp_path / "trial").exists():
        Devnet(tmp_path / "trial").down()


def test_the_commands_of_the_readme_do_what_they_say(folder: Path) -> None:
    trial, simulated, proofs = blocks()
    places = {"/tmp/trial": str(folder / "trial"), "HOME": str(folder / "trial" / "tax")}
    txid = ""
    down = trial.pop()
    for line in [*trial, *proofs, down, *simulated]:
        for shown, real in {**places, **SHORTER, "TXID": txid}.items():
            line = line.replace(shown, real)
        line = line.replace("--genesis genesis.json", f"--genesis {folder}/trial/genesis.json")
        if " watch " in line:
            assert "block" in watch(line, folder)
            continue
        done = run(line, folder)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        found = re.search(r"^txid +([0-9a-f]{64})$", done.stdout, re.MULTILINE)
        txid = found.group(1) if found and "register" in line else txid
        if "dataset list" in line:
            assert "tax/permits" in done.stdout
        if "verify-record" in line:
            assert "City = Springfield" in done.stdout


def test_every_command_that_the_docs_name_exists() -> None:
    named = set()
    for file in [README, *sorted((README.parent / "docs").glob("*.md"))]:
        named |= set(re.findall(r"`?muniment ([a-z][a-z-]+)(?: ([a-z][a-z-]+))?", file.read_text()))
    groups = ("network", "dataset", "standard", "source", "collect", "quarantine", "devnet",
              "contract", "simnet", "member", "operator")  # fmt: skip
    assert len(named) > 20
    import click

    from node.cli import cli

    context = click.Context(cli)
    for command, sub in sorted(named):
        if command in ("is", "node", "the", "and"):
            continue
        found = cli.get_command(context, command)
        assert found is not None, f"muniment {command}"
        if sub and command in groups and isinstance(found, click.Group):
            assert found.get_command(context, sub) is not None, f"muniment {command} {sub}"
