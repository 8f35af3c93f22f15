"""Trouble after trouble for a trial network under load, chosen by a seed."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import config
from node.devnet import Devnet
from node.errors import MunimentError
from node.network import load_genesis
from node.perturb.operator import Operator
from node.perturb.promises import TIMEOUT_S, BrokenPromiseError, check_end, check_reports
from node.perturb.relay import Relay
from p2p.addresses import parse_address

VOLUME_MIB = 192
BALLAST_BYTES = 1 << 20
MAX_TROUBLE_S = 6.0
POLL_S = 0.02
GAP_TRANSACTIONS = 20
"""Between two troubles so many transactions become final: the network has to go on."""

Say = Callable[[str], None]


class PerturbError(MunimentError):
    """The network cannot be perturbed as asked."""

    code = "perturb"


class Perturber:
    """Prepares a network's nodes, troubles them, and leaves them as they were.

    Peers are dialled through relays of this process, so that a node can be disconnected. A node is
    wiped at most as often as the fault model allows forgetful nodes, always the same ones.
    """

    def __init__(
        self, net: Devnet, seed: int, kinds: tuple[str, ...], per_second: float, say: Say
    ) -> None:
        self._net, self._say = net, say
        self._names = net.names
        self._kinds = kinds
        self._random = random.Random(seed)
        self._relays: dict[tuple[str, str], Relay] = {}
        self._before: dict[str, bytes] = {}
        self._forgetful = self._random.sample(self._names, (len(self._names) - 1) // 3)
        self._small: str | None = None
        self._pause = threading.Event()
        self.counts: Counter[str] = Counter()
        chain_id = load_genesis(net.folder / "genesis.json").genesis.chain_id
        self._operators = [Operator(net, name, chain_id, seed, per_second) for name in self._names]
        self._started_s = time.monotonic()

    # The whole

    def run(self, duration_s: float, count: int | None = None) -> dict[str, int]:
        """Trouble the network for so long, or `count` times, then check its promises.

        Returns counts.

        Raises BrokenPromiseError, or DevnetError if a node does not come back.
        """
        was_running = list(self._net.processes())
        try:
            self._prepare()
            self._started_s = time.monotonic()
            for operator in self._operators:
                operator.start()
            end = self._started_s + duration_s
            while time.monotonic() < end if count is None else self.counts.total() < count:
                self._go_on(GAP_TRANSACTIONS)
                self._trouble(self._random.choice(self._kinds))
            recovery_s = self._go_on(GAP_TRANSACTIONS)
            self._tell(f"all trouble has ended; the network goes on after {recovery_s:.1f} s")
            for operator in self._operators:
                operator.stop_offering()
            return check_end(self._net, self._operators)
        finally:
            for operator in self._operators:
                operator.stop_offering()
            self._restore()
            self._net.start(*was_running)

    def _prepare(self) -> None:
        """Put relays between all nodes, and one node's database on a small volume."""
        net = self._net
        net.down()
        ports = {name: self._port_of(name) for name in self._names}
        for name in self._names:
            for peer in self._names:
                if peer != name:
                    self._relays[name, peer] = Relay(ports[peer])
        for name in self._names:
            path = net.home(name).settings
            kept = path.with_suffix(".before")
            if kept.exists():  # an earlier run was killed before it could put this back
                path.write_bytes(kept.read_bytes())
            self._before[name] = path.read_bytes()
            kept.write_bytes(self._before[name])
            path.write_text(self._settings(name, self._before[name].decode()))
        if "disk-full" in self._kinds:
            self._small = self._random.choice(self._names)
            _mount(net.home(self._small).database)
        net.start(*self._names)
        for name in self._names:
            net.wait(name, lambda s: s["peers"] == len(self._names) - 1)

    def _port_of(self, name: str) -> int:
        listen = config.load(self._net.home(name).settings).network.listen
        return parse_address(listen[0]).port

    def _settings(self, name: str, text: str) -> str:
        rows = [text.replace('votes = ""', 'votes = "votes.log"'), "[network.peers]"]
        for peer in self._names:
            if peer != name:
                address = f"/ip4/127.0.0.1/tcp/{self._relays[name, peer].port}"
                rows.append(f"{peer} = {json.dumps([address])}")
        return "\n".join(rows) + "\n"

    def _restore(self) -> None:
        self._net.down()
        if self._small is not None:
            _unmount(self._net.home(self._small).database)
        for name, text in self._before.items():
            path = self._net.home(name).settings
            path.write_bytes(text)
            path.with_suffix(".before").unlink()
        for relay in self._relays.values():
            relay.close()

    def _go_on(self, count: int) -> float:
        """Wait until `count` more transactions are reported final; returns the seconds it took."""
        begun = time.monotonic()
        goal = len(check_reports(self._operators)) + count
        while len(check_reports(self._operators)) < goal:
            if time.monotonic() > begun + TIMEOUT_S:
                raise BrokenPromiseError(f"nothing became final for {TIMEOUT_S:.0f} s")
            self._pause.wait(POLL_S)
        return time.monotonic() - begun

    # Troubles

    def _trouble(self, kind: str) -> None:
        if kind == "blackout":
            self._black_out()
            return
        name = self._victim(kind)
        seconds = self._random.uniform(0.2, MAX_TROUBLE_S)
        self._tell(f"{kind:<10} {name} for {seconds:.1f} s")
        self.counts[kind] += 1
        match kind:
            case "kill":
                self._net.kill(name)
                self._pause.wait(seconds)
            case "restart":
                self._net.stop(name)
            case "wipe":
                self._net.kill(name)
                self._wipe(name)
            case "pause":
                self._pause_process(name, seconds)
            case "disconnect":
                self._disconnect(name, seconds)
            case "disk-full":
                self._fill_disk(name, seconds)
        self._net.start(name)

    def _black_out(self) -> None:
        """Kill every node at once, and start all."""
        self._tell("blackout   all")
        self.counts["blackout"] += 1
        for name in self._names:
            self._net.kill(name)
        self._net.start(*self._names)

    def _victim(self, kind: str) -> str:
        """The leader of the moment in half of the cases, where any node may be the victim."""
        if kind == "wipe":
            return self._random.choice(self._forgetful)
        if kind == "disk-full" and self._small is not None:
            return self._small
        if self._random.randrange(2):
            rows = [row for row in self._net.status() if "leader" in row]
            return str(max(rows, key=lambda row: (row["epoch"], row["view"]))["leader"])
        return self._random.choice(self._names)

    def _wipe(self, name: str) -> None:
        """Lose database and journal, and keep the keys."""
        home = self._net.home(name)
        for path in home.database.iterdir():
            path.unlink()
        home.journal.unlink()

    def _pause_process(self, name: str, seconds: float) -> None:
        pid = self._net.processes()[name].pid
        os.kill(pid, signal.SIGSTOP)
        self._pause.wait(seconds)
        os.kill(pid, signal.SIGCONT)

    def _disconnect(self, name: str, seconds: float) -> None:
        relays = [relay for pair, relay in self._relays.items() if name in pair]
        for relay in relays:
            relay.cut()
        self._pause.wait(seconds)
        for relay in relays:
            relay.mend()

    def _fill_disk(self, name: str, seconds: float) -> None:
        """Fill the volume of a database; the node must stop, and go on once there is room."""
        ballast = self._net.home(name).database / "ballast"
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(BALLAST_BYTES))
        end = time.monotonic() + TIMEOUT_S
        while name in self._net.processes() and time.monotonic() < end:
            self._pause.wait(POLL_S)
        stopped = name not in self._net.processes()
        self._pause.wait(seconds)
        ballast.unlink()
        if not stopped:
            raise BrokenPromiseError(f"{name} went on with a full disk for {TIMEOUT_S:.0f} s")

    def _tell(self, text: str) -> None:
        self._say(f"{time.monotonic() - self._started_s:7.1f} s  {text}")


