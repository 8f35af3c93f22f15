"""The commands of docs/tutorial.md, run in its order on a network of real processes."""

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

TEXT = (Path(__file__).parents[1] / "docs" / "tutorial.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def words(line: str) -> list[str]:
    assert line.startswith("muniment "), line
    return [sys.executable, "-m", "node", *shlex.split(line)[1:]]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    if (tmp_path / "trial").exists():
        Devnet(tmp_path / "trial").down()


def test_the_tutorial_does_what_it_says(folder: Path) -> None:
    said, txid, beside = "", "", None
    try:
        for kind, block in BLOCKS:
            if kind == "csv":
                (folder / "permits.csv").write_text(block, "utf-8")
                continue
            for line in block.splitlines():
                if kind == "background":
                    beside = subprocess.Popen(words(line), cwd=folder, stdout=subprocess.PIPE,
                                              text=True)  # fmt: skip
                    assert beside.stdout is not None
                    assert beside.stdout.readline().strip() == "serving"
                    continue
                if "devnet down" in line and beside is not None:
                    beside.send_signal(signal.SIGINT)
                    assert beside.wait(30) == 0
                done = subprocess.run(words(line.replace("TXID", txid)), cwd=folder, check=False,
                                      capture_output=True, text=True, timeout=120)  # fmt: skip
                assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
                said += done.stdout
                found = re.search(r"^txid +([0-9a-f]{64})$", done.stdout, re.MULTILINE)
                if found and "collect run" in line:
                    txid = found[1]
    finally:
        if beside is not None:
            beside.kill()
            beside.wait()
    assert re.search(r"^ phone +phone +L3 ", said, re.MULTILINE)
    assert "tax asks for land/permits" in said
    assert (folder / "permits-at-tax.csv").read_text("utf-8").splitlines()[1].endswith("138***8001")
    assert "deliveries ended" in said
