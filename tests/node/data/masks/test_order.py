"""Which mask is the stricter: the written order is held against what the masks really tell."""

from __future__ import annotations

import itertools

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.codec import DecodeError
from contracts.masks import REDACT, SPECS, Use, check_use, is_as_strict, parse, strictest, use
from node.data.masks import mask_array
from node.data.masks.base import HIDDEN
from node.data.masks.profiles import PROFILES, combine
from node.data.types import TYPES

SOME = [
    use("redact"), use("null"), use("fixed", text="x"),
    use("keep-first", count=1), use("keep-first", count=3), use("keep-first", count=1, length=8),
    use("truncate", count=2), use("keep-last", count=2), use("keep-last", count=4),
    use("keep-ends", first=1, last=2), use("keep-ends", first=3, last=4),
    parse(["keep-middle", 1, {"from": 2, "to": 3}], ""),
    parse(["keep-middle", 1, {"from": 1, "to": 4}], ""),
    use("mask-first", count=2), use("mask-first", count=4), use("mask-last", count=1),
    use("mask-last", count=3), parse(["mask-middle", 1, {"from": 2, "to": 5}], ""),
    parse(["mask-middle", 1, {"from": 3, "to": 4}], ""), use("mask-before", mark="-"),
    use("mask-before", mark="."), use("mask-after", mark="-"),
    use("mask-between", open="(", close=")"), use("hmac", bytes=8), use("hmac"), use("pseudonym"),
    use("token"), use("token", alphabet="upper"), use("range", width=10), use("range", width=30),
    use("round", step=10), use("round", step=20), use("round", step=7), use("offset", most=3),
    use("offset", most=9), use("date-month"), use("date-year"), use("age-band", year=2026),
    use("age-band", year=2026, width=5), use("age-band", year=2025, width=5),
    use("date-shift", days=3), use("date-shift", days=9), use("division"),
    use("division", level="city"), use("region", level="province"), use("region"),
    use("region", level="county"), use("address"), use("name"), use("resident-id"),
    use("resident-id", first=6, last=4), use("resident-id", first=2, last=0), use("passport"),
    use("mobile"), use("landline"), use("phone"), use("email"), use("bank-card"),
    use("bank-card", first=6), use("plate"), use("ip"), use("ip", v4_bits=8), use("mac"),
    use("coordinates"), use("coordinates", grid=500), use("coordinates", grid=30), use("free-text"),
]  # fmt: skip
FORMS = [
    r"[0-9]{0,6}(\.[0-9])?", r"-?[0-9]{1,3}", r"[a-d]{0,9}", r"[ab-]{0,6}",
    r"(19|20)[0-9]{2}-0[1-9]-1[0-9]",
    r"138[0-9]{8}", r"010-6277[0-9]{4}", r"1101051949123100[0-9]{2}", r"6222020[0-9]{9}",
    r"(浙江省|)(杭州市|宁波市)(西湖区|江北区|)[一二]路", r"(33|11)0[1-9]0[1-9]",
    r"10\.[0-3]\.[0-3]\.1",
    r"30\.[0-9]{2},120\.[0-9]{2}", r"E1234567[0-9]",
]  # fmt: skip
columns = st.sampled_from(FORMS).flatmap(
    lambda form: st.lists(st.from_regex(form, fullmatch=True), min_size=2, max_size=25)
)
BELOW = [(a, b) for a, b in itertools.permutations(SOME, 2) if is_as_strict(a, b)]


@settings(max_examples=50, deadline=None)
@given(columns)
def test_a_stricter_mask_tells_apart_nothing_that_the_other_does_not(column: list[str]) -> None:
    """Values that look alike under the weaker of two masks look alike under the stricter.

    Where they hide short values below different lengths, the stricter one tells on which side of
    its length a value is; of characters it shows none that the other does not.
    """
    made = {each: mask_array(pa.array(column), each, bytes(32)).to_pylist() for each in SOME}
    for strict, weak in BELOW:
        seen: dict[str | None, str | None] = {}
        by_length = strict.params.get("length") != weak.params.get("length", 0)
        for one, other in zip(made[weak], made[strict], strict=True):
            if by_length and strict.params.get("length"):
                assert all(part in one for part in other.split(HIDDEN)), (strict, weak, one, other)
                continue
            assert seen.setdefault(one, other) == other, (strict, weak, column)


