"""Records without a key: what is taken for one, and what could be a key."""

from __future__ import annotations

from node.data.likeness import MAX_KEY_CHARACTERS, never_repeated, pairs


def test_records_that_agree_in_more_than_half_are_one_the_likest_first() -> None:
    removed = [["1", "a", "x", None], ["2", "b", "y", "z"], ["3", "c", "w", "v"]]
    added = [
        ["2", "b", "Y", "Z"],
        ["1", "A", "x", None],
        ["2", "b", "y", "Z"],
        ["4", "q", "w", "v"],
    ]
    assert pairs(removed, added) == [(1, 2), (0, 1)]
    assert pairs([[None, None, "a"]], [[None, None, "b"]]) == []  # nothing is no likeness
    assert pairs([], added) == []


def test_a_record_is_in_one_pair_and_what_many_share_leads_nowhere() -> None:
    assert pairs([["1", "a", "x"]] * 2, [["1", "a", "y"]]) == [(0, 0)]
    many = [["same", "as", str(number)] for number in range(60)]
    assert pairs(many, [["same", "as", str(number + 60)] for number in range(60)]) == []


def test_a_key_is_short_never_empty_and_never_repeats() -> None:
    rows = [[str(i), str(i % 2), None if i == 3 else str(i), "x" * MAX_KEY_CHARACTERS + str(i)]
            for i in range(9)]  # fmt: skip
    assert never_repeated(rows, 4) == [0]
