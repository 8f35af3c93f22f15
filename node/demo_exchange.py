"""The demonstration of the exchange: one department asks for what another holds."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path
from typing import Any

from consensus.validators import Parameters
from node.demo_dispute import DisputeStep
from node.demo_subjects import SubjectsStep
from node.devnet import Devnet
from node.story import Say, Story, require

ROWS = 60
PARAMETERS = Parameters(epoch_length=16, idle_ms=200)
_FIELDS = (
    ("number", "code", 1, None),
    ("city", "text", 1, None),
    ("fee", "amount", 2, None),
    ("holder", "person-name", 3, "name"),
    ("phone", "phone", 3, "mobile"),
)
_CITIES = ("Wuhan", "Chengdu", "Harbin", "Xi'an")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _row(number: int) -> list[str]:
    """A made-up permit."""
    name = "王李张刘陈"[number % 5] + "伟芳娜敏静"[number // 5 % 5]
    city = _CITIES[number % len(_CITIES)]
    return [f"P-{number:04}", city, f"{number * 10}.00", name, f"138{number:08}"]


class ExchangeDemo:
    """land holds permits; tax (central, supervisor), health (province) and civil ask for them."""

    def __init__(self, folder: Path, say: Say) -> None:
        self._net = Devnet.create(folder, 4, PARAMETERS)
        self._story = Story(self._net, say)
        self._dataset = "land/permits"

    def run(self) -> None:
        """Run every step; raises DemoError or MunimentError at the first that fails."""
        try:
            self._start()
            with self._story.serving("land"):
                self._open_data()
                self._automatic()
                self._quota()
                self._look_up()
                grant = self._reviewed()
                self._revoked(grant)
            DisputeStep(self._story).run(self._dataset)
            SubjectsStep(self._story, self._story.serving).run()
            self._off_hours()
            self._third_party()
            self._border()
            self._trace(grant)
        finally:
            self._net.down()
        self._story.say("\nAll steps were verified.")

    def _start(self) -> None:
        story = self._story
        story.title("Four departments; land collects permits, with a standard that grades them")
        self._net.start(*self._net.names)
        for name in self._net.names:
            self._net.wait(name, lambda s: s["peers"] == 3)
        home = story.home("land")
        known = [row["id"] for row in story.json("standard", "list", "--home", home)]
        if "land/permit" not in known:
            fields = [{"name": n, "type": t, "level": level, "mask": mask}
                      for n, t, level, mask in _FIELDS]  # fmt: skip
            file = story.path("permit.json")
            file.write_text(json.dumps({"id": "land/permit", "version": 1, "title": "Permit",
                                        "fields": fields}))  # fmt: skip
            story.command("standard", "publish", str(file), "--home", home)
        table = story.path("permits.csv")
        with table.open("w", newline="") as stream:
            csv.writer(stream).writerows([[n for n, *_ in _FIELDS], *map(_row, range(1, ROWS + 1))])
        found = story.json("dataset", "register", str(table), "--standard", "land/permit",
                           "--title", "Permits", "--home", home)  # fmt: skip
        require(found["rows"] == ROWS, f"registered {found['rows']} rows")
        story.show(f"{found['dataset']} version {found['version']}: {ROWS} rows, "
                   "number and city L1, fee L2, holder and phone L3")  # fmt: skip

    def _ask(self, who: str, *more: str, rows: int = ROWS) -> dict[str, Any]:
        """Ask for permits; returns what the command tells of the request."""
        found = self._story.json("request", "new", self._dataset, *more, "--rows", str(rows),
                                 "--days", "30", "--home", self._story.home(who))  # fmt: skip
        decision = found["decision"]
        self._story.show(f"request {found['request']} is {found['status']} by the rule "
                         f"{decision['rule']} (level L{decision['level']})")  # fmt: skip
        return dict(found)

    def _fetch(self, who: str, grant: int, *options: str) -> list[dict[str, str]]:
        """Fetch and export; returns the rows and shows the first ones."""
        story, home = self._story, self._story.home(who)
        receipt = story.json("fetch", str(grant), *options, "--home", home)
        output = story.path(f"grant-{grant}.csv")
        story.command("export", str(grant), "-o", str(output), "--home", home)
        with output.open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        story.show(f"{len(rows)} rows verified, delivery {receipt['delivery']}; the first:")
        story.show("\n".join(", ".join(row.values()) for row in rows[:2]))
        return rows

    def _open_data(self) -> None:
        self._story.title("L1: tax asks for open fields and has them at once")
        made = self._ask("tax", "number", "city", "--purpose", "open-use", "--basis", "open")
        rows = self._fetch("tax", made["request"])
        want = [dict(zip(("number", "city"), _row(n), strict=False)) for n in range(1, ROWS + 1)]
        require(rows == want, "other rows arrived")

    def _automatic(self) -> None:
        self._story.title("L2: granted by itself, since purpose and basis fit")
        made = self._ask("tax", "number", "fee", "--purpose", "public-service", "--basis",
                         "contract")  # fmt: skip
        require(made["status"] == "granted", "was not granted")
        require(len(self._fetch("tax", made["request"])) == ROWS, "rows are missing")
        self._story.refuse("request", "new", self._dataset, "number", "fee", "--purpose", "gossip",
                           "--basis", "contract", "--rows", "5", "--days", "30", "--home",
                           self._story.home("tax"))  # fmt: skip

    def _quota(self) -> None:
        story = self._story
        story.title("A quota is a quota: ten rows are granted, and no eleventh is delivered")
        made = self._ask("tax", "number", "fee", "--purpose", "public-service", "--basis",
                         "contract", rows=10)  # fmt: skip
        require(len(self._fetch("tax", made["request"], "--rows", "10")) == 10, "not ten rows")
        said = story.refuse("fetch", str(made["request"]), "--rows", "1", "--home",
                            story.home("tax"))  # fmt: skip
        require("quota" in said, "refused for another reason")

    def _look_up(self) -> None:
        story = self._story
        story.title("A look-up: one answer by key, proved and signed by both, and no table moves")
        made = self._ask("tax", "city", "--lookup", "number", "--purpose", "public-service",
                         "--basis", "contract", rows=100)  # fmt: skip
        found = story.json("lookup", str(made["request"]), "P-0007", "P-9999", "--close", "--home",
                           story.home("tax"))  # fmt: skip
        want = [{"key": "P-0007", "city": _row(7)[1]}, {"key": "P-9999", "found": False}]
        require(found == want, "other answers came")
        story.show(
            f"P-0007 is in {found[0]['city']}; P-9999 does not exist, and that is a call too"
        )

    def _reviewed(self) -> int:
        story = self._story
        story.title("L3: people's names and numbers wait for land's review, and come masked")
        made = self._ask("tax", "number", "holder", "phone", "--purpose", "public-service",
                         "--basis", "public-task")  # fmt: skip
        number = made["request"]
        story.show(story.command("inbox", "--home", story.home("land")))
        approved = story.json("request", "approve", str(number), "--home", story.home("land"))
        rows = self._fetch("tax", number, "--rows", str(ROWS // 2))
        plain = {cell for n in range(1, ROWS + 1) for cell in _row(n)[3:]}
        shown = {row[name] for row in rows for name in ("holder", "phone")}
        require(not plain & shown, "a name or number came unmasked")
        self._prove(str(approved["txid"]))
        return int(number)

    def _prove(self, txid: str) -> None:
        """The decision is proved offline, like any transaction."""
        story = self._story
        receipt = story.path("approval.receipt")
        story.command("receipt", txid, "-o", str(receipt), "--home", story.home("health"))
        story.show(story.command("verify", str(receipt), "--genesis",
                                 str(story.path("genesis.json"))))  # fmt: skip

    def _revoked(self, grant: int) -> None:
        story, home = self._story, self._story.home("tax")
        story.title("land revokes the grant half-way: the other half stays, and copies go")
        story.command("grant", "revoke", str(grant), "--reason", "misuse", "--home",
                      story.home("land"))  # fmt: skip
        story.refuse("fetch", str(grant), "--home", home)
        story.refuse("export", str(grant), "-o", str(story.path("late.csv")), "--home", home)
        story.show(story.command("exchange", "erase", str(grant), "--yes", "--home", home))

    def _off_hours(self) -> None:
        story = self._story
        story.title("Outside of the hours that were agreed nothing is opened")
        other = _DAYS[(time.gmtime().tm_wday + 3) % 7]
        made = self._ask("tax", "number", "fee", "--purpose", "public-service", "--basis",
                         "contract", "--hours", f"{other} 09:00-10:00 +00:00")  # fmt: skip
        said = story.refuse("fetch", str(made["request"]), "--home", story.home("tax"))
        require("hour" in said, "refused for another reason")

    def _third_party(self) -> None:
        story = self._story
        story.title("civil becomes a third party: it needs a permit, and a supervisor's review")
        self._story.vote("civil", "roles", "third-party,validator")
        asked = ("number", "fee", "--purpose", "public-service", "--basis", "contract")
        story.refuse("request", "new", self._dataset, *asked, "--rows", "60", "--days", "30",
                     "--home", story.home("civil"))  # fmt: skip
        story.command("permit", "issue", "civil", "--scenario", "public-service", "--until",
                      "2099-12-31", "--home", story.home("tax"))  # fmt: skip
        made = self._ask("civil", *asked)
        require(made["status"] == "waiting", "a supervisor was not asked")
        done = story.json("request", "approve", str(made["request"]), "--home", story.home("tax"))
        story.show(f"request {made['request']} is {done['status']}, in audited mode")
        self._audited(made["request"])
        # So that the story can be told again in this folder.
        story.command("permit", "revoke", "civil", "--home", story.home("tax"))

    def _audited(self, grant: int) -> None:
        """Rows come in another order; tax looks at what the chain has drawn of them."""
        story = self._story
        with self._story.serving("land"):
            rows = self._fetch("civil", grant)
            [waits] = story.json("exchange", "audit", "--home", story.home("tax"))
            found = story.json("exchange", "audit", str(waits["delivery"]), "--home",
                               story.home("tax"))  # fmt: skip
        numbers = [row["number"] for row in rows]
        require(sorted(numbers) == [_row(n)[0] for n in range(1, ROWS + 1)], "other rows arrived")
        require(numbers != sorted(numbers), "the rows are in the order of the register")
        require(found["outcome"] == "passed", "the audit failed")
        story.show(f"tax has compared {found['checked']} rows with what is registered: passed")

    def _border(self) -> None:
        story = self._story
        story.title("health sits abroad now: what crosses the border is for the central tier")
        self._story.vote("health", "jurisdiction", "xx-1")
        made = self._ask("health", "number", "fee", "--purpose", "public-service", "--basis",
                         "contract")  # fmt: skip
        require(made["status"] == "waiting", "the central tier was not asked")
        story.show(story.command("request", "explain", str(made["request"]), "--home",
                                 story.home("health")))  # fmt: skip
        done = story.json("request", "approve", str(made["request"]), "--home", story.home("tax"))
        story.show(f"request {made['request']} is {done['status']}")

    def _trace(self, grant: int) -> None:
        story = self._story
        story.title("Anybody can tell the life of a grant from the chain")
        story.show(story.command("trace", "grant", str(grant), "--home",
                                 story.home("civil")))  # fmt: skip
