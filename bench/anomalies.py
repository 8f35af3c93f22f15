"""How well misbehaviour is found: `python -m bench.anomalies` (docs/anomalies.md).

Each month is lived through by the watch and by plain baselines. An alert is right if it names a
member that was planted to misbehave, between the first act and a day after the last; every other
alert of the month is false. The two weeks before the month are for learning.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from bisect import bisect
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from bench import plain
from node.watch.alert import Alert
from node.watch.calendar import DAY_MS
from node.watch.watch import Watch
from simnet.activity.month import BEGIN, END, KINDS, Month, make
from simnet.activity.plants import Plant

DAYS = (END - BEGIN) / DAY_MS
GRACE_MS = DAY_MS
HELD_OUT = range(161, 181)
FITTED = (1, 2, 3)
"""Seeds on which the plain detectors find how strict they have to be."""


@dataclass
class Score:
    """Delays (hours) of what was found and how often each kind was planted, false alerts, items."""

    found: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    planted: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    by: dict[str, dict[str, int]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(int))
    )
    false: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    months: int = 0
    items: int = 0
    seconds: float = 0.0

    @property
    def false_a_day(self) -> float:
        return sum(self.false.values()) / (self.months * DAYS)

    def count(self, month: Month, alerts: Iterable[Alert]) -> None:
        """Count one month's alerts."""
        self.months += 1
        first: dict[Plant, Alert] = {}
        for alert in alerts:
            if alert.time < BEGIN:
                continue
            guilty = [plant for plant in month.plants if _fits(plant, alert)]
            if not guilty:
                self.false[alert.detector] += 1
            for plant in guilty:
                self.by[plant.kind][alert.detector] += 1
                first.setdefault(plant, alert)
        for plant in month.plants:
            self.planted[plant.kind] += 1
            if plant in first:
                self.found[plant.kind].append((first[plant].time - plant.begin) / 3_600_000)


def _fits(plant: Plant, alert: Alert) -> bool:
    return alert.member in plant.members and plant.begin <= alert.time <= plant.end + GRACE_MS


Detector = Callable[[Month], Iterable[Alert]]


def watch(month: Month) -> list[Alert]:
    made = Watch(month.terms.get)
    return [alert for item in month.items for alert in made.step(item)]


def measure(seeds: Iterable[int], detectors: dict[str, Detector]) -> dict[str, Score]:
    scores = {name: Score() for name in detectors}
    for seed in seeds:
        month = make(seed, KINDS)
        for name, detector in detectors.items():
            score = scores[name]
            begin = time.process_time()
            alerts = list(detector(month))
            score.seconds += time.process_time() - begin
            score.items += len(month.items)
            score.count(month, alerts)
    return scores


def choose(
    months: Sequence[tuple[Month, list[plain.Seen]]],
    detector: Callable[[list[plain.Seen], float], Iterable[Alert]],
    ladder: Sequence[float],
) -> float:
    """Return the lowest strictness of the ladder that brings at most one false alert a day."""

    def is_quiet(strict: float) -> bool:
        score = Score()
        for month, rows in months:
            score.count(month, detector(rows, strict))
        return score.false_a_day <= 1

    return ladder[bisect(ladder, False, hi=len(ladder) - 1, key=is_quiet)]


def baselines() -> dict[str, Detector]:
    """The plain detectors, each as strict as it has to be on some of the months for tuning."""
    months = [(month, list(plain.seen(month))) for month in map(make, FITTED)]
    fixed = plain.fixed(rows for _, rows in months)
    found: dict[str, Callable[[list[plain.Seen], float], Iterable[Alert]]] = {
        "fixed thresholds": lambda rows, strict: plain.by_day(rows, fixed, strict),
        "z-score": lambda rows, strict: plain.by_day(rows, plain.z_score, strict),
    }
    ladders: dict[str, Sequence[float]] = {
        "fixed thresholds": [1.1**step for step in range(40)],
        "z-score": [3 * 1.1**step for step in range(40)],
    }
    if importlib.util.find_spec("river") is not None:
        found["half-space trees"] = plain.trees
        ladders["half-space trees"] = [0.5 + 0.005 * step for step in range(100)]
    made: dict[str, Detector] = {}
    for name, detector in found.items():
        strict = choose(months, detector, ladders[name])
        made[name] = lambda month, d=detector, s=strict: d(list(plain.seen(month)), s)  # type: ignore[misc]
    return made


def show(scores: dict[str, Score]) -> None:
    """Print a row for each kind: found of planted and the median delay, for each detector."""
    names = list(scores)
    print(f"{'':<20}" + "".join(f"{name:>24}" for name in names))
    for kind in next(iter(scores.values())).planted:
        cells = []
        for score in scores.values():
            hits = sorted(score.found[kind])
            delay = f"{hits[len(hits) // 2]:.1f} h" if hits else "-"
            cells.append(f"{len(hits) / score.planted[kind]:>14.2f}{delay:>10}")
        print(f"{kind:<20}" + "".join(cells))
    for title, value in (
        ("false alerts a day", lambda s: f"{s.false_a_day:.2f}"),
        ("items/s", lambda s: f"{s.items / s.seconds:,.0f}"),
    ):
        print(f"{title:<20}" + "".join(f"{value(score):>24}" for score in scores.values()))


def show_detail(score: Score) -> None:
    """Print which detectors found each kind, and which were wrong."""
    for kind, by in score.by.items():
        print(f"{kind:<20}", ", ".join(f"{name} {count}" for name, count in sorted(by.items())))
    wrong = sorted(score.false.items(), key=lambda pair: -pair[1])
    print(f"{'false':<20}", ", ".join(f"{name} {count}" for name, count in wrong))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default=f"{HELD_OUT.start}-{HELD_OUT.stop - 1}")
    parser.add_argument("--alone", action="store_true", help="without the plain detectors")
    parser.add_argument("--detail", action="store_true", help="which detectors said what")
    given = parser.parse_args()
    low, _, high = given.seeds.partition("-")
    detectors = {"watch": watch} | ({} if given.alone else baselines())
    scores = measure(range(int(low), int(high or low) + 1), detectors)
    show(scores)
    if given.detail:
        show_detail(scores["watch"])


if __name__ == "__main__":
    main()
