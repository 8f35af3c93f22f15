"""Ciphertext in custody: the files of a version as chunks of a tree, and answers to challenges.

The tree (RFC 9162) has a list of the files as its first leaf, then their bytes in pieces. A
challenge draws places by the hash of a later block; the answer shows these chunks with their paths.
460 random places find a loss of one in a hundred with 99 percent (0.99**460 is 0.0098).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from consensus import merkle
from consensus.codec import (
    DecodeError,
    Value,
    decode,
    encode,
    expect_bytes,
    expect_int,
    expect_list,
)
from consensus.crypto import HASH_BYTES, sha256
from node.errors import MunimentError

FORMAT = 1
DRAWS = 460
CHUNK_BYTES = 4_096
NAMES = ("head", "keys", "places", "standard", "tree")
"""Files of a version beside its segments; reports and indexes stay with the owner."""


class EscrowError(MunimentError):
    """Data in custody, or an answer about it, that is not what was agreed; says what."""

    code = "escrow"


def files_of(folder: Path) -> list[Path]:
    """Return the files of a version that are given into custody, by name."""
    segments = [path for path in folder.glob("segments*") if is_segments(path.name)]
    found = [folder / name for name in NAMES] + segments
    missing = [path for path in found if not path.is_file()]
    if missing or not segments:
        raise EscrowError(f"{folder} is no version of a vault")
    return sorted(found)


def is_segments(name: str) -> bool:
    """Whether a file of this name holds a version's segments: `segments`, or `segments.N`."""
    stem, dot, number = name.partition(".")
    return stem == "segments" and (not dot or (number.isascii() and number.isdigit()))


def copy(source: Path, target: Path) -> None:
    """Copy what is given into custody to `target`, wholly or not at all. Raises EscrowError."""
    fresh = target.with_name(f".{target.name}.new")
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True, mode=0o700)
        for path in files_of(source):
            shutil.copyfile(path, fresh / path.name)
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    except OSError as error:
        raise EscrowError(f"{source} cannot be copied to {target}: {error}") from error


def chunks(folder: Path) -> Iterator[bytes]:
    """Yield the leaves of a version's tree. Raises EscrowError."""
    try:
        paths = files_of(folder)
        yield encode([[path.name, path.stat().st_size] for path in paths])
        for path in paths:
            with path.open("rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk
    except OSError as error:
        raise EscrowError(f"{folder} cannot be read: {error}") from error


def commit(folder: Path) -> tuple[int, bytes]:
    """Return how many chunks a version has, and the root over them."""
    hashes = [merkle.leaf_hash(chunk) for chunk in chunks(folder)]
    return len(hashes), merkle.root_of_hashes(hashes)


def draw(seed: bytes, challenge: int, count: int) -> list[int]:
    """Return the places that a challenge asks for, sorted; all of them if there are few.

    `seed` is the digest of the block after the challenge's.
    """
    if count <= DRAWS:
        return list(range(count))
    digests = (sha256(encode([seed, challenge, number])) for number in range(DRAWS))
    return sorted({int.from_bytes(digest, "big") % count for digest in digests})


def answer(folder: Path, challenge: dict[str, Any], seed: bytes) -> bytes:
    """Return the answer to a challenge (a map as the contract has it). Raises EscrowError."""
    wanted = draw(seed, challenge["id"], challenge["chunks"])
    kept: dict[int, bytes] = {}
    hashes: list[bytes] = []
    following = iter([*wanted, -1])
    next_place = next(following)
    for place, chunk in enumerate(chunks(folder)):
        hashes.append(merkle.leaf_hash(chunk))
        if place == next_place:
            kept[place] = chunk
            next_place = next(following)
    paths = _paths(hashes, wanted) if len(hashes) == challenge["chunks"] else None
    if paths is None or merkle.root_of_hashes(hashes).hex() != challenge["root"]:
        raise EscrowError(f"{folder} is not, or not any more, what was placed here")
    rows: list[Value] = [
        [place, kept[place], list(path)] for place, path in zip(wanted, paths, strict=True)
    ]
    return encode([FORMAT, challenge["id"], rows])


def _paths(hashes: Sequence[bytes], places: Sequence[int]) -> list[list[bytes]]:
    """Return the audit path of each place; all levels are made once."""
    paths: list[list[bytes]] = [[] for _ in places]
    level, at = list(hashes), list(places)
    while len(level) > 1:
        for number, place in enumerate(at):
            if place ^ 1 < len(level):
                paths[number].append(level[place ^ 1])
        pairs = (level[i : i + 2] for i in range(0, len(level), 2))
        level = [merkle.node_hash(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
        at = [place // 2 for place in at]
    return paths


def check(data: bytes, challenge: dict[str, Any], seed: bytes) -> int:
    """Return how many chunks an answer shows. Raises EscrowError if it is not what was asked."""
    try:
        row = expect_list(decode(data), "answer", 3)
        expect_int(row[0], "answer format", FORMAT, FORMAT)
        if expect_int(row[1], "challenge") != challenge["id"]:
            raise EscrowError("the answer is to another challenge")
        shown = [_read(item) for item in expect_list(row[2], "chunks", max_length=DRAWS)]
    except DecodeError as error:
        raise EscrowError(f"the answer is damaged: {error}") from error
    if [place for place, _, _ in shown] != draw(seed, challenge["id"], challenge["chunks"]):
        raise EscrowError("the answer shows other chunks than the challenge drew")
    for place, chunk, path in shown:
        leaf = merkle.leaf_hash(chunk)
        root = merkle.root_of_path(leaf, place, challenge["chunks"], path)
        if root is None or root.hex() != challenge["root"]:
            raise EscrowError(f"chunk {place} is not what was placed")
    return len(shown)


def _read(item: Value) -> tuple[int, bytes, list[bytes]]:
    place, chunk, path = expect_list(item, "chunk", 3)
    hashes = expect_list(path, "path", max_length=merkle.MAX_PROOF_HASHES)
    return (
        expect_int(place, "place"),
        expect_bytes(chunk, "chunk"),
        [expect_bytes(each, "hash", HASH_BYTES) for each in hashes],
    )
