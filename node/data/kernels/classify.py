"""What columns hold: by name, by content with checksums, by dictionary, by share of values.

A batch becomes counts: the first values of each column are looked at whole; every value that has
the shape of an identifier is analysed as text. Counts become findings at the end, so that batches
can be counted in any order.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from node.data import english
from node.data.identifiers import birth_of, is_day
from node.data.lexicon import COLUMN_WORDS, divisions, is_person_name
from node.data.recognise import UNSURE, AnalyzerEngine, whole
from node.data.rules import pack
from node.data.texts import ENTITIES, Model, shipped
from node.data.types import BY_ENTITY

SAMPLE_VALUES = 2_000
MAX_ANALYSED = 2_000
MAX_TEXTS = 200
"""Values of a column that are read as texts."""
MIN_TEXTS = 5
TEXT_SHARE = 0.2
"""Share of a column's texts from which it counts as what they read like."""
MINOR_YEARS = 14
MIN_SHARE = 0.5
_LISTED = frozenset(("PERSON", "LOCATION"))
"""Within a column's values these need more than a list of words that knows them."""
_LEVELS = {"LOCATION": 1, "ETHNICITY": 3, "US_SSN": 4, "US_DRIVER_LICENSE": 4, "MINOR": 4}
_CHANCE = {"CN_RESIDENT_ID": 0.02, "CN_CREDIT_CODE": 0.1, "EMAIL_ADDRESS": 0.01, "IBAN_CODE": 0.02,
           "MAC_ADDRESS": 0.05, "CN_LICENSE_PLATE": 0.05}  # fmt: skip
