"""Chunks and their proofs, against the commitments that registrations hold."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.codec import DecodeError, decode, encode
from node.data import commitment
from node.exchange.linked import MAX_RECORDS, Opened, Shape, batches, pack, unpack
from node.exchange.tree import BLOCK, RecordTree, root_of_proof

VALUES = [["1", None, "王芳", ""], ["2", "b", "x" * 300, "7"], ["3", "b", None, "8"]]


def records() -> list[Opened]:
    return [
        Opened(place, bytes([place]) * 32, v) for place, v in zip((5, 0, 9), VALUES, strict=True)
    ]


def test_exact_masked_and_withheld_fields_give_the_registered_record() -> None:
    shape = Shape(4, (0, 3), (2,))
    body = pack(shape, records(), [["*", "**", None]], None)
    got = unpack(shape, body)
    assert got.columns == (["1", "2", "3"], ["*", "**", None], ["", "7", "8"])
    assert got.records == {r.place: commitment.record(r.seed, list(r.values)) for r in records()}
    assert "王".encode() not in body
    assert b"x" * 20 not in body  # what is masked or withheld is not in it


@pytest.mark.parametrize("part", range(5))
def test_anything_altered_gives_another_record_or_is_refused(part: int) -> None:
    shape = Shape(4, (0, 3), (2,))
    row = decode(pack(shape, records(), [["*", "**", None]], []))
    assert isinstance(row, list)
    true = {commitment.record(r.seed, list(r.values)) for r in records()}
    match part:
        case 1 | 2:
            data = bytearray(row[part])  # type: ignore[arg-type]
            data[3] ^= 1
            row[part] = bytes(data)
            assert not set(unpack(shape, encode(row)).records.values()) <= true
        case 3:
            row[3][0][0] = "4"  # type: ignore[index]
            assert not set(unpack(shape, encode(row)).records.values()) <= true
        case _:
            row[part] = bytes(row[part])[:-1] if part == 0 else bytes(33)  # type: ignore[arg-type]
            with pytest.raises(DecodeError):
                unpack(shape, encode(row))


@pytest.mark.parametrize(
    "row",
    [
        [],
        [b"", b"", b"", []],
        [bytes(8 * (MAX_RECORDS + 1)), b"", b"", [[]], None],
        [bytes(16), bytes(32), b"", [["a", "b"]], None],
        [bytes(8), bytes(16), b"", [[1]], None],
        [bytes(8), bytes(16), b"", [["a"], ["b"]], None],
        [bytes(8), bytes(15), b"", [["a"]], None],
    ],
)
def test_hostile_bodies_are_refused(row: object) -> None:
    with pytest.raises(DecodeError):
        unpack(Shape(1, (0,), ()), encode(row))


@given(st.integers(1, 60), st.randoms(use_true_random=False))
def test_a_proof_of_any_records_leads_to_the_root_and_to_no_other(
    count: int, chance: random.Random
) -> None:
    hashes = [bytes([n]) * 32 for n in range(count)]
    tree = RecordTree(b"".join(hashes))
    places = sorted(chance.sample(range(count), chance.randint(1, count)))
    proof = tree.proof(places)
    found = {place: hashes[place] for place in places}
    assert root_of_proof(found, count, proof) == tree.root() == commitment.root(hashes)
    assert root_of_proof(found | {places[0]: b"x" * 32}, count, proof) != tree.root()
    for wrong in (proof[:-1], [*proof, bytes(32)]):
        if wrong != proof:
            with pytest.raises(DecodeError):
                root_of_proof(found, count, wrong)
    for bad in ({count: b""}, {-1: b""}, {}):
        with pytest.raises(DecodeError):
            root_of_proof(bad, count, proof)


def test_kept_roots_change_nothing() -> None:
    hashes = [commitment.order_key(n.to_bytes(2, "big")) for n in range(3 * BLOCK + 5)]
    tree = RecordTree(b"".join(hashes))
    places = [0, 7, BLOCK, 3 * BLOCK + 4]
    for _ in range(2):
        proof = tree.proof(places)
        assert root_of_proof({p: hashes[p] for p in places}, len(hashes), proof) == commitment.root(
            hashes
        )


def test_records_are_cut_by_number_and_by_size() -> None:
    many = [Opened(n, bytes(32), ["x" * 10]) for n in range(MAX_RECORDS + 1)]
    assert [len(run) for run in batches(many, 1 << 20)] == [MAX_RECORDS, 1]
    assert [len(run) for run in batches(many[:5], 20)] == [2, 2, 1]
    assert [len(run) for run in batches([Opened(0, b"", ["x" * 100])], 20)] == [1]
