"""The situation in the exposition format of Prometheus (version 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

STATES = ("in sync", "catching up", "recovering", "no quorum", "no source", "stalled")


class SituationCollector(Collector):
    """Turns one report into metric families."""

    def __init__(self, report: dict[str, Any]) -> None:
        self._report = report

    def collect(self) -> Iterator[Metric]:
        report, node = self._report, self._report["node"]
        yield _one("height", "Height of the last final block", node["height"])
        yield _one("final_age_seconds", "Age of the last final block", node["age_ms"] / 1_000)
        yield _one("standing_still", "1 if blocks are overdue", int(node["standing_still"]))
        yield _one("epoch", "Epoch", node["epoch"])
        yield _one("nullified_views", "Views skipped in a row", node["nullified_in_row"])
        yield _one("evidence", "Contradictions of validators seen", node["evidence"])
        yield _one("clock_off_seconds", "Clock against the network", node["clock_off_ms"] / 1_000)
        yield _one("waiting_transactions", "Transactions in the mempool", report["waiting"])
        yield _many("state", "1 for the state that the node is in", "state",
                    {state: int(state == node["state"]) for state in STATES})  # fmt: skip
        last = report["last_minute"]
        yield _one("transactions_last_minute", "Final in the last minute", last["transactions"])
        yield _one("failed_last_minute", "Failed in the last minute", last["failed"])
        peers = report["peers"]
        yield _many("peer_connected", "1 if the member's node is connected", "member",
                    {peer["name"]: int(peer["connected"]) for peer in peers})  # fmt: skip
        yield _many("peer_height", "Height that the member's node tells", "member",
                    {p["name"]: p["height"] for p in peers if p["height"] is not None})  # fmt: skip
        yield _many("peer_received_bytes", "Bytes received since the node started", "member",
                    {peer["name"]: peer["received_bytes"] for peer in peers})  # fmt: skip
        yield _many("peer_sent_bytes", "Bytes sent since the node started", "member",
                    {peer["name"]: peer["sent_bytes"] for peer in peers})  # fmt: skip
        yield _many("requests", "Requests by state", "state", report["requests"])
        yield _many("rows_delivered", "Rows delivered, by sharing level", "level",
                    report["rows_delivered"])  # fmt: skip
        yield _many("alerts_open", "Alerts open, by severity", "severity", report["alerts"])
        yield _many("cases_open", "Cases open, by severity", "severity", report["cases"])
        yield _one("orders_open", "Orders open", report["orders"]["open"])
        yield _one("orders_overdue", "Open orders escalated", len(report["orders"]["overdue"]))
        yield _one("measures_in_force", "Sanctions in force", len(report["measures"]))


def exposition(report: dict[str, Any]) -> bytes:
    """Return the text that Prometheus reads."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SituationCollector(report))
    return generate_latest(registry)


def _one(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"muniment_{name}", text, value=value)


def _many(name: str, text: str, label: str, values: dict[Any, float]) -> Metric:
    family = GaugeMetricFamily(f"muniment_{name}", text, labels=[label])
    for key, value in values.items():
        family.add_metric([str(key)], value)
    return family
