"""Aggregates of records with noise, the subject being the unit that is protected.

A subject may have many records: only its first `rows` count, so that adding or removing a subject
with all its records changes a true answer by a known amount at most. What a question names (bounds,
categories) is given by who asks, never taken from the data.
"""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from consensus.codec import Value, encode, expect_int, expect_list, expect_text
from node.data.masks.numbers import floors
from node.data.privacy.noise import MICRO, Below, error_bound, laplace
from node.errors import MunimentError

Kind = Literal["count", "sum", "histogram"]
MAX_ROWS = 1_000
MAX_BOUND = 10**12
MAX_CATEGORIES = 10_000
MAX_MICRO_EPSILON = 10**9
MAX_SCALE = 1 << 56
"""Of the noise; passed 64-fold, which takes an answer out of 63 bits, once in 2**92."""


class QuestionError(MunimentError):
    """A question that cannot be asked as it is."""

    code = "question"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: over which subjects, of which column, at what price.

    `column` is summed within `low` and `high`, or counted by `categories`; other values count as
    nothing.
    """

    kind: Kind
    subject: str
    rows: int
    micro_epsilon: int
    column: str = ""
    low: int = 0
    high: int = 0
    categories: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises QuestionError."""
        if not 1 <= self.rows <= MAX_ROWS:
            raise QuestionError(f"rows must be from 1 to {MAX_ROWS}, not {self.rows}")
        if not 1 <= self.micro_epsilon <= MAX_MICRO_EPSILON:
            raise QuestionError(f"micro-epsilon must be from 1 to {MAX_MICRO_EPSILON}")
        if self.sensitivity * MICRO > MAX_SCALE * self.micro_epsilon:
            raise QuestionError("the noise would be larger than any number: pay more, or ask less")
        match self.kind:
            case "count":
                fits = not self.column
            case "sum":
                fits = bool(self.column) and -MAX_BOUND <= self.low < self.high <= MAX_BOUND
            case "histogram":
                distinct = len(set(self.categories)) == len(self.categories)
                fits = bool(self.column) and distinct and 0 < len(self.categories) <= MAX_CATEGORIES
        if not fits:
            raise QuestionError(
                "a count has no column; a sum has a column and bounds from low to high; a "
                "histogram has a column and distinct categories"
            )

    @property
    def sensitivity(self) -> int:
        """By how much one subject changes the true answer at most, all numbers of it together."""
        return self.rows * (max(abs(self.low), abs(self.high)) if self.kind == "sum" else 1)

    def check_columns(self, columns: Sequence[str]) -> None:
        """Raise QuestionError unless the data has the columns: better before it is paid for."""
        for name in (self.subject, self.column):
            if name and name not in columns:
                raise QuestionError(f"there is no column {name!r}; there are {', '.join(columns)}")

    def to_value(self) -> Value:
        names: Value = list(self.categories)
        return [self.kind, self.subject, self.rows, self.micro_epsilon, self.column, self.low,
                self.high, names]  # fmt: skip

    @classmethod
    def of(cls, value: Value) -> Question:
        """Read what `to_value` made. Raises DecodeError or QuestionError."""
        row = expect_list(value, "question", 8)
        kinds: tuple[Kind, ...] = ("count", "sum", "histogram")
        kind = next((each for each in kinds if each == row[0]), None)
        if kind is None:
            raise QuestionError("there is no such kind of question")
        low, high = (expect_int(each, "bound", -MAX_BOUND, MAX_BOUND) for each in row[5:7])
        names = expect_list(row[7], "categories", max_length=MAX_CATEGORIES)
        return cls(
            kind,
            expect_text(row[1], "subject", 1_024),
            expect_int(row[2], "rows"),
            expect_int(row[3], "micro-epsilon"),
            expect_text(row[4], "column", 1_024, 0),
            low,
            high,
            tuple(expect_text(each, "category", 1_024, 0) for each in names),
        )

    def digest(self, key: bytes) -> bytes:
        """Return what the chain knows the question by; without the owner's key it says nothing."""
        return hmac.digest(key, encode(self.to_value()), sha256)


@dataclass(frozen=True, slots=True)
class Answer:
    """Noisy numbers, one for each category of a histogram; nineteen of twenty are this near."""

    numbers: tuple[int, ...]
    within: int


def answer(question: Question, batches: Iterable[pa.RecordBatch], below: Below) -> Answer:
    """Return the answer, with fresh noise. Pay before, keep it, and never compute it again.

    Records without a subject count as nothing. Raises QuestionError where a column is missing.
    """
    seen: Counter[str] = Counter()
    totals = [0] * max(1, len(question.categories))
    for batch in batches:
        chosen = batch.filter(pa.array(_admit(question, batch, seen), pa.bool_()))
        for place, number in enumerate(_totals(question, chosen)):
            totals[place] += number
    sensitivity, price = question.sensitivity, question.micro_epsilon
    noisy = tuple(total + laplace(sensitivity, price, below) for total in totals)
    return Answer(noisy, error_bound(sensitivity, price))


def _admit(question: Question, batch: pa.RecordBatch, seen: Counter[str]) -> list[bool]:
    """Return which records are among the first of their subject."""
    admitted = []
    for subject in _column(batch, question.subject).to_pylist():
        admitted.append(subject is not None and seen[subject] < question.rows)
        if subject is not None:
            seen[subject] += 1
    return admitted


def _totals(question: Question, batch: pa.RecordBatch) -> list[int]:
    match question.kind:
        case "count":
            return [batch.num_rows]
        case "sum":
            _, numbers = floors(_column(batch, question.column))
            # As Python's own numbers, since the sum of a large batch may pass 64 bits.
            return [sum(np.clip(numbers, question.low, question.high).tolist())]
        case "histogram":
            places = pc.index_in(_column(batch, question.column), pa.array(question.categories))
            counts = Counter(places.drop_null().to_pylist())
            return [counts[place] for place in range(len(question.categories))]


def _column(batch: pa.RecordBatch, name: str) -> pa.Array:
    place = batch.schema.get_field_index(name)
    if place < 0:
        raise QuestionError(f"there is no column {name!r}")
    return batch.column(place)
