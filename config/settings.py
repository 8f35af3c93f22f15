"""Node settings: one TOML file; every error names file, key, value and what is allowed."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

MAX_FILE_BYTES = 1 << 20
MAX_SHOWN_CHARACTERS = 80
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")
SMTP_SECURITY = ("starttls", "tls", "none")


class SettingsError(ValueError):
    """A settings file that cannot be used: what is wrong, where, what is allowed."""

    code = "settings"


@dataclass(frozen=True, slots=True)
class Node:
    """Who this node is: a member's name."""

    name: str = ""


@dataclass(frozen=True, slots=True)
class Network:
    """Multiaddrs to listen on; `peers` overrides other members' addresses by name.

    An address that ends in `/p2p/ID` admits that node key too, to catch up from, where the own
    state does not know it yet.
    """

    listen: tuple[str, ...] = ("/ip4/127.0.0.1/tcp/0",)
    peers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Log:
    """`votes` names a file that every vote received is written to, for audits; empty: none."""

    level: str = "info"
    format: str = "text"
    votes: str = ""


@dataclass(frozen=True, slots=True)
class Storage:
    """What is kept. `cache_mib`: memory for the state's trie; half a million keys take 50.

    `archive`: all blocks for ever, whatever the network agreed to forget.

    `snapshots`: make a snapshot at each epoch's end, for newcomers. `snapshot_behind`: so many
    heights behind, a snapshot is fetched instead of all blocks (never by an archive).
    """

    cache_mib: int = 64
    archive: bool = False
    snapshots: bool = True
    snapshot_behind: int = 5_000


@dataclass(frozen=True, slots=True)
class Mempool:
    """How much may wait for a block."""

    max_transactions: int = 50_000
    max_mib: int = 64


@dataclass(frozen=True, slots=True)
class Consensus:
    """`delta_ms` above the governed value makes this node more patient; 0 leaves it."""

    delta_ms: int = 0


@dataclass(frozen=True, slots=True)
class Notices:
    """Whom `muniment notify` tells. `smtp` is HOST:PORT; secrets stand in files of mode 0600."""

    mail_to: tuple[str, ...] = ()
    mail_from: str = ""
    smtp: str = "127.0.0.1:25"
    smtp_security: str = "starttls"
    smtp_user: str = ""
    smtp_password_file: str = ""
    webhooks: tuple[str, ...] = ()
    webhook_secret_file: str = ""


@dataclass(frozen=True, slots=True)
class Exchange:
    """`serve`: run `muniment exchange serve` beside the node, and again if it ends."""

    serve: bool = False


@dataclass(frozen=True, slots=True)
class Console:
    """Pages for this member's operators. `listen` is HOST:PORT; beyond loopback it needs TLS.

    `names`: what browsers call this host, beside `listen`. A session ends after `session_minutes`
    without use. Sources that are declared by pages may read files below `source_folders`.
    """

    serve: bool = False
    listen: str = "127.0.0.1:8480"
    names: tuple[str, ...] = ()
    tls_certificate: str = ""
    tls_key: str = ""
    session_minutes: int = 30
    source_folders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Portal:
    """Open data for everybody; as `Console`, without anybody who logs in."""

    serve: bool = False
    listen: str = "127.0.0.1:8481"
    names: tuple[str, ...] = ()
    tls_certificate: str = ""
    tls_key: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    node: Node = field(default_factory=Node)
    network: Network = field(default_factory=Network)
    log: Log = field(default_factory=Log)
    storage: Storage = field(default_factory=Storage)
    mempool: Mempool = field(default_factory=Mempool)
    consensus: Consensus = field(default_factory=Consensus)
    notices: Notices = field(default_factory=Notices)
    exchange: Exchange = field(default_factory=Exchange)
    console: Console = field(default_factory=Console)
    portal: Portal = field(default_factory=Portal)


_BOUNDS: dict[str, tuple[int, int]] = {
    "storage.cache_mib": (1, 65_536),
    "storage.snapshot_behind": (100, 1 << 40),
    "mempool.max_transactions": (100, 1_000_000),
    "mempool.max_mib": (1, 4_096),
    "consensus.delta_ms": (0, 60_000),
    "console.session_minutes": (1, 720),
}
_CHOICES: dict[str, tuple[str, ...]] = {
    "log.level": LOG_LEVELS,
    "log.format": LOG_FORMATS,
    "notices.smtp_security": SMTP_SECURITY,
}
_FORMS: dict[str, tuple[re.Pattern[str], str]] = {
    "notices.smtp": (re.compile(r"\S+:[0-9]{1,5}", re.ASCII), "HOST:PORT"),
    "console.listen": (re.compile(r"\S+:[0-9]{1,5}", re.ASCII), "HOST:PORT"),
    "portal.listen": (re.compile(r"\S+:[0-9]{1,5}", re.ASCII), "HOST:PORT"),
}
_ITEMS: dict[str, tuple[re.Pattern[str], str]] = {
    "notices.mail_to": (re.compile(r"[^\s@]+@[^\s@]+"), 'mail addresses like "li@tax.example"'),
    "console.names": (re.compile(r"[a-z0-9.-]+"), 'host names like "console.tax.example"'),
    "console.source_folders": (re.compile(r"/\S.*"), 'folders like "/srv/exports"'),
    "portal.names": (re.compile(r"[a-z0-9.-]+"), 'host names like "data.tax.example"'),
    "notices.webhooks": (re.compile(r"https?://\S+"), 'addresses like "https://tax.example/hook"'),
}
_MULTIADDRS = (re.compile(r".*", re.DOTALL), 'addresses like "/ip4/10.0.0.1/tcp/4600"')


