"""The access log: chained, sealed, shown whole or in part, and what is changed in it is found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consensus.codec import DecodeError, Value
from node.data.access import GENESIS, Access, AccessLog, Entry, Place, follow, read
from node.data.sealing import SealError

MASTER = bytes(range(32))
ENTRY = Entry(Access(5, "li", "land/parcels", 2, 1, 40, "review", 7), bytes(16))


@pytest.fixture
def log(tmp_path: Path) -> AccessLog:
    made = AccessLog(tmp_path, MASTER)
    for number in range(5):
        made.note("li", f"land/{number}", 1, (1, 10), "review", number)
    return made


def test_entries_come_back_and_their_digests_chain_to_the_head(log: AccessLog) -> None:
    found = list(log.entries())
    assert [(e.access.dataset, e.access.delivery) for e, _ in found] == [
        (f"land/{number}", number) for number in range(5)
    ]
    head = GENESIS
    for entry, kept in found:
        head = follow(head, entry.digest)
        assert kept == head
    assert log.head() == (5, head)
    assert [entry for entry, _ in log.entries(3)] == [entry for entry, _ in found[3:]]
    assert list(log.faults([(2, found[1][1]), (5, head)])) == []
    assert len({entry.salt for entry, _ in found}) == 5


def test_each_form_has_the_same_digest_and_shows_no_more_than_it_says() -> None:
    place = Place("land/parcels", 2, 1, 40)
    assert read(ENTRY.whole()) == (ENTRY.digest, ENTRY.access)
    assert read(ENTRY.only_place()) == (ENTRY.digest, place)
    assert read(ENTRY.digest) == (ENTRY.digest, None)
    said = repr(ENTRY.only_place())
    assert "li" not in said.replace("land/parcels", "")
    assert "review" not in said
    assert repr(ENTRY.salt) not in said  # with it the other half could be guessed


@pytest.mark.parametrize("name", Access.__slots__)
def test_a_changed_field_changes_the_digest(name: str) -> None:
    value = getattr(ENTRY.access, name)
    other: Any = value + 1 if isinstance(value, int) else value + "x"
    assert Entry(replace(ENTRY.access, **{name: other}), ENTRY.salt).digest != ENTRY.digest


@pytest.mark.parametrize(
    "shown",
    [
        None, 7, "text", bytes(31), [], [bytes(16)] * 3, ENTRY.whole()[:-1], [*ENTRY.whole(), 1],
        [bytes(15), *ENTRY.whole()[1:]], [*ENTRY.whole()[:-1], -1], [*ENTRY.whole()[:-1], "7"],
        [bytes(16), ["land/parcels", 2, 1], bytes(32)], [bytes(16), "place", bytes(32)],
    ],
)  # fmt: skip
def test_what_is_no_entry_is_refused(shown: Value) -> None:
    with pytest.raises(DecodeError):
        read(shown)


def test_entries_that_are_cut_off_or_replaced_are_missed(log: AccessLog, tmp_path: Path) -> None:
    count, head = log.head()
    path = tmp_path / "access.log"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    [fault] = log.faults([(count, head)])
    assert "anchored at 5 entries" in fault
    log.note("li", "land/4", 1, (1, 10), "another")
    [fault] = log.faults([(count, head)])
    assert "anchored at 5 entries" in fault
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    path.write_bytes(flipped)
    assert "cannot be read" in next(log.faults([(count, head)]))
    with pytest.raises(SealError):
        list(AccessLog(tmp_path, bytes(32)))


def test_a_long_purpose_is_cut(log: AccessLog) -> None:
    log.note("li", "land/x", 1, (1, 1), "因" * 5_000)
    *_, (last, _) = log.entries()
    assert len(last.access.purpose) == 1_000
    assert read(last.whole())[0] == last.digest
