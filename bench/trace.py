"""A trace over a million events: `python -m bench.trace`.

Fills an index with the events of a year of 30 departments and asks for lives, as
`muniment trace` does once the index is up to date.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

from node.trace.index import Index

MEMBERS = [f"member{number:02}" for number in range(30)]
EVENTS_A_BLOCK = 100
DATASETS = 2_000


def blocks(events: int, random: Random) -> Any:
    """Yield blocks whose events are of datasets, grants of them, and deliveries of these."""
    grants: list[tuple[int, str, str, str]] = []
    number = deliveries = 0
    for height in range(1, events // EVENTS_A_BLOCK + 1):
        rows = []
        for _ in range(EVENTS_A_BLOCK):
            number += 1
            owner, other = random.sample(MEMBERS, 2)
            dataset = f"{owner}/data{random.randrange(DATASETS // len(MEMBERS))}"
            draw = random.random()
            if draw < 0.1:
                grants.append((len(grants) + 1, owner, other, dataset))
                event = ["access", "granted", [*grants[-1]]]
            elif draw < 0.3 or not grants:
                event = ["catalogue", "registered", [dataset, number, "ab" * 32]]
            else:
                deliveries += 1
                grant, owner, other, _ = random.choice(grants)
                event = ["deliveries", "opened", [deliveries, grant, other, owner, 1]]
            rows.append([f"{number:064x}", other, 0, [], [event]])
        yield {"height": height, "digest": f"{height:064x}", "time": height * 1_000, "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    events = parser.parse_args().events
    random = Random(7)
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Index(Path(folder) / "trace.db", "chain")) as index,
    ):
        begin = time.monotonic()
        for block in blocks(events, random):
            index.add(block, set(MEMBERS))
            if block["height"] % 100 == 0:
                index.commit()
        index.commit()
        spent = time.monotonic() - begin
        size = (Path(folder) / "trace.db").stat().st_size
        print(f"{events:,} events in {spent:.0f} s, {size / events:.0f} bytes each")
        for kind, identity in (
            ("dataset", lambda: f"{random.choice(MEMBERS)}/data{random.randrange(60)}"),
            ("grant", lambda: str(random.randrange(1, events // 10))),
            ("delivery", lambda: str(random.randrange(1, events // 2))),
            ("member", lambda: random.choice(MEMBERS)),
            ("tx", lambda: f"{random.randrange(1, events):064x}"),
        ):
            times, counts = [], []
            for _ in range(15):
                begin = time.monotonic()
                found = index.trace(f"{kind}:{identity()}")
                times.append(1_000 * (time.monotonic() - begin))
                counts.append(len(found))
            print(
                f"{kind:<9} {statistics.median(times):7.1f} ms median, {max(times):7.1f} ms worst, "
                f"{statistics.median(counts):.0f} entries"
            )


if __name__ == "__main__":
    main()
