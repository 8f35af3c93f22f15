"""What changed in a source behind everybody's back.

A source is declared frozen (nothing may change), append-only (records may come) or mutable: then
every change sets a stamp, and what must not be is a record that went away, or whose content is
another under a stamp that is not newer than everything seen before. A scan reads the whole source
and compares it with the scan before, by keyed digests: the digests tell nothing without the home's
master key, and rows are named by what the source or the vault still shows.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from node.data import vault
from node.data.chain import Chain
from node.data.collect import Collector
from node.data.commitment import Field
from node.data.index import Index, compare
from node.data.keyring import Keyring
from node.data.making import open_index
from node.data.sealing import Sealer
from node.data.source import Source
from node.errors import MunimentError
from node.home import Home

MAX_NAMED = 1_000
"""Rows that a report names; the rest is counted."""
Kind = Literal["added", "removed", "changed", "old-stamp", "old-insert"]
ALLOWED: dict[str, tuple[Kind, ...]] = {
    "frozen": (),
    "append-only": ("added",),
    "mutable": ("added", "changed"),
}
"""What is no alert, by what the source is declared. Without a stamp `old-stamp` never occurs."""


class ScanError(MunimentError):
    """A scan that cannot be made; the message says what to declare."""

    code = "scan"


@dataclass(frozen=True, slots=True)
class Change:
    """A record that differs from the scan before; `key` is empty where nothing shows it now."""

    kind: Kind
    key: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What a scan saw. `counts` are of all changes, `alerts` are those that must not be, named.

    `stale` is by how many records the registered version differs from the source; -1 if there is
    none. The first scan has nothing to compare with but that version.
    """

    rows: int
    counts: dict[Kind, int]
    alerts: tuple[Change, ...]
    alert_count: int
    stale: int
    since: int | None


class Scanner:
    """Scans of one source. `key` is declared: without it a change is a removal and an addition."""

    def __init__(self, home: Home, source: Source, chain: Chain, master: bytes) -> None:
        self._home, self._source, self._chain, self._master = home, source, chain, master
        self._collector = Collector(home, source, chain, master)
        self._dataset = f"{chain.member}/{source.dataset or source.name}"
        self._folder = home.path / "scans" / source.name
        self._state = Sealer(master)
        self._names = self._collector.field_names()
        self._key = [self._place(name) for name in source.key]
        self._stamp = self._place(source.change_stamp) if source.change_stamp else None

    def _place(self, name: str) -> int:
        if name not in self._names:
            raise ScanError(f"{self._source.name}: {name!r} is no field of the standard")
        return self._names.index(name)

    def run(self) -> Report:
        """Scan, compare, and keep this scan to compare the next one with. Raises MunimentError."""
        if not self._key:
            raise ScanError(f"{self._source.name} declares no key, so no row could be named")
        begun = time.time_ns() // 1_000_000
        self._recover()
        kept = self._state.read(self._last / "head", self._about)
        head: dict[str, Any] = kept if isinstance(kept, dict) else {}
        before = self._before(head)
        fresh = Index.fresh(self._new / "index", self._master, self._dataset, self._key)
        try:
            try:
                found, rows, newest = self._read(fresh, before, str(head.get("newest", "")))
                fresh.complete()
                gone = set() if before is None else _gone(before, fresh)
            finally:
                if before is not None:
                    before.close()
            found += [Change("removed", key) for key in self._named(gone)]
            stale = self._stale(fresh)
        finally:
            fresh.close()
        self._keep({"time": begun, "newest": newest, "rows": rows})
        allowed = ALLOWED[self._source.changes]
        alerts = [change for change in found if change.kind not in allowed]
        counts: dict[Kind, int] = {}
        for change in found:
            counts[change.kind] = counts.get(change.kind, 0) + 1
        since = head.get("time")
        return Report(rows, counts, tuple(alerts[:MAX_NAMED]), len(alerts), stale, since)

    @property
    def _last(self) -> Path:
        return self._folder / "last"

    @property
    def _new(self) -> Path:
        return self._folder / "new"

    @property
    def _old(self) -> Path:
        return self._folder / "old"

    def _recover(self) -> None:
        """Bring the last scan back if the exchange with a new one was broken off."""
        if not self._last.exists() and self._old.exists():
            self._old.rename(self._last)
        for each in (self._old, self._new):
            shutil.rmtree(each, ignore_errors=True)

    @property
    def _about(self) -> str:
        return f"scan {self._source.name}"

    def _before(self, head: dict[str, Any]) -> Index | None:
        """The index of the last scan; of the registered version if there was none."""
        if head:
            found = Index.reopen(self._last / "index", self._master, self._dataset, self._key)
            if found is not None:
                return found  # else the key was declared otherwise since
        version = self._registered()
        return None if version is None else open_index(
            self._home, version, self._master, self._key
        )  # fmt: skip

    def _registered(self) -> vault.Version | None:
        known = self._chain.query("catalogue", "get", {"dataset": self._dataset})
        if known is None:
            return None
        folder = vault.folder_of(self._home.vault, self._dataset, known["latest"])
        if not folder.exists():
            return None
        return vault.Version(folder, Keyring(self._home.vault, self._master))

    def _read(
        self, fresh: Index, before: Index | None, newest: str
    ) -> tuple[list[Change], int, str]:
        """Take the source into `fresh`; returns what differs, how many rows, the newest stamp."""
        found: list[Change] = []
        rows, latest = 0, newest
        for values in self._collector.look():
            rows += 1
            fresh.add(values)
            stamp = None if self._stamp is None else values[self._stamp]
            if stamp is not None and is_later(stamp, latest):
                latest = stamp
            if before is None:
                continue
            content = before.content_of(values)
            is_old = stamp is not None and newest != "" and not is_later(stamp, newest)
            if content is None:
                found.append(Change("old-insert" if is_old else "added", self._key_of(values)))
            elif not before.is_content(values, content):
                kind: Kind = "old-stamp" if is_old else "changed"
                found.append(Change(kind, self._key_of(values)))
        return found, rows, latest

    def _key_of(self, values: Sequence[Field]) -> tuple[Field, ...]:
        return tuple(values[place] for place in self._key)

    def _named(self, digests: set[bytes]) -> Iterator[tuple[Field, ...]]:
        """Yield the keys of records that are gone, as far as the registered version shows them."""
        left = set(digests)
        version = self._registered() if left else None
        if version is not None:
            index = open_index(self._home, version, self._master, self._key)
            try:
                for values in version.rows():
                    digest = index.digest_of(values)
                    if digest in left:
                        left.discard(digest)
                        yield self._key_of(values)
            finally:
                index.close()
        yield from [()] * len(left)

    def _stale(self, fresh: Index) -> int:
        version = self._registered()
        if version is None:
            return -1
        index = open_index(self._home, version, self._master, self._key)
        try:
            return sum(1 for _ in compare(index, fresh))
        finally:
            index.close()

    def _keep(self, head: dict[str, Any]) -> None:
        """Exchange the last scan for the new one."""
        self._state.write(self._new / "head", self._about, head)
        if self._last.exists():
            self._last.rename(self._old)
        self._new.rename(self._last)
        shutil.rmtree(self._old, ignore_errors=True)


def _gone(before: Index, fresh: Index) -> set[bytes]:
    return {digest for kind, digest in compare(before, fresh) if kind == "removed"}


def is_later(stamp: str, than: str) -> bool:
    """Whether a stamp is newer: whole numbers by value, everything else (ISO 8601) as text."""
    if stamp.isascii() and stamp.isdigit() and than.isascii() and than.isdigit():
        return int(stamp) > int(than)
    return stamp > than
