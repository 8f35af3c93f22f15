"""Commands for sealed envelopes: seal, pass on, list, read and erase them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from node.cli.common import (
    ask,
    connect,
    home_option,
    json_option,
    pairs,
    passphrase_for,
    passphrase_option,
    show,
    signing_options,
    submit_calls,
    table,
    where,
)
from node.home import Home, atomic_write
from node.rpc.client import Client

if TYPE_CHECKING:
    from node.envelopes.content import Content

_ID = click.argument("envelope", metavar="ID")
_TO = click.option("--to", multiple=True, required=True, help="A member; may be repeated.")


@click.group()
def envelope() -> None:
    """Records sealed to members: the chain holds their digests, the parties' nodes the rest.

    An ID may be shortened to its first 8 digits or more.

    \b
    Example: muniment envelope seal invoice.json --kind invoice --to civil --to tax --home land
    """


@envelope.command()
@click.argument("file", metavar="FILE.json", type=click.Path(path_type=Path))
@click.option("--kind", required=True, help="What the record is, for example invoice.")
@_TO
@signing_options
def seal(
    file: Path,
    kind: str,
    to: tuple[str, ...],
    home: Path,
    passphrase_file: Path | None,
    operator: str | None,
    as_json: bool,
) -> None:
    """Seal the record in FILE.json, an object of text fields, and anchor it on the chain."""
    from node.cli.sealing import read_record

    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file, operator)
    _post(place, passphrase, read_record(file, kind), to, operator, as_json)


@envelope.command()
@_ID
@_TO
@home_option
@passphrase_option
@json_option
def forward(
    envelope: str, to: tuple[str, ...], home: Path, passphrase_file: Path | None, as_json: bool
) -> None:
    """Seal the record of an envelope to other members; its commitment stays the same."""
    from node.cli.sealing import id_from, open_here

    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file)
    _, content = open_here(place, id_from(place, envelope), passphrase)
    _post(place, passphrase, content, to, None, as_json)


def _post(
    place: Home, passphrase: str, content: Content, to: Sequence[str], operator: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    from node.cli.sealing import seal_to, submit_sealed

    found, anchor = seal_to(place, content, to)
    state = submit_sealed(place, passphrase, [found], [anchor], operator)
    args = anchor[2]
    data = {
        "id": found.hex(),
        "commitment": args["commitment"].hex(),
        "parties": args["parties"],
        **where(state),
    }
    show(data, as_json, lambda d: pairs([(k, _text(v)) for k, v in d.items()]))


def _text(value: object) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


@envelope.command("list")
@click.option("--after", type=int, default=0, help="Begin after this number; 100 are shown.")
@home_option
@json_option
def list_envelopes(after: int, home: Path, as_json: bool) -> None:
    """List the envelopes that this member is a party to: here, missing or erased."""
    import config
    from node.envelopes.store import EnvelopeStore

    place = Home(home)
    store = EnvelopeStore(place.envelopes)
    name = config.load(place.settings).node.name
    question = {"contract": "envelopes", "method": "get"}
    with connect(home) as client:
        args = {"member": name, "after": after}
        found = client.call("state.query", **(question | {"method": "addressed", "args": args}))
        asked = client.send_many(
            [("state.query", question | {"args": {"id": f"hex:{key}"}}) for _, key in found]
        )
        anchors = client.collect(asked)
    rows = [
        {"number": number, "id": key, "state": store.state_of(bytes.fromhex(key)), **anchor}
        for (number, key), anchor in zip(found, anchors, strict=True)
    ]
    cells = [
        (r["number"], r["id"][:16], r["state"], r["sender"], _text(r["parties"]), r["height"])
        for r in rows
    ]
    titles = ("no", "id", "state", "sender", "parties", "height")
    show(rows, as_json, lambda _: table(titles, cells))


@envelope.command("show")
@_ID
@click.option("--wait", type=click.IntRange(0, 600), default=0, metavar="SECONDS",
              help="Wait so long for it to arrive; the ID in full.")  # fmt: skip
@home_option
@passphrase_option
@json_option
def show_envelope(
    envelope: str, wait: int, home: Path, passphrase_file: Path | None, as_json: bool
) -> None:
    """Open an envelope and show its record."""
    from node.cli.sealing import id_from, open_here

    place = Home(home)
    if wait:
        with Client(place.socket, timeout_s=wait + 10) as client:
            client.call("envelope.wait", id=envelope, timeout_ms=wait * 1_000)
    key = id_from(place, envelope)
    found, content = open_here(place, key, passphrase_for(place, passphrase_file))
    data = {
        "id": key.hex(),
        "kind": content.kind,
        "sender": found.sender,
        "parties": found.parties,
        "commitment": found.commitment.hex(),
        "fields": dict(zip(content.names, content.values, strict=True)),
    }

    def render(d: dict[str, Any]) -> None:
        pairs([(k, _text(v)) for k, v in d.items() if k != "fields"])
        pairs([(f"  {k}", "(null)" if v is None else v) for k, v in d["fields"].items()])

    show(data, as_json, render)


@envelope.command()
@_ID
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
@home_option
@passphrase_option
def export(envelope: str, output: Path, home: Path, passphrase_file: Path | None) -> None:
    """Write an envelope's record with its salts to a file, for whom it is about.

    Whoever has the file can read the record and show parts of it; hand it over with care.
    """
    from node.cli.sealing import id_from, open_here

    place = Home(home)
    passphrase = passphrase_for(place, passphrase_file)
    _, content = open_here(place, id_from(place, envelope), passphrase)
    atomic_write(output, content.encode(), 0o600)
    click.echo(f"wrote {output}: {content.kind}, {len(content.names)} fields")


@envelope.command()
@_ID
@home_option
@passphrase_option
@json_option
def erase(envelope: str, home: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Destroy this home's keys to an envelope, and attest it on the chain. There is no way back."""
    import config
    from node.cli.sealing import id_from
    from node.envelopes.store import EnvelopeStore

    place = Home(home)
    key = id_from(place, envelope)
    passphrase = passphrase_for(place, passphrase_file)
    anchored = ask(home, "envelopes", "get", {"id": key})
    EnvelopeStore(place.envelopes).erase(key)
    data: dict[str, Any] = {"id": key.hex(), "state": "erased"}
    if anchored is not None and config.load(place.settings).node.name not in anchored["erased"]:
        data |= where(submit_calls(place, passphrase, [("envelopes", "erased", {"id": key})]))
    show(data, as_json, lambda d: pairs(list(d.items())))
