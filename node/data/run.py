"""One collect run of one source: what it works on, and its folder, sealed under a key of its own.

`staged` grows chunk by chunk, each with the cursor to read on from; `fetched` says that the source
is read to its end; `ready` holds the registration, written once the version stands in the vault.
When the run is over its key is destroyed with it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consensus.codec import Value
from node.data.chain import Chain
from node.data.findings import Decisions
from node.data.inbox import Inbox
from node.data.keyring import Keyring
from node.data.quarantine import Quarantine
from node.data.refine import CollectError, names_of
from node.data.sealing import Log, Sealer, destroy_file, fresh_key, load_key
from node.data.source import Source
from node.errors import MunimentError
from node.home import Home

Progress = Callable[[int, int, str], None]
"""Hears of a run: `done` of `of` (0: nobody knows how many) and what is being done.

What it raises stops the run, which the next one takes up again.
"""


class Task:
    """A source of a home, and where its data goes.

    `merges`: a run adds to the version before, by key, and does not replace it.
    """

    def __init__(
        self, home: Home, source: Source, chain: Chain, master: bytes,
        told: Progress = lambda done, of, line: None,
    ) -> None:  # fmt: skip
        self.home, self.source, self.chain, self.master = home, source, chain, master
        self.told = told
        self.folder = home.path / "collect" / source.name
        self.run = Run(self.folder / "run", master)
        self.dataset = f"{chain.member}/{source.dataset or source.name}"
        self.merges = source.mode == "incremental" or source.kind in ("folder", "inbox")
        self.inbox = Inbox(home, master)
        self.keyring = Keyring(home.vault, master)
        self.decisions = Decisions(home, source.name, master)
        folder = home.path / "quarantine" / source.name
        self.quarantine = Quarantine(folder, master, keeps=self.merges)

    def registered(self) -> dict[str, Any] | None:
        """Return the latest registration of the dataset, if there is one."""
        found: dict[str, Any] | None = self.chain.query(
            "catalogue", "get", {"dataset": self.dataset}
        )
        return found

    def find_standard(self) -> dict[str, Any]:
        """Return the standard that the source follows. Raises CollectError."""
        identity, _, number = self.source.standard.partition("@")
        args: dict[str, Any] = {"id": identity}
        if number:
            args["version"] = int(number)
        found = self.chain.query("standards", "get", args)
        if found is None:
            raise CollectError(f"the standard {self.source.standard} is not published")
        body: dict[str, Any] = found["standard"]
        return body

    def columns(self, standard: dict[str, Any]) -> list[str]:
        """Return which columns the source should have: JSON has no header that says so."""
        source = self.source
        return [*(source.columns.get(n, n) for n in names_of(standard)), *source.ignore]

    def read_state(self) -> dict[str, Any]:
        """What the last complete run left: cursor, validators, files taken with their digests."""
        sealer, name = Sealer(self.master), self.source.name
        found = sealer.read(self.folder / "state", f"state {name}")
        empty: dict[str, Any] = {"cursor": None, "validators": {}, "files": []}
        return found if isinstance(found, dict) else empty

    def write_state(self, state: dict[str, Any]) -> None:
        sealer, name = Sealer(self.master), self.source.name
        sealer.write(self.folder / "state", f"state {name}", state)

    def forget_state(self) -> None:
        """The next run reads everything."""
        (self.folder / "state").unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Run:
    """The folder of a run."""

    folder: Path
    master: bytes

    def holds(self, name: str) -> bool:
        return (self.folder / name).exists()

    @property
    def sealer(self) -> Sealer:
        """What the run's content is sealed with. Raises SealError."""
        return load_key(self.folder / "key", self.master)

    @property
    def staged(self) -> Log:
        return Log(self.folder / "staged", self.sealer, "staged")

    def read(self, name: str) -> dict[str, Any]:
        found = self.sealer.read(self.folder / name, name)
        assert isinstance(found, dict)
        return found

    def write(self, name: str, value: object) -> None:
        self.sealer.write(self.folder / name, name, value)

    def withdraw(self, name: str) -> None:
        (self.folder / name).unlink()

    def goes_on(self, head: Value) -> bool:
        """Whether a run that began with `head` stands here."""
        try:
            return self.holds("head") and self.sealer.read(self.folder / "head", "head") == head
        except MunimentError:
            return False  # it was killed while its key was made: there is nothing to go on with

    def begin(self, head: Value) -> None:
        self.folder.mkdir(mode=0o700)
        fresh_key(self.folder / "key", self.master)
        self.write("head", head)

    def destroy(self) -> None:
        """The key goes first: what a crash leaves after it cannot be read."""
        if self.holds("key"):
            destroy_file(self.folder / "key")
        shutil.rmtree(self.folder, ignore_errors=True)
