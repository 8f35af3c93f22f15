"""A request's terms as the fields of a form, and back."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from contracts.system.access.facts import KINDS, MAX_FILTERS
from node.exchange.asking import (
    DAY_MS,
    AskingError,
    Dataset,
    parse_hours,
    parse_moment,
    write_hours,
)
from node.exchange.terms import MAX_VALUES, SHOWN, Condition
from node.web.forms import whole
from node.web.site import Visit

MAX_WORDS = 16_384
KINDS_SHOWN = ("table", "lookup", "aggregate")
SPARE = 2
"""Empty conditions that a form offers beyond those given."""
_NUMBERS = {"rows": 15, "days": 5, "retention": 5}
"""Numbers of the form, and how many digits each may have."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a form asks for: arguments of the chain, and what travels sealed beside them."""

    args: dict[str, Any]
    words: str | None
    conditions: tuple[Condition, ...]

    @property
    def is_sealed(self) -> bool:
        return self.words is not None or bool(self.conditions)

    @property
    def values(self) -> list[list[str]]:
        return [list(condition.values) for condition in self.conditions]


def kind_name(visit: Visit, kind: str) -> str:
    """What is asked for, in words."""
    return {"table": visit.say("A table of records"), "lookup": visit.say("Single records by key"),
            "aggregate": visit.say("Answers about many")}[kind]  # fmt: skip


def read(visit: Visit, found: Dataset, version: int | None, now_ms: int) -> Terms:
    """Read the visitor's form. Raises AskingError."""
    form = visit.form
    places = range(len(found.fields))
    fields = [index for index in places if f"field-{index}" in form or "all" in form]
    if not fields:
        raise AskingError(visit.say("Choose one field at least."))
    numbers = {name: _number(visit, name) for name in _NUMBERS}
    kind, hours = form.get("kind", "table"), form.get("hours", "")[:100].strip()
    begin = form.get("begin", "")[:40].strip()
    start = parse_moment(begin) if begin else now_ms
    conditions = _conditions(visit, found)
    words = form.get("text", "").strip()
    if len(words) > MAX_WORDS:
        raise AskingError(visit.say("The text is too long."))
    args = {
        "dataset": found.registration["dataset"], "version": version, "fields": fields,
        "filter": found.filter(conditions), "envelope": None,
        "purpose": form.get("purpose", "")[:64], "basis": form.get("basis", "")[:64],
        "statute": form.get("statute", "")[:64].strip() or None,
        "kind": kind if kind in KINDS else "table",
        "key": found.place(form.get("key", "")[:200]) if kind == "lookup" else None,
        "mode": "audited" if "audited" in form else "linked", "from": start,
        "until": start + numbers["days"] * DAY_MS, "rows": numbers["rows"],
        "retention_days": numbers["retention"] or numbers["days"], "onward": "onward" in form,
        "hours": parse_hours(hours) if hours else None,
    }  # fmt: skip
    return Terms(args, words or None, conditions)


def _number(visit: Visit, name: str) -> int:
    """A number above 0; how long it may be kept may be left out, which gives 0."""
    text = visit.form.get(name, "").strip()
    if name == "retention" and not text:
        return 0
    number = whole(text, _NUMBERS[name])
    if not number:
        raise AskingError(visit.say("Records and days are whole numbers above 0."))
    return number


def _conditions(visit: Visit, found: Dataset) -> tuple[Condition, ...]:
    made = []
    for place in range(MAX_FILTERS):
        name, operator, text = (
            visit.form.get(f"where-{part}-{place}", "")[:4_096] for part in ("field", "is", "value")
        )
        if not name:
            continue
        if operator not in SHOWN or not text:
            raise AskingError(visit.say("A condition compares a field with a value."))
        found.place(name)
        values = _values(text) if operator == "in" else (text,)
        if not 0 < len(values) <= MAX_VALUES:
            raise AskingError(visit.say("A condition compares a field with a value."))
        made.append(Condition(name, operator, values))
    return tuple(made)


def _values(text: str) -> tuple[str, ...]:
    """Values with ; between them; one that has a ; itself stands in double quotes."""
    try:
        row = next(csv.reader([text], delimiter=";", skipinitialspace=True))
    except (csv.Error, StopIteration) as error:
        raise AskingError(f"{text[:40]!r}: {error}") from error
    return tuple(value.strip() for value in row if value.strip())


def _joined(values: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, delimiter=";", lineterminator="").writerow(values)
    return line.getvalue()


def fill(
    args: Mapping[str, Any], names: Sequence[str], words: str | None, values: Sequence[Any]
) -> dict[str, str]:
    """The form that says what a request said; `values` are its conditions', where known.

    It is as long and begins at once, unless it has not begun yet.
    """
    days = -(-(args["until"] - args["from"]) // DAY_MS)
    given = {
        "version": str(args["version"] or ""), "kind": args["kind"], "purpose": args["purpose"],
        "basis": args["basis"], "statute": args["statute"] or "", "rows": str(args["rows"]),
        "days": str(days), "retention": str(args["retention_days"]), "text": words or "",
        "hours": write_hours(args["hours"]) if args["hours"] else "",
        "key": names[args["key"]] if args["key"] is not None else "",
    }  # fmt: skip
    set_ones = [f"field-{index}" for index in args["fields"]]
    set_ones += ["audited"] * (args["mode"] == "audited") + ["onward"] * args["onward"]
    given |= dict.fromkeys(set_ones, "on")
    for place, ((index, operator), some) in enumerate(zip(args["filter"], values, strict=False)):
        text = _joined(some) if operator == "in" else "".join(some)
        given |= {f"where-field-{place}": names[index], f"where-is-{place}": operator,
                  f"where-value-{place}": text}  # fmt: skip
    return given


def begins(args: Mapping[str, Any], now_ms: int) -> str:
    """When a request begins, as the form writes it; empty if it has begun."""
    if args["from"] <= now_ms:
        return ""
    return datetime.fromtimestamp(args["from"] / 1_000, UTC).strftime("%Y-%m-%dT%H:%M")


def rows_of(given: Mapping[str, str]) -> int:
    """How many conditions a form shows."""
    used = [place for place in range(MAX_FILTERS) if given.get(f"where-field-{place}")]
    return min(MAX_FILTERS, (used[-1] + 1 if used else 0) + SPARE)


def condition_texts(conditions: Sequence[Any], names: Sequence[str], values: Any) -> list[str]:
    """Each condition in a line; `values` None where they are sealed and not opened."""
    return [
        f"{names[index]} {SHOWN[operator]} " + ("…" if values is None else ", ".join(values[place]))
        for place, (index, operator) in enumerate(conditions)
    ]
