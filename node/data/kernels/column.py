"""What one column holds: by name, by content with checksums, by dictionary, by share of values.

The first values are looked at whole; every value that has the shape of an identifier is analysed as
text. Counts become findings at the end, so that batches can be counted in any order.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from node.data import english
from node.data.identifiers import birth_of, is_day
from node.data.lexicon import COLUMN_WORDS, divisions, is_person_name
from node.data.notes import note
from node.data.recognise import UNSURE, AnalyzerEngine, whole
from node.data.rules import pack
from node.data.texts import ENTITIES, Model
from node.data.types import BY_ENTITY

MAX_ANALYSED = 2_000
MAX_TEXTS = 200
"""Values of a column that are read as texts."""
MIN_TEXTS = 5
TEXT_SHARE = 0.2
"""Share of a column's texts from which it counts as what they read like."""
MINOR_YEARS = 14
MIN_SHARE = 0.5
MIN_NAMES = 20
"""Different values from which a column without a name can be one of persons."""
_LISTED = frozenset(("PERSON", "LOCATION"))
"""Within a column's values these need more than a list of words that knows them."""
_LEVELS = {"LOCATION": 1, "ETHNICITY": 3, "US_SSN": 4, "US_DRIVER_LICENSE": 4, "MINOR": 4,
           "UNKNOWN": 4, **{entity: level for level, entity in ENTITIES.items()}}  # fmt: skip
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
class Held:
    """Something that a column holds: entity, on how many values, and why."""

    entity: str
    count: int
    why: str

    @property
    def level(self) -> int:
        return level_of_entity(self.entity)


def level_of_entity(entity: str) -> int:
    """Return the level that an entity has by itself; one that is not known is restricted."""
    known = BY_ENTITY.get(entity)
    return known.level if known is not None else _LEVELS.get(entity, 3)


@dataclass(frozen=True, slots=True)
class Lens:
    """What columns are looked at with, and the day that ages are counted to."""

    today: date
    model: Model
    engine: AnalyzerEngine

    def is_minor(self, born: date) -> bool:
        limit = self.today.year - MINOR_YEARS
        return (born.year, born.month, born.day) > (limit, self.today.month, self.today.day)


class Column:
    """Counts over values, then what they tell. `name` is what may speak of them."""

    def __init__(self, name: str, lens: Lens) -> None:
        self._name, self._lens = name, lens
        self._hint = hint_of(name)
        self.looked = 0
        self.distinct: set[str] = set()
        self._whole: Counter[str] = Counter()
        self._inside: Counter[str] = Counter()
        self._analysed = 0
        self._texts: list[str] = []
        self._minors = self._days = 0

    def sample(self, values: Iterable[str]) -> None:
        """Look at values as wholes."""
        for value in values:
            self.looked += 1
            self.distinct.add(value)
            kind = whole(value)
            if kind is not None and kind[1] <= UNSURE and not self._may_be(kind[0], value):
                continue
            if kind is not None:
                self._whole[kind[0]] += 1
            elif is_person_name(value) or english.is_person(value):
                self._whole["PERSON"] += 1
            elif _is_address(value) or english.is_address(value):
                self._whole["ADDRESS"] += 1
            elif len(self._texts) < MAX_TEXTS and _is_text(value):
                self._texts.append(value)
            born = birth_of(value)
            if born is None and self._hint == "DATE_OF_BIRTH":
                born = _day(value)
            if born is not None:
                self._days += 1
                self._minors += self._lens.is_minor(born)

    def _may_be(self, entity: str, value: str) -> bool:
        """Whether a number without a check digit is one: the column says so, or a passport's

        letter stands before digits that do not count up from nothing.
        """
        return self._hint == entity or (value[0] in "EG" and value[1:4] != "000")

    def analyse(self, values: pa.Array) -> None:
        """Look for identifiers within longer values, wherever one has the shape of it."""
        if self._analysed >= MAX_ANALYSED:
            return
        shaped = values.filter(pc.fill_null(pc.match_substring_regex(values, _SHAPE), False))
        for value in shaped[: MAX_ANALYSED - self._analysed].to_pylist():
            self._analysed += 1
            for result in self._lens.engine.analyze(value):
                is_listed = result.entity_type in _LISTED and result.score <= UNSURE
                if result.end - result.start < len(value.strip()) and not is_listed:
                    self._inside[result.entity_type] += 1

    def findings(self, main: Held | None) -> Iterator[Held]:
        """Yield what the column holds: what it is as a whole (see `main`), then the rest."""
        if main is not None:
            yield main
        entity = "" if main is None else main.entity
        for other, count in sorted(self._inside.items()):
            if other != entity and not (other == "PERSON" and entity == "ADDRESS"):
                yield Held(other, count, note("within", count))
        yield from self._told()
        if self._minors and entity in ("CN_RESIDENT_ID", "DATE_OF_BIRTH"):
            yield Held("MINOR", self._minors, note("minors"))

    def _told(self) -> Iterator[Held]:
        """What a column of texts reads like, if enough of them do."""
        if len(self._texts) < MIN_TEXTS:
            return
        levels = [level for level, _ in self._lens.model.levels(self._texts)]
        for level, entity in sorted(ENTITIES.items(), reverse=True):
            count = sum(each >= level for each in levels)
            if count >= TEXT_SHARE * len(levels):
                yield Held(entity, count, note("texts", count, len(levels)))
                return

    def main(self) -> Held | None:
        """Return what the column as a whole is."""
        hint = self._hint
        if not self.looked:
            # An empty column says nothing: its name alone decides, upwards.
            return Held(hint, 0, note("empty-column")) if hint else None
        for entity, count in self._whole.most_common():
            share = count / self.looked
            least = MIN_SHARE / 5 if entity == hint else _CHANCE.get(entity, MIN_SHARE)
            is_guess = entity == "PERSON" and entity != hint
            if is_guess and (_is_of_things(self._name) or not self._is_like_names(share)):
                continue
            if share >= least:
                return Held(entity, count, note("values", count, self.looked))
        if hint in _NAMED_ONLY or (hint == "PERSON" and _are_names(self.distinct)):
            return Held(hint, self.looked, note("by-name"))
        if hint == "DATE_OF_BIRTH" and self._days * 2 >= self.looked:
            return Held(hint, self._days, note("by-name-days"))
        if hint in ("ADDRESS", "PHONE_NUMBER", "COORDINATES") and _have_digits(self.distinct):
            return Held(hint, self.looked, note("by-name-numbers"))
        return None

    def _is_like_names(self, share: float) -> bool:
        """Names repeat little and nearly all look like it; code lists repeat."""
        many = len(self.distinct)
        return share >= 0.8 and many >= MIN_NAMES and many * 5 >= self.looked


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
