"""What an owner is shown of records: veiled by level, and how two versions differ."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from operator import attrgetter
from typing import Any

from consensus.codec import decode
from contracts.masks import SPECS, Use
from node.data import likeness, vault
from node.data.commitment import Field
from node.data.custody import Custody, CustodyError
from node.data.index import Index, compare
from node.data.making import index_folder, open_index
from node.data.register import Report
from node.home import Home

ALIKE = "alike"
"""Without a key: a record that went and one that came, taken for one since they are alike."""
MAX_ALIKE = 1_000
"""Records that differ up to which such pairs are looked for."""
MAX_KEY_ROWS = 20_000
"""Records of each version that say whether a field could be a key."""
_VEIL = "***"
HIDING = frozenset(("nothing", "hmac", "pseudonym", "token"))
BLURRING = frozenset(("steps", "offset", "date", "date-shift", "coordinates", "division"))
"""Families of masks that tell nothing of a value itself; that put something near in its place."""
MAX_COMPARED = 1_000


def veil(value: Field, level: int) -> Field:
    """Return what is shown unasked: L1 whole, L2 the first character, above that nothing."""
    if value is None or level == 1:
        return value
    return (value[:1] if level == 2 and len(value) > 4 else "") + _VEIL


def readable(value: Field, masked: Field) -> tuple[int, int]:
    """How many characters of a value, of how many, can be read in what a mask made of it.

    They stand in it in their order. Of long values the beginnings are compared.
    """
    one, other = (value or "")[:MAX_COMPARED], (masked or "")[:MAX_COMPARED]
    blocks = SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks), len(one)


def is_shown(value: Field, masked: Field, level: int, mask: Use) -> bool:
    """Whether who may see a value as `veil` shows it may see what a mask made of it.

    Masks that keep a part may show no more than that. What is blurred may have half of the
    characters, by chance; with more of them the mask changes too little.
    """
    family = SPECS[mask.id].family
    if level == 1 or family in HIDING:
        return True
    kept, of = readable(value, masked)
    return kept <= (of // 2 if family in BLURRING else 1 if level == 2 and of > 4 else 0)


def levels_of(custody: Custody, dataset: str, version: int) -> list[int]:
    """Return each field's level: the standard's, or a higher one that was found in the values."""
    opened = custody.open(dataset, version)
    body: Any = decode(opened.standard)
    report = Report.load(opened.folder / "report")
    found = {} if report is None else {f.field: f.level for f in reversed(report.findings)}
    for each in () if report is None else report.findings:
        found[each.field] = max(found[each.field], each.level)
    return [max(f["level"], found.get(f["name"], 1)) for f in body["fields"]]


@dataclass(frozen=True, slots=True)
class Change:
    """A record that differs: `what` as in `index.Difference`, or ALIKE; how it is called; and each

    field that changed with its old and new value.
    """

    what: str
    record: str
    fields: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many records differ, and the first ones.

    `key` has the fields that tell records apart. Where it is empty, `unique` has those that could:
    in the first records of both versions they are never empty and never repeat.
    """

    counts: dict[str, int]
    records: tuple[Change, ...]
    key: tuple[str, ...]
    unique: tuple[str, ...]


