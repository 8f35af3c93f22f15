"""Noise is distributed as it is said to be, and no subject changes an answer by more."""

from __future__ import annotations

import math
import random
from collections import Counter
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from node.data.privacy import aggregate
from node.data.privacy.aggregate import Answer, Question, QuestionError, answer
from node.data.privacy.noise import error_bound, laplace

SUBJECTS = st.sampled_from(["a", "b", "c", None])
TABLE = st.lists(st.tuples(SUBJECTS, st.sampled_from(["-90", "7", "40.5", "x", None])), max_size=30)


def _expected(sensitivity: int, micro_epsilon: int, x: int) -> float:
    decay = math.exp(-micro_epsilon / 1e6 / sensitivity)
    return (1 - decay) / (1 + decay) * decay ** abs(x)


@pytest.mark.parametrize(("sensitivity", "micro"), [(1, 1_000_000), (1, 300_000), (3, 2_500_000)])
def test_noise_follows_the_discrete_laplace_distribution(sensitivity: int, micro: int) -> None:
    below = random.Random(20_261_125 + micro).randrange
    count = 12_000
    seen = Counter(laplace(sensitivity, micro, below) for _ in range(count))
    edge = next(x for x in range(1_000) if count * _expected(sensitivity, micro, x) < 20)
    inner = range(-edge + 1, edge)
    wanted = [count * _expected(sensitivity, micro, x) for x in inner]
    observed = [seen[x] for x in inner]
    tails = count - sum(wanted), count - sum(observed)
    assert chisquare([*observed, tails[1]], [*wanted, tails[0]]).pvalue > 1e-3
    far = sum(n for x, n in seen.items() if abs(x) > error_bound(sensitivity, micro))
    assert far <= 0.05 * count


def test_noise_of_another_distribution_would_be_noticed() -> None:
    below = random.Random(1).randrange
    seen = Counter(laplace(1, 1_000_000, below) for _ in range(12_000))
    inner = range(-4, 5)
    wanted = [_expected(1, 900_000, x) for x in inner]
    total = sum(seen[x] for x in inner)
    scaled = [w * total / sum(wanted) for w in wanted]
    assert chisquare([seen[x] for x in inner], scaled).pvalue < 1e-3


def _batches(table: list[tuple[str | None, str | None]], size: int) -> list[pa.RecordBatch]:
    return [
        pa.record_batch({"who": pa.array([w for w, _ in part], pa.string()),
                         "what": pa.array([v for _, v in part], pa.string())})
        for part in (table[at : at + size] for at in range(0, len(table), size))
    ]  # fmt: skip


def _true(question: Question, table: list[Any], monkeypatch: pytest.MonkeyPatch) -> Answer:
    with monkeypatch.context() as patch:
        patch.setattr(aggregate, "laplace", lambda *_: 0)
        return answer(question, _batches(table, 7), random.randrange)


QUESTIONS = [
    Question("count", "who", 2, 10**6),
    Question("sum", "who", 2, 10**6, "what", -50, 30),
    Question("histogram", "who", 3, 10**6, "what", categories=("7", "x", "never")),
]


@given(TABLE)
def test_a_subject_changes_a_true_answer_by_no_more_than_is_said(table: list[Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for question in QUESTIONS:
            whole = _true(question, table, patch).numbers
            for gone in ("a", "b", "c"):
                rest = [row for row in table if row[0] != gone]
                less = _true(question, rest, patch).numbers
                change = sum(abs(x - y) for x, y in zip(whole, less, strict=True))
                assert change <= question.sensitivity


def test_true_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    table = [
        ("a", "7"),
        ("a", "7"),
        ("a", "7"),
        ("b", "-90"),
        ("b", "40.5"),
        (None, "7"),
        ("c", "x"),
    ]
    count, total, histogram = (_true(q, table, monkeypatch).numbers for q in QUESTIONS)
    assert count == (5,)
    assert total == (7 + 7 - 50 + 30,)
    assert histogram == (3, 1, 0)


def test_answers_carry_noise_and_say_how_much() -> None:
    question = Question("count", "who", 1, 100_000)
    table = [(str(n), "7") for n in range(500)]
    found = {answer(question, _batches(table, 99), random.Random(s).randrange) for s in range(8)}
    assert len(found) > 1
    assert {each.within for each in found} == {31}


@pytest.mark.parametrize(
    "given",
    [
        {"kind": "count", "column": "what"},
        {"kind": "sum", "column": "what", "low": 5, "high": 5},
        {"kind": "sum", "low": 0, "high": 5},
        {"kind": "sum", "column": "what", "high": 10**13},
        {"kind": "histogram", "column": "what"},
        {"kind": "histogram", "column": "what", "categories": ("a", "a")},
        {"kind": "count", "rows": 0},
        {"kind": "count", "micro_epsilon": 0},
    ],
)
def test_questions_that_protect_nobody_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(QuestionError):
        Question(**{"subject": "who", "rows": 1, "micro_epsilon": 10**6, **given})


def test_a_question_is_named_by_a_keyed_digest() -> None:
    one, other = QUESTIONS[0], QUESTIONS[1]
    assert one.digest(bytes(32)) == Question("count", "who", 2, 10**6).digest(bytes(32))
    assert len({one.digest(bytes(32)), one.digest(b"k" * 32), other.digest(bytes(32))}) == 3
    with pytest.raises(QuestionError, match="no column 'whom'"):
        answer(Question("count", "whom", 1, 10**6), _batches([("a", "7")], 1), random.randrange)
