"""Reading a source into a run, chunk by chunk, and going on where an earlier one was broken off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from consensus.codec import Value
from node.data.inbox import Inbox
from node.data.refine import CollectError, names_of, parts_of
from node.data.run import Task
from node.data.source import Source, format_of, match_columns
from node.data.worker import Limits, Worker, descriptor_path


def fetch(task: Task, state: dict[str, Any], standard: dict[str, Any]) -> bool:
    """Stage what the source has; False if it says that nothing is new."""
    run, items = task.run, _items(task, state)
    head: Any = [sha256(repr(task.source).encode()).digest(), items]
    if not run.goes_on(head):
        run.destroy()
        if items is None:
            return False
        run.begin(head)
    assert items is not None
    log = run.staged
    places = log.places()
    item, cursor = 0, state["cursor"] if task.source.mode == "incremental" else None
    for number, place in enumerate(places):
        item, _, _, reached = parts_of(log.read(number, place))
        cursor = reached if reached is not None else cursor
    validators: dict[str, Any] = dict(state["validators"])
    resumed = bool(places)
    count = len(places)
    for index in range(item, len(items)):
        first = cursor if index == item or task.source.kind == "sql" else None
        args: dict[str, Any] = {
            "source": {**task.source.declaration(), **items[index]},
            "cursor": first if task.source.kind != "file" or resumed else None,
            "columns": task.columns(standard),
            "validators": {} if resumed else _validators(task, state),
        }
        with (
            _given(task.inbox, task.source, args["source"]) as descriptors,
            Worker("read", args, Limits(), descriptors) as worker,
        ):
            for frame in worker.frames():
                match frame:
                    case ["unchanged"]:
                        return False
                    case ["columns", list(names)]:
                        match_columns(task.source, names_of(standard), names)
                    case ["chunk", bytes(data), list(bad), reached]:
                        log.append(count, [index, data, bad, reached])
                        count += 1
                        task.told(count, 0, "reading")
                        cursor = reached if reached is not None else cursor
                    case ["end", dict(fresh)]:
                        validators = fresh
    run.write("fetched", {"cursor": cursor, "validators": validators, "files": items})
    return True


@contextmanager
def _given(inbox: Inbox, declared: Source, source: dict[str, Any]) -> Iterator[tuple[int, ...]]:
    """Open an upload for the worker, which reads it from memory."""
    if source["kind"] != "inbox":
        yield ()
        return
    upload = inbox.find(source["path"])
    with inbox.opened(upload) as descriptor:
        source |= {"kind": "file", "path": descriptor_path(descriptor)}
        source["format"] = declared.format or format_of(upload.name)
        yield (descriptor,)


def _validators(task: Task, state: dict[str, Any]) -> dict[str, Any]:
    """Conditional only while what they stand for is the registered version."""
    is_needed = task.registered() is None or task.quarantine.has_corrections()
    return {} if is_needed else state["validators"]


def _items(task: Task, state: dict[str, Any]) -> list[dict[str, Any]] | None:
    """What is to be read, one after the other; None if no file is new."""
    waiting = task.quarantine.has_corrections()
    if task.source.kind == "inbox":
        uploads = task.inbox.accepted(task.source.name)
        found: list[dict[str, Any]] = [{"kind": "inbox", "path": upload.id} for upload in uploads]
        return found or ([] if waiting else None)
    if task.source.kind not in ("file", "folder"):
        return [{}]
    known = {each["path"]: each["digest"] for each in state["files"]}
    if waiting and not task.merges:
        known = {}  # corrected records are shown again by reading all of them again
    found = []
    for path in _paths(task.source):
        digest = _digest(path)
        if known.get(str(path)) != digest:
            found.append({"kind": "file", "path": str(path), "digest": digest})
    return found if found or waiting or task.registered() is None else None


def _paths(source: Source) -> list[Path]:
    path = Path(source.path)
    if source.kind == "file":
        if not path.is_file():
            raise CollectError(f"{path} is missing or not a file")
        return [path]
    if not path.is_dir():
        raise CollectError(f"{path} is missing or not a folder")
    return sorted(each for each in path.glob(source.pattern) if each.is_file())


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


def shown(task: Task, standard: dict[str, Any]) -> Iterator[Value]:
    """Yield chunks of the whole source, file by file, as a reader gives them; nothing is kept."""
    source = task.source
    if source.kind == "inbox":
        raise CollectError(f"{source.name} takes uploads; there is no source to look at")
    files = source.kind in ("file", "folder")
    items = [{"kind": "file", "path": str(p)} for p in _paths(source)] if files else [{}]
    for item in items:
        args: dict[str, Any] = {
            "source": {**source.declaration(), **item},
            "cursor": None,
            "columns": task.columns(standard),
            "validators": {},
        }
        with Worker("read", args) as worker:
            for frame in worker.frames():
                match frame:
                    case ["columns", list(names)]:
                        match_columns(source, names_of(standard), names)
                    case ["chunk", bytes(data), *_]:
                        yield ["chunk", data]
