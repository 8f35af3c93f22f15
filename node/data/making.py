"""Making the next version: from what a run has staged to a version that stands in the vault."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from node.data import vault
from node.data.commitment import Field
from node.data.findings import Detectors
from node.data.index import Index, compare
from node.data.refine import CollectError, Refinery, Tally, merged, names_of
from node.data.register import Report, registration
from node.data.run import Progress, Task
from node.home import Home

TOLD_ROWS = 4_096
"""Records between two reports of how far a run is."""


def refinery(task: Task) -> Refinery:
    """Return what standardises and grades the task's records. Raises RulesError."""
    detectors = Detectors.of(task.home, task.chain.query, task.master)
    return Refinery(task.source, task.run.folder, task.quarantine, detectors, task.merges)


def make(task: Task, standard: dict[str, Any]) -> bool:
    """Write the next version into the vault; False if it would equal the last."""
    run, known = task.run, task.registered()
    version = 1 if known is None else int(known["latest"]) + 1
    if known is not None and known["status"] != "active":
        raise CollectError(f"{task.dataset} is retired")
    _discard(task, version)  # committed before, never registered
    folder = vault.folder_of(task.home.vault, task.dataset, version)
    key = _key_of(task, standard)
    before = _version_before(task, version, standard)
    refines, tally = refinery(task), Tally()
    index = Index.fresh(index_folder(folder), task.master, task.dataset, key)
    try:
        rows = _told(refines.accepted(standard, run.sealer, index, tally), task.told)
        if task.merges and before is not None:
            rows = merged(rows, before, index)
        head = vault.write(
            folder, task.chain.chain_id, task.dataset, version, standard, rows, task.keyring
        )
        index.complete()
        changes = _changes(task, index, before, key)
    finally:
        index.close()
    if before is not None and before.head.standard == head.standard and not any(changes):
        _discard(task, version)
        return False
    rules = refines.detectors.rules
    report = Report.build(tally.report, tally.findings, tally.refused, tally.repeated, rules.title)
    size = (folder / "segments").stat().st_size
    args = registration(
        head, standard, task.source, report, task.decisions.levels(), size, known, rules
    )
    report.save(folder / "report")
    run.write("ready", {"args": args, "changes": list(changes), "refused": tally.refused})
    return True


def _told(rows: Iterator[list[Field]], told: Progress) -> Iterator[list[Field]]:
    """Pass rows on, and say now and then how many."""
    for count, values in enumerate(rows):
        if count % TOLD_ROWS == 0:
            told(count, 0, "checking")
        yield values


def _key_of(task: Task, standard: dict[str, Any]) -> list[int]:
    names = names_of(standard)
    if not set(task.source.key) <= set(names):
        raise CollectError(f"the key of {task.source.name} names no field of the standard")
    return [names.index(name) for name in task.source.key]


def _version_before(task: Task, version: int, standard: dict[str, Any]) -> vault.Version | None:
    """Return the version before, if it is here; where runs add to it, it must be, and fit."""
    folder = vault.folder_of(task.home.vault, task.dataset, version - 1)
    before = vault.Version(folder, task.keyring) if folder.exists() else None
    if task.merges and before is None and version > 1:
        raise CollectError(
            f"version {version - 1} of {task.dataset} is not in the vault: run once with "
            'mode = "snapshot"'
        )
    fits = before is None or before.head.standard == vault.digest_of(standard)
    if task.merges and not fits:
        raise CollectError(
            f'the standard of {task.dataset} has changed: run once with mode = "snapshot"'
        )
    return before


def give_way(task: Task, args: dict[str, Any]) -> None:
    """Remove the version that stands ready: another registration took its number."""
    folder = vault.folder_of(task.home.vault, task.dataset, args["version"])
    if folder.exists():
        held = vault.Version(folder, task.keyring).head
        if held.commitment == args["commitment"]:  # else the other's own records stand there
            _discard(task, args["version"])
    task.run.withdraw("ready")


def _discard(task: Task, version: int) -> None:
    """Remove a version that was never registered, with what stands beside it."""
    vault.erase(task.home.vault, task.dataset, version, task.keyring)
    folder = vault.folder_of(task.home.vault, task.dataset, version)
    shutil.rmtree(index_folder(folder), ignore_errors=True)


def _changes(
    task: Task, index: Index, before: vault.Version | None, key: list[int]
) -> tuple[int, int, int]:
    """Return how many records were added, removed and changed since the version before."""
    if before is None:
        return (sum(1 for _ in index), 0, 0)
    counts = {"added": 0, "removed": 0, "changed": 0}
    old = open_index(task.home, before, task.master, key)
    try:
        for kind, _ in compare(old, index):
            counts[kind] += 1
    finally:
        old.close()
    return counts["added"], counts["removed"], counts["changed"]


def index_folder(version_folder: Path) -> Path:
    return version_folder.with_name(f"{version_folder.name}.index")


def open_index(
    home: Home, version: vault.Version, master: bytes, key: list[int], *, is_strict: bool = False
) -> Index:
    """Return a version's index by `key`, built anew if it is missing.

    If it has to be strict, raises CollectError where two records have one key.
    """
    head = version.head
    folder = index_folder(vault.folder_of(home.vault, head.dataset, head.version))
    index = Index.reopen(folder, master, head.dataset, key)
    if index is None:
        index = Index.fresh(folder, master, head.dataset, key)
        for values in version.rows():
            if index.add(values) != "new" and is_strict:
                index.close()
                raise CollectError(
                    f"in version {head.version} of {head.dataset} two records have the same "
                    f"{', '.join(head.columns[place] for place in key)}"
                )
        index.complete()
    return index
