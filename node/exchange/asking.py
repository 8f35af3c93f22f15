"""A request as people write it, with names for fields, and as the chain takes it, with places."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from node.data.chain import Query
from node.errors import MunimentError
from node.exchange.terms import Condition

DAY_MS = 24 * 60 * 60 * 1_000
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(
    r"(?:(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))? )?(?P<from>\d{2}:\d{2})-(?P<to>\d{2}:\d{2})"
    r" (?P<offset>[+-]\d{2}:\d{2})",
    re.ASCII,
)


class AskingError(MunimentError):
    """A request that cannot be put as asked; the message says what is wrong."""

    code = "asking"


@dataclass(frozen=True, slots=True)
class Dataset:
    """A registered version and the names of its standard's fields, in order."""

    registration: dict[str, Any]
    fields: tuple[dict[str, Any], ...]

    @classmethod
    def find(cls, query: Query, dataset: str, version: int | None) -> Dataset:
        """Raises AskingError if there is no such dataset."""
        args: dict[str, Any] = {"dataset": dataset}
        if version is not None:
            args["version"] = version
        found = query("catalogue", "get", args)
        if found is None:
            raise AskingError(
                f"{dataset} is not registered; list what is with: muniment dataset list"
            )
        return cls(found, fields_of(query, found["standard"]))

    @property
    def names(self) -> list[str]:
        return [field["name"] for field in self.fields]

    @property
    def digest(self) -> bytes:
        """Of the standard whose fields are meant."""
        return bytes.fromhex(self.registration["standard"][2])

    def place(self, name: str) -> int:
        """Raises AskingError if the standard has no such field."""
        if name not in self.names:
            raise AskingError(
                f"{self.registration['dataset']} has no field {name!r}; it has "
                f"{', '.join(self.names)}"
            )
        return self.names.index(name)

    def places(self, names: Sequence[str]) -> list[int]:
        """Of all fields where `names` is empty; sorted."""
        return sorted({self.place(name) for name in names or self.names})

    def filter(self, conditions: Sequence[Condition]) -> list[list[Any]]:
        return [[self.place(each.field), each.operator] for each in conditions]


def fields_of(query: Query, standard: Sequence[Any]) -> tuple[dict[str, Any], ...]:
    """The fields of a standard that a registration, request or grant names."""
    found = query("standards", "get", {"id": standard[0], "version": standard[1]})
    return tuple(found["standard"]["fields"])


def is_trained(query: Query, member: str, operator: str, now_ms: int) -> bool:
    """Whether an operator has a duty that needs training, which has not lapsed."""
    from contracts.system.operators import NEED_TRAINING

    found = query("operators", "get", {"member": member, "operator": operator})
    if found is None:
        return False
    terms = min(found["trained_until"], found["confidential_until"])
    return terms >= now_ms and not set(NEED_TRAINING).isdisjoint(found["duties"])


def parse_moment(text: str) -> int:
    """A date, or date and time, in UTC unless it says otherwise, in ms. Raises AskingError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise AskingError(f"{text!r} is no date such as 2026-12-31 or 2026-12-31T18:00") from error
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1_000)


def parse_hours(text: str) -> list[int]:
    """Read `mon-fri 08:00-18:00 +08:00`; without days every day. Raises AskingError."""
    match = _HOURS.fullmatch(text.strip().lower())
    fault = AskingError(f"{text!r} are no hours such as 'mon-fri 08:00-18:00 +08:00'")
    if match is None:
        raise fault
    first = match["first"] or "mon"
    last = match["last"] or (match["first"] or "sun")
    if first not in _DAYS or last not in _DAYS or _DAYS.index(last) < _DAYS.index(first):
        raise fault
    weekdays = sum(1 << day for day in range(_DAYS.index(first), _DAYS.index(last) + 1))
    sign = -1 if match["offset"][0] == "-" else 1
    start, end = _minutes(match["from"]), _minutes(match["to"])
    if start >= end or end > 24 * 60:
        raise fault
    return [sign * _minutes(match["offset"][1:]), weekdays, start, end]


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def write_hours(window: Sequence[int]) -> str:
    """The inverse of `parse_hours`; of days with gaps, from the first to the last."""
    offset, weekdays, start, end = window
    days = [name for day, name in enumerate(_DAYS) if weekdays >> day & 1]
    sign = "-" if offset < 0 else "+"
    return f"{days[0]}-{days[-1]} {_clock(start)}-{_clock(end)} {sign}{_clock(abs(offset))}"


def show_hours(window: Sequence[int]) -> str:
    """For people, also for days that do not follow each other."""
    offset, weekdays, start, end = window
    days = " ".join(name for day, name in enumerate(_DAYS) if weekdays >> day & 1)
    sign, minutes = "-" if offset < 0 else "+", abs(offset)
    return f"{days} {_clock(start)}-{_clock(end)} UTC{sign}{_clock(minutes)}"


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