"""Shares above which whole values are more than chance; for others MIN_SHARE."""
_SHAPE = (
    r"[0-9]{11}|[0-9][ -][0-9]{4}[ -]?[0-9]{4}|@[A-Za-z0-9-]+\.|[0-9]号|[\p{Han}][A-Z][0-9A-Z]{5}"
)
_NAMED_ONLY = frozenset(
    ("HEALTH", "BIOMETRIC", "PROPERTY", "WHEREABOUTS", "TRANSACTION", "ETHNICITY",
     "CN_DRIVING_LICENCE", "SEX")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """What a column holds: entity, level, how many of how many looked at, and why."""

    field: str
    entity: str
    level: int
    count: int
    why: str


def level_of_entity(entity: str) -> int:
    """Return the level that an entity has by itself; one that is not known is restricted."""
    known = BY_ENTITY.get(entity)
    return known.level if known is not None else _LEVELS.get(entity, 3)


@dataclass(slots=True)
class _Column:
    looked: int = 0
    whole: Counter[str] = field(default_factory=Counter)
    inside: Counter[str] = field(default_factory=Counter)
    analysed: int = 0
    distinct: set[str] = field(default_factory=set)
    texts: list[str] = field(default_factory=list)
    minors: int = 0
    days: int = 0


class Classifier:
    """Counts over batches, then findings."""

    def __init__(self, names: list[str], today: date, model: Model | None = None) -> None:
        self._today, self._model = today, model or shipped()
        self._columns = {name: _Column() for name in names}
        self._hints = {name: hint_of(name) for name in names}
        self._engine = AnalyzerEngine()

    def add(self, batch: pa.RecordBatch) -> None:
        """Look at a batch of text columns that are named as at the start."""
        for name, seen in self._columns.items():
            column = batch.column(name)
            if seen.looked < SAMPLE_VALUES:
                self._sample(name, seen, column.drop_null()[: SAMPLE_VALUES - seen.looked])
            if seen.analysed < MAX_ANALYSED:
                self._analyse(seen, column)

    def _sample(self, name: str, seen: _Column, values: pa.Array) -> None:
        for value in values.to_pylist():
            seen.looked += 1
            seen.distinct.add(value)
            kind = whole(value)
            if kind is not None and kind[1] <= UNSURE and not self._may_be(name, kind[0], value):
                continue
            if kind is not None:
                seen.whole[kind[0]] += 1
            elif is_person_name(value) or english.is_person(value):
                seen.whole["PERSON"] += 1
            elif _is_address(value) or english.is_address(value):
                seen.whole["ADDRESS"] += 1
            elif len(seen.texts) < MAX_TEXTS and _is_text(value):
                seen.texts.append(value)
            born = birth_of(value)
            if born is None and self._hints[name] == "DATE_OF_BIRTH":
                born = _day(value)
            if born is not None:
                seen.days += 1
                seen.minors += self._is_minor(born)

    def _may_be(self, name: str, entity: str, value: str) -> bool:
        """Whether a number without a check digit is one: the column says so, or a passport's

        letter stands before digits that do not count up from nothing.
        """
        return self._hints[name] == entity or (value[0] in "EG" and value[1:4] != "000")

    def _is_minor(self, born: date) -> bool:
        limit = self._today.year - MINOR_YEARS
        return (born.year, born.month, born.day) > (limit, self._today.month, self._today.day)

    def _analyse(self, seen: _Column, column: pa.Array) -> None:
        """Look for identifiers within longer values, wherever one has the shape of it."""
        shaped = column.filter(pc.fill_null(pc.match_substring_regex(column, _SHAPE), False))
        for value in shaped[: MAX_ANALYSED - seen.analysed].to_pylist():
            seen.analysed += 1
            for result in self._engine.analyze(value):
                is_listed = result.entity_type in _LISTED and result.score <= UNSURE
                if result.end - result.start < len(value.strip()) and not is_listed:
                    seen.inside[result.entity_type] += 1

    def findings(self) -> list[Finding]:
        """Return findings of columns and, under an empty name, of their combination."""
        found = [each for name in self._columns for each in self._findings_of(name)]
        entities = {each.entity for each in found}
        for rule in pack()["combinations"]:
            if entities.issuperset(rule["all"]):
                joined = "+".join(rule["all"])
                found.append(Finding("", joined, rule["level"], 1, "combination"))
        return found

    def _findings_of(self, name: str) -> list[Finding]:
        seen, hint = self._columns[name], self._hints[name]
        found = []
        entity, count, why = self._main(name, seen, hint)
        if entity:
            found.append(Finding(name, entity, level_of_entity(entity), count, why))
        for other, count in sorted(seen.inside.items()):
            if other != entity and not (other == "PERSON" and entity == "ADDRESS"):
                why = f"within {count} values"
                found.append(Finding(name, other, level_of_entity(other), count, why))
        found += self._told(name, seen)
        if seen.minors and entity in ("CN_RESIDENT_ID", "DATE_OF_BIRTH"):
            level = level_of_entity("MINOR")
            found.append(Finding(name, "MINOR", level, seen.minors, "younger than 14"))
        return found

    def _told(self, name: str, seen: _Column) -> list[Finding]:
        """What a column of texts reads like, if enough of them do."""
        if len(seen.texts) < MIN_TEXTS:
            return []
        levels = [level for level, _ in self._model.levels(seen.texts)]
        for level, entity in sorted(ENTITIES.items(), reverse=True):
            count = sum(each >= level for each in levels)
            if count >= TEXT_SHARE * len(levels):
                why = f"{count} of {len(levels)} texts read like it"
                return [Finding(name, entity, level, count, why)]
        return []

    def _main(self, name: str, seen: _Column, hint: str) -> tuple[str, int, str]:
        """Return what the column as a whole is, on how many values, and why."""
        if not seen.looked:
            # An empty column says nothing: its name alone decides, upwards.
            return (hint, 0, "name of an empty column") if hint else ("", 0, "")
        for entity, count in seen.whole.most_common():
            share = count / seen.looked
            least = MIN_SHARE / 5 if entity == hint else _CHANCE.get(entity, MIN_SHARE)
            is_guess = entity == "PERSON" and entity != hint
            if is_guess and (_is_of_things(name) or not self._is_like_names(seen, share)):
                continue
            if share >= least:
                return entity, count, f"{count} of {seen.looked} values"
        if hint in _NAMED_ONLY or (hint == "PERSON" and _are_names(seen.distinct)):
            return hint, seen.looked, "name of the column"
        if hint == "DATE_OF_BIRTH" and seen.days * 2 >= seen.looked:
            return hint, seen.days, "name of the column, and days"
        if hint in ("ADDRESS", "PHONE_NUMBER", "COORDINATES") and _have_digits(seen.distinct):
            return hint, seen.looked, "name of the column, and numbers"
        return "", 0, ""

    @staticmethod
    def _is_like_names(seen: _Column, share: float) -> bool:
        """Names repeat little and nearly all look like it; code lists repeat."""
        return share >= 0.8 and len(seen.distinct) >= 20 and len(seen.distinct) * 5 >= seen.looked


def hint_of(name: str) -> str:
    """Return the entity that a column's name speaks of, or nothing."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = f" {' '.join(re.findall(r'[a-z0-9]+', spaced.lower()))} "
    for entity, known in COLUMN_WORDS.items():
        for word in known:
            if f" {word} " in words if word.isascii() else word in name:
                return entity
    if words == " name " and not name.isascii():
        return ""
    is_name = words.strip() in ("name", "names") or words.endswith(" name ")
    return "PERSON" if is_name and not _is_of_things(name) else ""


def _is_of_things(name: str) -> bool:
    """Whether a column's name speaks of offices, places or goods."""
    return any(word in name.lower() for word in pack()["not_persons"])


def _are_names(values: set[str]) -> bool:
    """Whether most values are made of words without digits, and not of many words."""
    fit = sum(not any(map(str.isdigit, v)) and len(v.split()) <= 6 and len(v) <= 60 for v in values)
    return fit * 10 >= len(values) * 8 and not _are_organisations(values)


def _are_organisations(values: set[str]) -> bool:
    ends = ("公司", "局", "厂", "院", "中心", "委员会", "Inc", "LLC", "Ltd", "Office", "Department")
    return sum(v.endswith(ends) for v in values) * 2 > len(values)


def _have_digits(values: set[str]) -> bool:
    return sum(any(map(str.isdigit, value)) for value in values) * 2 >= len(values)


def _is_address(text: str) -> bool:
    """A division at the start, or a street with a number: what is written in address columns."""
    if len(text) < 6 or text.isascii() or not any(map(str.isdigit, text)):
        return False
    starts = any(text[:size] in divisions() for size in range(11, 1, -1))
    return starts and any(mark in text for mark in "路街道巷弄村号镇室")


def _is_text(value: str) -> bool:
    """Whether a value is written in sentences: eight words, or a dozen Chinese characters."""
    if value.isascii():
        return len(value) >= 30 and value.count(" ") >= 7
    return len(value) >= 12 and sum("一" <= char <= "鿿" for char in value) >= 12


def _day(text: str) -> date | None:
    digits = text.replace("-", "")
    if len(digits) != 8 or not (digits.isascii() and digits.isdigit()) or not is_day(digits):
        return None
    return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
