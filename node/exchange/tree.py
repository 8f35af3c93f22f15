"""Proofs that many records stand in one version's tree (RFC 9162), with shared paths sent once.

A proof lists, in one walk over the tree from left to right, the roots of the largest subtrees that
hold none of the records proved. Whoever knows the records and their places repeats the walk.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

from consensus import merkle
from consensus.codec import DecodeError
from consensus.crypto import HASH_BYTES
from node.data import commitment

BLOCK = 1_024
"""Roots of subtrees of so many records and more are kept, so that a proof costs little."""


class RecordTree:
    """The tree over record hashes; `hashes` joins them in tree order, 32 bytes each."""

    def __init__(self, hashes: bytes | memoryview) -> None:
        self._hashes = hashes
        self.count = len(hashes) // HASH_BYTES
        self._roots: dict[tuple[int, int], bytes] = {}

    def __getitem__(self, place: int) -> bytes:
        return bytes(self._hashes[HASH_BYTES * place : HASH_BYTES * (place + 1)])

    def root(self, low: int = 0, high: int | None = None) -> bytes:
        """Return the root over the records at places `low` to `high`."""
        high = self.count if high is None else high
        if high - low < BLOCK:
            return commitment.root(self[place] for place in range(low, high))
        known = self._roots.get((low, high))
        if known is None:
            split = _split(low, high)
            known = merkle.node_hash(self.root(low, split), self.root(split, high))
            self._roots[low, high] = known
        return known

    def proof(self, places: Sequence[int]) -> list[bytes]:
        """Return what proves the records at `places`, which are sorted and distinct."""
        return list(self._siblings(places, 0, self.count))

    def _siblings(self, places: Sequence[int], low: int, high: int) -> Iterator[bytes]:
        if not _holds(places, low, high):
            yield self.root(low, high)
        elif high - low > 1:
            split = _split(low, high)
            yield from self._siblings(places, low, split)
            yield from self._siblings(places, split, high)


def root_of_proof(records: Mapping[int, bytes], count: int, proof: Sequence[bytes]) -> bytes:
    """Return the only root that `proof` can prove `records`, by place, under. DecodeError."""
    places = sorted(records)
    if not places or places[0] < 0 or places[-1] >= count:
        raise DecodeError("a place is not within the version")
    siblings = iter(proof)

    def walk(low: int, high: int) -> bytes:
        if not _holds(places, low, high):
            sibling = next(siblings, None)
            if sibling is None:
                raise DecodeError("the proof is too short")
            return sibling
        if high - low == 1:
            return merkle.leaf_hash(records[low])
        split = _split(low, high)
        left = walk(low, split)
        return merkle.node_hash(left, walk(split, high))

    found = walk(0, count)
    if next(siblings, None) is not None:
        raise DecodeError("the proof is too long")
    return found


def _split(low: int, high: int) -> int:
    return low + (1 << (high - low - 1).bit_length() - 1)


def _holds(places: Sequence[int], low: int, high: int) -> bool:
    at = bisect_left(places, low)
    return at < len(places) and places[at] < high
