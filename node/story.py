"""What demonstrations share: steps told in order, and commands as a reader would type them."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from node.devnet import Devnet
from node.errors import MunimentError

Say = Callable[[str], None]


class DemoError(MunimentError):
    """A step did not show what it should."""

    code = "demo"


class Story:
    """Runs commands on a trial network below `folder` and tells what they print."""

    def __init__(self, net: Devnet, say: Say) -> None:
        self.net, self._folder, self.say = net, net.folder, say
        self._step = 0

    def title(self, text: str) -> None:
        self._step += 1
        self.say(f"\n{self._step}. {text}")

    def command(self, *args: str, fails: bool = False) -> str:
        """Run a muniment command and show it; returns what it printed, or said on failing."""
        self.say("   $ muniment " + " ".join(self._short(arg) for arg in args))
        done = subprocess.run(
            [sys.executable, "-m", "node", *args], capture_output=True, text=True, check=False
        )
        if (done.returncode != 0) != fails:
            raise DemoError(f"exit status {done.returncode}: {done.stderr.strip() or done.stdout}")
        return done.stdout + done.stderr if fails else done.stdout

    def show(self, text: str) -> None:
        for line in text.strip().splitlines():
            self.say("     " + self._short(line.rstrip()))

    def refuse(self, *args: str) -> str:
        """Run a command that has to be refused, and show what it says."""
        said = self.command(*args, fails=True)
        self.show(said)
        return said

    def home(self, name: str) -> str:
        return str(self._folder / name)

    def json(self, *args: str) -> Any:
        return json.loads(self.command(*args, "--json"))

    def settled(self, member: str, *args: str) -> Any:
        """What a command says at a member's home, once all nodes have what it did."""
        found = self.json(*args, "--home", self.home(member))
        if isinstance(found, dict) and (height := found.get("height")):
            for name in self.net.names:
                self.net.wait(name, lambda status: status["height"] >= height)
        return found

    def path(self, name: str) -> Path:
        return self._folder / name

    @contextlib.contextmanager
    def serving(self, who: str, *double: str) -> Iterator[None]:
        """Run a member's exchange service, which opens the vault; the daemon never does.

        `double` is a command that stands for it.
        """
        command = double or ("-m", "node", "exchange", "serve", "--home")
        said = " ".join(("python", *double)) if double else "muniment exchange serve --home"
        self.say(f"   $ {said} {who} &")
        with running("serving", *command, self.home(who)):
            yield

    def vote(self, member: str, name: str, value: str) -> None:
        """Let three of the four change what a member is, and wait for the epoch's end."""
        rows = self.json("member", "list", "--home", self.home("tax"))
        record = next(row for row in rows if row["name"] == member)
        if value in (record[name], ",".join(record[name] or ())):
            return  # the demonstration runs in its folder again
        change = (f"member={member}", f"{name}={value}")
        found = self.json("gov", "propose", "change", *change, "--vote", "--home",
                           self.home("tax"))  # fmt: skip
        for name in ("health", "land"):
            self.command("gov", "vote", str(found["proposal"]), "yes", "--home", self.home(name))
        self.command("gov", "wait", str(found["proposal"]), "--home", self.home("tax"))

    def _short(self, text: str) -> str:
        return text.replace(str(self._folder) + "/", "")


@contextlib.contextmanager
def running(first: str, *command: str) -> Iterator[None]:
    """Run a process of Python meanwhile, as soon as it says what begins with `first`.

    What else it says is passed over, so that it never waits for a reader. Raises DemoError.
    """
    process = subprocess.Popen([sys.executable, "-u", *command], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        if not process.stdout.readline().startswith(first):
            raise DemoError(f"{' '.join(command)} did not start")
        threading.Thread(target=deque, args=(process.stdout, 0), daemon=True).start()
        yield
    finally:
        process.terminate()
        process.wait()


def require(holds: bool, what: str) -> None:
    """Raise DemoError unless a step has shown what it should."""
    if not holds:
        raise DemoError(what)
