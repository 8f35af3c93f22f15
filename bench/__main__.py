"""The ledger's budgets, measured: `python -m bench`, or `make bench`.

Prints a table of what is aimed at and what was seen, then where the time goes in one node; with
--json everything that was measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import ledger, pipeline
from node.data.commitment import record

ROWS = 20_000
FIELDS = tuple(f"value {number}" for number in range(10))


def measure(rate: int, bulk_rate: int, seconds: int) -> dict[str, Any]:
    """Run every part; the network is made anew, in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="muniment-bench-") as folder:
        bench = ledger.Bench(Path(folder) / "net")
        nodes = len(bench.net.names)
        try:
            result = {
                "idle": {"rss_mb": bench.idle_rss_mb},
                "light": bench.light(200),
                "closed": bench.closed_load(16, 50),
            }
            singles = bench.registrations(rate * seconds // nodes)
            result["open"] = bench.open_load(singles, seconds)
            short = min(15, seconds)
            bulk = bench.registrations(bulk_rate * short // nodes, ledger.CALLS)
            result["bulk, 3 keys a call"] = bench.open_load(bulk, short, samples=False)
            small = bench.retirements(bulk)
            result["bulk, 1 key a call"] = bench.open_load(small, short, samples=False)
            result["catch-up"] = bench.catch_up(min(rate, 1_500), 20)
        finally:
            bench.net.down()
        stages = pipeline.measure(Path(folder) / "pipeline", 10, 1_000, 1, 20_000)
    result["commitments"] = {"rows_per_s": _commitments()}
    result["help"] = {"seconds": _help_s()}
    result["one node, us for each transaction"] = stages
    return result


def _commitments() -> int:
    """Rows of ten fields committed in a second of one core."""
    begin = time.process_time()
    for _ in range(ROWS):
        record(os.urandom(32), FIELDS)
    return round(ROWS / (time.process_time() - begin))


def _help_s() -> float:
    times = []
    for _ in range(5):
        begin = time.monotonic()
        subprocess.run([sys.executable, "-m", "node", "--help"], check=True, capture_output=True)
        times.append(time.monotonic() - begin)
    return round(sorted(times)[2], 2)


def table(result: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Rows of (what, aim, seen)."""
    light, load = result["light"], result["open"]
    closed, catch_up = result["closed"], result["catch-up"]
    signature = result["one node, us for each transaction"]["signature"]
    bulk = [(name, result[name]) for name in result if name.startswith("bulk")]
    return [
        (
            f"committed/s, {load['offered_per_s']}/s offered for {load['seconds']:.0f} s",
            "2500",
            f"{load['per_s']}, lost {load['lost']}, refused {load['refused']}",
        ),
        ("  latency under that load, p50 / p99 ms", "", f"{load['p50_ms']} / {load['p99_ms']}"),
        (
            f"committed/s, {closed['clients']} clients in a closed loop",
            "",
            f"{closed['per_s']}, p50 {closed['p50_ms']}, p99 {closed['p99_ms']} ms",
        ),
        *(
            (
                f"calls/s, {name}",
                "10000",
                f"{row['calls_per_s']}, lost {row['lost']}, refused {row['refused']}",
            )
            for name, row in bulk
        ),
        (
            "latency, light load, p50 / p99 ms",
            "60 / 200",
            f"{light['p50_ms']} / {light['p99_ms']}",
        ),
        (
            "CPU us a transaction and node, beyond one signature",
            "70",
            f"{load['cpu_us_per_tx_per_node'] - signature:.0f} ({signature:.0f} the signature)",
        ),
        ("bytes on the wire a transaction and node", "", str(load["wire_bytes_per_tx"])),
        ("bytes on disk a transaction and node", "", str(load["disk_bytes_per_tx"])),
        ("catch-up under load, times the growth", "2", str(catch_up["times_the_growth"])),
        (
            "resident memory, idle / under load, MB",
            "120 / 400",
            f"{result['idle']['rss_mb']} / {load['rss_mb']}",
        ),
        (
            "records committed/s, 10 fields, one core",
            "60000",
            str(result["commitments"]["rows_per_s"]),
        ),
        ("muniment --help, s", "0.3", str(result["help"]["seconds"])),
    ]


def main() -> None:
    """Parse options, run, print a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=ledger.__doc__)
    parser.add_argument("--rate", type=int, default=2_500, help="transactions a second offered")
    parser.add_argument("--seconds", type=int, default=60, help="how long to offer them")
    parser.add_argument("--bulk-rate", type=int, default=120, help="bulk transactions a second")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    result = measure(options.rate, options.bulk_rate, options.seconds)
    if options.json:
        print(json.dumps(result, indent=2))
        return
    rows = [("what", "aim", "seen"), *table(result)]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for what, aim, seen in rows:
        print(f"{what:<{widths[0]}}  {aim:>{widths[1]}}  {seen}")
    print("\nwhere the time goes in one node, CPU us for each transaction")
    for name, value in result["one node, us for each transaction"].items():
        print(f"  {name:<16} {value:>8.2f}")


if __name__ == "__main__":
    main()
