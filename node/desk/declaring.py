"""Declarations of sources by pages: made, changed, ended.

A page reaches less than a person at the machine: files below the folders of the settings, networked
databases, web addresses, and what is handed in. What runs by itself registers with the member's own
key, without a person's signature, so it is declared at the machine. Secrets stand in a file of
their own beside the declaration, and are never handed out.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

import config
from node.data import source as sources
from node.data.access import AccessLog
from node.data.inbox import Inbox
from node.data.source import Source, SourceError
from node.desk.found import collector, dataset_of, own_source
from node.desk.params import text
from node.home import atomic_write

if TYPE_CHECKING:
    from node.desk import Desk, Method

MAX_MORE = 16 << 10
"""Characters of what is written as TOML."""
MAX_SECRET = 4_096
PLACES = {"file": "path", "folder": "path", "sql": "url", "http": "url"}
"""Which key says where a kind of source is."""
SECRETS = {"sql": "url_file", "http": "header_file"}
"""Which key names the file with a kind's secret."""
_BY_ITSELF = ("schedule", "watch")
_OF_FORM = ("kind", "standard", "title", "key", "path", "url", *SECRETS.values(), *_BY_ITSELF)
"""Keys that have a field of their own, or are not set by a page."""
_WHERE = ("kind", "path", "pattern", "url", *SECRETS.values())
DATABASES = ("postgresql", "postgresql+psycopg", "mysql+pymysql", "mariadb+pymysql",
             "oracle+oracledb", "mssql+pymssql")  # fmt: skip
"""Drivers that read from the network alone; others open files, or send them to who asks."""


def form_of(source: Source) -> dict[str, Any]:
    """A declaration as a page's form has it, without secrets; `seen` says which one it was."""
    place = PLACES.get(source.kind, "")
    return {
        "kind": source.kind, "standard": source.standard, "title": source.title,
        "key": ", ".join(source.key), "more": sources.write(source, _OF_FORM),
        "place": without_user(getattr(source, place)) if place else "",
        "has_secret": any(getattr(source, name) for name in SECRETS.values()),
        "by_itself": _runs_by_itself(source), "seen": _digest(source),
    }  # fmt: skip


def _runs_by_itself(source: Source) -> bool:
    return any(getattr(source, name) for name in _BY_ITSELF)


def without_user(url: str) -> str:
    """An address without user and password, however they are written, and what it asks with."""
    scheme, colon, rest = url.partition("://")
    before, _, after = rest.rpartition("@")
    if "?" in before:
        return f"{scheme}{colon}…"
    bare, asks, _ = after.partition("?")
    return f"{scheme}{colon}{bare}{'?…' if asks else ''}"


def _digest(source: Source) -> str:
    return sha256(repr(source).encode()).hexdigest()


def _declare(desk: Desk, params: Mapping[str, Any]) -> Any:
    """Write the declaration of a new `source`, or one in the place of what was `seen`.

    Raises SourceError naming the key that is wrong.
    """
    name, who, seen = text(params, "source", 64), text(params, "who"), params.get("seen")
    is_known = name in sources.names(desk.home.sources)
    old = sources.load(desk.home.sources, name) if is_known else None
    if seen is None and old is not None:
        raise SourceError(f"there is a source {name} already")
    if seen is not None and (old is None or seen != _digest(old)):
        raise SourceError(f"{name} was changed meanwhile; look at it again")
    if old is not None and _runs_by_itself(old):
        raise SourceError(f"{name} runs by itself; its declaration is changed at the machine")
    secret = _field(params, "secret", MAX_SECRET).strip()
    made = sources.parse(name, _content(desk, params, name, old, secret), name)
    if old is not None and made.dataset != old.dataset:
        raise SourceError(f"{name}: dataset stays; declare another source for another dataset")
    _check_place(desk, old, made, secret)
    if secret:
        desk.home.sources.mkdir(mode=0o700, exist_ok=True)
        atomic_write(_secret(desk, name), f"{secret}\n".encode(), 0o600)
    sources.save(desk.home.sources, made, is_new=old is None)
    if str(_secret(desk, name)) not in (made.url_file, made.header_file):
        _secret(desk, name).unlink(missing_ok=True)
    _note(desk, made, who, "declared" if old is None else "declared anew")


def _content(
    desk: Desk, params: Mapping[str, Any], name: str, old: Source | None, secret: str
) -> dict[str, Any]:
    """What the form says, as a declaration's file would."""
    kind, place = _field(params, "kind"), _field(params, "place", 4_096).strip()
    try:
        content = tomllib.loads(_field(params, "more", MAX_MORE))
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{name}: further settings are not TOML: {error}") from error
    for each in sorted(content.keys() & set(_OF_FORM)):
        why = "is set at the machine" if each in _BY_ITSELF else "has a field of its own"
        raise SourceError(f"{name}: {each} {why}; it cannot stand among further settings")
    content |= {
        "kind": kind, "standard": _field(params, "standard").strip(),
        "title": _field(params, "title").strip(),
        "key": [each.strip() for each in _field(params, "key").split(",") if each.strip()],
    }  # fmt: skip
    if kind in PLACES and place and not (kind == "sql" and secret):
        kept = getattr(old, PLACES[kind]) if old is not None and old.kind == kind else ""
        content[PLACES[kind]] = kept if kept and place == without_user(kept) else place
    if secret and kind not in SECRETS:
        raise SourceError(f"{name}: only sources of {' and '.join(SECRETS)} have a secret")
    if secret:
        content[SECRETS[kind]] = str(_secret(desk, name))
    elif old is not None and old.kind == kind and kind in SECRETS:
        content[SECRETS[kind]] = getattr(old, SECRETS[kind])
    return content


