"""Sources as stewards declare them: `sources/NAME.toml` in the home, or by command."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from contracts.system.catalogue import FREQUENCIES
from contracts.system.custodians import MODES as CUSTODY
from contracts.system.custodians import OWN
from node.data.standard import StandardError
from node.errors import MunimentError
from node.home import atomic_write

MAX_FILE_BYTES = 1 << 20
KINDS = ("file", "folder", "sql", "http", "inbox")
FORMATS = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".json": "json", ".jsonl": "jsonl",
    ".ndjson": "jsonl", ".parquet": "parquet", ".xlsx": "excel", ".xlsm": "excel",
    ".yaml": "yaml", ".yml": "yaml",
}  # fmt: skip
MODES = ("snapshot", "incremental")
CHANGES = ("mutable", "append-only", "frozen")
DATE_ORDERS = ("dmy", "mdy")
_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
_NEEDED = {"file": ("path",), "folder": ("path",), "sql": ("table",), "http": ("url",),
           "inbox": ()}  # fmt: skip


class SourceError(MunimentError):
    """A declaration that cannot be used: the file, the key, and what is allowed."""

    code = "source"


@dataclass(frozen=True, slots=True)
class Source:
    """Where data comes from and what it becomes.

    `snapshot`: each run reads everything; `incremental`: a run reads what is new by `stamp` or
    `order` (SQL) or by file (folder), and the key says what it replaces. `columns` maps fields to
    the source's columns where they are called otherwise; `ignore` names columns not taken. Secrets
    stand in files of their own (`url_file`, `header_file`). `changes` says what may change in it;
    of a mutable one `change_stamp` names the field that every change sets anew.
    """

    name: str
    kind: str = "file"
    standard: str = ""
    title: str = ""
    dataset: str = ""
    mode: str = "snapshot"
    key: tuple[str, ...] = ()
    path: str = ""
    pattern: str = "*"
    format: str = ""
    sheet: str = ""
    records: str = ""
    url: str = ""
    url_file: str = ""
    header_file: str = ""
    next: str = ""
    page: str = ""
    first: int = 1
    table: str = ""
    order: str = ""
    stamp: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    dates: Mapping[str, str] = field(default_factory=dict)
    keywords: tuple[str, ...] = ()
    frequency: str = "irregular"
    custody: str = OWN
    fresh_field: str = ""
    fresh_days: int = 0
    schedule: str = ""
    watch: bool = False
    changes: str = "mutable"
    change_stamp: str = ""

    def declaration(self) -> dict[str, Any]:
        """Return what a reader needs to know."""
        known = ("kind", "path", "format", "sheet", "records", "url", "url_file", "header_file",
                 "next", "page", "first", "table", "order", "stamp")  # fmt: skip
        return {name: getattr(self, name) for name in known if getattr(self, name) != ""}


def load(folder: Path, name: str) -> Source:
    """Read `NAME.toml`. Raises SourceError."""
    path = folder / f"{name}.toml"
    try:
        data = path.read_bytes()
        content = tomllib.loads(data.decode()) if len(data) <= MAX_FILE_BYTES else {}
    except FileNotFoundError:
        known = ", ".join(names(folder)) or "none"
        raise SourceError(f"there is no source {name!r}; declared are: {known}") from None
    except (OSError, ValueError) as error:
        raise SourceError(f"{path} is not TOML: {error}") from error
    return parse(name, content, str(path))


def format_of(name: str) -> str:
    """Return the format that a file's suffix says, or nothing."""
    return FORMATS.get(Path(name).suffix.lower(), "")


def names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.toml"))


def parse(name: str, content: Mapping[str, Any], place: str) -> Source:
    """Check a declaration. Raises SourceError naming the key."""
    hints = {each.name: str(each.type) for each in fields(Source) if each.name != "name"}
    values: dict[str, Any] = {}
    for key, value in content.items():
        if key not in hints:
            near = difflib.get_close_matches(key, hints, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(hints)}"
            raise SourceError(f"{place}: unknown key {key}; {hint}")
        values[key] = _typed(f"{place}: {key}", value, hints[key])
    source = Source(name, **values)
    _check(source, place)
    return source


