"""Ciphertext in custody: what commits to it, and answers that show it is still there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from consensus import merkle
from consensus.codec import decode, encode
from consensus.crypto import sha256
from node.exchange import escrow
from node.exchange.escrow import CHUNK_BYTES, DRAWS, EscrowError

SEED = sha256(b"a block")


@pytest.fixture
def placed(tmp_path: Path) -> Path:
    """A folder like a version's, of 2,000 chunks and some files beside."""
    folder = tmp_path / "held"
    folder.mkdir()
    for name in escrow.NAMES:
        (folder / name).write_bytes(name.encode())
    blocks = (sha256(number.to_bytes(4, "big")) * (CHUNK_BYTES // 32) for number in range(2_000))
    (folder / "segments").write_bytes(b"".join(blocks))
    (folder / "report").write_text("what the owner found")
    return folder


def challenge_of(folder: Path, number: int = 1) -> dict[str, Any]:
    count, root = escrow.commit(folder)
    return {"id": number, "chunks": count, "root": root.hex()}


def test_an_honest_custodian_answers(placed: Path) -> None:
    asked = challenge_of(placed)
    assert asked["chunks"] == 1 + len(escrow.NAMES) + 2_000
    data = escrow.answer(placed, asked, SEED)
    shown = escrow.check(data, asked, SEED)
    assert DRAWS * 0.85 < shown <= DRAWS
    with pytest.raises(EscrowError, match="drew"):
        escrow.check(data, asked, sha256(b"another block"))
    with pytest.raises(EscrowError, match="another challenge"):
        escrow.check(data, {**asked, "id": 2}, SEED)


def test_draws_depend_on_block_and_challenge(placed: Path) -> None:
    drawn = [escrow.draw(sha256(bytes([n])), n % 3, 1 << 30) for n in range(9)]
    assert len({tuple(each) for each in drawn}) == 9
    assert all(each == sorted(set(each)) for each in drawn)
    assert escrow.draw(SEED, 1, DRAWS) == list(range(DRAWS))


def test_paths_are_those_of_the_tree() -> None:
    for size in (1, 2, 3, 7, 8, 13):
        hashes = [sha256(bytes([n])) for n in range(size)]
        paths = escrow._paths(hashes, range(size))
        assert [tuple(path) for path in paths] == [
            merkle.inclusion_proof(hashes, place) for place in range(size)
        ]


def test_a_custodian_without_the_data_cannot_answer(placed: Path) -> None:
    asked = challenge_of(placed)
    with (placed / "segments").open("r+b") as file:
        file.seek(77 * CHUNK_BYTES)
        file.write(b"lost")
    with pytest.raises(EscrowError, match="not any more"):
        escrow.answer(placed, asked, SEED)
    (placed / "segments").unlink()
    with pytest.raises(EscrowError, match="no version"):
        escrow.answer(placed, asked, SEED)


def test_one_percent_lost_is_found_by_nearly_every_challenge(placed: Path) -> None:
    lost = {place for place in range(challenge_of(placed)["chunks"]) if place % 100 == 7}
    asked = challenge_of(placed)
    trials = [escrow.draw(sha256(encode([n])), n, asked["chunks"]) for n in range(400)]
    found = sum(not lost.isdisjoint(drawn) for drawn in trials)
    assert found >= 390


def test_every_altered_answer_is_refused(placed: Path) -> None:
    asked = challenge_of(placed)
    data = escrow.answer(placed, asked, SEED)
    row: Any = decode(data)
    chunks = row[2]
    for altered in (
        chunks[:-1],
        [*chunks[:-1], chunks[0]],
        [[chunks[0][0], chunks[0][1] + b"x", chunks[0][2]], *chunks[1:]],
        [[chunks[0][0], chunks[0][1], chunks[0][2][:-1]], *chunks[1:]],
        [[chunks[0][0], chunks[1][1], chunks[0][2]], *chunks[1:]],
        [[chunks[0][0]]],
    ):
        with pytest.raises(EscrowError):
            escrow.check(encode([1, 1, altered]), asked, SEED)
    for noise in (b"", b"\x80", data[:-1], data + b"\x00"):
        with pytest.raises(EscrowError):
            escrow.check(noise, asked, SEED)


def test_only_what_is_needed_is_handed_over(placed: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "1"
    escrow.copy(placed, target)
    assert sorted(path.name for path in target.iterdir()) == sorted([*escrow.NAMES, "segments"])
    assert escrow.commit(target) == escrow.commit(placed)
    with pytest.raises(EscrowError, match="no version"):
        escrow.copy(tmp_path / "out", tmp_path / "again")
