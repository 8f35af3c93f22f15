"""Combination as a function: deny wins in any order, nothing that is added loosens."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.masks import is_as_strict, strictest, use
from contracts.system.access.decide import Outcome, Verdict, combine
from contracts.system.access.rules import is_within

_MASKS = st.frozensets(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from((use("name"), use("redact"), use("keep-first"), use("keep-last"))),
    ),
    max_size=3,
)
_HOURS = st.frozensets(
    st.tuples(st.integers(-840, 840), st.integers(1, 127), st.integers(0, 700),
              st.integers(701, 1440)), max_size=2,
)  # fmt: skip
_REVIEWERS = st.frozensets(st.sampled_from(("owner", "supervisor", "central")), max_size=2)
VERDICTS = st.builds(
    Verdict,
    rule=st.sampled_from("abcdef"),
    outcome=st.sampled_from(Outcome),
    reviewers=_REVIEWERS,
    masks=_MASKS,
    hours=_HOURS,
    k=st.integers(0, 9),
    is_audited=st.booleans(),
    is_authorised=st.booleans(),
    is_noticed=st.booleans(),
)
LISTS = st.lists(VERDICTS, min_size=1, max_size=4)
TIMES = st.integers(0, 1 << 42)
PATIENT = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)


def strictness(found: Verdict) -> tuple[Any, ...]:
    """Everything that is combined, but the reason that is named."""
    return (
        found.outcome, found.reviewers, found.masks, found.hours, found.k, found.is_audited,
        found.is_authorised, found.is_noticed,
    )  # fmt: skip


@PATIENT
@given(LISTS, st.randoms(use_true_random=False))
def test_order_settles_only_the_reason(verdicts: list[Verdict], random: Any) -> None:
    shuffled = verdicts[:]
    random.shuffle(shuffled)
    assert strictness(combine(shuffled)) == strictness(combine(verdicts))


@PATIENT
@given(LISTS)
def test_one_denial_denies(verdicts: list[Verdict]) -> None:
    denies = any(verdict.outcome is Outcome.DENY for verdict in verdicts)
    combined = combine(verdicts)
    assert (combined.outcome is Outcome.DENY) == denies
    assert combined.rule in [v.rule for v in verdicts if v.outcome is combined.outcome]


@PATIENT
@given(LISTS, VERDICTS, TIMES)
def test_one_verdict_more_never_loosens(verdicts: list[Verdict], more: Verdict, time: int) -> None:
    before, after = combine(verdicts), combine([*verdicts, more])
    assert after.outcome >= before.outcome
    assert after.reviewers >= before.reviewers
    assert after.masks >= before.masks
    assert after.k >= before.k
    for flag in ("is_audited", "is_authorised", "is_noticed"):
        assert getattr(after, flag) >= getattr(before, flag)
    for place in range(4):
        masks = [[mask for at, mask in found.masks if at == place] for found in (before, after)]
        assert is_as_strict(strictest(masks[1]), strictest(masks[0]))
    if all(is_within(window, time) for window in after.hours):
        assert all(is_within(window, time) for window in before.hours)


@PATIENT
@given(LISTS, LISTS)
def test_combining_in_parts_is_combining(first: list[Verdict], second: list[Verdict]) -> None:
    parts = combine([combine(first), combine(second)])
    assert strictness(parts) == strictness(combine([*first, *second]))


@pytest.mark.parametrize(
    ("time", "inside"),
    [
        (1_750_000_000_000, False),  # Sunday 15 June 2025, 23:06 in UTC+8
        (1_750_000_000_000 + 9 * 3_600_000, True),  # Monday 8:06
        (1_750_003_200_000 + 8 * 3_600_000, True),  # Monday 8:00 exactly
        (1_750_003_200_000 + 8 * 3_600_000 - 1, False),
        (1_750_003_200_000 + 18 * 3_600_000 - 1, True),
        (1_750_003_200_000 + 18 * 3_600_000, False),
        (1_750_003_200_000 + (5 * 24 + 12) * 3_600_000, False),  # Saturday noon
        (0, False),  # Thursday 1 January 1970, 8:00 in UTC+8, is before the bounds below
    ],
)
def test_hours_are_those_of_a_fixed_offset(time: int, inside: bool) -> None:
    window = [480, 0b0011111, 480, 1080] if time else [480, 0b1110111, 480, 1080]
    assert is_within(window, time) == inside
