"""What waits for a member, read from the chain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from node.data.chain import Query

SENTENCES = {
    "review": "{} asks for {}",
    "second": "confirm {}, prepared by {}",
    "vote": "vote on {}, proposed by {}",
    "tell": "tell {} what is withdrawn of {}",
    "erase": "erase what is withdrawn of {}",
    "use": "review {}'s use of {} under {}",
    "notice": "notify subjects of {}'s use of {} under {}",
    "offered": "{} of {} is offered",
    "ended": "erase what you hold of {}",
    "placed": "take version {} of {}",
    "challenge": "show that you hold {} version {}, by height {}",
    "dispute": "settle what {} disputes of {}",
    "intersection": "finish counting what {} and {} have in common",
    "sum": "{} asks for your number of the sum {}",
    "acknowledge": "acknowledge {}'s order",
    "complete": "complete {}'s order",
    "still": "{}",
}
"""What there is to do, with places for who and what."""


@dataclass(frozen=True, slots=True)
class Due:
    """Something to do: its kind and number, by when (ms UTC, None: no term), and how.

    What it is stands in `SENTENCES` under `sentence`; `parts` are who and what it is about.
    """

    kind: str
    number: int
    sentence: str
    parts: tuple[object, ...]
    by: int | None
    command: str
    overdue: bool = False

    def what(self, say: Callable[[str], str] = str) -> str:
        """The sentence, in the language that `say` speaks."""
        return say(SENTENCES[self.sentence]).format(*self.parts)

    def to_value(self) -> dict[str, Any]:
        """As JSON tells it."""
        return {"kind": self.kind, "number": self.number, "what": self.what(), "by": self.by,
                "command": self.command, "overdue": self.overdue}  # fmt: skip


def find_due(query: Query, member: str, now_ms: int) -> list[Due]:
    """Return what waits for `member`, what is due first at the beginning."""
    record = query("members", "get", {"name": member})
    if record is None:
        return []
    found = [
        *_reviews(query, member, now_ms),
        *_seconds(query, member),
        *(_votes(query, member) if "validator" in record["roles"] else ()),
        *_obligations(query, member),
        *_uses(query, member, "supervisor" in record["roles"], now_ms),
        *_agreements(query, member, now_ms),
        *_challenges(query, member),
        *(_disputes(query, member) if "supervisor" in record["roles"] else ()),
        *_intersections(query, member),
        *_sums(query, member),
        *_orders(query, member, now_ms),
    ]
    return sorted(found, key=lambda due: (due.by is None, due.by or 0, due.kind, due.number))


def _pages(query: Query, contract: str, method: str, args: dict[str, Any]) -> Iterator[Any]:
    """Yield the rows of a question that is asked by number."""
    while rows := query(contract, method, args):
        yield from rows
        args = {**args, "after": rows[-1]["id"]}


def _reviews(query: Query, member: str, now_ms: int) -> Iterator[Due]:
    for row in query("access", "waiting", {"member": member, "time": now_ms}):
        yield Due("review", row["id"], "review", (row["recipient"], row["dataset"]),
                  row["deadline"], f"muniment request show {row['id']}")  # fmt: skip


def _seconds(query: Query, member: str) -> Iterator[Due]:
    for row in query("operators", "requests", {"member": member}):
        parts = (f"{row['contract']}.{row['method']}", row["by"] or member)
        yield Due("second", row["id"], "second", parts, row["until"],
                  f"muniment operator confirm {row['id']}")  # fmt: skip


def _votes(query: Query, member: str) -> Iterator[Due]:
    """Open proposals among the latest on which a member has not voted."""
    for row in query("governance", "list", {}):
        if row["status"] != "open":
            continue
        votes = query("governance", "get", {"proposal": row["id"]})["votes"]
        if member not in [name for name, *_ in votes]:
            yield Due("vote", row["id"], "vote", (row["kind"], row["proposer"]),
                      row["until"], f"muniment gov show {row['id']}")  # fmt: skip


def _obligations(query: Query, member: str) -> Iterator[Due]:
    for row in _pages(query, "subjects", "obligations", {"member": member}):
        sentence, command, parts = "erase", "rows", [row["dataset"]]
        if row["status"] == "telling":
            sentence, command, parts = "tell", "tell", [row["recipient"], row["dataset"]]
        yield Due("withdrawal", row["id"], sentence, tuple(parts), row["due"],
                  f"muniment authorise {command} {row['id']}", row["overdue"])  # fmt: skip


def _uses(query: Query, member: str, is_supervisor: bool, now_ms: int) -> Iterator[Due]:
    for row in _pages(query, "subjects", "uses", {}):
        parts = (row["recipient"], row["dataset"], row["statute"])
        concerned = (row["recipient"], row["dataset"].partition("/")[0])
        if row["status"] == "asked" and is_supervisor and member not in concerned:
            yield Due("use", row["id"], "use", parts, None,
                      f"muniment authorise law allow {row['id']}")  # fmt: skip
        elif row["status"] == "allowed" and row["registrar"] == member:
            yield Due("notice", row["id"], "notice", parts, row["notice"],
                      f"muniment registrar notified {row['id']}",
                      row["notice"] < now_ms)  # fmt: skip


def _agreements(query: Query, member: str, now_ms: int) -> Iterator[Due]:
    for row in _pages(query, "custody", "list", {}):
        if row["custodian"] != member:
            continue
        if row["status"] == "offered":
            yield Due("custody", row["id"], "offered", (row["mode"], row["dataset"]), None,
                      f"muniment custody accept {row['id']}")  # fmt: skip
        elif row["status"] == "active":
            yield from _placed(query, row)
        elif row["status"] == "ended" and row["due"] is not None:
            yield Due("custody", row["id"], "ended", (row["dataset"],), row["due"],
                      f"muniment custody erase {row['id']}", row["due"] < now_ms)  # fmt: skip


def _placed(query: Query, agreement: dict[str, Any]) -> Iterator[Due]:
    number = agreement["id"]
    args = {"agreement": number}
    while rows := query("custody", "placements", args):
        for row in rows:
            if row["status"] == "placed":
                version = row["version"]
                yield Due("custody", number, "placed", (version, row["dataset"]), None,
                          f"muniment custody take {number} --version {version}")  # fmt: skip
        args = {**args, "after": rows[-1]["version"]}


def _disputes(query: Query, member: str) -> Iterator[Due]:
    for row in _pages(query, "deliveries", "disputes", {}):
        concerned = (row["recipient"], row["server"], row["owner"])
        if row["status"] == "disputed" and member not in concerned:
            yield Due("dispute", row["id"], "dispute", (row["dispute"]["by"], row["dataset"]),
                      None, f"muniment dispute show {row['id']}")  # fmt: skip


def _intersections(query: Query, member: str) -> Iterator[Due]:
    for row in _pages(query, "intersections", "open", {"member": member}):
        command = f"muniment compute intersect {row['grant']} COLUMN --own {row['own']} ..."
        yield Due("intersection", row["id"], "intersection", (row["own"], row["dataset"]), None,
                  command)  # fmt: skip


def _sums(query: Query, member: str) -> Iterator[Due]:
    """Sums that a member is called to, and has not joined; the rest its process does."""
    for row in _pages(query, "sums", "open", {"member": member}):
        if row["status"] == "joining" and member not in row["joined"]:
            command = f"muniment compute sum join {row['id']} --dataset ..."
            yield Due("sum", row["id"], "sum", (row["by"], row["label"]), row["due"], command)


def _challenges(query: Query, member: str) -> Iterator[Due]:
    for row in query("custody", "waiting", {"custodian": member}):
        yield Due("challenge", row["id"], "challenge",
                  (row["dataset"], row["version"], row["deadline"]), None,
                  "muniment custody answer")  # fmt: skip


def _orders(query: Query, member: str, now_ms: int) -> Iterator[Due]:
    for order, part in query("dispatch", "due", {"member": member}):
        is_seen = part["status"] != "sent"
        by = order["complete_by"] if is_seen else order["acknowledge_by"]
        yield Due("order", order["id"], "complete" if is_seen else "acknowledge",
                  (order["issuer"],), by, f"muniment dispatch show {order['id']}",
                  by is not None and by < now_ms)  # fmt: skip
