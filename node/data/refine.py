"""What a run makes of staged records: those that follow the standard, once each, and the others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from consensus.codec import Value
from node.data import vault
from node.data.commitment import Field
from node.data.findings import Detectors, Finding
from node.data.index import Index
from node.data.notes import note
from node.data.quarantine import Quarantine, Refused
from node.data.sealing import Log, Sealer
from node.data.source import Source
from node.data.worker import Worker
from node.errors import MunimentError

MAX_DELTA_ROWS = 5_000_000


class CollectError(MunimentError):
    """A run that cannot go on; nothing of it is registered, nothing read so far is lost."""

    code = "collect"


@dataclass(slots=True)
class Tally:
    """What processing counts beside the vault."""

    refused: int = 0
    repeated: int = 0
    report: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Refinery:
    """Processes what stands staged in the folder `run`; in a merge newer records come first."""

    source: Source
    run: Path
    quarantine: Quarantine
    detectors: Detectors
    merges: bool

    def accepted(
        self, standard: dict[str, Any], sealer: Sealer, index: Index, tally: Tally
    ) -> Iterator[list[Field]]:
        """Yield the records that follow the standard; the others go to quarantine."""
        args = self._job(standard)
        corrected: list[tuple[int, list[Field]]] = []
        with self.quarantine.fresh() as refusals:
            log = Log(self.run / "staged", sealer, "staged")
            for rows in self._work(args, self._staged(log), tally):
                for number, values in rows:
                    if isinstance(values, Refused):
                        fixed = self.quarantine.correction(values.values)
                        if fixed is not None:
                            corrected.append((number, fixed))
                        else:
                            refusals.add(values)
                        continue
                    yield from self._unique(number, values, index, refusals, tally)
            for number, bad in self._unreadable(log):
                refusals.add(Refused(number, "", bad, ()))
            corrected += self.quarantine.released()
            if corrected:
                again = self._again(standard, corrected)
                fields = [[n, t, c, n, o] for n, t, c, _, o in args["fields"]]
                for rows in self._work({**args, "fields": fields}, again, tally):
                    for number, values in rows:
                        if isinstance(values, Refused):
                            refusals.add(values)
                        else:
                            yield from self._unique(number, values, index, refusals, tally)
            tally.refused = refusals.count

    def those_that_follow(
        self, standard: dict[str, Any], chunks: Iterator[Value]
    ) -> Iterator[list[Field]]:
        """Yield the records of chunks that follow the standard; what is refused is left out."""
        for rows in self._work(self._job(standard), chunks, Tally()):
            for _, values in rows:
                if not isinstance(values, Refused):
                    yield values

    def _unique(
        self, number: int, values: list[Field], index: Index, refusals: Any, tally: Tally
    ) -> Iterator[list[Field]]:
        if index.lacks_key(values):
            key = ", ".join(self.source.key)
            refusals.add(Refused(number, key, note("without-key"), tuple(values)))
            return
        seen = index.add(values)
        if seen == "new":
            yield values
        elif seen == "same" or self.merges:
            tally.repeated += 1  # in a merge the newest comes first
        else:
            key = ", ".join(self.source.key)
            refusals.add(Refused(number, key, note("same-key"), tuple(values)))
            tally.repeated += 1

    def _work(
        self, args: dict[str, Any], frames: Iterator[Value], tally: Tally
    ) -> Iterator[Iterator[tuple[int, list[Field] | Refused]]]:
        with Worker("process", args) as worker:
            worker.feed(frames)
            for frame in worker.frames():
                match frame:
                    case ["rows", list(rows)]:
                        yield ((number_of(row[0]), _fields(row[1:])) for row in rows)
                    case ["refused", list(rows)]:
                        yield (
                            (number_of(n), Refused(number_of(n), str(f), str(r), tuple(_fields(v))))
                            for n, f, r, v in rows
                        )
                    case ["report", dict(report)]:
                        tally.report = _add(tally.report, report)
                    case ["finding", str(), str(), int(), int(), str()]:
                        tally.findings.append(Finding(*frame[1:]))

    def _staged(self, log: Log) -> Iterator[Value]:
        """Chunks in order; newest first where a later record replaces an earlier one."""
        places = list(enumerate(log.places()))
        for number, place in reversed(places) if self.merges else places:
            yield ["chunk", parts_of(log.read(number, place))[1]]

    def _unreadable(self, log: Log) -> Iterator[tuple[int, str]]:
        for chunk in log:
            yield from parts_of(chunk)[2]

    def _again(
        self, standard: dict[str, Any], corrected: list[tuple[int, list[Field]]]
    ) -> Iterator[Value]:
        for start in range(0, len(corrected), 1_024):
            some = corrected[start : start + 1_024]
            numbers, rows = [number for number, _ in some], [values for _, values in some]
            yield ["rows", names_of(standard), numbers, rows]  # type: ignore[list-item]

    def _job(self, standard: dict[str, Any]) -> dict[str, Any]:
        source = self.source
        fields = [
            [f["name"], f["type"], f["codes"], source.columns.get(f["name"], f["name"]),
             source.dates.get(f["name"], "")]
            for f in standard["fields"]
        ]  # fmt: skip
        fresh = ["", ""]
        if source.fresh_field in names_of(standard) and source.fresh_days:
            since = datetime.now(UTC).date() - timedelta(days=source.fresh_days)
            fresh = [source.fresh_field, since.isoformat()]
        return {
            "fields": fields,
            "schema": json.dumps(standard["schema"]),
            "fresh": fresh,
            "backwards": self.merges,
            "today": datetime.now(UTC).date().isoformat(),
            **self.detectors.args(),
        }


def merged(
    rows: Iterator[list[Field]], before: vault.Version, index: Index
) -> Iterator[list[Field]]:
    """The new records, then those of the version before that none of them replaces."""
    for count, values in enumerate(rows):
        if count == MAX_DELTA_ROWS:
            raise CollectError(f"a run takes at most {MAX_DELTA_ROWS} new records")
        yield values
    for values in before.rows():
        if not index.holds_key(values):
            index.add(values)
            yield values


def _fields(values: list[Any]) -> list[Field]:
    for value in values:
        if value is not None and type(value) is not str:
            raise CollectError("a worker sent a value that is not text")
    return values


def _add(total: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Add the counters of a second pass to those of the first."""
    if not total:
        return more
    nulls = [[n, a + b] for (n, a), (_, b) in zip(total["nulls"], more["nulls"], strict=True)]
    return {**{k: total[k] + more[k] for k in total if k != "nulls"}, "nulls": nulls}


def names_of(standard: dict[str, Any]) -> list[str]:
    return [field["name"] for field in standard["fields"]]


def parts_of(chunk: Any) -> tuple[int, bytes, list[Any], Value]:
    """Return item, Arrow stream, unreadable records and cursor of a staged chunk."""
    item, data, bad, cursor = chunk
    return item, data, bad, cursor


def number_of(value: object) -> int:
    if type(value) is not int:
        raise CollectError("a worker sent a record without its number")
    return value
