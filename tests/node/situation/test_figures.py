"""Figures from events, and the forms in which they are shown."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from node.situation.figures import HOUR_MS, Figures
from node.situation.metrics import exposition
from node.situation.view import render
from node.trace.index import Entry

DOCS = Path(__file__).parents[3] / "docs" / "monitoring"
NOW = 1_790_000_000_000


def fold(*events: tuple[str, str, Any], sender: str = "tax") -> Figures:
    figures = Figures()
    for number, (contract, name, data) in enumerate(events):
        figures.add(Entry(number, NOW + number, f"{number:064x}", sender, 0, contract, name, data))
    return figures


def test_requests_stand_in_their_last_state() -> None:
    figures = fold(
        ("access", "requested", [1, "civil", "tax/a"]),
        ("access", "decided", [1, "review", "l3", 3]),
        ("access", "reviewed", [1, "tax", "approve", []]),
        ("access", "granted", [1, "tax", "civil", "tax/a"]),
        ("access", "requested", [2, "civil", "tax/b"]),
        ("access", "denied", [2, "hours"]),
        ("access", "requested", [3, "civil", "tax/b"]),
        ("deliveries", "ended", [1, 1, "closed", 500]),
        ("deliveries", "ended", [2, 99, "closed", 7]),
    )
    assert figures.requests_by_state() == {"denied": 1, "granted": 1, "open": 1}
    assert dict(figures.rows_by_level) == {3: 500, 0: 7}


def test_what_is_done_is_not_open() -> None:
    figures = fold(
        ("cases", "opened", [1, "leak", 3, "land", "open", None]),
        ("cases", "opened", [2, "leak", 4, None, "open", None]),
        ("cases", "disposed", [1, "leak", 3, "land", "confirmed", None]),
        ("cases", "reopened", [1, "leak", 3, "land"]),
        ("cases", "disposed", [2, "leak", 4, None, "unfounded", None]),
        ("cases", "closed", [2, "leak", 4, None]),
        ("dispatch", "issued", [1, "tax", "order", "urgent", ["civil", "land"]]),
        ("dispatch", "escalated", [1, "acknowledge", 0, [["civil", "tax"], ["land", "tax"]]]),
        ("dispatch", "acknowledged", [1, "civil", True, None]),
        ("dispatch", "issued", [2, "tax", "order", "urgent", ["civil"]]),
        ("dispatch", "cancelled", [2]),
        ("sanctions", "imposed", [1, "land", "suspend", NOW + HOUR_MS, 0]),
        ("sanctions", "imposed", [2, "civil", "notice", NOW + HOUR_MS, 0]),
        ("sanctions", "decided", [2, "civil", "granted"]),
        ("sanctions", "decided", [1, "land", "rejected"]),
    )
    assert figures.by_severity(figures.cases) == {3: 1}
    assert figures.overdue_orders() == {1: ["land"]}
    assert figures.measures_in_force(NOW) == [(1, "land", "suspend")]
    assert figures.measures_in_force(NOW + HOUR_MS) == []


def test_traffic_is_counted_by_transaction_and_forgotten_after_an_hour() -> None:
    figures = Figures()
    for number in range(10):
        code = 17 if number == 3 else 0
        sender = "tax/li" if number % 2 else "civil"
        entry = Entry(1, NOW, f"{number:064x}", sender, code, "x", "y", [])
        figures.add(entry)
        figures.add(entry)  # a second event of the same transaction
    assert figures.transactions(NOW) == (10, 1)
    assert sorted(figures.talkers()) == [("civil", 5), ("tax", 5)]
    figures.add(Entry(2, NOW + HOUR_MS + 1, "ff", "land", 0, "x", "y", []))
    assert figures.transactions(NOW + HOUR_MS + 1) == (1, 0)
    assert figures.talkers() == [("land", 1)]


REPORT: dict[str, Any] = {
    "node": {
        "name": "tax", "network": "trial", "state": "in sync", "role": "validator", "height": 9,
        "age_ms": 1_500, "epoch": 0, "view": 10, "leader": "land", "nullified_in_row": 0,
        "evidence": 0, "clock_off_ms": 0, "uptime_s": 9, "standing_still": False,
    },
    "standstill": None,
    "waiting": 3,
    "peers": [
        {"name": 'a"b', "connected": True, "validator": True, "height": 8, "sent_bytes": 5,
         "received_bytes": 6_000_000, "last_fault": ""},
        {"name": "land", "connected": False, "validator": False, "height": None, "sent_bytes": 0,
         "received_bytes": 0, "last_fault": "timed out"},
    ],
    "last_minute": {"transactions": 12, "failed": 1},
    "talkers": [{"member": "tax", "transactions": 12}],
    "requests": {"granted": 4, "in review": 1},
    "rows_delivered": {"L2": 1_000_000},
    "alerts": {4: 1},
    "cases": {},
    "orders": {"open": 2, "overdue": {"7": ["civil"]}},
    "measures": [{"violation": 1, "member": "civil", "measure": "restrict"}],
}  # fmt: skip


def test_metrics_are_read_back_as_they_were_written() -> None:
    families = {f.name: f for f in text_string_to_metric_families(exposition(REPORT).decode())}
    assert families["muniment_final_age_seconds"].samples[0].value == 1.5
    states = {s.labels["state"]: s.value for s in families["muniment_state"].samples}
    assert states["in sync"] == 1
    assert sum(states.values()) == 1
    connected = {s.labels["member"]: s.value
                 for s in families["muniment_peer_connected"].samples}  # fmt: skip
    assert connected == {'a"b': 1, "land": 0}
    assert [s.labels for s in families["muniment_peer_height"].samples] == [{"member": 'a"b'}]


def test_dashboard_and_alert_rules_name_only_metrics_that_exist() -> None:
    known = {f.name for f in text_string_to_metric_families(exposition(REPORT).decode())}
    dashboard = (DOCS / "dashboard.json").read_text()
    rules = (DOCS / "alerts.yml").read_text()
    for text in (dashboard, rules):
        used = set(re.findall(r"muniment_[a-z_]+", text))
        assert used
        assert used <= known
    assert {panel["type"] for panel in json.loads(dashboard)["panels"]} >= {"timeseries", "stat"}


def test_the_view_fits_narrow_and_wide_terminals() -> None:
    for width in (60, 80, 160):
        written = io.StringIO()
        Console(width=width, file=written).print(render(REPORT))
        shown = written.getvalue()
        assert max(map(len, shown.splitlines())) <= width
        for word in ("in sync", "overdue: civil", "1,000,000", "restrict", "down"):
            assert word in shown
