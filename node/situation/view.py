"""The situation for a terminal, in panels that fit it."""

from __future__ import annotations

from typing import Any

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

_GOOD, _BAD, _WARN = "green", "bold red", "yellow"
WIDTH = 38


def render(report: dict[str, Any]) -> RenderableType:
    """Return the whole picture."""
    node = report["node"]
    panels = [
        _panel("Node", [
            ("state", Text(node["state"], _GOOD if node["state"] == "in sync" else _BAD)),
            ("height", f"{node['height']:,}  {node['age_ms'] / 1_000:.1f} s ago"),
            ("epoch, view", f"{node['epoch']}, {node['view']}"),
            ("leader", node["leader"]),
            ("skipped views", _count(node["nullified_in_row"], _WARN)),
            ("contradictions", _count(node["evidence"], _BAD)),
        ]),
        _panel("Traffic", [
            ("last minute", f"{report['last_minute']['transactions']:,} transactions"),
            ("failed", _count(report["last_minute"]["failed"], _WARN)),
            ("waiting", f"{report['waiting']:,}"),
            *((t["member"], f"{t['transactions']:,} in the last hour") for t in report["talkers"]),
        ]),
        _panel("Requests", list(report["requests"].items())),
        _panel("Rows delivered", [(k, f"{n:,}") for k, n in report["rows_delivered"].items()]),
        _panel("Open alerts", [(f"severity {k}", _count(n, _WARN))
                               for k, n in report["alerts"].items()]),
        _panel("Open cases", [(f"severity {k}", n) for k, n in report["cases"].items()]),
        _panel("Orders", [
            ("open", report["orders"]["open"]),
            *((f"order {n}", Text("overdue: " + ", ".join(names), _BAD))
              for n, names in report["orders"]["overdue"].items()),
        ]),
        _panel("Sanctions in force", [(m["member"], m["measure"]) for m in report["measures"]]),
    ]  # fmt: skip
    title = Text(f"{node['network']} as seen by {node['name']}", "bold")
    if report["standstill"]:
        title.append("\n" + report["standstill"], _BAD)
    return Group(title, Columns(panels), _peers(report["peers"], node["height"]))


def _panel(title: str, rows: list[tuple[str, Any]]) -> Panel:
    table = Table.grid(padding=(0, 2))
    for name, value in rows:
        table.add_row(name, value if isinstance(value, Text) else str(value))
    return Panel(table if rows else Text("none", "dim"), title=title, width=WIDTH)


def _count(number: int, style: str) -> Text:
    return Text(f"{number:,}", style if number else "")


def _peers(peers: list[dict[str, Any]], height: int) -> Table:
    table = Table("member", "", "height", "behind", "sent", "received", "last fault", box=None)
    for peer in peers:
        mark = Text("up", _GOOD) if peer["connected"] else Text("down", _BAD)
        behind = "" if peer["height"] is None else str(max(0, height - peer["height"]))
        table.add_row(
            peer["name"] + ("" if peer["validator"] else " (observer)"), mark,
            str(peer["height"] or ""), behind, _bytes(peer["sent_bytes"]),
            _bytes(peer["received_bytes"]), peer["last_fault"],
        )  # fmt: skip
    return table


def _bytes(number: float) -> str:
    for unit in ("B", "kB", "MB"):
        if number < 1_000:
            return f"{number:.0f} {unit}"
        number /= 1_000
    return f"{number:.1f} GB"
