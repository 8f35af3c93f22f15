"""Intersections and sums between members that show each other nothing else."""

from __future__ import annotations

import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.codec import DecodeError
from node.data.privacy import group
from node.data.privacy.chance import Chance
from node.data.privacy.group import GroupError
from node.data.privacy.intersect import MIN_ELEMENTS, Side, middle, split
from node.data.privacy.noise import laplace
from node.data.privacy.secure_sum import MAX_NUMBER, Secret, Share, choose, faults, share, total

SMALL_ORDER = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
EPSILON = 2_000_000


def people(first: int, count: int = MIN_ELEMENTS) -> list[str]:
    return [f"person {n}" for n in range(first, first + count)]


@pytest.fixture(scope="module")
def run() -> tuple[Side, list[bytes], Side, list[bytes]]:
    """An asker and a holder with 400 elements in common, and what each has blinded."""
    asker, holder = side(b"asker"), side(b"holder")
    return asker, asker.ask(people(0)), holder, holder.hold(people(600))


def side(seed: bytes) -> Side:
    return Side(seed, b"session", EPSILON)


def noise_of(seed: bytes) -> int:
    """What a holder with this seed draws."""
    chance = Chance(seed)
    group.random_scalar(chance.bytes)
    return laplace(1, EPSILON, chance.below)


def test_the_size_is_counted_with_noise(run: tuple[Side, list[bytes], Side, list[bytes]]) -> None:
    asker, asked, holder, held = run
    assert asker.count(holder.again(asked), held, len(asked)) == 400 + noise_of(b"holder")


def test_lengths_do_not_tell_the_noise(run: tuple[Side, list[bytes], Side, list[bytes]]) -> None:
    _, asked, _, held = run
    assert len({noise_of(seed) for seed in (b"a", b"b", b"c", b"d", b"e", b"f")}) > 1
    lengths = {len(side(seed).hold(people(0))) for seed in (b"a", b"b", b"c", b"d", b"e", b"f")}
    assert lengths == {len(held)} == {len(asked)} == {MIN_ELEMENTS + 2 * middle(EPSILON)}


def test_what_is_sent_has_nothing_in_common_and_no_order(
    run: tuple[Side, list[bytes], Side, list[bytes]],
) -> None:
    _, asked, _, held = run
    assert set(asked).isdisjoint(held)
    assert asked == sorted(asked)
    assert set(asked).isdisjoint(side(b"another").ask(people(0)))


def test_going_on_after_a_cut_tells_nothing_new(
    run: tuple[Side, list[bytes], Side, list[bytes]],
) -> None:
    _, asked, _, held = run
    assert side(b"asker").ask(people(0)) == asked
    assert side(b"holder").hold(reversed(people(600))) == held


def test_small_sets_and_foreign_points_are_refused(
    run: tuple[Side, list[bytes], Side, list[bytes]],
) -> None:
    asker, asked, holder, held = run
    with pytest.raises(GroupError, match="1000 to 1000000 different elements, not 1"):
        side(b"x").ask(["one"] * MIN_ELEMENTS)
    for wrong in (SMALL_ORDER, bytes(32), b"\xff" * 32, b""):
        with pytest.raises(GroupError, match="not of the group"):
            holder.again([wrong, *asked])
    with pytest.raises(GroupError, match="twice"):
        holder.again([asked[0], *asked])
    with pytest.raises(GroupError, match=f"sent {MIN_ELEMENTS} points, not at least"):
        holder.again(asked[:MIN_ELEMENTS])  # dummies alone do not make a set large
    with pytest.raises(GroupError, match="as many points"):
        asker.count(asked[1:], held, len(asked))
    assert split(b"".join(asked)) == asked
    with pytest.raises(GroupError, match="within a point"):
        split(asked[0][:31])


def test_chance_is_even_and_the_same_again() -> None:
    chance = Chance(b"seed")
    drawn = [chance.below(6) for _ in range(6_000)]
    assert drawn[:50] == [
        each for c in [Chance(b"seed")] for each in (c.below(6) for _ in range(50))
    ]
    # Chi-square with 5 degrees of freedom: 20.5 is passed once in a thousand.
    assert sum((drawn.count(n) - 1_000) ** 2 / 1_000 for n in range(6)) < 20.5
    assert {Chance(b"s").below(1), len(Chance(b"s").bytes(130))} == {0, 130}


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


def test_silence_and_deviation_are_noticed_and_named(three: dict[str, Secret]) -> None:
    commitments = {name: each.commitment for name, each in three.items()}
    shares = shares_of(three)
    assert faults(shares, commitments) == []
    with pytest.raises(GroupError, match="no sum: m1"):
        total({name: s for name, s in shares.items() if name != "m1"}, commitments)
    mine = shares["m1"]
    for wrong in (
        replace(mine, number=(mine.number + 1) % group.ORDER),
        replace(mine, blinding=(mine.blinding + 1) % group.ORDER),
        replace(mine, masks={**mine.masks, "m0": mine.masks["m2"]}),
        replace(mine, masks={**mine.masks, "m0": SMALL_ORDER}),
        replace(mine, masks={**mine.masks, "m0": b"\xff" * 32}),
        replace(mine, masks={"m0": mine.masks["m0"]}),
        replace(mine, masks={**mine.masks, "m9": mine.masks["m0"]}),
    ):
        assert faults({**shares, "m1": wrong}, commitments) == ["m1"]
    assert faults(shares, {**commitments, "m2": SMALL_ORDER}) == ["m2"]
    # Another mask that fits the share: one of a pair lies, and nobody can tell which.
    pairs = pairs_of(list(three))["m2"]
    other = share(three["m2"], "m2", {**pairs, "m1": bytes(32)}, b"run 1")
    assert faults({**shares, "m2": other}, commitments) == ["m1", "m2"]
    replayed = {**shares, "m2": shares_of(three, b"run 2")["m2"]}
    assert faults(replayed, commitments) == ["m0", "m1", "m2"]


def test_a_share_is_read_as_it_was_written(three: dict[str, Secret]) -> None:
    mine = shares_of(three)["m0"]
    assert Share.decode(mine.encode()) == mine


@given(st.binary(max_size=200))
def test_whatever_comes_is_a_share_or_refused(data: bytes) -> None:
    with suppress(DecodeError):
        assert Share.decode(data).encode() == data


@given(st.binary(max_size=4), st.integers(0, 400))
def test_an_altered_share_is_refused_or_named(noise: bytes, at: int) -> None:
    secrets = {f"m{n}": choose(n, random.Random(n).randbytes) for n in range(3)}
    shares = shares_of(secrets)
    data = shares["m1"].encode()
    altered = data[: at % len(data)] + noise + data[at % len(data) + len(noise) :]
    commitments = {name: each.commitment for name, each in secrets.items()}
    with suppress(DecodeError):
        found = faults({**shares, "m1": Share.decode(altered)}, commitments)
        assert ("m1" in found) == (altered != data)


def test_equal_numbers_do_not_look_alike(three: dict[str, Secret]) -> None:
    again = choose(7, random.Random(99).randbytes)
    assert again.commitment != three["m0"].commitment
    assert shares_of(three)["m0"] != shares_of(three, b"run 2")["m0"]


def test_two_members_have_no_secrets_from_each_other(three: dict[str, Secret]) -> None:
    with pytest.raises(GroupError, match="needs 3 members"):
        share(three["m0"], "m0", {"m1": bytes(32)}, b"run")
    with pytest.raises(GroupError, match="must be from"):
        choose(MAX_NUMBER + 1, random.randbytes)
