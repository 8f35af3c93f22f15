"""An index of the chain's events by what they are about, in one SQLite file beside the database.

It holds nothing that the chain does not: it is brought up to date from the node before each use,
each block's entries are summed up so that `faults` finds what differs from the chain, and it can be
thrown away and made again.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node.errors import MunimentError
from node.rpc.client import Client
from node.trace.entities import entities_of, links_of

FORMAT = 1
PAGE = 1_000
_LATEST = 1 << 62
MAX_RELATED = 2_000
"""Grants and deliveries whose events are taken into a trace."""
_SCHEMA = """
CREATE TABLE meta(name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
CREATE TABLE blocks(height INTEGER PRIMARY KEY, digest TEXT, sum BLOB);
CREATE TABLE entries(
    id INTEGER PRIMARY KEY, height INTEGER, time INTEGER, txid TEXT, sender TEXT, code INTEGER,
    contract TEXT, name TEXT, data TEXT);
CREATE INDEX entries_by_time ON entries(time);
CREATE INDEX entries_by_height ON entries(height);
CREATE TABLE about(entity TEXT, entry INTEGER, PRIMARY KEY(entity, entry)) WITHOUT ROWID;
CREATE TABLE links(parent TEXT, child TEXT, PRIMARY KEY(parent, child)) WITHOUT ROWID;
"""


class TraceError(MunimentError):
    """The index cannot be used; the message says what to do."""

    code = "trace"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. `time` is in ms UTC; `code` is 0 unless the transaction failed.

    Of a failed transaction `contract` and `name` are the method that was called, `data` is empty.
    """

    height: int
    time: int
    txid: str
    sender: str
    code: int
    contract: str
    name: str
    data: Any


class Index:
    """The index of one home; several processes may read it and bring it up to date."""

    def __init__(self, path: Path, chain_id: str) -> None:
        self._path = path
        try:
            # One thread after the other may use it, never two at once.
            self._db = sqlite3.connect(path, timeout=30, check_same_thread=False)
            path.chmod(0o600)
            # A power cut may lose the last additions, which come again, and harms nothing else.
            self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;")
            if not self._db.execute("SELECT 1 FROM sqlite_master").fetchone():
                self._db.executescript(_SCHEMA)
                self._set("format", FORMAT)
                self._set("chain", chain_id)
                self._db.commit()
            if (self._get("format"), self._get("chain")) != (FORMAT, chain_id):
                raise TraceError(f"{path} is of another chain or release; {_ANEW}")
        except sqlite3.Error as error:
            raise TraceError(f"{path} cannot be used: {error}; {_ANEW}") from error

    def close(self) -> None:
        self._db.close()

    def _get(self, name: str, default: Any = None) -> Any:
        row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return default if row is None else row[0]

    def _set(self, name: str, value: object) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES(?, ?)", (name, value))

    @property
    def height(self) -> int:
        """Up to which height the chain is in the index."""
        return int(self._get("height", 0))

    # Filling

    def update(self, client: Client, tell: Callable[[int, int], None] | None = None) -> None:
        """Take in what the node has got since; `tell` hears (height, of)."""
        members = {row["name"] for row in _members(client)}
        while True:
            answer = client.call("events.range", after=self.height)
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                here = self.height  # another process may have taken in the same meanwhile
                for block in answer["blocks"]:
                    if block["height"] > here:
                        self.add(block, members)
                self._set("height", max(here, answer["to"]))
            if tell is not None:
                tell(answer["to"], answer["height"])
            if answer["to"] >= answer["height"]:
                return
            if any(_joins(block) for block in answer["blocks"]):
                members = {row["name"] for row in _members(client)}

    def add(self, block: dict[str, Any], members: set[str]) -> None:
        """Take in one block's events, as `events.range` gives them."""
        entries, about, links = [], [], []
        number = self._next()
        for entry in entries_of(block):
            data = json.dumps(entry.data, separators=(",", ":"))
            entries.append((number, entry.height, entry.time, entry.txid, entry.sender, entry.code,
                            entry.contract, entry.name, data))  # fmt: skip
            found = entities_of(entry.contract, entry.name, entry.data, members, entry.sender)
            if entry.txid.strip("0"):
                found.add(f"tx:{entry.txid}")
            about += [(entity, number) for entity in found]
            links += links_of(found)
            number += 1
        run = self._db.executemany
        run("INSERT INTO entries VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)", entries)
        run("INSERT OR IGNORE INTO about VALUES(?, ?)", about)
        run("INSERT OR IGNORE INTO links VALUES(?, ?)", links)
        row = (block["height"], block["digest"], _sum([entry[1:] for entry in entries]))
        self._db.execute("INSERT INTO blocks VALUES(?, ?, ?)", row)

    def commit(self) -> None:
        """Keep what was added, for who fills the index by `add`."""
        self._db.commit()

    def _next(self) -> int:
        return int(self._db.execute("SELECT COALESCE(MAX(id), 0) + 1 FROM entries").fetchone()[0])

    # Asking

    def trace(
        self, entity: str, since: int = 0, until: int = 1 << 62, actor: str = "",
        limit: int = PAGE, also: Sequence[str] = (), latest: bool = False,
    ) -> list[Entry]:  # fmt: skip
        """Return the life of an entity and of what came of it, in order, `limit` entries at most.

        With `latest` the last one comes first.

        `since` and `until` are in ms UTC, both included; `actor` is a member or MEMBER/OPERATOR.
        `also` are entities whose lives are told together with it.
        """
        marks = {mark for each in (entity, *also) for mark in (each, *self.related(each))}
        low, high = self.first(since), self.first(until + 1)
        found: list[Entry] = []
        last = 0
        numbers = (self._numbers(mark, low, high, "DESC" if latest else "ASC") for mark in marks)
        for number in heapq.merge(*numbers, reverse=latest):
            if number == last:
                continue
            last = number
            row = self._db.execute("SELECT * FROM entries WHERE id = ?", (number,)).fetchone()
            if not actor or row[4] == actor or row[4].startswith(f"{actor}/"):
                found.append(_entry(*row))
                if len(found) == limit:
                    break
        return found

    def first(self, time: int) -> int:
        """The number of the first entry not before `time`, or of the next one to come.

        Entries are in the order of time.
        """
        question = "SELECT id FROM entries WHERE time >= ? ORDER BY time, id LIMIT 1"
        row = self._db.execute(question, (min(time, _LATEST),)).fetchone()
        return self._next() if row is None else int(row[0])

    def above(self, number: int) -> Iterator[tuple[int, Entry]]:
        """Yield all entries above a number, with theirs."""
        for row in self._db.execute("SELECT * FROM entries WHERE id > ? ORDER BY id", (number,)):
            yield row[0], _entry(*row)

    def _numbers(self, entity: str, low: int, high: int, order: str) -> Iterator[int]:
        question = (
            "SELECT entry FROM about WHERE entity = ? AND entry >= ? AND entry < ? "
            f"ORDER BY entry {order}"
        )
        for (number,) in self._db.execute(question, (entity, low, high)):
            yield int(number)

    def related(self, entity: str) -> list[str]:
        """Return what came of an entity, as far as `CHILDREN` says: grants, their deliveries."""
        found = [entity]
        for parent in found:
            room = MAX_RELATED - len(found)
            question = "SELECT child FROM links WHERE parent = ? LIMIT ?"
            found += [row[0] for row in self._db.execute(question, (parent, max(room, 0)))]
        return found[1:]

    def count(self) -> int:
        """How many entries there are."""
        return int(self._db.execute("SELECT COUNT(*) FROM entries").fetchone()[0])

    # Checking

    def faults(self, client: Client) -> Iterator[str]:
        """Yield a sentence for each block whose entries are not those of the chain."""
        question = "SELECT height, time, txid, sender, code, contract, name, data FROM entries"
        after, seen = 0, 0
        while after < self.height:
            answer = client.call("events.range", after=after)
            for block in answer["blocks"]:
                if block["height"] > self.height:
                    break
                rows = [
                    (e.height, e.time, e.txid, e.sender, e.code, e.contract, e.name,
                     json.dumps(e.data, separators=(",", ":")))
                    for e in entries_of(block)
                ]  # fmt: skip
                here = self._db.execute(f"{question} WHERE height = ? ORDER BY id",
                                        (block["height"],)).fetchall()  # fmt: skip
                known = self._db.execute("SELECT digest, sum FROM blocks WHERE height = ?",
                                         (block["height"],)).fetchone()  # fmt: skip
                if here != rows or known != (block["digest"], _sum(rows)):
                    yield f"block {block['height']}: the index differs from the chain"
                seen += len(rows)
            after = answer["to"]
        if seen != self.count():
            yield f"the index holds {self.count()} entries, the chain {seen}"


_ANEW = "make it anew with: muniment trace rebuild"


def open_index(path: Path, client: Client) -> Index:
    """Open the index of a home for the chain of its node. Raises TraceError."""
    return Index(path, client.call("status")["chain_id"])


def rebuild(path: Path, client: Client, tell: Callable[[int, int], None] | None = None) -> int:
    """Make the index anew; returns how many entries it has."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with closing(open_index(fresh, client)) as index:
        index.update(client, tell)
        count = index.count()
    fresh.rename(path)
    return count


def entries_of(block: dict[str, Any]) -> Iterator[Entry]:
    """Yield what happened in a block, as `events.range` gives it."""
    height, time = block["height"], block["time"]
    for txid, sender, code, calls, events in block["rows"]:
        for contract, name, data in events:
            yield Entry(height, time, txid, sender, code, contract, name, data)
        if code:
            for call in calls:
                contract, _, method = call.partition(".")
                yield Entry(height, time, txid, sender, code, contract, method, [])


def _entry(
    number: int, height: int, time: int, txid: str, sender: str, code: int, contract: str,
    name: str, data: str,
) -> Entry:  # fmt: skip
    return Entry(height, time, txid, sender, code, contract, name, json.loads(data))


def _members(client: Client) -> list[dict[str, Any]]:
    return list(client.call("state.query", contract="members", method="list", args={}))


def _joins(block: dict[str, Any]) -> bool:
    """Whether somebody may have become a member."""
    return any(event[0] == "members" for *_, events in block["rows"] for event in events)


def _sum(rows: Sequence[tuple[object, ...]]) -> bytes:
    return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).digest()
