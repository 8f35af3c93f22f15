"""What an owner is shown of records: veiled by level, and how two versions differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from consensus.codec import decode
from node.data import vault
from node.data.collect import index_folder, open_index
from node.data.commitment import Field
from node.data.custody import Custody, CustodyError
from node.data.index import Index, compare
from node.data.register import Report
from node.home import Home

_VEIL = "***"


def veil(value: Field, level: int) -> Field:
    """Return what is shown unasked: L1 whole, L2 the first character, above that nothing."""
    if value is None or level == 1:
        return value
    return (value[:1] if level == 2 and len(value) > 4 else "") + _VEIL


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
class Comparison:
    """How many records differ, and of the first ones: kind, key, and what changed."""

    counts: dict[str, int]
    records: tuple[tuple[str, str, str], ...]


def compare_versions(
    home: Home,
    custody: Custody,
    master: bytes,
    dataset: str,
    numbers: tuple[int, int],
    limit: int,
    plain: bool,
) -> Comparison:
    """Compare two versions by key; values are veiled unless `plain`. Raises VaultError."""
    old, new = (custody.open(dataset, number) for number in numbers)
    if old.head.standard != new.head.standard:
        raise CustodyError(
            f"versions {numbers[0]} and {numbers[1]} of {dataset} follow different standards: see "
            "muniment standard diff"
        )
    folder = index_folder(vault.folder_of(home.vault, dataset, numbers[1]))
    key = Index.known_key(folder, master, dataset) or ()
    indexes = [open_index(home, each, master, list(key)) for each in (old, new)]
    counts = Counter(added=0, removed=0, changed=0)
    wanted: dict[bytes, str] = {}
    try:
        for kind, digest in compare(*indexes):
            counts[kind] += 1
            if len(wanted) < limit:
                wanted[digest] = kind
        found = [
            {d: values for values in each.rows() if (d := index.digest_of(values)) in wanted}
            for each, index in zip((old, new), indexes, strict=True)
        ] if wanted else [{}, {}]  # fmt: skip
    finally:
        for index in indexes:
            index.close()
    levels = [1 if plain else level for level in levels_of(custody, dataset, numbers[1])]
    records = []
    for digest, word in wanted.items():
        before, after = (rows.get(digest) for rows in found)
        shown = _veiled(after or before or [], levels)
        title = "/".join(shown[place] for place in key) or "|".join(shown)
        change = "" if word != "changed" else _change(old.head.columns, before, after, levels)
        records.append((word, title, change))
    return Comparison(dict(counts), tuple(sorted(records)))


def _veiled(values: Sequence[Field], levels: Sequence[int]) -> list[str]:
    return [
        veil(value, level) or "(null)" for value, level in zip(values, levels, strict=False)
    ]  # fmt: skip


def _change(
    names: Sequence[str],
    before: Sequence[Field] | None,
    after: Sequence[Field] | None,
    levels: Sequence[int],
) -> str:
    """Tell each field that differs. Without a key a change is in how often the record occurs."""
    if before is None or after is None or before == after:
        return "occurs another number of times"
    old, new = _veiled(before, levels), _veiled(after, levels)
    return ", ".join(
        f"{name}: {old[i]} -> {new[i]}"
        for i, name in enumerate(names)
        if before[i] != after[i]
    )  # fmt: skip
