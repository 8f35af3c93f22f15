"""The demonstration of supervision: from a leak to a sanction and back; an order that escalates."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

from consensus.validators import Parameters
from node.devnet import Devnet
from node.rpc.client import Client
from node.story import Say, Story, require

ROWS = 600
PARAMETERS = Parameters(epoch_length=16, idle_ms=200)
_DATASET = "land/wells"
_FIELDS = (("number", "code", 1, None), ("place", "coordinates", 3, "coordinates"))
_WORDS = "Wells of the province on a forum; are they ours?"


class SupervisionDemo:
    """tax (central) and health (its province) supervise; land holds wells, civil has a copy."""

    def __init__(self, folder: Path, say: Say) -> None:
        self._net = Devnet.create(folder, 4, PARAMETERS)
        self._story = Story(self._net, say)

    def run(self) -> None:
        """Run every step; raises DemoError or MunimentError at the first that fails."""
        try:
            self._start()
            with self._story.serving("land"), self._story.serving("civil"):
                copy, closed = self._deliver()
                found = self._find_leak(copy)
                self._bind(found, closed)
                case = self._open_case(found)
                self._who_read()
            violation = self._sanction(case)
            refused = self._is_refused()
            self._appeal(violation)
            self._prove(case, refused)
            self._escalate()
        finally:
            self._net.down()
        self._story.say("\nAll steps were verified.")

    def _at(self, member: str, *args: object) -> Any:
        """What a command says at a member's home, once all nodes that run have what it did."""
        found = self._story.json(*map(str, args), "--home", self._story.home(member))
        if isinstance(found, dict) and (height := found.get("height")):
            for name in self._net.processes():
                self._net.wait(name, lambda status: status["height"] >= height)
        return found

    def _start(self) -> None:
        story = self._story
        story.title("Four departments; land registers where wells are, at sharing level L3")
        self._net.start(*self._net.names)
        for name in self._net.names:
            self._net.wait(name, lambda s: s["peers"] == 3)
        known = [row["id"] for row in self._at("land", "standard", "list")]
        if "land/well" not in known:
            fields = [{"name": n, "type": t, "level": level, "mask": mask}
                      for n, t, level, mask in _FIELDS]  # fmt: skip
            file = story.path("well.json")
            file.write_text(json.dumps({"id": "land/well", "version": 1, "title": "Well",
                                        "fields": fields}))  # fmt: skip
            story.command("standard", "publish", str(file), "--home", story.home("land"))
        table, seeded = story.path("wells.csv"), random.Random(5)
        with table.open("w", newline="") as stream:
            rows = [(f"W-{n:04}", f"{seeded.uniform(22, 42):.5f},{seeded.uniform(100, 122):.5f}")
                    for n in range(ROWS)]  # fmt: skip
            csv.writer(stream).writerows([[name for name, *_ in _FIELDS], *rows])
        self._at("land", "dataset", "register", table, "--standard", "land/well", "--title",
                 "Wells")  # fmt: skip
        story.vote("health", "roles", "supervisor,validator")

    def _ask(self, who: str) -> dict[str, Any]:
        made = self._at(who, "request", "new", _DATASET, "number", "place", "--purpose",
                        "public-service", "--basis", "public-task", "--audited", "--rows", ROWS,
                        "--days", "30")  # fmt: skip
        return dict(made)

    def _deliver(self) -> tuple[Path, str]:
        """Give the same wells to civil and health; returns civil's export and how it closed."""
        story = self._story
        story.title("civil and health get them: places are masked to a grid, and each copy marked")
        for who in ("health", "civil"):
            grant = self._ask(who)["request"]
            self._at("land", "request", "approve", grant)
            receipt = self._at(who, "fetch", grant)
            story.show(f"{who} has {receipt['rows']} rows as delivery {receipt['delivery']}")
        out = story.path("civil.csv")
        self._at("civil", "export", grant, "-o", out)
        return out, str(receipt["txid"])

    def _find_leak(self, copy: Path) -> dict[str, Any]:
        """Half the rows of civil's copy turn up; land tries the marks of all its deliveries."""
        story = self._story
        story.title("Half of it turns up on a forum; land's marks tell whose copy it was")
        head, *rows = copy.read_text().splitlines()
        random.Random(7).shuffle(rows)
        story.path("found.csv").write_text("\n".join([head, *rows[: ROWS // 2]]))
        verdicts = self._at("land", "leak", "trace", story.path("found.csv"))
        story.path("verdict.json").write_text(json.dumps(verdicts, indent=2))
        named = [each for each in verdicts if each["found"]]
        require([each["recipient"] for each in named] == ["civil"], "another copy was named")
        first = named[0]
        story.show(f"delivery {first['delivery']} under grant {first['grant']} to civil; by chance "
                   f"at most {first['bound']:.1g}")  # fmt: skip
        return dict(first)

    def _bind(self, found: dict[str, Any], closed: str) -> None:
        """The evidence of the delivery, checked offline, names the mark that was found."""
        story = self._story
        out, genesis = story.path("delivery.evidence"), str(story.path("genesis.json"))
        story.command("exchange", "evidence", str(found["delivery"]), "--txid", closed, "-o",
                      str(out), "--home", story.home("land"))  # fmt: skip
        said = story.json("verify", str(out), "--genesis", genesis)
        require(said["watermark"] == found["mark"], "the delivery was bound to another mark")
        story.show(f"bound offline: request {said['request']}, mark {said['watermark'][:16]}")

    def _open_case(self, found: dict[str, Any]) -> int:
        story = self._story
        story.title("land reports it with its evidence; tax, a supervisor, takes the case")
        case = self._at("land", "case", "open", "--kind", "leak", "--member", "civil", "--dataset",
                        _DATASET, "--grant", found["grant"], "--severity", "3", "--text",
                        _WORDS)["case"]  # fmt: skip
        for file, kind in (("found.csv", "leak"), ("verdict.json", "leak-trace"),
                           ("delivery.evidence", "delivery")):  # fmt: skip
            self._at("land", "case", "attach", case, story.path(file), "--kind", kind)
        self._at("tax", "case", "assign", case, "tax")
        return int(case)

    def _who_read(self) -> None:
        """The access logs of who held it, asked over the network and checked with their anchors."""
        story = self._story
        story.title("Who read it? tax asks land, health and civil for their access logs")
        for name in ("land", "civil"):
            story.command("vault", "anchor", "--home", story.home(name))
        said = story.refuse("trace", "dataset", _DATASET, "--logs", "--patience", "5", "--home",
                            story.home("tax"))  # fmt: skip
        require("health (silent" in said, "health was not named")
        require("export under grant" in said, "the export was not found")

    def _sanction(self, case: int) -> int:
        story = self._story
        story.title("The case is confirmed; the ladder of measures says what follows")
        self._at("tax", "case", "dispose", case, "confirmed", "--text", "Theirs, by mark and log.")
        violation = self._at("tax", "sanction", "find", "civil", "leak", "--gravity", "4", "--case",
                             case)["violation"]  # fmt: skip
        imposed = self._at("tax", "sanction", "impose", violation)
        require(imposed["measure"] == "suspend", "another measure was imposed")
        story.show(f"civil is under the measure {imposed['measure']} until {imposed['until']}")
        return int(violation)

    def _is_refused(self) -> str:
        """What civil asks for is refused, with the reason; returns the transaction."""
        story = self._story
        story.title("civil asks for more, and is refused with the reason")
        asked = ("request", "new", _DATASET, "number", "--purpose", "public-service", "--basis",
                 "public-task", "--rows", "9", "--days", "30")  # fmt: skip
        said = story.refuse(*asked, "--home", story.home("civil"))
        require("under a sanction" in said, "refused for another reason")
        made = self._at("civil", *asked, "--anyway")
        require(made["status"] == "denied", "it was not denied")
        return str(made["txid"])

    def _appeal(self, violation: int) -> None:
        story = self._story
        story.title("civil appeals; health, which had no part in it, upholds the appeal")
        self._at("civil", "sanction", "appeal", violation, "--text", "A backup was stolen from us.")
        refused = story.refuse("sanction", "decide", str(violation), "granted", "--home",
                               story.home("tax"))  # fmt: skip
        require("cannot decide" in refused, "refused for another reason")
        decided = self._at(
            "health", "sanction", "decide", violation, "granted", "--text", "So be it."
        )
        require(decided["status"] == "overturned", "the violation stands")
        made = self._ask("civil")
        story.show(f"civil may ask again: request {made['request']} is {made['status']}")
        self._at("civil", "request", "withdraw", made["request"])

    def _prove(self, case: int, refused: str) -> None:
        story = self._story
        story.title("One file proves the whole case offline, each step; a flipped byte is refused")
        self._at("tax", "case", "close", case)
        out, genesis = story.path("case"), str(story.path("genesis.json"))
        story.command("case", "export", str(case), "-o", str(out), "--with", refused, "--home",
                      story.home("land"))  # fmt: skip
        story.show(story.command("verify", str(out), "--genesis", genesis))
        data = bytearray(out.read_bytes())
        data[len(data) // 2] ^= 1
        flipped = story.path("case.flipped")
        flipped.write_bytes(data)
        story.refuse("verify", str(flipped), "--genesis", genesis)

    def _escalate(self) -> None:
        """An order over three tiers, one department of which cannot be reached."""
        story, net = self._story, self._net
        story.title(
            "An order goes down the tiers while land is cut off: past the deadline it rises"
        )
        net.stop("land")
        order = self._at("tax", "dispatch", "issue", "--to", "health", "--severity", "urgent",
                         "--text", "Close the wells.")["order"]  # fmt: skip
        self._at("health", "dispatch", "acknowledge", order)
        with Client(net.home("tax").socket) as client:
            client.call("subscribe", topics=["events"])
            passed = self._at("health", "dispatch", "issue", "--to", "civil", "--to", "land",
                              "--origin", order, "--text", "Close the wells.", "--acknowledge",
                              "4s", "--escalate", "1h")["order"]  # fmt: skip
            self._at("civil", "dispatch", "acknowledge", passed)
            self._at("civil", "dispatch", "complete", passed)
            height = _escalated(client, passed)
        deadline = self._at("tax", "dispatch", "show", passed)["acknowledge_by"]
        before, at = (self._block_time(each) for each in (height - 1, height))
        require(
            before <= deadline < at, "it was not escalated in the first block past its deadline"
        )
        raised = self._at("health", "dispatch", "due")["raised"]
        require(raised == [[passed, "land", "acknowledge"]], "health was told something else")
        story.show(f"block {height} is the first past the deadline: health hears of land's silence")
        net.start("land")
        net.wait("land", lambda status: status["state"] == "in sync")
        late = self._at("land", "dispatch", "acknowledge", passed)["late"]
        self._at("land", "dispatch", "complete", passed, "--text", "Done, we were cut off.")
        for name in ("civil", "land"):
            self._at("health", "dispatch", "confirm", passed, name)
        self._at("health", "dispatch", "complete", order)
        require(late and self._at("tax", "dispatch", "show", passed)["status"] == "closed",
                "the order is not closed")  # fmt: skip
        story.show("land is back, acknowledges late, and the order is closed")

    def _block_time(self, height: int) -> int:
        with Client(self._net.home("tax").socket) as client:
            return int(client.call("block.get", height=height, most=0)["timestamp"])


def _escalated(client: Client, order: int) -> int:
    """Wait until an order is escalated; returns the height."""
    for _, told in client.subscribe(("events",)):
        if (told["contract"], told["name"], told["data"][0]) == ("dispatch", "escalated", order):
            return int(told["height"])
    raise AssertionError("a subscription ends with an error")
