"""The pack of rules and words that grading goes by: versioned, and activated by vote.

The release ships one (`tables/rules.json`). A vote names another by digest (`gov propose pack`);
its text comes by other ways and is installed in the home. As long as the one that counts is
missing, nothing is graded. A worker is handed the pack before it loads its detectors.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from contracts.system.standards import CLASSES
from node.data.chain import Query
from node.errors import MunimentError
from node.home import Home, atomic_write

NAME = "classification"
MAX_PACK_BYTES = 1 << 20
MAX_WORD = 40
_WORDS = ("double_surnames", "before_names", "health_words", "not_persons")
_TABLES = ("hints", "column_words")
_KEYS = {"version", "combinations", "volumes", "documents", "surnames", *_WORDS, *_TABLES}


class RulesError(MunimentError):
    """A pack that cannot be used, or that is not here."""

    code = "rules"


@dataclass(frozen=True, slots=True)
class Rules:
    """A pack: its text, and the SHA-256 that votes name it by."""

    body: dict[str, Any]
    data: bytes
    digest: bytes

    @property
    def title(self) -> str:
        return f"{self.body['version']} ({self.digest.hex()[:16]})"


def parse(data: bytes, what: str) -> Rules:
    """Check a pack. Raises RulesError naming the key."""

    def need(fits: bool, key: str, wanted: str) -> None:
        if not fits:
            raise RulesError(f"{what}: {key} must be {wanted}")

    try:
        body = json.loads(data) if len(data) <= MAX_PACK_BYTES else None
    except (ValueError, RecursionError) as error:
        raise RulesError(f"{what} is not JSON: {error}") from error
    if not isinstance(body, dict) or body.keys() != _KEYS:
        raise RulesError(f"{what} must be a map of {', '.join(sorted(_KEYS))}")
    need(_is(body["version"], 1, 1 << 32), "version", "a whole number from 1")
    need(_is_word(body["surnames"], 10_000), "surnames", "one text of surnames")
    for key in _WORDS:
        need(_are_words(body[key]), key, "a list of words of letters and spaces")
    for key in _TABLES:
        fits = isinstance(body[key], dict) and all(map(_are_words, body[key].values()))
        need(fits, key, "a table from entities to lists of words")
    need(
        all(_has(r, all=list, level=int) and _is(r["level"], 1, 4) for r in _rows(body, 0)),
        "combinations", "a list of {all: entities, level: 1 to 4}",
    )  # fmt: skip
    need(
        all(_has(r, level=int, rows=int, **{"class": str}) and r["class"] in CLASSES
            for r in _rows(body, 1)),
        "volumes", f"a list of {{level, rows, class: {' or '.join(CLASSES)}}}",
    )  # fmt: skip
    need(
        all(_has(r, level=int, findings=int, to=int) and _is(r["to"], 1, 4)
            for r in _rows(body, 2)),
        "documents", "a list of {level, findings, to: 1 to 4}",
    )  # fmt: skip
    return Rules(body, data, sha256(data).digest())


def _rows(body: dict[str, Any], which: int) -> list[Any]:
    found = body[("combinations", "volumes", "documents")[which]]
    return found if isinstance(found, list) else [None]


def _has(row: Any, **kinds: type) -> bool:
    return (
        isinstance(row, dict)
        and row.keys() == kinds.keys()
        and all(type(row[key]) is kind for key, kind in kinds.items())
    )


def _is(value: Any, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


def _is_word(value: Any, longest: int = MAX_WORD) -> bool:
    """Words go into patterns, so nothing that means something there is one."""
    is_text = isinstance(value, str) and 0 < len(value) <= longest
    return is_text and all(char.isalnum() or char == " " for char in value)


def _are_words(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_word, value))


@lru_cache(maxsize=1)
def shipped() -> Rules:
    """Return the release's own pack."""
    data = (files("node.data") / "tables" / "rules.json").read_bytes()
    return parse(data, "the release's pack of rules")


def install(home: Home, data: bytes, what: str) -> Rules:
    """Put a pack into the home, where it waits for its vote. Raises RulesError."""
    found = parse(data, what)
    target = place_of(home, found.digest)
    target.parent.mkdir(mode=0o700, exist_ok=True)
    atomic_write(target, found.data, 0o600)
    return found


def active(home: Home, query: Query) -> Rules:
    """Return the pack that counts: the one voted for, else the release's. Raises RulesError."""
    voted = query("governance", "pack", {"name": NAME})
    if voted is None or voted[1] == shipped().digest.hex():
        return shipped()
    path = place_of(home, bytes.fromhex(voted[1]))
    try:
        found = parse(path.read_bytes(), str(path))
    except OSError as error:
        raise RulesError(
            f"version {voted[0]} of the pack of rules counts by vote and is not here; get it and "
            "run: muniment classify pack install FILE"
        ) from error
    if found.digest.hex() != voted[1]:
        raise RulesError(f"{path} is not what was voted for; install it again")
    return found


def place_of(home: Home, digest: bytes) -> Path:
    """Where a pack stands once it is installed."""
    return home.path / "rules" / f"{digest.hex()}.json"


_handed: list[Rules] = []
"""In a worker: the pack that it was handed, before anything was read from it."""


def hand(data: bytes) -> None:
    """Use this pack in this process, which is a worker that has loaded no detector yet."""
    _handed.append(parse(data, "the pack of rules"))


def pack() -> dict[str, Any]:
    """Return the rules and words that this process goes by."""
    return (_handed[0] if _handed else shipped()).body
