"""Commands for persons and firms, who are no members: keys of their own, signatures with them."""

from __future__ import annotations

import os
from pathlib import Path

import click

from node.cli.common import (
    Refused,
    ask,
    home_option,
    json_option,
    pairs,
    parse_arguments,
    passphrase_option,
    show,
)

_KEY = click.argument("file", metavar="KEYFILE", type=click.Path(path_type=Path))


@click.group()
def subject() -> None:
    """Keys of persons and firms: make one, sign for a contract.

    \b
    Example: muniment subject key li.key
    """


@subject.command()
@_KEY
@passphrase_option
@json_option
def key(file: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Make a key, encrypted under a passphrase, and print its public part."""
    from consensus.crypto import SEED_BYTES, Signer
    from node.keys import SALT_BYTES, create_key, read_passphrase

    secret = os.urandom(SEED_BYTES)
    passphrase = read_passphrase(passphrase_file, confirm=True)
    create_key(file, "subject", passphrase, secret, os.urandom(SALT_BYTES))
    data = {"file": str(file), "key": Signer(secret).public_key.hex()}
    show(data, as_json, lambda d: pairs(list(d.items())))


@subject.command()
@_KEY
@click.argument("contract")
@click.argument("query")
@click.argument("arguments", metavar="[ARG=VALUE]...", nargs=-1)
@click.option("--yes", is_flag=True, help="Sign without asking.")
@home_option
@passphrase_option
@json_option
def sign(
    file: Path,
    contract: str,
    query: str,
    arguments: tuple[str, ...],
    yes: bool,
    home: Path,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Show the text that a QUERY of a CONTRACT answers with, and sign it.

    \b
    Example: muniment subject sign li.key land-registry transfer_text title=t-1 to=hex:... \\
               deed=hex:... --home land
    """
    from consensus.crypto import Kind, Signer
    from contracts.starlark.host import statement
    from node.home import Home
    from node.keys import load_key, read_passphrase
    from node.network import load_genesis

    text = ask(home, contract, query, parse_arguments(arguments))
    if not isinstance(text, str):
        raise Refused(f"{contract}.{query} answers with no text that could be signed")
    if not yes:
        click.confirm(f"{contract}: {text}\nSign this?", abort=True, err=True)
    signer = Signer(load_key(file, "subject", read_passphrase(passphrase_file)))
    chain_id = load_genesis(Home(home).genesis).genesis.chain_id
    signature = signer.sign(Kind.STATEMENT, chain_id, statement(contract, text))
    data = {"text": text, "key": signer.public_key.hex(), "signature": signature.hex()}
    show(data, as_json, lambda d: pairs(list(d.items())))
