"""What a home does with versions it holds: destroys them on chain and on disk, anchors, backs up.

The chain says what is destroyed. Carrying it out may be repeated, so a home that was restored from
an older copy catches up by replaying.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node.data import vault
from node.data.access import NAME, AccessLog
from node.data.backup import KeyBackups
from node.data.chain import Chain, destroyed_rows
from node.data.keyring import Keyring
from node.data.making import index_folder
from node.errors import MunimentError
from node.home import Home
from node.publish.shelf import Shelf

MAX_ROWS = 256
"""Records that one call on chain names."""


class CustodyError(MunimentError):
    """What cannot be destroyed, backed up or restored, and why."""

    code = "custody"


@dataclass(frozen=True, slots=True)
class Damage:
    """Something that is not as it was registered."""

    dataset: str
    version: int
    what: str


class Custody:
    """The vault of one home, together with what the chain says of it."""

    def __init__(self, home: Home, chain: Chain, master: bytes) -> None:
        self._vault, self._chain = home.vault, chain
        self._shelf = Shelf(home.open)
        self.keyring = Keyring(home.vault, master)
        self.backups = KeyBackups(home.vault, master)
        self.log = AccessLog(home.vault, master)

    def held(self, dataset: str = "", version: int | None = None) -> Iterator[tuple[str, int]]:
        """Yield the versions in the vault, all of them or those asked for."""
        for name, number, _ in _versions(self._vault):
            if dataset in ("", name) and version in (None, number):
                yield name, number

    def open(self, dataset: str, version: int) -> vault.Version:
        """Raises VaultError."""
        return vault.Version(self._folder(dataset, version), self.keyring)

    def _folder(self, dataset: str, version: int) -> Path:
        return vault.folder_of(self._vault, dataset, version)

    def rows_with(
        self, who: str, dataset: str, version: int, field: str, value: str
    ) -> list[int]:  # fmt: skip
        """Rows (from 1) of a version whose field has this value: a plain read, which is logged.

        Raises CustodyError, VaultError.
        """
        opened = self.open(dataset, version)
        if field not in opened.head.columns:
            known = ", ".join(opened.head.columns)
            raise CustodyError(f"{dataset} has no field {field!r}; fields: {known}")
        at = opened.head.columns.index(field)
        self.log.note(who, dataset, version, (1, opened.head.rows), f"trace record by {field}")
        return [row for row, _, values in opened.records() if values[at] == value]

    # Destroy

    def destroy(self, dataset: str, version: int, rows: Sequence[int]) -> dict[str, Any]:
        """Destroy a version, or only `rows` of it: on chain first, then here. Raises."""
        last: dict[str, Any] = {}
        for start in range(0, max(1, len(rows)), MAX_ROWS):
            some = list(rows[start : start + MAX_ROWS])
            args = {"dataset": dataset, "version": version, "rows": some}
            last = self._chain.submit("catalogue", "destroy", args)
        self.carry_out(dataset, version)
        return last

    def destroyed(self, dataset: str, version: int) -> tuple[bool, list[int]]:
        """Return whether the chain says the whole is destroyed, and else which rows are."""
        return destroyed_rows(self._chain.query, dataset, version)

    def carry_out(self, dataset: str, version: int) -> bool:
        """Erase here what the chain says is destroyed; True if something was."""
        whole, rows = self.destroyed(dataset, version)
        folder = self._folder(dataset, version)
        before = self.keyring.all()
        if whole:
            vault.erase(self._vault, dataset, version, self.keyring)
        elif rows and folder.exists():
            self.open(dataset, version).erase(rows, self.keyring)
        else:
            return False
        published = self._shelf.find(dataset, version)
        if published is not None and (whole or not set(rows) <= set(published.erased)):
            self._shelf.withdraw(dataset, version)
        # The index holds keyed digests of what is erased; it is made anew when it is needed.
        shutil.rmtree(index_folder(folder), ignore_errors=True)
        gone = before.keys() - self.keyring.all().keys()
        self.backups.forget(gone)
        return bool(gone)

    def replay(self) -> list[tuple[str, int]]:
        """Carry out every destruction that this home has missed; returns the versions touched."""
        return [each for each in list(self.held()) if self.carry_out(*each)]

    # Verify

    def damages(self, dataset: str = "", version: int | None = None) -> Iterator[Damage]:
        """Compare the vault with the chain, byte for byte; yield what differs."""
        keys = {tuple(name.split("|")[:2]) for name in self.keyring.all()}
        held = {(name, str(number)) for name, number in self.held()}
        for name, text in sorted(keys - held):
            if dataset in ("", name) and version in (None, int(text)):
                yield Damage(name, int(text), "is missing from the vault, though its key is here")
        for name, number in self.held(dataset, version):
            try:
                opened = self.open(name, number)
                if not self.is_registered(opened):
                    yield Damage(name, number, "is not registered on the chain")
                yield from (Damage(name, number, what) for what in opened.damages())
            except MunimentError as error:
                yield Damage(name, number, error.message)

    def is_registered(self, opened: vault.Version) -> bool:
        head = opened.head
        args = {"dataset": head.dataset, "version": head.version}
        known = self._chain.query("catalogue", "get", args)
        return known is not None and known["commitment"] == head.commitment.hex()

    def log_faults(self) -> list[str]:
        """Compare the access log with its anchors."""
        anchors: list[tuple[int, bytes]] = []
        args: dict[str, Any] = {"owner": self._chain.member, "log": NAME}
        while found := self._chain.query("anchors", "list", args):
            anchors += [(count, bytes.fromhex(head)) for count, head, *_ in found]
            args["after"] = anchors[-1][0]
        return list(self.log.faults(anchors))

    def anchor(self) -> int:
        """Anchor the access log if it has grown; returns how many entries are anchored."""
        count, head = self.log.head()
        if count > self._anchored():
            try:
                self._chain.submit("anchors", "post", {"log": NAME, "count": count, "head": head})
            except MunimentError:
                if self._anchored() < count:  # or else another process was first
                    raise
        return self._anchored()

    def _anchored(self) -> int:
        args = {"owner": self._chain.member, "log": NAME}
        return int(self._chain.query("anchors", "count", args))

    # Back up and restore

    def backup(self, out: Path) -> tuple[int, int]:
        """Copy versions to `out`, without keys; returns how many were copied and removed.

        What is destroyed is removed from `out` too.
        """
        copied = 0
        held = {self._folder(*each).relative_to(self._vault) for each in self.held()}
        for place in sorted(held):
            source, target = self._vault / place, out / place
            if _keys_of(target) != _keys_of(source):
                _copy(source, target)
                copied += 1
        gone = [f for name, number, f in _versions(out) if self.destroyed(name, number)[0]]
        for each in gone:
            shutil.rmtree(each)
        return copied, len(gone)

    def restore(self, source: Path, key_backup: Path | None) -> tuple[list[str], list[str]]:
        """Bring back versions that are missing or damaged here; returns (restored, destroyed).

        Nothing that the chain calls destroyed comes back. Raises CustodyError, VaultError.
        """
        keys = {} if key_backup is None else self.backups.read(key_backup)
        restored, destroyed = [], []
        for name, version, folder in _versions(source):
            title = f"{name} version {version}"
            if self.destroyed(name, version)[0]:
                destroyed.append(title)
            elif (
                next(self.damages(name, version), None) or not self._folder(name, version).exists()
            ):
                self._restore(folder, name, version, keys)
                restored.append(title)
        return restored, destroyed

    def _restore(self, source: Path, name: str, version: int, keys: dict[str, bytes]) -> None:
        own = vault.name_of(name, version)
        found = {key: value for key, value in keys.items() if key.rpartition("|")[0] == own}
        self.keyring.put(found)
        opened = vault.Version(source, self.keyring)
        if not self.is_registered(opened):
            raise CustodyError(f"{source} is not what is registered as {name} version {version}")
        opened.verify()
        _copy(source, self._folder(name, version))
        # A backup may be older than an erasure: the rows go again, and with them its key.
        self.open(name, version).erase(self.destroyed(name, version)[1], self.keyring)


def _versions(folder: Path) -> Iterator[tuple[str, int, Path]]:
    """Yield dataset, number and place of what looks like a version, and of nothing else."""
    for place in sorted(folder.glob("*+*/*"), key=lambda p: (p.parent.name, len(p.name), p.name)):
        is_version = any((place / name).is_file() for name in ("head", "keys", "tree"))
        if is_version and place.name.isascii() and place.name.isdigit():
            yield place.parent.name.replace("+", "/"), int(place.name), place


def _keys_of(folder: Path) -> bytes | None:
    """What changes with every change of a version's files."""
    path = folder / "keys"
    return path.read_bytes() if path.exists() else None


def _copy(source: Path, target: Path) -> None:
    """Copy a version's folder, wholly or not at all. Raises CustodyError."""
    fresh = target.with_name(f".{target.name}.new")
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copytree(source, fresh)
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    except (OSError, shutil.Error) as error:
        raise CustodyError(f"{source} cannot be copied to {target}: {error}") from error
