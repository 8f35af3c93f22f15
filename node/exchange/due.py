"""What waits for a member in the exchange, read from the chain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Query = Callable[[str, str, dict[str, Any]], Any]
"""`query(contract, method, args)` of a node; byte strings in hexadecimal."""


@dataclass(frozen=True, slots=True)
class Due:
    """Something to do: its kind and number, a sentence, by when (ms UTC, None: no term), how."""

    kind: str
    number: int
    what: str
    by: int | None
    command: str
    overdue: bool = False


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
    ]
    return sorted(found, key=lambda due: (due.by is None, due.by or 0, due.kind, due.number))


def _pages(query: Query, contract: str, method: str, args: dict[str, Any]) -> Iterator[Any]:
    """Yield the rows of a question that is asked by number."""
    while rows := query(contract, method, args):
        yield from rows
        args = {**args, "after": rows[-1]["id"]}


def _reviews(query: Query, member: str, now_ms: int) -> Iterator[Due]:
    for row in query("access", "waiting", {"member": member, "time": now_ms}):
        yield Due("review", row["id"], f"{row['recipient']} asks for {row['dataset']}",
                  row["deadline"], f"muniment request show {row['id']}")  # fmt: skip


def _seconds(query: Query, member: str) -> Iterator[Due]:
    for row in query("operators", "requests", {"member": member}):
        what = f"confirm {row['contract']}.{row['method']}, prepared by {row['by'] or member}"
        yield Due("second", row["id"], what, row["until"], f"muniment operator confirm {row['id']}")


def _votes(query: Query, member: str) -> Iterator[Due]:
    """Open proposals among the latest on which a member has not voted."""
    for row in query("governance", "list", {}):
        if row["status"] != "open":
            continue
        votes = query("governance", "get", {"proposal": row["id"]})["votes"]
        if member not in [name for name, *_ in votes]:
            yield Due("vote", row["id"], f"vote on {row['kind']}, proposed by {row['proposer']}",
                      row["until"], f"muniment gov show {row['id']}")  # fmt: skip


def _obligations(query: Query, member: str) -> Iterator[Due]:
    for row in _pages(query, "subjects", "obligations", {"member": member}):
        if row["status"] == "telling":
            what, command = f"tell {row['recipient']} what is withdrawn of", "tell"
        else:
            what, command = "erase what is withdrawn of", "rows"
        yield Due("withdrawal", row["id"], f"{what} {row['dataset']}", row["due"],
                  f"muniment authorise {command} {row['id']}", row["overdue"])  # fmt: skip


def _uses(query: Query, member: str, is_supervisor: bool, now_ms: int) -> Iterator[Due]:
    for row in _pages(query, "subjects", "uses", {}):
        what = f"{row['recipient']}'s use of {row['dataset']} under {row['statute']}"
        concerned = (row["recipient"], row["dataset"].partition("/")[0])
        if row["status"] == "asked" and is_supervisor and member not in concerned:
            yield Due("use", row["id"], f"review {what}", None,
                      f"muniment authorise law allow {row['id']}")  # fmt: skip
        elif row["status"] == "allowed" and row["registrar"] == member:
            yield Due("notice", row["id"], f"notify subjects of {what}", row["notice"],
                      f"muniment registrar notified {row['id']}",
                      row["notice"] < now_ms)  # fmt: skip


def _agreements(query: Query, member: str, now_ms: int) -> Iterator[Due]:
    for row in _pages(query, "custody", "list", {}):
        if row["custodian"] != member:
            continue
        if row["status"] == "offered":
            yield Due("custody", row["id"], f"{row['mode']} of {row['dataset']} is offered", None,
                      f"muniment custody accept {row['id']}")  # fmt: skip
        elif row["status"] == "active":
            yield from _placed(query, row)
        elif row["status"] == "ended" and row["due"] is not None:
            yield Due("custody", row["id"], f"erase what you hold of {row['dataset']}", row["due"],
                      f"muniment custody erase {row['id']}", row["due"] < now_ms)  # fmt: skip


def _placed(query: Query, agreement: dict[str, Any]) -> Iterator[Due]:
    number = agreement["id"]
    args = {"agreement": number}
    while rows := query("custody", "placements", args):
        for row in rows:
            if row["status"] == "placed":
                version = row["version"]
                yield Due("custody", number, f"take version {version} of {row['dataset']}", None,
                          f"muniment custody take {number} --version {version}")  # fmt: skip
        args = {**args, "after": rows[-1]["version"]}


def _disputes(query: Query, member: str) -> Iterator[Due]:
    for row in _pages(query, "deliveries", "disputes", {}):
        concerned = (row["recipient"], row["server"], row["owner"])
        if row["status"] == "disputed" and member not in concerned:
            what = f"settle what {row['dispute']['by']} disputes of {row['dataset']}"
            yield Due("dispute", row["id"], what, None, f"muniment dispute show {row['id']}")


def _intersections(query: Query, member: str) -> Iterator[Due]:
    for row in _pages(query, "intersections", "open", {"member": member}):
        what = f"finish counting what {row['own']} and {row['dataset']} have in common"
        command = f"muniment compute intersect {row['grant']} COLUMN --own {row['own']} ..."
        yield Due("intersection", row["id"], what, None, command)


def _sums(query: Query, member: str) -> Iterator[Due]:
    """Sums that a member is called to, and has not joined; the rest its process does."""
    for row in _pages(query, "sums", "open", {"member": member}):
        if row["status"] == "joining" and member not in row["joined"]:
            what = f"{row['by']} asks for your number of the sum {row['label']}"
            command = f"muniment compute sum join {row['id']} --dataset ..."
            yield Due("sum", row["id"], what, row["due"], command)


def _challenges(query: Query, member: str) -> Iterator[Due]:
    for row in query("custody", "waiting", {"custodian": member}):
        yield Due("challenge", row["id"], f"show that you hold {row['dataset']} version "
                  f"{row['version']}, by height {row['deadline']}", None,
                  "muniment custody answer")  # fmt: skip
