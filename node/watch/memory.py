"""Bounded tables of plain values: all that a watch remembers, so that it can be written down."""

from __future__ import annotations

from typing import Any


class Table(dict[str, Any]):
    """Rows by key; beyond `limit` the row that was touched least lately goes."""

    def __init__(self, limit: int, rows: dict[str, Any] | None = None) -> None:
        super().__init__(rows or {})
        self.limit = limit

    def touch(self, key: str, row: Any) -> None:
        """Set a row and make it the latest."""
        self.pop(key, None)
        self[key] = row
        if len(self) > self.limit:
            del self[next(iter(self))]


class Memory:
    """Tables by name, each made at its first use or from what was kept."""

    def __init__(self, kept: dict[str, dict[str, Any]] | None = None) -> None:
        self._kept = kept or {}
        self._tables: dict[str, Table] = {}

    def table(self, name: str, limit: int) -> Table:
        rows = self._kept.pop(name, {})
        made = self._tables[name] = Table(limit, dict(list(rows.items())[-limit:]))
        return made

    def to_value(self) -> dict[str, dict[str, Any]]:
        return {name: dict(table) for name, table in self._tables.items()}