def test_the_order_is_one() -> None:
    for a in SOME:
        assert is_as_strict(a, a)
        assert is_as_strict(a, None)
        assert not is_as_strict(None, a)
        assert is_as_strict(REDACT, a)
    for a, b, c in itertools.product(SOME, repeat=3):
        if is_as_strict(a, b) and is_as_strict(b, c):
            assert is_as_strict(a, c), (a, b, c)


def test_the_strictest_satisfies_everyone_in_whatever_order() -> None:
    for a, b in itertools.product([*SOME, None], repeat=2):
        found = strictest([a, b])
        assert is_as_strict(found, a), (a, b, found)
        assert is_as_strict(found, b), (a, b, found)
        assert found == strictest([b, a])


@pytest.mark.parametrize(
    ("uses", "wanted"),
    [
        ([None, None], None),
        ([None, use("name")], use("name")),
        ([use("date-month"), use("date-year")], use("date-year")),
        ([use("date-year"), use("age-band", year=2026)], use("age-band", year=2026)),
        ([use("keep-first", count=3), use("keep-first", count=1)],
         use("keep-first", count=1, length=6)),
        ([use("keep-ends", first=2, last=2), use("keep-last", count=4)],
         use("keep-last", count=2, length=7)),
        ([use("keep-first", count=2), use("keep-last", count=2)], REDACT),
        ([use("round", step=100), use("round", step=1000)], use("round", step=1000)),
        ([use("round", step=100), use("range", width=300)], use("range", width=300)),
        ([use("round", step=20), use("round", step=30)], REDACT),
        ([use("hmac"), use("pseudonym")], REDACT),
        ([use("region"), use("address")], use("region")),
        ([use("mobile"), use("phone")], use("mobile")),
        ([use("ip", v4_bits=8), use("ip", v6_bits=16)], REDACT),
    ],
)  # fmt: skip
def test_examples_of_the_strictest(uses: list[Use | None], wanted: Use | None) -> None:
    assert strictest(uses) == wanted


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ("redact", "must be \\[id, version, parameters\\]"),
        (["no-such", 1, {}], "there is no mask of this name"),
        ([{}, 1, {}], "there is no mask of this name"),
        (["redact", 2, {}], "redact has version 1 only"),
        (["redact", True, {}], "redact has version 1 only"),
        (["round", 1, {}], "mask.step: must be an integer from 1"),
        (["round", 1, {"step": 0}], "mask.step: must be an integer from 1"),
        (["round", 1, {"step": "5"}], "mask.step: must be an integer from 1"),
        (["round", 1, {"step": 5, "most": 1}], "round has no parameter of this name: most"),
        (["keep-first", 1, {"count": 5, "length": 5}], "mask.length: must be above 5"),
        (["keep-middle", 1, {"from": 5, "to": 4}], "mask.from: must not be above `to`"),
        (["mask-before", 1, {"mark": "ab"}], "mask.mark: must be one character"),
        (["token", 1, {"alphabet": "any"}], "mask.alphabet: must be one of digits"),
    ],
)
def test_wrong_masks_are_refused_with_the_place(value: object, wrong: str) -> None:
    with pytest.raises(DecodeError, match=wrong):
        check_use(value, "mask")


def test_what_is_left_out_is_filled_in() -> None:
    assert parse(["keep-last", 1, {}], "mask").to_value() == [
        "keep-last",
        1,
        {"count": 4, "length": 7},
    ]
    assert str(use("keep-last")) == "keep-last(count=4, length=7)"


def test_profiles_name_known_types_and_combine_to_the_strictest() -> None:
    for profile in PROFILES.values():
        assert profile.masks.keys() <= TYPES.keys()
    both = combine(["usual", "research"])
    assert both.mask_of("address") == use("region")
    assert both.mask_of("resident-id") == REDACT
    assert both.mask_of("birth-date") == use("date-year")
    assert both.mask_of("code") is None
    assert both.mask_of("health") == REDACT
    assert len(SPECS) >= 28
