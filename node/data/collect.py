"""A collect run: fetch, process, register. Killed at any moment, the next run takes it up again.

Everything that holds data is sealed. `run/staged` grows chunk by chunk, each with the cursor to
read on from; `run/fetched` says that the source is read to its end; `run/ready` holds the
registration, written once the version stands in the vault. A version is registered whole, or not
at all; when the run is over its key is destroyed with it.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from consensus.codec import Value, expect_list
from node.data import vault
from node.data.access import AccessLog
from node.data.commitment import Field
from node.data.findings import Decisions, Detectors
from node.data.inbox import Inbox
from node.data.index import Index, compare
from node.data.keyring import Keyring
from node.data.quarantine import Quarantine
from node.data.refine import CollectError, Refinery, Tally, merged, names_of, number_of, parts_of
from node.data.register import Report, registration
from node.data.sealing import Log, Sealer, destroy_file, fresh_key, load_key
from node.data.source import Source, format_of, match_columns
from node.data.worker import Limits, Worker, descriptor_path
from node.errors import MunimentError
from node.home import Home


@dataclass(frozen=True, slots=True)
class Chain:
    """What a run asks of the node: `query(contract, method, args)`, and `submit` of one call.

    `digest_of(height, blocks)` is that of a final block; if it is not there yet, that many blocks
    more are waited for. None if it is not among them, or not kept.
    """

    chain_id: bytes
    member: str
    query: Callable[[str, str, dict[str, Any]], Any]
    submit: Callable[[str, str, dict[str, Any]], dict[str, Any]]
    digest_of: Callable[[int, int], bytes | None] = lambda height, blocks: None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `state`: registered or unchanged."""

    state: str
    dataset: str
    version: int
    rows: int = 0
    refused: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0
    level: int = 0
    commitment: str = ""
    txid: str = ""
    height: int = 0


