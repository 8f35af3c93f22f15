"""The demonstration's step about data that subjects authorise: one refuses, one withdraws."""

from __future__ import annotations

import contextlib
import csv
import json
from collections.abc import Callable
from typing import Any

from node.home import atomic_write
from node.story import Story, require

OWNER, RECIPIENT, REGISTRAR = "health", "civil", "land"
SUBJECTS = {"Li": "11010119900307123X", "Wang": "110101198511110027", "Zhao": "110101197002290017"}
_DATASET, _PURPOSE = "health/visits", ("--purpose", "public-service")
_FORM = "form.json"
Serving = Callable[[str], contextlib.AbstractContextManager[None]]


class SubjectsStep:
    """health holds visits at L4, civil asks for them, land is the registrar between them."""

    def __init__(self, story: Story, serving: Serving) -> None:
        self._story, self._serving = story, serving

    def run(self) -> None:
        story = self._story
        story.title("L4: only records whose subjects said yes; one refuses, one withdraws later")
        if story.path(_FORM).exists():
            story.show("was shown in this folder before: the batch is posted, and Wang is out")
            return
        self._register()
        grant = self._grant()
        self._authorise()
        delivery = self._fetch(grant, ["1", "2"])
        self._withdraw(grant, delivery)

    def _at(self, member: str, *args: str) -> Any:
        return self._story.settled(member, *args)

    def _register(self) -> None:
        table = self._story.path("visits.csv")
        with table.open("w", newline="") as stream:
            rows = [(n, person, n * 10) for n, person in enumerate(SUBJECTS.values(), 1)]
            csv.writer(stream).writerows([("Number", "Holder", "Fee"), *rows])
        self._at(OWNER, "dataset", "register", str(table), "--title", "Visits", "--level", "4")

    def _grant(self) -> str:
        made = self._at(RECIPIENT, "request", "new", _DATASET, "Number", "Fee", *_PURPOSE,
                        "--basis", "consent", "--rows", "6", "--days", "9")  # fmt: skip
        self._at(OWNER, "request", "approve", str(made["request"]))
        return str(made["request"])

    def _authorise(self) -> None:
        """Li and Wang sign the registrar's form; Zhao does not, and nobody is told."""
        story, form = self._story, str(self._story.path(_FORM))
        atomic_write(story.path("secret"), b"a passphrase", 0o600)
        for name, person in SUBJECTS.items():
            made = story.json("subject", "key", self._key(name), *self._secret)
            story.command("registrar", "person", person, "--key", made["key"], "--home",
                          story.home(REGISTRAR))  # fmt: skip
        self._at(REGISTRAR, "registrar", "open", _DATASET, "--for", RECIPIENT, *_PURPOSE,
                 "--field", "Holder", "--until", "2028-01-31", "-o", form)  # fmt: skip
        for name in ("Li", "Wang"):
            self._sign("sign", name)
        self._at(REGISTRAR, "registrar", "post", "1")
        batch = self._arrive()
        story.show(
            f"batch 1 is posted: {batch['count']} places, two roots, and no name on the chain"
        )

    def _withdraw(self, grant: str, delivery: str) -> None:
        self._sign("withdraw", "Wang")
        self._at(REGISTRAR, "registrar", "refresh")
        self._arrive()
        self._fetch(grant, ["1"])
        [duty] = self._at(OWNER, "authorise", "due")
        self._at(OWNER, "authorise", "tell", str(duty["id"]))
        [duty] = self._at(RECIPIENT, "authorise", "due")
        self._at(RECIPIENT, "envelope", "show", duty["envelope"], "--wait", "30")
        story = self._story
        story.show(story.command("authorise", "rows", str(duty["id"]), "--home",
                                 story.home(RECIPIENT)))  # fmt: skip
        self._at(RECIPIENT, "authorise", "erased", str(duty["id"]), "--yes")
        require(self._export(grant, delivery) == ["1"], "the row is still there")
        story.show("Wang's row is gone from the copy of the first delivery too")

    # Subjects have no node

    @property
    def _secret(self) -> tuple[str, str]:
        return "--passphrase-file", str(self._story.path("secret"))

    def _key(self, name: str) -> str:
        return str(self._story.path(f"{name}.key"))

    def _sign(self, kind: str, name: str) -> None:
        story, out = self._story, str(self._story.path(f"{name}-{kind}.json"))
        story.command("authorise", kind, self._key(name), str(story.path(_FORM)), "--identity",
                      SUBJECTS[name], "--yes", "-o", out, *self._secret)  # fmt: skip
        self._at(REGISTRAR, "registrar", "take", out)

    def _arrive(self) -> Any:
        """Wait until the owner has what the registrar sealed; returns the batch."""
        query = ("contract", "query", "subjects", "batch", "batch=1")
        found = json.loads(self._story.command(*query, "--home", self._story.home(REGISTRAR)))
        for envelope in (*found["parts"], found["envelope"]):
            self._at(OWNER, "envelope", "show", envelope, "--wait", "30")
        return found

    def _fetch(self, grant: str, expected: list[str]) -> str:
        """Fetch, and require that these visits came; returns the delivery."""
        with self._serving(OWNER):
            receipt = self._at(RECIPIENT, "fetch", grant)
            audit = self._at("tax", "exchange", "audit", str(receipt["delivery"]))
        self._story.show(f"{receipt['rows']} of {len(SUBJECTS)} came, {receipt['left_out']} left "
                         "out: their subjects have not authorised it")  # fmt: skip
        self._story.show(f"tax, a supervisor, audits all {audit['checked']} rows: "
                         f"{audit['outcome']}")  # fmt: skip
        require(audit["outcome"] == "passed", "the audit failed")
        delivery = str(receipt["delivery"])
        require(self._export(grant, delivery) == expected, "other visits came")
        return delivery

    def _export(self, grant: str, delivery: str) -> list[str]:
        out = self._story.path("visits-out.csv")
        self._at(RECIPIENT, "export", grant, "--delivery", delivery, "-o", str(out))
        with out.open(newline="") as stream:
            return sorted(row["Number"] for row in csv.DictReader(stream))
