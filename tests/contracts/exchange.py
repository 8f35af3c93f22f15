"""A chain on which tax has data of every level, and others ask for it."""

from __future__ import annotations

from typing import Any

from contracts.codes import Code
from tests.contracts.tree import Tree

DAY_MS = 24 * 60 * 60 * 1_000
FIELDS = (
    ("division", "division-code", 1, "general", None),
    ("sector", "text", 2, "general", None),
    ("name", "person-name", 3, "general", "name"),
    ("phone", "phone", 3, "general", "mobile"),
    ("resident", "resident-id", 4, "general", "resident-id"),
    ("reserve", "text", 2, "important", None),
    ("site", "text", 3, "core", None),
    ("income", "amount", 3, "general", None),
)
"""Name, type, level, class, default mask."""
DIVISION, SECTOR, PERSON, PHONE, RESIDENT, RESERVE, SITE, INCOME = range(len(FIELDS))


class Exchange(Tree):
    """tax owns tax/firms; sea (central) and city and town (local) ask; land supervises."""

    def __init__(self) -> None:
        super().__init__()
        self.version = 0
        for name in ("land", "tax", "city", "town", "sea"):
            self.change(name, jurisdiction="cn-31", storage="cn-31-a")
        self.register()

    def register(self, dataset: str = "tax/firms", **changes: Any) -> Any:
        """Publish the next version of the standard and of the dataset."""
        self.version += 1
        fields = [
            {"name": n, "type": t, "unit": None, "codes": None, "level": lv, "class": c, "mask": m}
            for n, t, lv, c, m in changes.pop("fields", FIELDS)
        ]
        standard = self.standard(id="tax/firm", version=self.version, fields=fields)
        standard["schema"] = {"type": "object"}
        published = self.run("tax", "standards", "publish", standard)
        assert published.code == Code.OK, published.details
        digest: Any = published.events[0].data
        given = {
            "dataset": dataset,
            "version": self.version,
            "level": max(field["level"] for field in fields),
            "class": "core",
            "standard": ["tax/firm", self.version, digest[2]],
            "rows": 5_000,
        }
        receipt = self.run(
            "tax", "catalogue", "register", self.registration(digest[2], **{**given, **changes})
        )
        assert receipt.code == Code.OK, receipt.details
        return receipt

    def terms(self, *fields: int, **changes: Any) -> dict[str, Any]:
        """Arguments of a request of the series for 30 days."""
        return {
            "dataset": "tax/firms",
            "version": None,
            "fields": list(fields or (SECTOR,)),
            "filter": [],
            "envelope": None,
            "purpose": "public-service",
            "basis": "contract",
            "kind": "table",
            "key": None,
            "mode": "linked",
            "from": self.now,
            "until": self.now + 30 * DAY_MS,
            "rows": 100,
            "retention_days": 30,
            "onward": False,
            "hours": None,
        } | changes

    def ask_for(self, *fields: int, by: str = "city", **changes: Any) -> Any:
        """Send a request; returns it as it stands then."""
        receipt = self.run(by, "access", "request", self.terms(*fields, **changes))
        assert receipt.code == Code.OK, (Code(receipt.code), receipt.details)
        return self.ask("access", "request", request=receipt.events[0].data[0])  # type: ignore[index]

    def review(
        self, by: str, request: int, outcome: str = "approve", revision: int = 1, **more: Any
    ) -> Any:
        args = {"request": request, "revision": revision, "outcome": outcome, **more}
        return self.run(by, "access", "review", args)

    def grant(self, number: int) -> Any:
        return self.ask("access", "grant", grant=number)

    def status(self, number: int) -> str:
        return str(self.ask("access", "request", request=number)["status"])

    def usable(self, number: int, later_ms: int = 0) -> Code:
        return Code(self.ask("access", "usable", grant=number, time=self.now + later_ms))