class Collector:
    """Runs of one source."""

    def __init__(self, home: Home, source: Source, chain: Chain, master: bytes) -> None:
        self._home, self._source, self._chain, self._master = home, source, chain, master
        self._folder = home.path / "collect" / source.name
        self._run = self._folder / "run"
        self._dataset = f"{chain.member}/{source.dataset or source.name}"
        self._state = Sealer(master)
        self._keyring = Keyring(home.vault, master)
        self._inbox = Inbox(home, master)
        self.decisions = Decisions(home, source.name, master)
        self.quarantine = Quarantine(
            home.path / "quarantine" / source.name, master, keeps=self._merges
        )

    def run(self) -> Outcome:
        """Run, or finish the run that was broken off. Raises MunimentError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CollectError(f"another run of {self._source.name} is under way") from None
            return self._finish() or self._collect()

    def _collect(self) -> Outcome:
        state = self._read_state()
        standard = self._find_standard()
        if not (self._run / "fetched").exists() and not self._fetch(state, standard):
            self._destroy_run()
            return self._unchanged()
        if not self._process(standard):
            self.quarantine.settle()
            self._keep_state()
            return self._unchanged()
        outcome = self._finish()
        assert outcome is not None
        return outcome

    def _find_standard(self) -> dict[str, Any]:
        identity, _, number = self._source.standard.partition("@")
        args: dict[str, Any] = {"id": identity}
        if number:
            args["version"] = int(number)
        found = self._chain.query("standards", "get", args)
        if found is None:
            raise CollectError(f"the standard {self._source.standard} is not published")
        body: dict[str, Any] = found["standard"]
        return body

    def note_access(self, operator: str, purpose: str) -> None:
        """Enter into the access log that refused records are shown; they have no version yet."""
        log = AccessLog(self._home.vault, self._master)
        log.note(operator, self._dataset, 0, (0, 0), purpose)

    def field_names(self) -> list[str]:
        """Return the names of the standard's fields."""
        return names_of(self._find_standard())

    @cached_property
    def detectors(self) -> Detectors:
        """What this run grades by. Raises RulesError."""
        return Detectors.of(self._home, self._chain.query, self._master)

    # Fetch

    def _read_state(self) -> dict[str, Any]:
        """What the last complete run left: cursor, validators, files taken with their digests."""
        found = self._state.read(self._folder / "state", f"state {self._source.name}")
        empty: dict[str, Any] = {"cursor": None, "validators": {}, "files": []}
        return found if isinstance(found, dict) else empty

    def _fetch(self, state: dict[str, Any], standard: dict[str, Any]) -> bool:
        """Stage what the source has; False if it says that nothing is new."""
        declared = sha256(repr(self._source).encode()).digest()
        sealer, items = self._open_run(state, declared)
        if items is None:
            return False
        log = Log(self._run / "staged", sealer, "staged")
        places = log.places()
        item, cursor = 0, state["cursor"] if self._source.mode == "incremental" else None
        for number, place in enumerate(places):
            item, _, _, reached = parts_of(log.read(number, place))
            cursor = reached if reached is not None else cursor
        validators: dict[str, Any] = dict(state["validators"])
        resumed = bool(places)
        count = len(places)
        for index in range(item, len(items)):
            source = {**self._source.declaration(), **items[index]}
            first = cursor if index == item or self._source.kind == "sql" else None
            args: dict[str, Any] = {
                "source": source,
                "cursor": first if self._source.kind != "file" or resumed else None,
                "columns": self._columns(standard),
                "validators": {} if resumed else self._validators(state),
            }
            with (
                self._given(source) as descriptors,
                Worker("read", args, Limits(), descriptors) as worker,
            ):
                for frame in worker.frames():
                    match frame:
                        case ["unchanged"]:
                            return False
                        case ["columns", list(names)]:
                            match_columns(self._source, names_of(standard), names)
                        case ["chunk", bytes(data), list(bad), reached]:
                            log.append(count, [index, data, bad, reached])
                            count += 1
                            cursor = reached if reached is not None else cursor
                        case ["end", dict(fresh)]:
                            validators = fresh
        done = {"cursor": cursor, "validators": validators, "files": items}
        sealer.write(self._run / "fetched", "fetched", done)
        return True

    @contextmanager
    def _given(self, source: dict[str, Any]) -> Iterator[tuple[int, ...]]:
        """Open an upload for the worker, which reads it from memory."""
        if source["kind"] != "inbox":
            yield ()
            return
        upload = self._inbox.find(source["path"])
        with self._inbox.opened(upload) as descriptor:
            source |= {"kind": "file", "path": descriptor_path(descriptor)}
            source["format"] = self._source.format or format_of(upload.name)
            yield (descriptor,)

    def _validators(self, state: dict[str, Any]) -> dict[str, Any]:
        """Conditional only while what they stand for is the registered version."""
        known = self._chain.query("catalogue", "get", {"dataset": self._dataset})
        return {} if known is None or self.quarantine.has_corrections() else state["validators"]

    def _open_run(
        self, state: dict[str, Any], declared: bytes
    ) -> tuple[Sealer, list[dict[str, Any]] | None]:
        """Go on with the broken run if source and files are as they were; else begin anew."""
        items = self._items(state)
        if (self._run / "head").exists():
            try:
                sealer = load_key(self._run / "key", self._master)
                if sealer.read(self._run / "head", "head") == [declared, items]:
                    return sealer, items
            except MunimentError:
                pass  # the run was killed while its key was made: there is nothing to go on with
        self._destroy_run()
        if items is None:
            return Sealer(bytes(32)), None
        self._run.mkdir(mode=0o700)
        sealer = fresh_key(self._run / "key", self._master)
        sealer.write(self._run / "head", "head", [declared, items])
        return sealer, items

    def _items(self, state: dict[str, Any]) -> list[dict[str, Any]] | None:
        """What is to be read, one after the other; None if no file is new."""
        if self._source.kind == "inbox":
            uploads = self._inbox.accepted(self._source.name)
            found: list[dict[str, Any]] = [
                {"kind": "inbox", "path": upload.id} for upload in uploads
            ]
            return found or ([] if self.quarantine.has_corrections() else None)
        if self._source.kind not in ("file", "folder"):
            return [{}]
        known = {each["path"]: each["digest"] for each in state["files"]}
        waiting = self.quarantine.has_corrections()
        if waiting and not self._merges:
            known = {}  # corrected records are shown again by reading all of them again
        found = []
        for path in self._paths():
            digest = _digest(path)
            if known.get(str(path)) != digest:
                found.append({"kind": "file", "path": str(path), "digest": digest})
        if found or self._chain.query("catalogue", "get", {"dataset": self._dataset}) is None:
            return found
        return [] if waiting else None

    def _paths(self) -> list[Path]:
        path = Path(self._source.path)
        if self._source.kind == "file":
            if not path.is_file():
                raise CollectError(f"{path} is missing or not a file")
            return [path]
        if not path.is_dir():
            raise CollectError(f"{path} is missing or not a folder")
        return sorted(each for each in path.glob(self._source.pattern) if each.is_file())

    def _columns(self, standard: dict[str, Any]) -> list[str] | None:
        """JSON has no header: what is expected is said beforehand."""
        source = self._source
        return [*(source.columns.get(n, n) for n in names_of(standard)), *source.ignore]

    # Process

    def _process(self, standard: dict[str, Any]) -> bool:
        """Write the next version into the vault; False if it would equal the last."""
        sealer = load_key(self._run / "key", self._master)
        known = self._chain.query("catalogue", "get", {"dataset": self._dataset})
        version = 1 if known is None else int(known["latest"]) + 1
        if known is not None and known["status"] != "active":
            raise CollectError(f"{self._dataset} is retired")
        folder = vault.folder_of(self._home.vault, self._dataset, version)
        self._discard(version)  # committed before, never registered
        names = names_of(standard)
        key = [names.index(name) for name in self._source.key if name in names]
        if len(key) != len(self._source.key):
            raise CollectError(f"the key of {self._source.name} names no field of the standard")
        before = self._open_version(version - 1)
        merge = self._merges and before is not None
        if self._merges and before is None and version > 1:
            raise CollectError(
                f"version {version - 1} of {self._dataset} is not in the vault: run once with "
                'mode = "snapshot"'
            )
        if merge and before is not None and before.head.standard != vault.digest_of(standard):
            raise CollectError(
                f'the standard of {self._dataset} has changed: run once with mode = "snapshot"'
            )
        tally = Tally()
        index = Index.fresh(index_folder(folder), self._master, self._dataset, key)
        try:
            rows = self._refinery.accepted(standard, sealer, index, tally)
            if merge and before is not None:
                rows = merged(rows, before, index)
            head = vault.write(
                folder, self._chain.chain_id, self._dataset, version, standard, rows, self._keyring
            )
            index.complete()
            changes = self._changes(index, before, key)
        finally:
            index.close()
        if before is not None and before.head.standard == head.standard and not any(changes):
            self._discard(version)
            return False
        rules = self.detectors.rules
        report = Report.build(
            tally.report, tally.findings, tally.refused, tally.repeated, rules.title
        )
        decided = self.decisions.levels()
        args = registration(
            head, standard, self._source, report, decided, _size(folder), known, rules
        )
        ready = {"args": args, "changes": list(changes), "refused": tally.refused}
        report.save(folder / "report")
        sealer.write(self._run / "ready", "ready", ready)
        return True

    @property
    def _refinery(self) -> Refinery:
        return Refinery(self._source, self._run, self.quarantine, self.detectors, self._merges)

    @property
    def _merges(self) -> bool:
        return self._source.mode == "incremental" or self._source.kind in ("folder", "inbox")

    def _open_version(self, version: int) -> vault.Version | None:
        folder = vault.folder_of(self._home.vault, self._dataset, version)
        return vault.Version(folder, self._keyring) if folder.exists() else None

    def _discard(self, version: int) -> None:
        """Remove a version that was never registered, with what stands beside it."""
        vault.erase(self._home.vault, self._dataset, version, self._keyring)
        folder = vault.folder_of(self._home.vault, self._dataset, version)
        shutil.rmtree(index_folder(folder), ignore_errors=True)

    def _changes(
        self, index: Index, before: vault.Version | None, key: list[int]
    ) -> tuple[int, int, int]:
        """Return how many records were added, removed and changed since the version before."""
        if before is None:
            return (sum(1 for _ in index), 0, 0)
        counts = {"added": 0, "removed": 0, "changed": 0}
        old = open_index(self._home, before, self._master, key)
        try:
            for kind, _ in compare(old, index):
                counts[kind] += 1
        finally:
            old.close()
        return counts["added"], counts["removed"], counts["changed"]

    # Look

    def look(self) -> Iterator[list[Field]]:
        """Yield all records that the source shows now and that follow the standard.

        Nothing is staged, registered or kept; what is refused is left out.
        """
        standard = self._find_standard()
        return self._refinery.those_that_follow(standard, self._shown(standard))

    def _shown(self, standard: dict[str, Any]) -> Iterator[Value]:
        """Chunks of the whole source, file by file, as a reader gives them."""
        if self._source.kind == "inbox":
            raise CollectError(f"{self._source.name} takes uploads; there is no source to look at")
        files = self._source.kind in ("file", "folder")
        items = [{"kind": "file", "path": str(p)} for p in self._paths()] if files else [{}]
        for item in items:
            args: dict[str, Any] = {
                "source": {**self._source.declaration(), **item},
                "cursor": None,
                "columns": self._columns(standard),
                "validators": {},
            }
            with Worker("read", args) as worker:
                for frame in worker.frames():
                    match frame:
                        case ["columns", list(names)]:
                            match_columns(self._source, names_of(standard), names)
                        case ["chunk", bytes(data), *_]:
                            yield ["chunk", data]

    # Register

    def _finish(self) -> Outcome | None:
        """Register what stands ready, once; None if nothing does."""
        if not (self._run / "ready").exists():
            return None
        sealer = load_key(self._run / "key", self._master)
        ready = sealer.read(self._run / "ready", "ready")
        assert isinstance(ready, dict)
        args: dict[str, Any] = ready["args"]  # type: ignore[assignment]
        state = self._register(args)
        if state is None:
            # Another registration took the number: the version is made again on top of it.
            (self._run / "ready").unlink()
            return None
        self.quarantine.settle()
        self._keep_state()
        changes = expect_list(ready["changes"], "changes", 3)
        added, removed, changed = (number_of(each) for each in changes)
        return Outcome(
            state="registered",
            dataset=args["dataset"],
            version=args["version"],
            rows=args["rows"],
            refused=number_of(ready["refused"]),
            added=added,
            removed=removed,
            changed=changed,
            level=args["level"],
            commitment=args["commitment"].hex(),
            txid=state["txid"],
            height=state["height"],
        )

    def _register(self, args: dict[str, Any]) -> dict[str, Any] | None:
        """Return where the registration stands, ours or of a run before that was killed."""
        for attempt in range(2):
            found = self._registered(args)
            if found is not None:
                return found if found else None
            try:
                return self._chain.submit("catalogue", "register", args)
            except MunimentError as error:
                if not attempt and self._registered(args) is not None:
                    continue
                if error.code == "failed":  # for good; anything else may yet become final
                    (self._run / "ready").unlink()
                raise
        return None

    def _registered(self, args: dict[str, Any]) -> dict[str, Any] | None:
        """None: the version is free. Empty: it is another's. Else: it is this one."""
        wanted = {"dataset": args["dataset"], "version": args["version"]}
        found = self._chain.query("catalogue", "get", wanted)
        if found is None:
            return None
        if found["commitment"] != args["commitment"].hex():
            return {}
        return {"txid": "", "height": found["height"]}

    def _keep_state(self) -> None:
        """Remember where the next run begins, then destroy this one."""
        sealer = load_key(self._run / "key", self._master)
        fetched = sealer.read(self._run / "fetched", "fetched")
        assert isinstance(fetched, dict)
        known = {each["path"]: each for each in self._read_state()["files"]}
        known |= {each["path"]: each for each in fetched["files"] if "path" in each}  # type: ignore
        if self._source.kind == "inbox":
            self._remove_uploads(known)
            known = {}
        kept: Any = {**fetched, "files": list(known.values())}
        self._state.write(self._folder / "state", f"state {self._source.name}", kept)
        self._destroy_run()

    def _remove_uploads(self, ids: Collection[str]) -> None:
        """What is registered by now need not stay in the inbox."""
        for upload in self._inbox.accepted(self._source.name):
            if upload.id in ids:
                self._inbox.remove(upload.id)

    def _destroy_run(self) -> None:
        """The key goes first: what a crash leaves after it cannot be read."""
        key = self._run / "key"
        if key.exists():
            destroy_file(key)
        shutil.rmtree(self._run, ignore_errors=True)

    def _unchanged(self) -> Outcome:
        known = self._chain.query("catalogue", "get", {"dataset": self._dataset})
        latest = 0 if known is None else known["latest"]
        return Outcome("unchanged", self._dataset, latest, 0 if known is None else known["rows"])


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


def _digest(path: Path) -> bytes:
    """SHA-256 of a file. Raises CollectError."""
    found = sha256()
    try:
        with path.open("rb") as file:
            while data := file.read(1 << 20):
                found.update(data)
    except OSError as error:
        raise CollectError(f"{path} cannot be read: {error.strerror}") from error
    return found.digest()


def _size(folder: Path) -> int:
    return (folder / "segments").stat().st_size