def load(path: Path) -> Settings:
    """Read a settings file. Raises SettingsError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > MAX_FILE_BYTES:
        raise SettingsError(f"{path} is larger than {MAX_FILE_BYTES} bytes")
    try:
        content = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"{path} is not TOML: {error}") from error
    settings = _read(path, "", content, Settings)
    if not isinstance(settings, Settings) or not settings.node.name:
        raise SettingsError(f"{path}: node.name is missing; it must be a member's name")
    return settings


def _read(path: Path, prefix: str, content: Mapping[str, Any], kind: type) -> object:
    """Fill a settings dataclass from a TOML table."""
    hints = get_type_hints(kind)
    known = [f.name for f in fields(kind)]
    for key in content:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {prefix}{near[0]}?" if near else f"known are {', '.join(known)}"
            raise SettingsError(f"{path}: unknown key {prefix}{key}; {hint}")
    values: dict[str, object] = {}
    for key, value in content.items():
        hint = hints[key]
        name = prefix + key
        if is_dataclass(hint) and isinstance(hint, type):
            if not isinstance(value, dict):
                raise SettingsError(f"{path}: {name} must be a table, written [{name}]")
            values[key] = _read(path, f"{name}.", value, hint)
        else:
            values[key] = _check(path, name, value, hint)
    return kind(**values)


def _check(path: Path, name: str, value: object, hint: object) -> object:
    shown = json.dumps(value, default=str, ensure_ascii=False)
    if len(shown) > MAX_SHOWN_CHARACTERS:
        shown = shown[:MAX_SHOWN_CHARACTERS] + "..."
    problem = f"{path}: {name} = {shown}"
    if name == "network.peers":
        if not isinstance(value, dict):
            raise SettingsError(f"{problem}: must be a table from member name to addresses")
        return {key: _strings(problem, name, item) for key, item in value.items()}
    if hint is int:
        low, high = _BOUNDS[name]
        if type(value) is not int or not low <= value <= high:
            raise SettingsError(f"{problem}: must be an integer from {low} to {high}")
        return value
    if hint is bool:
        if type(value) is not bool:
            raise SettingsError(f"{problem}: must be true or false")
        return value
    if hint is str:
        allowed = _CHOICES.get(name)
        if not isinstance(value, str) or (allowed and value not in allowed):
            expected = f"one of {', '.join(allowed)}" if allowed else "text"
            raise SettingsError(f"{problem}: must be {expected}")
        form = _FORMS.get(name)
        if form is not None and not form[0].fullmatch(value):
            raise SettingsError(f"{problem}: must be {form[1]}")
        return value
    return _strings(problem, name, value)


def _strings(problem: str, name: str, value: object) -> tuple[str, ...]:
    form, words = _ITEMS.get(name, _MULTIADDRS)
    if not isinstance(value, list) or not all(
        isinstance(item, str) and form.fullmatch(item) for item in value
    ):
        raise SettingsError(f"{problem}: must be a list of {words}")
    return tuple(value)


def render(name: str, listen: tuple[str, ...]) -> str:
    """Return the settings file that a new home begins with."""
    defaults = Settings()
    return f"""# Settings of a Muniment node. Every key may be left out but node.name.

[node]
name = {json.dumps(name)}

[network]
# Where this node listens, and other members' addresses where their cards are out of date.
listen = {json.dumps(list(listen))}
# [network.peers]
# tax = ["/dns4/node.tax.example/tcp/4600"]
# After a long absence, or to join, name a node's present key: ".../tcp/4600/p2p/12D3Koo..."

[log]
level = {json.dumps(defaults.log.level)}  # {", ".join(LOG_LEVELS)}
format = {json.dumps(defaults.log.format)}  # {", ".join(LOG_FORMATS)}
votes = {json.dumps(defaults.log.votes)}  # a file for every vote received, for audits

[storage]
cache_mib = {defaults.storage.cache_mib}
archive = {json.dumps(defaults.storage.archive)}  # true: forget no block, whatever was agreed
snapshots = {json.dumps(defaults.storage.snapshots)}  # make one at each epoch's end, for newcomers
# So many heights behind, fetch a snapshot instead of all blocks; an archive never does.
snapshot_behind = {defaults.storage.snapshot_behind}

[mempool]
max_transactions = {defaults.mempool.max_transactions}
max_mib = {defaults.mempool.max_mib}

[consensus]
# More patience than the network's governed delta, for slow links; 0 leaves it.
delta_ms = {defaults.consensus.delta_ms}

[exchange]
# Deliver this member's data to whoever holds a grant; the process opens the vault.
serve = {json.dumps(defaults.exchange.serve)}

# Pages for this member's operators, who log in with their own passphrases.
[console]
serve = {json.dumps(defaults.console.serve)}
listen = {json.dumps(defaults.console.listen)}  # beyond loopback it needs TLS
names = []  # what browsers call this host: ["console.tax.example"]
tls_certificate = ""  # PEM
tls_key = ""
session_minutes = {defaults.console.session_minutes}  # without use
source_folders = []  # below these, stewards declare files as sources by pages: ["/srv/exports"]

# The open part of the catalogue, for everybody.
[portal]
serve = {json.dumps(defaults.portal.serve)}
listen = {json.dumps(defaults.portal.listen)}  # beyond loopback it needs TLS
names = []  # ["data.tax.example"]
tls_certificate = ""  # PEM
tls_key = ""

# What concerns this member, sent by: muniment notify. Ids only.
[notices]
mail_to = []  # ["duty@tax.example"]
mail_from = ""
smtp = {json.dumps(defaults.notices.smtp)}
smtp_security = {json.dumps(defaults.notices.smtp_security)}  # {", ".join(SMTP_SECURITY)}
smtp_user = ""
smtp_password_file = ""
webhooks = []  # ["https://tax.example/hook"]
webhook_secret_file = ""  # signs each body, see Muniment-Signature
"""
