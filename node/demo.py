"""The demonstration: four departments, real processes, each step checked before the next."""

from __future__ import annotations

import csv
import json
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from node.devnet import NAMES, Devnet
from node.story import DemoError, Say, Story

_PERMIT = {
    "id": "civil/permit",
    "title": "Building permits",
    "fields": [
        {"name": "number", "type": "text"},
        {"name": "holder", "type": "person-name", "level": 3},
    ],
}


class Demo:
    """Tells the story by running the commands that a reader would type."""

    def __init__(self, folder: Path, say: Say) -> None:
        self._folder = folder
        self._net = Devnet.create(folder, 4)
        self._story = Story(self._net, say)

    def run(self) -> None:
        """Run every step; raises DemoError or MunimentError at the first that fails."""
        try:
            self._start()
            registered = self._register()
            self._verify_receipt(registered)
            self._verify_record(registered)
            self._survive()
        finally:
            self._net.down()
        self._story.say("\nAll steps were verified.")

    def _start(self) -> None:
        self._story.title("Four departments start their nodes: four processes, joined over libp2p")
        net = self._net
        net.start(*net.names)
        for name in net.names:
            status = net.wait(name, lambda s: s["peers"] == len(NAMES) - 1)
            address = " ".join(status["listening"])
            peers = status["peers"]
            self._story.say(f"     {name:<7} pid {status['pid']:<7} {address}  {peers} peers")

    def _register(self) -> dict[str, Any]:
        self._story.title("The tax department commits 1,200 real records and registers them")
        with as_file(files("node") / "samples" / "domains.csv") as sample:
            found = self._story.json(
                "dataset", "register", str(sample), "--home", self._story.home("tax"),
                "--title", "Government internet domains", "--keyword", "domains",
            )  # fmt: skip
        if found["rows"] != 1200:
            raise DemoError(f"registered {found['rows']} rows, not 1200")
        self._story.show(f"{found['dataset']} version {found['version']}: {found['rows']} rows, "
                   f"commitment {found['commitment'][:32]}...")  # fmt: skip
        self._story.title("Every department sees it, and all have the same state")
        for name in self._net.names:
            self._net.wait(name, lambda s: s["height"] > found["height"])
            seen = self._story.json(
                "dataset", "show", found["dataset"], "--home", self._story.home(name)
            )
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
            self._story.say(
                f"     {row['name']:<7} height {row['height']:<5} state {row['state_root']}"
            )
        if len(roots) != 1:
            raise DemoError("the state roots differ")

    def _verify_receipt(self, registered: dict[str, Any]) -> None:
        self._story.title("A receipt of the registration is verified offline, without any node")
        receipt = self._folder / "registration.receipt"
        genesis = str(self._folder / "genesis.json")
        self._story.command(
            "receipt", registered["txid"], "--home", self._story.home("health"), "-o", str(receipt)
        )
        self._story.show(self._story.command("verify", str(receipt), "--genesis", genesis))
        self._story.title("The same receipt with one flipped byte is refused")
        data = bytearray(receipt.read_bytes())
        data[len(data) // 2] ^= 1
        flipped = receipt.with_suffix(".flipped")
        flipped.write_bytes(data)
        self._story.show(
            self._story.command("verify", str(flipped), "--genesis", genesis, fails=True)
        )

    def _verify_record(self, registered: dict[str, Any]) -> None:
        self._story.title("One record is proved with two fields disclosed and the others hidden")
        proof = self._folder / "record.proof"
        self._story.command(
            "prove-record", registered["dataset"], "--row", "7", "--field", "City",
            "--field", "State", "--version", str(registered["version"]),
            "--txid", registered["txid"], "--home", self._story.home("tax"), "-o", str(proof),
        )  # fmt: skip
        found = self._story.json(
            "verify-record", str(proof), "--genesis", str(self._folder / "genesis.json")
        )
        with (files("node") / "samples" / "domains.csv").open() as file:
            row = list(csv.DictReader(file))[6]
        if found["fields"] != {"City": row["City"], "State": row["State"]}:
            raise DemoError("the proof shows other values than the file has")
        self._story.show(f"City = {found['fields']['City']}, State = {found['fields']['State']}; "
                   f"{found['hidden']} fields hidden")  # fmt: skip

    def _survive(self) -> None:
        net = self._net
        self._story.title("One node is killed (kill -9); the others go on committing")
        net.kill("land")
        self._story.say("     land is gone")
        known = self._story.json("standard", "list", "--home", self._story.home("civil"))
        latest = next((row["latest"] for row in known if row["id"] == "civil/permit"), 0)
        standard = self._folder / "permit.json"
        standard.write_text(json.dumps({**_PERMIT, "version": latest + 1}))
        done = self._story.json(
            "standard", "publish", str(standard), "--home", self._story.home("civil")
        )
        self._story.say(f"     {done['id']} is final at height {done['height']}")
        self._story.title("It starts again, catches up, and all have the same state once more")
        net.start("land")
        net.wait("land", lambda s: s["height"] >= done["height"])
        self._compare_roots()
