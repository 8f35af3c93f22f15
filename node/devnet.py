"""A trial network of real processes on this machine's loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consensus.validators import Parameters
from node.errors import MunimentError
from node.home import Home, atomic_write
from node.provision import make_network
from node.rpc.client import Client, NodeError

NAMES = ("tax", "health", "civil", "land")
START_S = 30.0
STOP_S = 10.0
POLL_S = 0.05


class DevnetError(MunimentError):
    """The trial network is not as the command needs it."""

    code = "devnet"


@dataclass(frozen=True, slots=True)
class Process:
    """A started node: its pid and when the kernel started it, so that no stranger is killed."""

    pid: int
    started: str

    @property
    def is_alive(self) -> bool:
        return _start_time(self.pid) == self.started


def _start_time(pid: int) -> str:
    """Field 22 of /proc/PID/stat (proc(5)), or "" if the process is gone or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if stat[0] in ("Z", "X") else stat[19]


class Devnet:
    """The nodes below a folder; what runs stands in `devnet.json`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "devnet.json"
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    @classmethod
    def create(cls, folder: Path, count: int, parameters: Parameters | None = None) -> Devnet:
        """Make homes for `count` members, unless the folder holds a network already."""
        devnet = cls(folder)
        if not (folder / "genesis.json").exists():
            extra = [f"member{i}" for i in range(len(NAMES) + 1, count + 1)]
            make_network(folder, [*NAMES, *extra][:count], parameters or Parameters())
        return devnet

    @property
    def names(self) -> list[str]:
        found = sorted(path.parent.name for path in self.folder.glob("*/settings.toml"))
        if not found:
            raise DevnetError(f"{self.folder} holds no network; make one with: muniment devnet up")
        return found

    def home(self, name: str) -> Home:
        if name not in self.names:
            raise DevnetError(f"there is no node {name!r}; there are {', '.join(self.names)}")
        return Home(self.folder / name)

    def processes(self) -> dict[str, Process]:
        """What was started and is still alive."""
        try:
            rows = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return {}
        found = {name: Process(int(row[0]), str(row[1])) for name, row in rows.items()}
        return {name: process for name, process in found.items() if process.is_alive}

    def _save(self, processes: dict[str, Process]) -> None:
        rows = {name: [process.pid, process.started] for name, process in processes.items()}
        atomic_write(self._file, json.dumps(rows).encode(), 0o600)

    def start(self, *names: str, program: Sequence[str] = ("-m", "node")) -> None:
        """Start the named nodes that do not run, and wait until each answers.

        `program` tells Python what to run: a release under trial may be another one.
        """
        running = self.processes()
        for name in names:
            if name in running:
                continue
            home = self.home(name)
            command = [sys.executable, *program, "start", "--home", str(home.path)]
            with (home.path / "node.log").open("ab") as log:
                child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    close_fds=True,
                )
            self._children[name] = child
            running[name] = Process(child.pid, _start_time(child.pid))
            self._save(running)
        for name in names:
            self.wait(name, lambda status: True)

    def wait(self, name: str, accept: Any, timeout_s: float = START_S) -> dict[str, Any]:
        """Ask the node's status until `accept(status)`; returns it. Raises DevnetError."""
        end = time.monotonic() + timeout_s
        home = self.home(name)
        while True:
            if name not in self.processes():
                raise DevnetError(f"{name} has stopped; its log is {home.path / 'node.log'}")
            try:
                with Client(home.socket) as client:
                    status: dict[str, Any] = client.call("status")
                if accept(status):
                    return status
            except NodeError:
                status = {}
            if time.monotonic() > end:
                raise DevnetError(
                    f"{name} is not ready after {timeout_s:.0f} s; "
                    f"its log is {home.path / 'node.log'}"
                )
            self._pause(name)

    def _pause(self, name: str) -> None:
        """Give a node a moment; a child that ends meanwhile is noticed at once."""
        child = self._children.get(name)
        if child is None:
            signal.sigtimedwait([], POLL_S)
            return
        try:
            child.wait(POLL_S)
        except subprocess.TimeoutExpired:
            return

    def wait_gone(self, name: str, timeout_s: float = STOP_S) -> None:
        """Wait until a node has ended by itself. Raises DevnetError."""
        end = time.monotonic() + timeout_s
        while name in self.processes():
            if time.monotonic() > end:
                raise DevnetError(f"{name} still runs after {timeout_s:.0f} s")
            self._pause(name)

    def kill(self, name: str) -> None:
        """Stop a node as a power cut would: SIGKILL."""
        self._end(name, signal.SIGKILL)

    def stop(self, name: str) -> None:
        """Stop a node cleanly: SIGTERM."""
        self._end(name, signal.SIGTERM)

    def down(self) -> None:
        """Stop all nodes cleanly; kill those that do not stop in time."""
        running = self.processes()
        for process in running.values():
            os.kill(process.pid, signal.SIGTERM)
        end = time.monotonic() + STOP_S
        for name, process in running.items():
            while process.is_alive and time.monotonic() < end:
                self._pause(name)
            if process.is_alive:
                os.kill(process.pid, signal.SIGKILL)
        self._save({})

    def _end(self, name: str, number: signal.Signals) -> None:
        running = self.processes()
        process = running.pop(name, None)
        if process is None:
            self.home(name)
            raise DevnetError(f"{name} does not run; start it with: muniment devnet restart {name}")
        os.kill(process.pid, number)
        while process.is_alive:
            self._pause(name)
        self._save(running)

    def status(self) -> list[dict[str, Any]]:
        """One row for each node."""
        running = self.processes()
        rows = []
        for name in self.names:
            row: dict[str, Any] = {"name": name, "state": "down"}
            if name in running:
                try:
                    with Client(self.home(name).socket) as client:
                        row = client.call("status")
                except NodeError:
                    row["state"] = "starting"
            rows.append(row)
        return rows
