"""The situation as one value: what the node says of itself and the others, and the figures."""

from __future__ import annotations

from typing import Any

from node.rpc.client import Client
from node.situation.figures import Figures
from node.standstill import sentence


def report(client: Client, figures: Figures) -> dict[str, Any]:
    """Ask the node and put everything together; what machines get is what people see."""
    status, peers = client.call("status"), client.call("peers")
    now = figures.now
    count, failed = figures.transactions(now)
    return {
        "node": {
            name: status[name]
            for name in ("name", "network", "state", "role", "height", "age_ms", "epoch", "view",
                         "leader", "nullified_in_row", "evidence", "clock_off_ms", "uptime_s",
                         "standing_still")
        },
        "standstill": sentence(status),
        "waiting": status["mempool"]["count"],
        "peers": [
            {
                name: peer[name]
                for name in ("name", "connected", "validator", "height", "sent_bytes",
                             "received_bytes", "last_fault")
            }
            for peer in peers
        ],
        "last_minute": {"transactions": count, "failed": failed},
        "talkers": [{"member": member, "transactions": n} for member, n in figures.talkers()],
        "requests": figures.requests_by_state(),
        "rows_delivered": {f"L{k}" if k else "?": n
                           for k, n in sorted(figures.rows_by_level.items())},
        "alerts": figures.by_severity(figures.alerts),
        "cases": figures.by_severity(figures.cases),
        "orders": {
            "open": len(figures.orders),
            "overdue": {str(n): names for n, names in figures.overdue_orders().items()},
        },
        "measures": [
            {"violation": number, "member": member, "measure": measure}
            for number, member, measure in figures.measures_in_force(now)
        ],
    }  # fmt: skip
