"""What the chain tells of one record or one subject: picked from the life of its dataset."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from node.trace.index import Entry


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when (ms UTC, both included), and by which member or MEMBER/OPERATOR, or ""."""

    since: int = 0
    until: int = 1 << 62
    actor: str = ""

    def holds(self, time: int, sender: str) -> bool:
        is_theirs = not self.actor or sender == self.actor or sender.startswith(f"{self.actor}/")
        return is_theirs and self.since <= time <= self.until

    def pick(self, entries: Iterable[Entry]) -> list[Entry]:
        return [entry for entry in entries if self.holds(entry.time, entry.sender)]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery as events tell of it; `rows` went out, 0 while it is open. `time` in ms UTC."""

    number: int
    grant: int
    recipient: str
    server: str
    version: int
    time: int
    rows: int


def deliveries_of(entries: Iterable[Entry]) -> list[Delivery]:
    """Return the deliveries that entries tell of, in order."""
    opened: dict[int, tuple[int, str, str, int, int]] = {}
    rows: dict[int, int] = {}
    for entry in entries:
        match entry.contract, entry.name, entry.data:
            case "deliveries", "opened", [number, grant, recipient, server, version, *_]:
                opened[number] = grant, recipient, server, version, entry.time
            case "deliveries", "ended", [number, _, _, count, *_]:
                rows[number] = count
    return [Delivery(number, *row, rows.get(number, 0)) for number, row in opened.items()]


def holders_of(owner: str, entries: Iterable[Entry]) -> list[str]:
    """Return who may have read a dataset, by its life: owner, delegates, servers, recipients."""
    found = {owner}
    for entry in entries:
        match entry.contract, entry.name, entry.data:
            case "deliveries", "opened", [_, _, recipient, server, *_]:
                found |= {recipient, server}
            case "custody", "accepted", [_, _, custodian, "delegate", *_]:
                found.add(custodian)
    return sorted(found)


def of_record(entries: Sequence[Entry], version: int, row: int) -> list[Entry]:
    """Return what concerns one record (row from 1) of a version, of all that did its dataset."""
    had = [each for each in deliveries_of(entries) if each.version == version]
    numbers, grants = {each.number for each in had}, {each.grant for each in had}

    def concerns(entry: Entry) -> bool:
        match entry.contract, entry.name, entry.data:
            case "catalogue", "destroyed", [_, found, list(rows), *_]:
                return found == version and (not rows or row in rows)
            case "catalogue", "retired", _:
                return True
            case "catalogue" | "budgets", _, [_, int(found), *_]:
                return found == version
            case "deliveries", "erased" | "overdue", [int(grant), *_]:
                return grant in grants
            case "deliveries", _, [int(number), *_]:
                return number in numbers
            case "access", _, [int(number), *_]:
                return number in grants
        return False

    return [entry for entry in entries if concerns(entry)]


def of_subject(entries: Iterable[Entry]) -> list[Entry]:
    """Return who asked for a dataset, had it or was refused it, and what subjects authorised."""
    return [entry for entry in entries if entry.contract in ("access", "deliveries", "subjects")]
