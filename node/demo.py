"""The demonstration: four departments, real processes, each step checked before the next."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from node.devnet import NAMES, Devnet
from node.errors import MunimentError

_PERMIT = {
    "id": "civil/permit",
    "title": "Building permits",
    "fields": [
        {"name": "number", "type": "text"},
        {"name": "holder", "type": "person-name", "level": 3},
    ],
}
Say = Callable[[str], None]


class DemoError(MunimentError):
    """A step did not show what it should."""

    code = "demo"


class Demo:
    """Tells the story by running the commands that a reader would type."""

    def __init__(self, folder: Path, say: Say) -> None:
        self._folder = folder
        self._say = say
        self._step = 0
        self._net = Devnet.create(folder, 4)

    def run(self) -> None:
        """Run every step; raises DemoError or MunimentError at the first that fails."""
        net = self._net
        try:
            self._start()
            registered = self._register()
            self._verify_receipt(registered)
            self._verify_record(registered)
            self._survive()
        finally:
            net.down()
        self._say("\nAll steps were verified.")

    def _title(self, text: str) -> None:
        self._step += 1
        self._say(f"\n{self._step}. {text}")

    def _command(self, *args: str, fails: bool = False) -> str:
        """Run a muniment command and show it; returns what it printed."""
        self._say("   $ muniment " + " ".join(_short(arg, self._folder) for arg in args))
        done = subprocess.run(
            [sys.executable, "-m", "node", *args], capture_output=True, text=True, check=False
        )
        if (done.returncode != 0) != fails:
            raise DemoError(f"exit status {done.returncode}: {done.stderr.strip() or done.stdout}")
        return done.stderr if fails else done.stdout

    def _show(self, text: str) -> None:
        for line in text.strip().splitlines():
            self._say("     " + _short(line.rstrip(), self._folder))

    def _home(self, name: str) -> str:
        return str(self._folder / name)

    def _json(self, *args: str) -> Any:
        return json.loads(self._command(*args, "--json"))

    def _start(self) -> None:
        self._title("Four departments start their nodes: four processes, joined over libp2p")
        net = self._net
        net.start(*net.names)
        for name in net.names:
            status = net.wait(name, lambda s: s["peers"] == len(NAMES) - 1)
            address = " ".join(status["listening"])
            peers = status["peers"]
            self._say(f"     {name:<7} pid {status['pid']:<7} {address}  {peers} peers")

    def _register(self) -> dict[str, Any]:
        self._title("The tax department commits 1,200 real records and registers them")
        with as_file(files("node") / "samples" / "domains.csv") as sample:
            found = self._json(
                "dataset", "register", str(sample), "--home", self._home("tax"),
                "--title", "Government internet domains", "--keyword", "domains",
            )  # fmt: skip
        if found["rows"] != 1200:
            raise DemoError(f"registered {found['rows']} rows, not 1200")
        self._show(f"{found['dataset']} version {found['version']}: {found['rows']} rows, "
                   f"commitment {found['commitment'][:32]}...")  # fmt: skip
        self._title("Every department sees it, and all have the same state")
        for name in self._net.names:
            self._net.wait(name, lambda s: s["height"] > found["height"])
            seen = self._json("dataset", "show", found["dataset"], "--home", self._home(name))
            if seen["commitment"] != found["commitment"]:
                raise DemoError(f"{name} sees another commitment")
        self._compare_roots()
        return dict(found)

    def _compare_roots(self) -> None:
        net = self._net
        top = max(row["height"] for row in net.status() if "height" in row)
        rows = [net.wait(n, lambda s: s["height"] >= top and not s["mempool"]["count"])
                for n in net.processes()]  # fmt: skip
        roots = {row["state_root"] for row in rows}
        for row in rows:
            self._say(f"     {row['name']:<7} height {row['height']:<5} state {row['state_root']}")
        if len(roots) != 1:
            raise DemoError("the state roots differ")

    def _verify_receipt(self, registered: dict[str, Any]) -> None:
        self._title("A receipt of the registration is verified offline, without any node")
        receipt = self._folder / "registration.receipt"
        genesis = str(self._folder / "genesis.json")
        self._command(
            "receipt", registered["txid"], "--home", self._home("health"), "-o", str(receipt)
        )
        self._show(self._command("verify", str(receipt), "--genesis", genesis))
        self._title("The same receipt with one flipped byte is refused")
        data = bytearray(receipt.read_bytes())
        data[len(data) // 2] ^= 1
        flipped = receipt.with_suffix(".flipped")
        flipped.write_bytes(data)
        self._show(self._command("verify", str(flipped), "--genesis", genesis, fails=True))

    def _verify_record(self, registered: dict[str, Any]) -> None:
        self._title("One record is proved with two fields disclosed and the others hidden")
        proof = self._folder / "record.proof"
        self._command(
            "prove-record", registered["dataset"], "--row", "7", "--field", "City",
            "--field", "State", "--version", str(registered["version"]),
            "--txid", registered["txid"], "--home", self._home("tax"), "-o", str(proof),
        )  # fmt: skip
        found = self._json(
            "verify-record", str(proof), "--genesis", str(self._folder / "genesis.json")
        )
        with (files("node") / "samples" / "domains.csv").open() as file:
            row = list(csv.DictReader(file))[6]
        if found["fields"] != {"City": row["City"], "State": row["State"]}:
            raise DemoError("the proof shows other values than the file has")
        self._show(f"City = {found['fields']['City']}, State = {found['fields']['State']}; "
                   f"{found['hidden']} fields hidden")  # fmt: skip

    def _survive(self) -> None:
        net = self._net
        self._title("One node is killed (kill -9); the others go on committing")
        net.kill("land")
        self._say("     land is gone")
        known = self._json("standard", "list", "--home", self._home("civil"))
        latest = next((row["latest"] for row in known if row["id"] == "civil/permit"), 0)
        standard = self._folder / "permit.json"
        standard.write_text(json.dumps({**_PERMIT, "version": latest + 1}))
        done = self._json("standard", "publish", str(standard), "--home", self._home("civil"))
        self._say(f"     {done['id']} is final at height {done['height']}")
        self._title("It starts again, catches up, and all have the same state once more")
        net.start("land")
        net.wait("land", lambda s: s["height"] >= done["height"])
        self._compare_roots()


def _short(text: str, folder: Path) -> str:
    return text.replace(str(folder) + "/", "")