KINDS = ("kill", "blackout", "pause", "disconnect", "restart", "wipe", "disk-full")


def _mount(folder: Path) -> None:
    """Move a folder's content to a small volume of its own, mounted in its place."""
    with tempfile.TemporaryDirectory() as made:
        aside = Path(made) / "content"
        if folder.exists():
            shutil.copytree(folder, aside)
        folder.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={VOLUME_MIB}m,mode=0700", "none"]
        done = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise PerturbError(
                f"a small volume cannot be mounted ({done.stderr.strip()}): disk-full needs that "
                "right; leave it out with --kinds"
            )
        if aside.exists():
            shutil.copytree(aside, folder, dirs_exist_ok=True)


def _unmount(folder: Path) -> None:
    """Take the volume away and put its content back into the folder."""
    if not os.path.ismount(folder):
        return
    with tempfile.TemporaryDirectory() as made:
        aside = Path(made) / "content"
        shutil.copytree(folder, aside)
        done = subprocess.run(["umount", str(folder)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise OSError(errno.EBUSY, f"{folder} cannot be unmounted: {done.stderr.strip()}")
        shutil.copytree(aside, folder, dirs_exist_ok=True)


def may_mount() -> bool:
    """Whether this process may mount a volume: it is root, and nothing forbids it."""
    if os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as made:
        place = Path(made) / "volume"
        try:
            _mount(place)
        except (PerturbError, OSError):
            return False
        _unmount(place)
    return True
