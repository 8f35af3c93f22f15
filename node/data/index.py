"""Which records a version holds, as keyed digests: duplicates, changes and differences by key.

An entry maps the digest of a record's key to the digest of its content. Without a declared key
the content is the key, and the entry counts how often it occurs. The digest key is the dataset's,
so that versions compare; without it the digests tell nothing. Memory is bounded (LevelDB).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Literal

import plyvel

from node.data.commitment import Field
from node.data.sealing import derive

DIGEST_BYTES = 16
_BATCH = 2_000
_MARK = b"key"
Seen = Literal["new", "same", "other"]


class Index:
    """The index of one version. `key` lists the places of the key's fields."""

    def __init__(self, folder: Path, master: bytes, dataset: str, key: Sequence[int]) -> None:
        self._digest_key = derive(master, f"index {dataset}")
        self._key = tuple(key)
        self._pending: dict[bytes, bytes] = {}
        self._database = plyvel.DB(
            str(folder), create_if_missing=True, bloom_filter_bits=10, write_buffer_size=16 << 20
        )

    @classmethod
    def fresh(cls, folder: Path, master: bytes, dataset: str, key: Sequence[int]) -> Index:
        """Return an empty index, in place of whatever a broken run left."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(folder, master, dataset, key)

    @classmethod
    def reopen(cls, folder: Path, master: bytes, dataset: str, key: Sequence[int]) -> Index | None:
        """Return the index in `folder` if it is complete and by this key, else None."""
        if not folder.exists():
            return None
        index = cls(folder, master, dataset, key)
        if index._database.get(_MARK) == _spec(index._key):
            return index
        index.close()
        return None

    @classmethod
    def known_key(cls, folder: Path, master: bytes, dataset: str) -> tuple[int, ...] | None:
        """Return by which fields the complete index in `folder` was made, if there is one."""
        if not folder.exists():
            return None
        index = cls(folder, master, dataset, ())
        spec = index._database.get(_MARK)
        index._database.close()
        return None if spec is None else tuple(int(p) for p in spec.decode().split(",") if p)

    def complete(self) -> None:
        """Note that every record of the version is in."""
        self._flush()
        self._database.put(_MARK, _spec(self._key))

    def close(self) -> None:
        self._flush()
        self._database.close()

    def add(self, values: Sequence[Field]) -> Seen:
        """Note a record: new, or one whose key is known with the same or another content."""
        content = self._digest(values)
        if not self._key:
            count = int.from_bytes(self._get(content) or b"", "big")
            self._put(content, (count + 1).to_bytes(8, "big"))
            return "new"
        key = self._digest([values[place] for place in self._key])
        known = self._get(key)
        if known is None:
            self._put(key, content)
            return "new"
        return "same" if known == content else "other"

    def lacks_key(self, values: Sequence[Field]) -> bool:
        """Whether a field of the declared key is null."""
        return any(values[place] is None for place in self._key)

    def holds_key(self, values: Sequence[Field]) -> bool:
        """Whether a record with the same key is noted. Without a declared key: never."""
        if not self._key:
            return False
        return self._get(self._digest([values[place] for place in self._key])) is not None

    def content_of(self, values: Sequence[Field]) -> bytes | None:
        """Return the digest of the content noted under a record's key, or None."""
        return self._get(self.digest_of(values))

    def is_content(self, values: Sequence[Field], content: bytes) -> bool:
        """Whether `content`, which `content_of` gave, is that of `values`. Needs a declared key."""
        return self._digest(values) == content

    def digest_of(self, values: Sequence[Field]) -> bytes:
        """Return the digest of a record's key."""
        return self._digest([values[place] for place in self._key] if self._key else values)

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        """Entries in the order of digests."""
        self._flush()
        with self._database.iterator() as entries:
            yield from (entry for entry in entries if entry[0] != _MARK)

    def _digest(self, values: Sequence[Field]) -> bytes:
        # Lengths make the text unambiguous; null has no length.
        text = "".join(["-;" if v is None else f"{len(v)};{v}" for v in values])
        return blake2b(text.encode(), key=self._digest_key, digest_size=DIGEST_BYTES).digest()

    def _get(self, key: bytes) -> bytes | None:
        found = self._pending.get(key)
        return found if found is not None else self._database.get(key)

    def _put(self, key: bytes, value: bytes) -> None:
        self._pending[key] = value
        if len(self._pending) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        with self._database.write_batch() as batch:
            for key, value in self._pending.items():
                batch.put(key, value)
        self._pending.clear()


Difference = Literal["added", "removed", "changed"]


def compare(old: Index, new: Index) -> Iterator[tuple[Difference, bytes]]:
    """Yield what differs, by key digest, in one pass over both."""
    before, after = iter(old), iter(new)
    left, right = next(before, None), next(after, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left[0] < right[0]):
            assert left is not None
            yield "removed", left[0]
            left = next(before, None)
        elif left is None or right[0] < left[0]:
            yield "added", right[0]
            right = next(after, None)
        else:
            if left[1] != right[1]:
                yield "changed", left[0]
            left, right = next(before, None), next(after, None)


def _spec(key: Sequence[int]) -> bytes:
    return ",".join(map(str, key)).encode()