def _check_place(desk: Desk, old: Source | None, made: Source, secret: str) -> None:
    """Raises SourceError if a page may not declare what `made` reads."""
    if old is not None and not secret and all(getattr(old, k) == getattr(made, k) for k in _WHERE):
        return
    match made.kind:
        case "file" | "folder":
            _check_path(desk, made, made.path)
        case "sql":
            _check_database(desk, made, secret if secret else made.url)
        case "http":
            parts = _parts(made, made.url)
            if "@" in parts.netloc:
                raise SourceError(f"{made.name}: url: user and password belong into the secret")
            is_kept = made.header_file and not secret
            if old is not None and is_kept and _parts(made, old.url)[:2] != parts[:2]:
                raise SourceError(f"{made.name}: url leads elsewhere; give its secret anew")
            if secret and (":" not in secret or "\n" in secret or not secret.isascii()):
                raise SourceError(f"{made.name}: the secret must be one line: Name: value")


def _check_path(desk: Desk, made: Source, given: str) -> None:
    home = desk.home.path.resolve()
    allowed = config.load(desk.home.settings).console.source_folders
    path = Path(given)
    if not path.is_absolute() or not given.isprintable():
        raise SourceError(f"{made.name}: path must be that of a file or folder, from / on")
    real = path.resolve()
    is_within = any(real.is_relative_to(Path(each).resolve()) for each in allowed)
    if not is_within or real.is_relative_to(home) or home.is_relative_to(real):
        known = ", ".join(allowed) or "none"
        raise SourceError(
            f"{made.name}: path: pages may declare what lies below the folders that the settings "
            f"name as console.source_folders, and not in the node's home; named are: {known}"
        )


def _check_database(desk: Desk, made: Source, url: str) -> None:
    parts = _parts(made, url)
    if parts.scheme == "sqlite" and not parts.netloc and "%" not in url:
        _check_path(desk, made, parts.path.removeprefix("/"))
    elif parts.scheme not in DATABASES or not parts.hostname:
        raise SourceError(
            f"{made.name}: the address must be one of {', '.join(DATABASES)}://USER:PASSWORD@HOST/"
            "NAME, or sqlite:///PATH"
        )
    elif made.url and parts.password:
        raise SourceError(f"{made.name}: url: user and password belong into the secret")


def _parts(made: Source, url: str) -> SplitResult:
    """The parts of an address that says nothing in ways that readers take differently."""
    is_plain = url.isprintable() and not any(char in url for char in " #\\…")
    try:
        parts = urlsplit(url)
        parts.hostname, parts.port  # noqa: B018  (both may raise)
    except ValueError:
        is_plain = False
    if not is_plain or (made.kind == "sql" and "?" in url):
        raise SourceError(f"{made.name}: the address cannot be used as it is written")
    return parts


def _end(desk: Desk, params: Mapping[str, Any]) -> Any:
    """End a source: its declaration, its secret, what a run left, and what was refused are gone."""
    source, who = own_source(desk, params), text(params, "who")
    name = source.name
    if any(each.source == name for each in Inbox(desk.home, desk.master).uploads()):
        raise SourceError(f"files were handed in for {name}; take or refuse them first")
    collector(desk, source).end()
    (desk.home.sources / f"{name}.toml").unlink()
    _secret(desk, name).unlink(missing_ok=True)
    _note(desk, source, who, "ended")


def _open(desk: Desk, params: Mapping[str, Any]) -> Any:
    """Let files be handed in, sealed to this home: for a `source`, or for none."""
    if params.get("source"):
        source = own_source(desk, params)
        if source.kind != "inbox":
            raise SourceError(f"{source.name} is of the kind {source.kind}; files go to an inbox")
    Inbox(desk.home, desk.master).open_door()


def _secret(desk: Desk, name: str) -> Path:
    return desk.home.sources / f"{name}.secret"


def _field(params: Mapping[str, Any], name: str, most: int = 1_000) -> str:
    """A field of the form, empty where it was left out. Raises ParamError."""
    return text(params, name, most) if params.get(name) else ""


def _note(desk: Desk, source: Source, who: str, what: str) -> None:
    log = AccessLog(desk.home.vault, desk.master)
    log.note(who, dataset_of(desk, source), 0, (0, 0), f"source {source.name} {what}")


METHODS: dict[str, Method] = {
    "source.declare": _declare,
    "source.end": _end,
    "upload.open": _open,
}
