"""What commands share that seal records: whom to, under which keys, and where they are kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from node.cli.common import Failed, Refused, ask, passphrase_for, submit_calls
from node.errors import MunimentError
from node.home import Home

if TYPE_CHECKING:
    from node.envelopes.content import Content
    from node.envelopes.sealed import Envelope

Anchor = tuple[str, str, dict[str, Any]]
RECIPIENTS_EACH = 12
"""Recipients of one envelope; the sender and supervisors are parties of it too."""
_F = TypeVar("_F", bound=Callable[..., Any])


def read_record(file: Path, kind: str) -> Content:
    """Return a JSON file of fields, each text or null, as a record with fresh salts."""
    from node.envelopes.content import MAX_CONTENT_BYTES, Content

    try:
        if file.stat().st_size > MAX_CONTENT_BYTES:
            raise MunimentError(f"{file} is larger than {MAX_CONTENT_BYTES} bytes")
        fields = json.loads(file.read_bytes())
    except OSError as error:
        raise MunimentError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise MunimentError(f"{file} is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise MunimentError(f"{file} must hold one object of fields")
    return Content.create(kind, fields)


def seal_to(home: Home, content: Content, to: Sequence[str]) -> tuple[bytes, Anchor]:
    """Seal a record to members and keep it; returns its id and the call that anchors it.

    The own member is a party; if none of them is a supervisor, all active supervisors are added.
    """
    import config
    from node.envelopes.sealed import seal
    from node.envelopes.store import EnvelopeStore

    name = config.load(home.settings).node.name
    members = {row["name"]: row for row in ask(home.path, "members", "list", {})}
    active = {n: row for n, row in members.items() if row["status"] == "active"}
    parties = {name, *to}
    unknown = sorted(parties - active.keys())
    if unknown:
        raise Refused(f"{unknown[0]} is not an active member; members are {', '.join(active)}")
    supervisors = {n for n, row in active.items() if "supervisor" in row["roles"]}
    if not supervisors:
        raise Refused("the network has no supervisor, whom every envelope must be sealed to too")
    if not parties & supervisors:
        parties |= supervisors
    keys = {party: bytes.fromhex(active[party]["sealing_key"]) for party in parties}
    envelope = seal(content.encode(), content.commitment, name, keys)
    found = EnvelopeStore(home.envelopes).put(envelope)
    args = {"id": found, "commitment": envelope.commitment, "parties": envelope.parties}
    return found, ("envelopes", "anchor", args)


def seal_text(home: Home, kind: str, text: str, to: Sequence[str]) -> tuple[bytes, Anchor]:
    """Seal a record whose only field is a text; see `seal_to`."""
    from node.envelopes.content import Content

    return seal_to(home, Content.create(kind, {"text": text}), to)


def submit_sealed(
    home: Home,
    passphrase: str,
    envelopes: Sequence[bytes],
    calls: Sequence[Anchor],
    operator: str | None,
) -> dict[str, Any]:
    """Submit calls of which some anchor `envelopes`, which are kept only if they take effect."""
    from node.envelopes.store import EnvelopeStore

    try:
        return submit_calls(home, passphrase, calls, operator)
    except Failed:
        for envelope in envelopes:
            EnvelopeStore(home.envelopes).discard(envelope)
        raise


def submit_worded(
    home: Home,
    passphrase: str,
    call: Anchor,
    words: str | None,
    to: Sequence[str],
    operator: str | None,
) -> dict[str, Any]:
    """Submit a call whose argument `envelope` is `words` sealed to members, or null."""
    contract, method, args = call
    if words is None:
        return submit_calls(home, passphrase, [(contract, method, {**args, "envelope": None})],
                            operator)  # fmt: skip
    envelope, anchor = seal_text(home, method.replace("_", "-"), words, to)
    calls = [anchor, (contract, method, {**args, "envelope": envelope})]
    return submit_sealed(home, passphrase, [envelope], calls, operator)


def open_here(home: Home, envelope: bytes, passphrase: str) -> tuple[Envelope, Content]:
    """Return an envelope of this home and its record, checked against its commitment."""
    return _open(home, envelope, _unlock(passphrase))


def opener(home: Home, passphrase: str) -> Callable[[bytes], Content]:
    """Return what opens many envelopes of this home; each key is unlocked once."""
    unlock = cache(_unlock(passphrase))
    return lambda envelope: _open(home, envelope, unlock)[1]


def _unlock(passphrase: str) -> Callable[[Path], bytes]:
    from node.keys import load_key

    return lambda path: load_key(path, "sealing", passphrase)


def _open(home: Home, envelope: bytes, unlock: Callable[[Path], bytes]) -> tuple[Envelope, Content]:
    import config
    from consensus.codec import DecodeError
    from node.envelopes.content import Content
    from node.envelopes.sealed import EnvelopeError, open_sealed
    from node.envelopes.store import EnvelopeStore
    from node.keys import find_keys

    store = EnvelopeStore(home.envelopes)
    found = store.get(envelope)
    if found is None:
        why = "was erased here" if store.is_gone(envelope) else "is not here (yet)"
        raise EnvelopeError(f"envelope {envelope.hex()} {why}")
    name = config.load(home.settings).node.name
    # Keys that have been replaced stay in the home for what was sealed to them.
    keys = find_keys(home.keys, "sealing")
    slot = next((slot for slot in found.slots if slot.name == name), None)
    path = keys.get(slot.key, home.key("sealing")) if slot else home.key("sealing")
    try:
        content = Content.decode(open_sealed(found, name, unlock(path)))
    except DecodeError as error:
        raise EnvelopeError(f"the envelope holds no record: {error}") from error
    if content.commitment != found.commitment:
        raise EnvelopeError("the record is not the one that the envelope commits to")
    return found, content


def id_from(home: Home, text: str) -> bytes:
    """Return the envelope that `text`, hexadecimal of at least 8 digits, begins the id of."""
    from node.envelopes.store import EnvelopeStore

    found = [e for e in EnvelopeStore(home.envelopes).ids() if e.hex().startswith(text)]
    if len(text) < 8 or not found:
        raise Refused(f"no envelope here begins with {text!r}; see: muniment envelope list")
    if len(found) > 1:
        raise Refused(f"{len(found)} envelopes begin with {text!r}; give more digits")
    return found[0]


# Texts


def text_options(function: _F) -> _F:
    """Add --text and --file, of which `read_text` takes one."""
    function = click.option("--text", help="What it says; travels sealed, never on the chain.")(
        function
    )
    return click.option("--file", type=click.Path(path_type=Path), help="A UTF-8 file instead.")(
        function
    )


def read_text(text: str | None, file: Path | None, is_needed: bool = True) -> str | None:
    """Return the text given by one of the options."""
    if text is not None and file is not None:
        raise click.UsageError("give --text or --file, not both")
    if file is not None:
        try:
            return file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(f"{file} cannot be read as UTF-8 text: {error}") from error
    if text is None and is_needed:
        raise click.UsageError("say what it is about with --text or --file")
    return text


def seal_for(
    home: Home, kind: str, text: str, to: Sequence[str]
) -> tuple[list[bytes], list[Anchor]]:
    """Seal `text` to members, in as many envelopes as they need; returns ids and anchors."""
    starts = range(0, len(to), RECIPIENTS_EACH)
    sealed = [seal_text(home, kind, text, to[at : at + RECIPIENTS_EACH]) for at in starts]
    return [envelope for envelope, _ in sealed], [anchor for _, anchor in sealed]


def open_text(place: Home, passphrase_file: Path | None, envelopes: Sequence[str]) -> str | None:
    """The text of the first of the envelopes that is here; None if this member is no party."""
    from node.envelopes.store import EnvelopeStore

    store = EnvelopeStore(place.envelopes)
    for envelope in map(bytes.fromhex, envelopes):
        if store.get(envelope) is not None:
            _, content = open_here(place, envelope, passphrase_for(place, passphrase_file))
            return dict(zip(content.names, content.values, strict=True)).get("text")
    return None
