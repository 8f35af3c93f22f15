"""One real node for the tests that register."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from node.devnet import Devnet
from node.rpc.client import Client

Command = Callable[..., Any]
MAX_DAEMON_KIB = 150 << 10


@pytest.fixture(scope="session")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    made = Devnet.create(tmp_path_factory.mktemp("data") / "net", 1)
    made.start(*made.names)
    yield made
    with Client(made.home(made.names[0]).socket) as client:
        pid = client.call("status")["pid"]
    peak = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines()
                if line.startswith("VmHWM"))  # fmt: skip
    made.down()
    assert int(peak.split()[1]) < MAX_DAEMON_KIB, "the daemon grew through all of it"


@pytest.fixture(scope="session")
def command(net: Devnet) -> Command:
    """Run `muniment ... --home tax --json`; returns what it printed, or its error if `fails`.

    With `plain` it is run without --json, and its text returned; unless `at_home`, without --home.
    """
    home = str(net.home(net.names[0]).path)

    def run(*args: str, fails: bool = False, plain: bool = False, at_home: bool = True) -> Any:
        more = [*(["--home", home] if at_home else []), *([] if plain else ["--json"])]
        done = subprocess.run(
            [sys.executable, "-m", "node", *args, *more],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) == fails, done.stderr or done.stdout
        if fails:
            return done.stderr
        return done.stdout if plain else json.loads(done.stdout)

    return run
