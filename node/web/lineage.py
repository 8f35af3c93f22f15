"""Lineage for pages: what was made from what, over all versions of all members' datasets."""

from __future__ import annotations

import threading
from typing import Any

from node.trace.lineage import Graph, find
from node.web.link import Link


class Lineage:
    """Registrations that were made from others; of each dataset only new versions are asked for."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._known: dict[str, int] = {}
        self._made: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def of(self, dataset: str, version: int) -> Graph:
        """The lineage of a version. Raises NodeError."""

        def get(name: str, number: int) -> Any:
            wanted = {"dataset": name, "version": number}
            return self._link.query("catalogue", "get", wanted)

        return find((dataset, version), get, self._derived())

    def _derived(self) -> list[dict[str, Any]]:
        with self._lock:
            args: dict[str, Any] = {"prefix": ""}
            while rows := self._link.query("catalogue", "list", args):
                for name, latest, _ in rows:
                    self._read(name, latest)
                args["after"] = rows[-1][0]
            return list(self._made)

    def _read(self, name: str, latest: int) -> None:
        while (known := self._known.get(name, 0)) < latest:
            wanted = {"dataset": name, "after": known}
            rows = self._link.query("catalogue", "versions", wanted)
            if not rows:
                return
            self._made += [row for row in rows if row["derived_from"]]
            self._known[name] = rows[-1]["version"]
