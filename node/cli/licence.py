"""Commands of licence holders and of those they show their licences to."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from node.cli.common import (
    Refused,
    ask,
    connect,
    home_option,
    json_option,
    moment,
    pairs,
    passphrase_option,
    show,
)
from node.errors import MunimentError

MAX_FILE_BYTES = 1 << 20


class _Nonce(click.ParamType[bytes]):
    name = "hex"

    def convert(self, value: Any, param: Any, ctx: Any) -> bytes:
        try:
            found = value if isinstance(value, bytes) else bytes.fromhex(value)
        except ValueError:
            found = b""
        if len(found) != 16:
            self.fail("a nonce has 32 hexadecimal digits; make one with: openssl rand -hex 16")
        return found


_NONCE = click.option("--nonce", type=_Nonce(), required=True,
                      help="16 random bytes of whoever verifies, in hexadecimal.")  # fmt: skip
_FOR = click.option("--for", "to", required=True, help="Who verifies, for example tax.")


@click.group()
def licence() -> None:
    """Show parts of a licence, and verify what is shown.

    \b
    Example: muniment licence verify li.shown --for tax --nonce $NONCE --home tax
    """


@licence.command()
@click.argument("record", metavar="RECORD", type=click.Path(path_type=Path))
@click.option("--licence", "number", required=True, help="ISSUER/NAME of the licence.")
@click.option("--field", "fields", multiple=True, help="A field to show; may be repeated.")
@click.option("--key", "key_file", required=True, type=click.Path(path_type=Path),
              help="The holder's key file.")  # fmt: skip
@_FOR
@_NONCE
@click.option("--minutes", type=click.IntRange(1, 1440), default=10, show_default=True,
              help="How long it may be verified.")  # fmt: skip
@click.option("--genesis", required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path))
@passphrase_option
def present(
    record: Path,
    number: str,
    fields: tuple[str, ...],
    key_file: Path,
    to: str,
    nonce: bytes,
    minutes: int,
    genesis: Path,
    output: Path,
    passphrase_file: Path | None,
) -> None:
    """Show chosen fields of the licence whose RECORD the issuer has exported. Needs no node."""
    from consensus.codec import DecodeError
    from consensus.crypto import Signer
    from node.envelopes.content import Content
    from node.envelopes.presentation import present as make
    from node.home import atomic_write
    from node.keys import load_key, read_passphrase
    from node.network import load_genesis

    try:
        content = Content.decode(_read(record))
    except DecodeError as error:
        raise MunimentError(f"{record} is no exported record: {error}") from error
    chain_id = load_genesis(genesis).genesis.chain_id
    signer = Signer(load_key(key_file, "subject", read_passphrase(passphrase_file)))
    until = time.time_ns() // 1_000_000 + minutes * 60_000
    data = make(content, chain_id, number, fields, to, nonce, until, signer)
    atomic_write(output, data, 0o644)
    hidden = len(content.names) - len(set(fields))
    click.echo(f"{output}: {len(set(fields))} fields of {number} shown, {hidden} hidden")


@licence.command()
@click.argument("file", type=click.Path(path_type=Path))
@_FOR
@_NONCE
@home_option
@json_option
def verify(file: Path, to: str, nonce: bytes, home: Path, as_json: bool) -> None:
    """Check what a holder shows: issued so, in force now, by the holder's hand, for this nonce."""
    from consensus.codec import DecodeError
    from node.envelopes.presentation import CONTRACT, Presentation
    from node.home import Home
    from node.network import load_genesis

    try:
        shown = Presentation.decode(_read(file))
    except DecodeError as error:
        raise MunimentError(f"{file} is no presentation: {error}") from error
    now_ms = time.time_ns() // 1_000_000
    with connect(home) as client:
        node = client.call("status")["state"]
    if node != "in sync":
        raise Refused(f"the node is {node}: a licence may have been revoked since; try again later")
    standing = ask(home, CONTRACT, "standing", {"licence": shown.licence, "at": now_ms})
    found = ask(home, CONTRACT, "licence", {"licence": shown.licence})
    if found is None:
        raise Refused(f"licence {shown.licence} was never issued")
    chain_id = load_genesis(Home(home).genesis).genesis.chain_id
    holder, commitment = bytes.fromhex(found["holder"]), bytes.fromhex(found["commitment"])
    shown.check(chain_id, holder, commitment, to, nonce, now_ms)
    if standing != "valid":
        why = f" ({found['reason']})" if found["reason"] else ""
        raise Refused(f"licence {shown.licence} is genuine, and {standing}{why}")
    data = {
        "licence": shown.licence,
        "kind": found["kind"],
        "issuer": shown.licence.partition("/")[0],
        "valid_until": found["end"],
        "fields": dict(shown.fields),
        "hidden": len(shown.names) - len(shown.fields),
    }

    def render(d: dict[str, Any]) -> None:
        click.echo(f"valid: {d['kind']} {d['licence']}, until {moment(d['valid_until'])}")
        if d["fields"]:
            pairs([(f"  {k}", "(null)" if v is None else v) for k, v in d["fields"].items()])
        click.echo(f"  {d['hidden']} fields are hidden")

    show(data, as_json, render)


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise MunimentError(f"{file} is larger than {MAX_FILE_BYTES} bytes")
        return file.read_bytes()
    except OSError as error:
        raise MunimentError(f"{file} cannot be read: {error.strerror}") from error
