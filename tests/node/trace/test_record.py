"""What of a dataset's life concerns one record, or its subjects."""

from __future__ import annotations

from typing import Any

from node.trace.index import Entry
from node.trace.record import Delivery, Span, deliveries_of, holders_of, of_record, of_subject

LIFE = [
    Entry(height, 1_000 * height, f"{height:064x}", sender, 0, contract, name, data)
    for height, (sender, contract, name, data) in enumerate(
        [
            ("land", "catalogue", "registered", ["land/p", 1, "aa"]),
            ("tax", "access", "requested", [7, "tax", "land/p"]),
            ("land", "access", "granted", [7, "land", "tax", "land/p"]),
            ("city/wu", "access", "requested", [8, "city", "land/p"]),
            ("land", "access", "denied", [8, "level"]),
            ("tax", "deliveries", "opened", [1, 7, "tax", "land", 1, 9]),
            ("land", "catalogue", "registered", ["land/p", 2, "bb"]),
            ("tax", "deliveries", "opened", [2, 7, "tax", "court", 2, 9]),
            ("tax", "deliveries", "ended", [1, 7, "closed", 5]),
            ("land", "catalogue", "destroyed", ["land/p", 1, [3]]),
            ("land", "catalogue", "destroyed", ["land/p", 1, [4]]),
            ("land", "budgets", "reserved", ["land/p", 2, "tax", 1, 1]),
            ("", "deliveries", "overdue", [7, 20]),
            ("city", "feedback", "given", ["land/p", 2, 4, []]),
            ("civil", "subjects", "revised", [1, 2, "cc"]),
            ("land", "catalogue", "retired", ["land/p", 2]),
        ],
        1,
    )
]


def heights(entries: Any) -> list[int]:
    return [entry.height for entry in entries]


def test_a_record_has_what_its_version_its_row_and_their_grants_had() -> None:
    assert heights(of_record(LIFE, 1, 3)) == [1, 2, 3, 6, 9, 10, 13, 16]
    assert heights(of_record(LIFE, 1, 4)) == [1, 2, 3, 6, 9, 11, 13, 16]
    assert heights(of_record(LIFE, 2, 3)) == [2, 3, 7, 8, 12, 13, 16]
    assert heights(of_record(LIFE, 3, 1)) == [16]


def test_deliveries_are_told_with_what_went_out() -> None:
    assert deliveries_of(LIFE) == [
        Delivery(1, 7, "tax", "land", 1, 6_000, 5),
        Delivery(2, 7, "tax", "court", 2, 8_000, 0),
    ]


def test_a_subject_hears_who_asked_had_and_was_refused() -> None:
    assert heights(of_subject(LIFE)) == [2, 3, 4, 5, 6, 8, 9, 13, 15]
    assert heights(Span(3_000, 8_000, "city").pick(of_subject(LIFE))) == [4]
    assert heights(Span(actor="tax").pick(of_subject(LIFE))) == [2, 6, 8, 9]


def test_a_failed_call_tells_nothing_of_a_record() -> None:
    failed = Entry(17, 17_000, "ab", "tax", 4, "deliveries", "open", [])
    assert failed not in of_record([*LIFE, failed], 1, 3)


def test_who_may_have_read_it_is_asked() -> None:
    kept = [
        Entry(18, 18_000, "cd", name, 0, "custody", "accepted", [1, "land/p", name, mode])
        for name, mode in (("wuhan", "delegate"), ("vault", "escrow"))
    ]
    assert holders_of("land", [*LIFE, *kept]) == ["court", "land", "tax", "wuhan"]
