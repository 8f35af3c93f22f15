"""Intersections and sums between members that show each other nothing else."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.data.privacy import group
from node.data.privacy.group import GroupError
from node.data.privacy.intersect import MIN_ELEMENTS, Side, middle
from node.data.privacy.noise import laplace
from node.data.privacy.secure_sum import MAX_NUMBER, Secret, Share, choose, share, total

SMALL_ORDER = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
EPSILON = 2_000_000


def people(first: int, count: int = MIN_ELEMENTS) -> list[str]:
    return [f"person {n}" for n in range(first, first + count)]


@pytest.fixture(scope="module")
def run() -> tuple[Side, list[bytes], Side, list[bytes]]:
    """An asker and a holder with 400 elements in common, and what each has blinded."""
    dice = random.Random(4)
    asker = Side(people(0), b"session", dice.randbytes)
    holder = Side(people(600), b"session", dice.randbytes)
    return asker, asker.ask(EPSILON), holder, holder.hold(EPSILON, random.Random(8).randrange)


def test_the_size_is_counted_with_noise(run: tuple[Side, list[bytes], Side, list[bytes]]) -> None:
    asker, asked, holder, held = run
    found = asker.count(holder.again(asked), held, len(asked), EPSILON)
    assert found == 400 + laplace(1, EPSILON, random.Random(8).randrange)


def test_lengths_do_not_tell_the_noise(run: tuple[Side, list[bytes], Side, list[bytes]]) -> None:
    _, asked, holder, held = run
    lengths = {len(holder.hold(EPSILON, random.Random(seed).randrange)) for seed in range(3)}
    assert lengths == {len(held)} == {len(asked)} == {MIN_ELEMENTS + 2 * middle(EPSILON)}


def test_what_is_sent_has_nothing_in_common_and_no_order(
    run: tuple[Side, list[bytes], Side, list[bytes]],
) -> None:
    _, asked, _, held = run
    assert set(asked).isdisjoint(held)
    assert asked == sorted(asked)
    other = Side(people(0), b"session", random.Random(5).randbytes).ask(EPSILON)
    assert set(asked).isdisjoint(other)


def test_small_sets_and_foreign_points_are_refused(
    run: tuple[Side, list[bytes], Side, list[bytes]],
) -> None:
    asker, asked, holder, held = run
    with pytest.raises(GroupError, match="1000 to 1000000 different elements, not 1"):
        Side(["one"] * MIN_ELEMENTS, b"session", random.randbytes)
    for wrong in (SMALL_ORDER, bytes(32), b"\xff" * 32, b""):
        with pytest.raises(GroupError, match="not of the group"):
            holder.again([wrong, *asked])
    with pytest.raises(GroupError, match="twice"):
        holder.again([asked[0], *asked])
    with pytest.raises(GroupError, match="sent 1 points"):
        holder.again(asked[:1])
    with pytest.raises(GroupError, match="as many points"):
        asker.count(asked[1:], held, len(asked), EPSILON)


def pairs_of(names: list[str]) -> dict[str, dict[str, bytes]]:
    return {
        name: {other: "|".join(sorted((name, other))).encode().ljust(32) for other in names
               if other != name}
        for name in names
    }  # fmt: skip


def shares_of(secrets: Mapping[str, Secret], run: bytes = b"run 1") -> dict[str, Share]:
    pairs = pairs_of(list(secrets))
    return {name: share(each, name, pairs[name], run) for name, each in secrets.items()}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-MAX_NUMBER, MAX_NUMBER), min_size=3, max_size=6))
def test_the_sum_is_that_of_the_numbers(numbers: list[int]) -> None:
    secrets = {f"m{n}": choose(v, random.Random(n).randbytes) for n, v in enumerate(numbers)}
    commitments = {name: each.commitment for name, each in secrets.items()}
    assert total(shares_of(secrets), commitments) == sum(numbers)


@pytest.fixture
def three() -> dict[str, Secret]:
    return {f"m{n}": choose(v, random.Random(n).randbytes) for n, v in enumerate((7, 0, -3))}


def test_silence_and_deviation_are_noticed(three: dict[str, Secret]) -> None:
    commitments = {name: each.commitment for name, each in three.items()}
    shares = shares_of(three)
    with pytest.raises(GroupError, match="missing m1"):
        total({name: s for name, s in shares.items() if name != "m1"}, commitments)
    lied = {**shares, "m1": Share((shares["m1"].number + 1) % group.ORDER, shares["m1"].blinding)}
    with pytest.raises(GroupError, match="departs from its commitment"):
        total(lied, commitments)
    replayed = {**shares, "m2": shares_of(three, b"run 2")["m2"]}
    with pytest.raises(GroupError, match="departs from its commitment"):
        total(replayed, commitments)


def test_equal_numbers_do_not_look_alike(three: dict[str, Secret]) -> None:
    again = choose(7, random.Random(99).randbytes)
    assert again.commitment != three["m0"].commitment
    assert shares_of(three)["m0"] != shares_of(three, b"run 2")["m0"]


def test_two_members_have_no_secrets_from_each_other(three: dict[str, Secret]) -> None:
    with pytest.raises(GroupError, match="needs 3 members"):
        share(three["m0"], "m0", {"m1": bytes(32)}, b"run")
    with pytest.raises(GroupError, match="must be from"):
        choose(MAX_NUMBER + 1, random.randbytes)
