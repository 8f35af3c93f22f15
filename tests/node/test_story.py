from __future__ import annotations

import os
from pathlib import Path

import pytest

from node.story import DemoError, running

TALKER = """
import sys
print("ready to talk")
print("x" * (1 << 20))
open(sys.argv[1], "w").write("done")
"""


def test_what_runs_beside_a_story_never_waits_for_a_reader(tmp_path: Path) -> None:
    told = tmp_path / "told"
    os.mkfifo(told)
    with running("ready", "-c", TALKER, str(told)):
        assert told.read_text() == "done"


def test_what_says_something_else_did_not_start() -> None:
    with pytest.raises(DemoError, match="did not start"), running("ready", "-c", "print('no')"):
        pass
