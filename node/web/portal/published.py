"""What the portal may hand out of the shelf now, and proofs of registrations, by the chain."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TypeVar

from node.home import Home
from node.publish.proof import state_key
from node.publish.shelf import Publication, Shelf, why_stale
from node.rpc.client import NodeError
from node.web.catalogue import FRESH_S, Record
from node.web.link import BUSY, Link

_K = TypeVar("_K")
_V = TypeVar("_V")
MOST_KEPT = 256
MOST_WAITING = 4
"""Proofs that are waited for at once; each holds a connection to the node until its next block."""


class Published:
    """The shelf of a home; each publication is compared with the chain every few seconds."""

    def __init__(self, home: Home, link: Link) -> None:
        self._shelf, self._link = Shelf(home.open), link
        self.records, self.open = self._shelf.records, self._shelf.open
        self._checked: OrderedDict[str, tuple[float, bool]] = OrderedDict()
        self._proofs: OrderedDict[bytes, bytes] = OrderedDict()
        self._places = threading.Semaphore(MOST_WAITING)
        self._lock = threading.Lock()

    def find(self, row: Record, version: int) -> Publication | None:
        """A version of an open dataset, if its records may be shown. Raises ShelfError."""
        found = self._shelf.find(row["dataset"], version)
        return found if found is not None and self._may_show(found) else None

    def newest(self, row: Record) -> Publication | None:
        """The latest version of an open dataset whose records may be shown."""
        for version in sorted(self._shelf.versions(row["dataset"]), reverse=True):
            found = self.find(row, version)
            if found is not None:
                return found
        return None

    def _may_show(self, found: Publication) -> bool:
        now = time.monotonic()
        when, answer = self._checked.get(found.folder, (float("-inf"), False))
        if now - when > FRESH_S:
            answer = why_stale(self._link.query, found) is None
            self._keep(self._checked, found.folder, (now, answer))
        return answer

    def proof(self, dataset: str, version: int) -> bytes:
        """The proof that a version is registered, which never changes: made once, then kept.

        Raises NodeError.
        """
        key = state_key(dataset, version)
        known = self._proofs.get(key)
        if known is not None:
            return known
        if not self._places.acquire(blocking=False):
            raise NodeError("other proofs are being made; try again in some seconds", BUSY)
        try:
            made = bytes.fromhex(self._link.call("state.prove", key=key.hex())["proof"])
        finally:
            self._places.release()
        self._keep(self._proofs, key, made)
        return made

    def _keep(self, kept: OrderedDict[_K, _V], key: _K, value: _V) -> None:
        with self._lock:
            kept[key] = value
            kept.move_to_end(key)
            while len(kept) > MOST_KEPT:
                kept.popitem(last=False)
