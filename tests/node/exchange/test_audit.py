"""The rules of an audit, with real commitments, masks and draws: who is caught, who never is."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from consensus.codec import DecodeError, Value, encode
from consensus.crypto import sha256
from contracts.masks import use
from node.data import commitment
from node.data.commitment import Field
from node.data.jobs import agree
from node.data.masks import mask_batch
from node.exchange import audit, audited, rowmap
from node.exchange.audit import SAMPLE, Agrees, AuditError, Finding, Subject
from node.exchange.filters import Filter
from node.exchange.linked import Opened
from node.exchange.rowmap import ERASED, FILTERED, OVER, UNAUTHORISED, RowMap
from node.exchange.tree import RecordTree

ROWS, CHOSEN = 2_000, 1_000
CHAIN, STANDARD = b"c" * 32, b"s" * 32
FIELDS = [{"name": "number", "type": "code"}, {"name": "phone", "type": "phone"},
          {"name": "city", "type": "text"}, {"name": "fee", "type": "amount"}]  # fmt: skip
PHONE = use("keep-last", count=4)
CITY = "Wuhan"
KEY = b"k" * 32


def agrees(before: list[list[Field]], after: list[list[Field]]) -> list[list[bool]]:
    args: dict[str, Any] = {
        "names": ["phone"], "masks": [PHONE.to_value()], "key": KEY, "marked": False,
    }  # fmt: skip
    [[_, found]] = agree.run(args, iter([(before, after)]))
    return found  # type: ignore[no-any-return]


class Register:
    """A registered version: half of its records are of one city, which a delivery asks for."""

    def __init__(self) -> None:
        drawn = random.Random("register")
        values: list[list[Field]] = [
            [f"{n:06}", f"139{n:08}", CITY if n % 2 else "Chengdu", f"{n % 90}.50"]
            for n in range(ROWS)
        ]
        seeds = [drawn.randbytes(32) for _ in values]
        rows = sorted(zip(seeds, values, strict=True), key=lambda r: commitment.order_key(r[0]))
        self.records = [Opened(place, seed, row) for place, (seed, row) in enumerate(rows)]
        hashes = b"".join(commitment.record(record.seed, record.values) for record in self.records)
        self.tree = RecordTree(hashes)
        self.commitment = commitment.commitment(CHAIN, "d", 1, STANDARD, ROWS, self.tree.root())
        phones = pa.record_batch({"phone": [record.values[1] for record in self.records]})
        masked = mask_batch(phones, [("phone", PHONE)], KEY).column(0).to_pylist()
        self.masked = [
            [record.values[0], phone, record.values[2]]
            for record, phone in zip(self.records, masked, strict=True)
        ]


@pytest.fixture(scope="module")
def register() -> Register:
    return Register()


Rows = list[tuple[int, list[Field]]]
"""Places and delivered values, in the order of delivery."""


class Owner:
    """Delivers what `falsify` makes of the right rows; opens it honestly, for it must."""

    def __init__(
        self, register: Register, trial: int, falsify: Callable[[random.Random, Rows, RowMap], None]
    ) -> None:
        self.register, drawn = register, random.Random(f"trial {trial}")
        rows: Rows = [
            (record.place, list(register.masked[record.place]))
            for record in register.records
            if record.values[2] == CITY
        ]
        drawn.shuffle(rows)
        self.map = RowMap.blank(ROWS)
        self.map.entries[:] = FILTERED
        falsify(drawn, rows, self.map)
        self.rows = [(drawn.randbytes(16), place, values) for place, values in rows]
        for index, (_, place, _) in enumerate(self.rows):
            self.map.entries[place] = index
        self.tree = RecordTree(b"".join(audited.leaf(salt, row) for salt, _, row in self.rows))
        self.salt, self.entries = drawn.randbytes(32), self.map.encode()
        self.subject = Subject(
            trial, CHAIN, "d", 1, STANDARD, len(FIELDS), ROWS, register.commitment,
            self.tree.root(), len(rows), ROWS, rowmap.digest(self.salt, KEY, self.entries), (0, 2),
            (1,), Filter([[2, "eq"]], [[CITY]], FIELDS), 0, False, False,
        )  # fmt: skip
        self.seed = audit.draw(sha256(b"%d" % trial), drawn.randbytes(32), trial)

    def open(self) -> tuple[Value, Value]:
        wanted = audit.sample(self.seed, self.map, len(self.rows))
        rows = [(index, self.rows[index][0], self.rows[index][2]) for index in wanted.rows]
        places = {*wanted.omitted, *(self.rows[index][1] for index in wanted.rows)}
        records = [self.register.records[place] for place in sorted(places)]
        opened: list[Value] = list(audit.open_records(self.subject, self.register.tree, records))
        return audit.open_rows(self.tree, rows), opened

    def judge(self, opened: tuple[Value, Value] | None = None, check: Agrees = agrees) -> Finding:
        found = audit.read_map(self.subject, self.salt, KEY, self.entries)
        wanted = audit.sample(self.seed, found, self.subject.rows)
        return audit.judge(self.subject, found, wanted, opened or self.open(), check)


def honest(drawn: random.Random, rows: Rows, entries: RowMap) -> None:
    """Everything is as it has to be."""


def other_exact_value(drawn: random.Random, rows: Rows, entries: RowMap) -> None:
    for at in drawn.sample(range(len(rows)), len(rows) // 100):
        rows[at][1][0] = "999999"


def other_masked_value(drawn: random.Random, rows: Rows, entries: RowMap) -> None:
    for at in drawn.sample(range(len(rows)), len(rows) // 100):
        rows[at][1][1] = "*******0000"


def rows_in_the_place_of_others(drawn: random.Random, rows: Rows, entries: RowMap) -> None:
    """One hundredth have the values of their neighbours."""
    for at in drawn.sample(range(len(rows) - 1), len(rows) // 100):
        rows[at] = rows[at][0], rows[at + 1][1]


def left_out(drawn: random.Random, rows: Rows, entries: RowMap) -> None:
    """One hundredth of what the filter is said to leave out fits it."""
    for _ in range(len(rows) // 100):
        rows.pop()


def not_asked_for(drawn: random.Random, rows: Rows, entries: RowMap) -> None:
    """One hundredth are what the filter does not choose, with the city made to fit."""
    places = {place for place, _ in rows}
    others = [place for place in range(ROWS) if place not in places]
    for at, place in enumerate(drawn.sample(others, len(rows) // 100)):
        rows[at] = place, [f"{place:06}", "*******0000", CITY]


def test_an_honest_owner_is_never_caught(register: Register) -> None:
    for trial in range(25):
        finding = Owner(register, trial, honest).judge()
        assert finding == Finding(2 * SAMPLE, (), {"filtered": ROWS - CHOSEN})


_long = pytest.mark.campaign


@pytest.mark.parametrize(
    "falsify",
    [
        other_masked_value,
        left_out,
        pytest.param(other_exact_value, marks=_long),
        pytest.param(rows_in_the_place_of_others, marks=_long),
        pytest.param(not_asked_for, marks=_long),
    ],
)
def test_an_owner_that_falsifies_one_row_in_a_hundred_is_caught_in_93_of_100_trials(
    register: Register, falsify: Callable[..., None]
) -> None:
    """The draws are seeded, so that the count is the same each time; 95 are expected."""
    caught = sum(bool(Owner(register, trial, falsify).judge().faults) for trial in range(100))
    assert caught >= 93


def test_faults_say_what_is_wrong(register: Register) -> None:
    def all_wrong(drawn: random.Random, rows: Rows, entries: RowMap) -> None:
        for _, values in rows:
            values[0] = values[1] = "x"

    finding = Owner(register, 1, all_wrong).judge()
    assert len(finding.faults) == SAMPLE
    assert "is not its record in field 0, 1" in finding.faults[0]
    finding = Owner(register, 1, not_asked_for).judge()
    assert any("does not fit the filter" in fault for fault in finding.faults)
    finding = Owner(register, 3, left_out).judge()
    assert any("fits the filter and was left out" in fault for fault in finding.faults)


def test_the_sample_depends_on_block_and_secret_and_is_without_repetition(
    register: Register,
) -> None:
    owner = Owner(register, 1, honest)
    drawn = {
        audit.sample(audit.draw(block, secret, 1), owner.map, CHOSEN)
        for block in (b"a" * 32, b"b" * 32)
        for secret in (b"a" * 32, b"b" * 32)
    }
    assert len(drawn) == 4
    for each in drawn:
        assert len(set(each.rows)) == len(set(each.omitted)) == SAMPLE
        assert not set(each.omitted) & set(owner.map.places().tolist())
    hits = np.zeros(CHOSEN)
    for number in range(200):
        seed = audit.draw(sha256(b"%d" % number), b"s" * 32, 1)
        hits[list(audit.sample(seed, owner.map, CHOSEN).rows)] += 1
    assert hits.sum() == 200 * SAMPLE
    assert hits.max() < 100  # 60 are expected of each; six standard deviations are 39
    assert hits.min() > 20


# What an owner may try that has committed to something else


def shifted(opened: Any) -> Any:
    """A row opened with the values of another one."""
    rows = opened[0][0]
    return [[rows[1], rows[0], *rows[2:]], opened[0][1]], opened[1]


def fewer_rows(opened: Any) -> Any:
    return [opened[0][0][:-1], opened[0][1]], opened[1]


def no_records(opened: Any) -> Any:
    return opened[0], []


def other_record(opened: Any) -> Any:
    return opened[0], [opened[1][0], *opened[1]]


def false_record(opened: Any) -> Any:
    body = opened[1][0]
    return opened[0], [body.replace(b"Wuhan", b"Wuhaa", 1), *opened[1][1:]]


def nonsense(opened: Any) -> Any:
    return 7, "x"


@pytest.mark.parametrize(
    "alter", [shifted, fewer_rows, no_records, other_record, false_record, nonsense]
)
def test_what_was_not_committed_to_cannot_be_opened(
    register: Register, alter: Callable[[Any], Any]
) -> None:
    owner = Owner(register, 2, honest)
    with pytest.raises(AuditError):
        owner.judge(alter(owner.open()))


def test_a_map_or_key_that_was_not_committed_to_is_no_map(register: Register) -> None:
    owner = Owner(register, 1, honest)
    other = owner.map.encode()[:-4] + bytes(4)
    for salt, key, entries in (
        (bytes(32), KEY, owner.entries), (owner.salt, bytes(32), owner.entries),
        (owner.salt, KEY, other),
    ):  # fmt: skip
        with pytest.raises(AuditError, match="not what was committed to"):
            audit.read_map(owner.subject, salt, key, entries)


def test_a_map_names_each_row_once_and_only_reasons_that_there_can_be(register: Register) -> None:
    owner = Owner(register, 1, honest)

    def read(entries: np.ndarray, subject: Subject = owner.subject) -> None:
        data = entries.tobytes()
        digest = rowmap.digest(owner.salt, KEY, data)
        audit.read_map(replace(subject, map=digest), owner.salt, KEY, data)

    read(owner.map.entries)
    first = int(owner.map.places()[0])
    omitted = int(owner.map.omitted(FILTERED)[0])
    for place, entry, match in (
        (first, FILTERED, "each delivered row once"), (omitted, 0, "each delivered row once"),
        (first, CHOSEN, "each delivered row once"), (omitted, 0xFFFF_0000, "there is not"),
        (omitted, UNAUTHORISED, "cannot be"), (omitted, OVER, "cannot be"),
        (omitted, ERASED, "cannot be"),
    ):  # fmt: skip
        entries = owner.map.entries.copy()
        entries[place] = entry
        with pytest.raises(AuditError, match=match):
            read(entries)
    with pytest.raises(AuditError, match="cannot be"):
        read(owner.map.entries, replace(owner.subject, filter=None))
    with pytest.raises(AuditError, match="one entry for each record"):
        read(owner.map.entries[:-1])
    with pytest.raises(DecodeError):
        RowMap.decode(b"", 1, 1)


# Two recipients


def joined(ours: Sequence[Any], theirs: Sequence[Any]) -> int:
    """How many rows share something of one's with something of the other's."""
    return len(set(ours) & set(theirs))


def test_two_deliveries_of_one_version_cannot_be_joined_but_by_exact_values(
    register: Register,
) -> None:
    """Leaves, salts, seeds' hashes, order, sizes: nothing of one delivery is in the other."""
    one, two = Owner(register, 1, honest), Owner(register, 2, honest)
    leaves, salts, bodies, order = [], [], [], []
    for owner in (one, two):
        tree = RecordTree(b"".join(audited.leaf(salt, row) for salt, _, row in owner.rows))
        chunks = [owner.rows[at : at + 500] for at in range(0, CHOSEN, 500)]
        made = [
            audited.pack([(salt, row) for salt, _, row in chunk], 3, (),
                         tree.proof(range(at, at + len(chunk))))
            for at, chunk in zip(range(0, CHOSEN, 500), chunks, strict=True)
        ]  # fmt: skip
        bodies.append(made)
        received = [audited.unpack(3, body) for body in made]
        leaves.append([leaf for each in received for leaf in each.leaves])
        leaves[-1] += [node for each in received for node in each.proof]
        salts.append([salt for salt, _, _ in owner.rows])
        order.append({place: index for index, (_, place, _) in enumerate(owner.rows)})
    assert joined(*leaves) == joined(*salts) == joined(*bodies) == 0
    # Where a row stands in one says nothing of where it stands in the other.
    places = sorted(order[0])
    ranks = np.corrcoef([order[0][p] for p in places], [order[1][p] for p in places])[0, 1]
    assert abs(ranks) < 0.1
    assert sum(order[0][p] == order[1][p] for p in places) < 12  # one is expected
    # Nothing of the registration went out: a linked recipient's leaves, record hashes and places
    # are in no chunk.
    for record in register.records[:200]:
        for each in (commitment.record(record.seed, record.values), record.seed,
                     *commitment.leaves(record.seed, record.values)):  # fmt: skip
            assert not any(each in body for bodies_of in bodies for body in bodies_of)


def test_equal_rows_have_different_leaves() -> None:
    salts = [b"a" * 16, b"b" * 16]
    assert audited.leaf(salts[0], ["x", None]) != audited.leaf(salts[1], ["x", None])
    assert audited.leaf(salts[0], ["x", None]) != audited.leaf(salts[0], ["x", ""])
    assert encode(["x", None]) == b"\x82" + commitment.encode_field("x") + b"\xf6"
