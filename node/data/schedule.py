"""Runs sources when their schedule or a change of their files says so, and keeps the vault up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from node.data import source as sources
from node.data.chain import Chain
from node.data.collect import Collector
from node.data.custody import Custody
from node.data.source import Source
from node.errors import MunimentError
from node.home import Home

Stamp = tuple[tuple[str, int, int], ...]


def next_run(schedule: str, now: datetime) -> datetime:
    """Return the first moment after `now` that the cron expression names, in `now`'s zone."""
    from cronsim import CronSim

    return next(CronSim(schedule, now))


def stamp_of(source: Source) -> Stamp:
    """Return names, sizes and times of a source's files: what a change changes."""
    path = Path(source.path)
    files = sorted(path.glob(source.pattern)) if source.kind == "folder" else [path]
    found = []
    for each in files:
        try:
            status = each.stat()
        except FileNotFoundError:
            continue
        found.append((str(each), status.st_mtime_ns, status.st_size))
    return tuple(found)


class Scheduler:
    """Looks every `poll_s` seconds: which schedules are due, which watched files have settled.

    A changed file is taken once two looks in a row see it the same, so that it is complete.
    """

    def __init__(
        self, home: Home, chain: Chain, master: bytes, poll_s: float, say: Callable[[str], None]
    ) -> None:
        self._home, self._chain, self._master = home, chain, master
        self._poll_s, self._say = poll_s, say
        self._stop = threading.Event()
        self._due: dict[str, datetime] = {}
        self._seen: dict[str, Stamp] = {}
        self._taken: dict[str, Stamp] = {}
        self._upkeep = datetime.min.replace(tzinfo=UTC)

    def serve(self) -> None:
        """Run until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        while not self._stop.is_set():
            self._keep_up(datetime.now().astimezone())
            for source in self.due(datetime.now().astimezone()):
                self._run(source)
            self._stop.wait(self._poll_s)

    def _keep_up(self, now: datetime) -> None:
        """Each hour: anchor the access log, carry out destructions that were missed."""
        if now < self._upkeep:
            return
        self._upkeep = now + timedelta(hours=1)
        custody = Custody(self._home, self._chain, self._master)
        try:
            custody.anchor()
            custody.backups.prune()
            for dataset, version in custody.replay():
                self._say(f"{dataset} version {version}: erased what is destroyed on the chain")
        except MunimentError as error:
            self._say(f"upkeep of the vault failed: {error.message}")

    def due(self, now: datetime) -> list[Source]:
        """Return the sources to run now. Declarations are read anew each time."""
        found = []
        for name in sources.names(self._home.sources):
            try:
                source = sources.load(self._home.sources, name)
            except MunimentError as error:
                self._say(f"{name}: {error.message}")
                continue
            if self._is_due(source, now) or (source.watch and self._has_settled(source)):
                found.append(source)
        return found

    def _is_due(self, source: Source, now: datetime) -> bool:
        if not source.schedule:
            return False
        due = self._due.setdefault(source.name, next_run(source.schedule, now))
        if now < due:
            return False
        self._due[source.name] = next_run(source.schedule, now)
        return True

    def _has_settled(self, source: Source) -> bool:
        now = stamp_of(source)
        settled = self._seen.get(source.name) == now and self._taken.get(source.name) != now
        self._seen[source.name] = now
        if settled:
            self._taken[source.name] = now
        return settled and bool(now)

    def _run(self, source: Source) -> None:
        try:
            outcome = Collector(self._home, source, self._chain, self._master).run()
        except MunimentError as error:
            self._say(f"{source.name}: failed: {error.message}")
            self._taken.pop(source.name, None)
            return
        self._say(f"{source.name}: {outcome.state}, {outcome.dataset} version {outcome.version}")