def _typed(what: str, value: Any, hint: str) -> Any:
    if hint.startswith("tuple"):
        if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
            return tuple(value)
        raise SourceError(f"{what} must be a list of texts")
    if hint.startswith("Mapping"):
        if isinstance(value, dict) and all(isinstance(each, str) for each in value.values()):
            return value
        raise SourceError(f"{what} must be a table from text to text")
    wanted = {"str": str, "int": int, "bool": bool}[hint]
    if type(value) is not wanted:
        raise SourceError(f"{what} must be {wanted.__name__}, not {type(value).__name__}")
    return value


def _check(source: Source, place: str) -> None:
    def refuse(what: str) -> None:
        raise SourceError(f"{place}: {what}")

    if not source.name or not _NAME.issuperset(source.name) or len(source.name) > 64:
        refuse("a source's name is 1 to 64 of a-z, 0-9, '-', '_'")
    words = {"kind": KINDS, "mode": MODES, "frequency": FREQUENCIES, "custody": CUSTODY,
             "changes": CHANGES}  # fmt: skip
    for key, allowed in words.items():
        if getattr(source, key) not in allowed:
            refuse(f"{key} must be one of {', '.join(allowed)}")
    for key in ("standard", "title", *_NEEDED[source.kind]):
        if not getattr(source, key):
            refuse(f"{key} is missing")
    if source.kind == "sql" and bool(source.url) == bool(source.url_file):
        refuse("give either url or url_file")
    if source.kind == "http" and not source.url.startswith(("https://", "http://")):
        refuse("url must begin with https:// or http://")
    if (source.kind in ("folder", "inbox") or source.mode == "incremental") and not source.key:
        refuse("key is missing: without it a new record cannot replace an old one")
    if source.mode == "incremental" and source.kind not in ("folder", "sql"):
        refuse("only folder and sql sources can be read incrementally")
    if source.kind == "sql" and source.mode == "incremental" and not (source.stamp or source.order):
        refuse("an incremental table needs stamp or order")
    if source.pattern.startswith("/") or ".." in source.pattern.split("/"):
        refuse("pattern names files below path")
    if any(each not in DATE_ORDERS for each in source.dates.values()):
        refuse(f"dates maps fields to one of {', '.join(DATE_ORDERS)}")
    if source.schedule:
        _check_schedule(source.schedule, place)


def _check_schedule(schedule: str, place: str) -> None:
    from datetime import UTC, datetime

    from cronsim import CronSim, CronSimError

    try:
        CronSim(schedule, datetime.now(UTC))
    except CronSimError as error:
        raise SourceError(
            f"{place}: schedule {schedule!r} is not cron syntax ({error}); for example "
            '"30 2 * * *" is every day at 02:30'
        ) from error


def save(folder: Path, source: Source, *, is_new: bool = True) -> Path:
    """Write a declaration; refuses to replace one with a new one."""
    path = folder / f"{source.name}.toml"
    if is_new and path.exists():
        raise SourceError(f"{path} exists already; edit it")
    folder.mkdir(mode=0o700, exist_ok=True)
    atomic_write(path, write(source).encode(), 0o600)
    return path


def write(source: Source, without: Collection[str] = ()) -> str:
    """The declaration as TOML: what differs from what goes without saying, but for some keys."""
    lines = []
    for each in fields(Source):
        value = getattr(source, each.name)
        if each.name in ("name", *without) or value in ("", (), {}, False):
            continue
        if value != each.default:
            lines.append(f"{each.name} = {_toml(value)}\n")
    return "".join(lines)


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = (f"{json.dumps(k, ensure_ascii=False)} = {_toml(v)}" for k, v in value.items())
        return "{ " + ", ".join(inner) + " }"
    # JSON leaves DEL as it is, TOML wants it escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def match_columns(source: Source, names: Sequence[str], columns: Sequence[str]) -> dict[str, str]:
    """Return each field's column. Raises StandardError on one that is missing or not expected.

    That a source has changed its columns is never passed over.
    """
    found = {}
    for name in names:
        column = source.columns.get(name, name)
        if column not in columns:
            raise StandardError(
                f"source {source.name} has no column {column!r} for the field {name!r}; map it "
                "under columns, or publish a standard without it"
            )
        found[name] = column
    taken = {*found.values(), *source.ignore}
    for column in columns:
        if column not in taken:
            near = difflib.get_close_matches(column, names, 1)
            hint = f"; did you mean the field {near[0]!r}?" if near else ""
            raise StandardError(
                f"source {source.name} has the column {column!r}, which is not in the standard"
                f"{hint}; list it under ignore to leave it out"
            )
    return found