def compare_versions(
    home: Home,
    custody: Custody,
    master: bytes,
    dataset: str,
    numbers: tuple[int, int],
    limit: int,
    plain: bool,
    by: Sequence[str] = (),
) -> Comparison:
    """Compare two versions by the fields `by`, else by the key that the newer one was made with.

    Values are veiled unless `plain`. Raises VaultError, CustodyError, CollectError.
    """
    old, new = versions = [custody.open(dataset, number) for number in numbers]
    names = old.head.columns
    if old.head.standard != new.head.standard:
        raise CustodyError(
            f"versions {numbers[0]} and {numbers[1]} of {dataset} follow different standards: see "
            "muniment standard diff"
        )
    if unknown := [name for name in by if name not in names]:
        raise CustodyError(f"{dataset} has no field {unknown[0]!r}; it has {', '.join(names)}")
    folder = index_folder(vault.folder_of(home.vault, dataset, numbers[1]))
    known = Index.known_key(folder, master, dataset) or ()
    key = [names.index(name) for name in by] or list(known)
    counts, found = _differing(home, versions, master, key, max(limit, 0 if key else MAX_ALIKE))
    unique: list[int] = []
    if not key and found:
        unique = _unique(versions)
        found = _alike(found) if counts.total() <= MAX_ALIKE else found
        paired = sum(word == ALIKE for word, *_ in found)
        counts.update(added=-paired, removed=-paired, changed=paired)
    levels = [1 if plain else level for level in levels_of(custody, dataset, numbers[1])]
    shown = _Shown(names, levels, key or unique[:1])
    changes = sorted((shown.change(*each) for each in found), key=attrgetter("what", "record"))
    names_of_key, names_of_unique = (tuple(names[p] for p in some) for some in (key, unique))
    return Comparison(dict(counts), tuple(changes[:limit]), names_of_key, names_of_unique)


Different = tuple[str, Sequence[Field] | None, Sequence[Field] | None]
"""What happened to a record, and its values before and after."""


def _differing(
    home: Home, versions: Sequence[vault.Version], master: bytes, key: list[int], most: int
) -> tuple[Counter[str], list[Different]]:
    """Count what differs, and return the first `most` records of it."""
    counts = Counter(added=0, removed=0, changed=0)
    wanted: dict[bytes, str] = {}
    indexes = [open_index(home, each, master, key, is_strict=True) for each in versions]
    try:
        for kind, digest in compare(*indexes):
            counts[kind] += 1
            if len(wanted) < most:
                wanted[digest] = kind
        before, after = (
            {d: row for row in each.rows() if (d := index.digest_of(row)) in wanted}
            if wanted else {}
            for each, index in zip(versions, indexes, strict=True)
        )  # fmt: skip
    finally:
        for index in indexes:
            index.close()
    return counts, [(word, before.get(d), after.get(d)) for d, word in wanted.items()]


def _alike(found: Sequence[Different]) -> list[Different]:
    """Take records that went and came for one where they are alike."""
    removed = [before for word, before, _ in found if word == "removed" and before is not None]
    added = [after for word, _, after in found if word == "added" and after is not None]
    both = likeness.pairs(removed, added)
    gone, come = {one for one, _ in both}, {other for _, other in both}
    return [
        *(each for each in found if each[0] == "changed"),
        *(("removed", row, None) for place, row in enumerate(removed) if place not in gone),
        *(("added", None, row) for place, row in enumerate(added) if place not in come),
        *((ALIKE, removed[one], added[other]) for one, other in both),
    ]


def _unique(versions: Sequence[vault.Version]) -> list[int]:
    """Return the places of fields that could be a key."""
    width = len(versions[0].head.columns)
    old, new = (
        likeness.never_repeated(itertools.islice(each.rows(), MAX_KEY_ROWS), width)
        for each in versions
    )
    return [place for place in old if place in new]


@dataclass(frozen=True, slots=True)
class _Shown:
    """How records are shown: names and levels of their fields, and the places of those that name

    a record; without any it is called by all of them.
    """

    names: Sequence[str]
    levels: Sequence[int]
    title: Sequence[int]

    def change(
        self, word: str, before: Sequence[Field] | None, after: Sequence[Field] | None
    ) -> Change:
        old, new = (self._veiled(row or ()) for row in (before, after))
        one = new or old
        record = "/".join(one[place] for place in self.title) or "|".join(one)
        fields = [
            (name, old[place], new[place])
            for place, name in enumerate(self.names)
            if before and after and before[place] != after[place]
        ]
        return Change(word, record, tuple(fields))

    def _veiled(self, row: Sequence[Field]) -> list[str]:
        return [veil(v, level) or "(null)" for v, level in zip(row, self.levels, strict=False)]
